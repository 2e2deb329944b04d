"""How personas are found: the habits, the figures of the model, its drift, what waits, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import requires, staff
from core.jobs import JobIsOpen
from crm.models import Customer
from personas import proposals
from personas.charts import Line, steps_line, straight_line
from personas.models import DriftDay, ModelCard, PersonaModel
from personas.nightly import newest_rebuild
from personas.views import under_way

STABLE, DRIFT_LIMIT = 0.75, 0.2
DRIFT_DAYS, MOST_MOVES = 90, 12
REASONS = {
    "first": gettext_lazy("the first fit"),
    "drift": gettext_lazy("customers had drifted"),
    "by hand": gettext_lazy("somebody asked for it"),
    "habits": gettext_lazy("other habits were chosen"),
}


@require_GET
@requires("persona.read")
def model_page(request: HttpRequest) -> HttpResponse:
    """Everything about the model that personas come from."""
    current, waiting = proposals.current(), proposals.waiting()
    wanted = proposals.persona_settings()
    context = {
        "current": current,
        "reason": _reason(current),
        "search": search_line(current) if current else None,
        "tries": tries(current) if current else [],
        "drift": drift_line(current) if current else None,
        "features": proposals.habits_offered(waiting or current, wanted),
        "wanted": wanted,
        "never": _never(),
        "waiting": waiting,
        "waiting_reason": _reason(waiting),
        "earlier": [{"model": one, "reason": _reason(one)} for one in proposals.earlier()],
        "tried": ModelCard.objects.filter(name="personas").first(),
        "rebuild": newest_rebuild(),
    }
    if waiting is not None:
        context |= _proposal(waiting)
    return render(request, "personas/model.html", context)


def _reason(model: PersonaModel | None) -> str:
    return str(REASONS.get(model.reason, model.reason)) if model is not None else ""


def _proposal(waiting: PersonaModel) -> dict[str, Any]:
    """What it would change, and who would move, with some of them by name."""
    found = proposals.moves(waiting)
    leaving = [move for move in found if not move.stays]
    ids = [pk for move in leaving for pk in move.sample]
    named = Customer.objects.filter(pk__in=ids, merged_into=None).in_bulk()
    return {
        "changes": proposals.changes(waiting),
        "moves": [
            {"move": move, "sample": [named[pk] for pk in move.sample if pk in named]}
            for move in leaving[:20]
        ],
        "more": max(0, len(leaving) - MOST_MOVES),
        "stay": sum(move.customers for move in found if move.stays),
        "go": sum(move.customers for move in leaving if move.before.persona is not None),
        "total": sum(move.customers for move in found),
    }


def _never() -> Sequence[str]:
    from personas.features import NEVER

    return NEVER


def tries(model: PersonaModel) -> list[dict[str, Any]]:
    """Each number of personas that was tried, with its weakest one."""
    gaps, smallest = model.figures.get("gap", {}), model.figures.get("smallest", {})
    return [
        {
            "k": int(k),
            "weakest": min(jaccards),
            "holds": min(jaccards) >= STABLE,
            "gap": gaps.get(k),
            "smallest": smallest.get(k),
            "is_chosen": int(k) == model.k,
        }
        for k, jaccards in sorted(model.figures.get("k", {}).items(), key=lambda pair: int(pair[0]))
        if jaccards
    ]


def search_line(model: PersonaModel) -> Line | None:
    """Number of personas against the weakest one's mean Jaccard, with the bar it must reach."""
    points = [(str(one["k"]), one["weakest"]) for one in tries(model)]
    return straight_line(points, limit=STABLE, top=1.0, chosen=str(model.k))


def drift_line(model: PersonaModel) -> Line | None:
    """Drift by day against the limit from which another model is proposed."""
    days = DriftDay.objects.filter(model=model).order_by("-day")[:DRIFT_DAYS]
    points = [(one.day, one.drift) for one in reversed(days)]
    return steps_line(points, limit=DRIFT_LIMIT, top=max(0.4, *(drift for _day, drift in points), 0.4))


@require_POST
@requires("persona.edit")
def model_features(request: HttpRequest) -> HttpResponse:
    """Choose the habits, and find personas by them; what is found waits to be taken."""
    names = [] if request.POST.get("default") else request.POST.getlist("feature")
    try:
        if not names and not request.POST.get("default"):
            raise ValidationError(_("Choose at least two habits."))
        proposals.choose_features(names=names, by=staff(request))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("personas:model")
    return _fit(request, "habits")


@require_POST
@requires("rebuild.start")
def model_fit(request: HttpRequest) -> HttpResponse:
    """Find personas anew, by as many as lie apart or as hold still; what is found waits to be taken."""
    number = request.POST.get("number", "")
    if number not in ("", "apart", "finest"):
        raise BadRequest("number must be apart or finest.")
    if number:
        proposals.choose_number(finest=number == "finest", by=staff(request))
    return _fit(request, "by hand")


def _fit(request: HttpRequest, reason: str) -> HttpResponse:
    try:
        job = proposals.start_fit(by=staff(request), reason=reason)
    except JobIsOpen as error:
        job = error.job
        messages.info(request, f"{error}.")
    return redirect("core:job-detail", job.pk)


@require_POST
@requires("rebuild.start")
def model_act(request: HttpRequest, pk: int, what: str) -> HttpResponse:
    """Take a model that waits, put it away, or return to an earlier one."""
    model, by = get_object_or_404(PersonaModel, pk=pk), staff(request)
    if what not in ("take", "dismiss", "return"):
        raise BadRequest("A model can be taken, dismissed or returned to.")
    try:
        if what == "dismiss":
            proposals.dismiss(proposed=model, by=by)
            messages.success(request, _("Put away. Personas stay as they are."))
            return redirect("personas:model")
        job = (
            proposals.take(proposed=model, by=by) if what == "take" else proposals.take_back(to=model, by=by)
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("personas:model")
    except JobIsOpen as error:
        job = error.job
        messages.info(request, under_way(job))
    return redirect("core:job-detail", job.pk)
