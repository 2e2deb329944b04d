"""Pages about personas: the gallery, two of them side by side, who belongs, and those made by hand."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import requires, staff
from core.filters import LARGEST_ID
from core.paging import Sort, desc, page_for
from personas import comparing, handmade, proposals
from personas.building import asking_about
from personas.memberships import PERSONA
from personas.models import Persona, PersonaDay, PersonaMembership, Segment
from personas.nightly import newest_rebuild
from personas.persona_forms import PersonaMakeForm
from personas.segment_views import spark

FIT_SORTS = {"-fit": Sort(desc("confidence"), desc("customer_id"))}
TREND_DAYS = 30


# The gallery


@require_GET
@requires("persona.read")
def persona_list(request: HttpRequest) -> HttpResponse:
    """The gallery: those made by hand in their order, then the computed ones."""
    personas = list(Persona.objects.shown().select_related("segment"))
    trends = _trends(personas)
    made = [one for one in personas if one.is_by_hand]
    circular = asking_about(PERSONA) if made else set()
    rows = [
        {
            "persona": one,
            "trend": spark(trends[one.pk]),
            "since": one.members - trends[one.pk][0] if trends[one.pk] else None,
            "days": len(trends[one.pk]),
            "is_first": bool(made) and one == made[0],
            "is_last": bool(made) and one == made[-1],
            "is_circular": one.segment_id in circular,
        }
        for one in personas
    ]
    waiting = proposals.waiting()
    context = {
        "rows": rows,
        "by_rule": any(one.is_rule for one in personas),
        "model": proposals.current(),
        "waiting": waiting,
        "changes": proposals.changes(waiting) if waiting else [],
        "rebuild": newest_rebuild(),
    }
    return render(request, "personas/persona_list.html", context)


def _trends(personas: list[Persona]) -> dict[int, list[int]]:
    """Members of each on its last days, the oldest first."""
    found: dict[int, list[int]] = defaultdict(list)
    days = PersonaDay.objects.filter(persona__in=personas).order_by("persona", "day")
    for persona, members in days.values_list("persona_id", "members"):
        found[persona].append(members)
    return defaultdict(list, {pk: values[-TREND_DAYS:] for pk, values in found.items()})


@require_GET
@requires("persona.read")
def persona_members(request: HttpRequest, pk: int) -> HttpResponse:
    """Everybody of a persona, the surest first, with the reasons."""
    persona = get_object_or_404(Persona, pk=pk)
    members = PersonaMembership.objects.filter(persona=persona).select_related("customer", "computed")
    page = page_for(request, members, sorts=FIT_SORTS, default="-fit")
    return render(request, "personas/persona_members.html", {"persona": persona, "page": page})


# Side by side


@require_GET
@requires("persona.read")
def persona_compare(request: HttpRequest) -> HttpResponse:
    """Two personas side by side, what differs first."""
    personas = list(Persona.objects.shown())
    one, other = _chosen(request, personas)
    context: dict[str, Any] = {"personas": personas, "one": one, "other": other}
    if one is not None and other is not None:
        context |= {
            "differences": comparing.differences(one, other),
            "networks": comparing.networks(one, other),
            "hours": comparing.hours(one, other),
            "subjects": comparing.subjects(one, other),
            "value": comparing.value(one, other),
            "looked_at": comparing.LOOKED_AT,
        }
    return render(request, "personas/persona_compare.html", context)


def _chosen(request: HttpRequest, personas: list[Persona]) -> tuple[Persona | None, Persona | None]:
    """The two that were asked for; the first ones where none was, and never the same twice."""
    by_id = {str(one.pk): one for one in personas}
    one = by_id.get(request.GET.get("one", "")) or (personas[0] if personas else None)
    other = by_id.get(request.GET.get("other", ""))
    if other is None or other == one:
        other = next((persona for persona in personas if persona != one), None)
    return one, other


# Made by hand


@require_http_methods(["GET", "POST"])
@requires("persona.edit")
def persona_make(request: HttpRequest) -> HttpResponse:
    """A persona from a segment: its members belong to it before any computed one."""
    segment = get_object_or_404(Segment, pk=_segment_id(request))
    form = PersonaMakeForm(request.POST or None, initial={"name": segment.name})
    if request.method == "POST" and form.is_valid():
        try:
            persona = handmade.make_persona(segment=segment, by=staff(request), **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            handmade.start_following(by=staff(request))
            messages.success(request, _("Made. Its members are put in now."))
            return redirect("personas:persona-detail", persona.pk)
    taken = Persona.objects.filter(segment=segment, is_active=True).first()
    context = {
        "form": form,
        "segment": segment,
        "taken": taken,
        "is_circular": segment.pk in asking_about(PERSONA),
    }
    return render(request, "personas/persona_make.html", context, status=422 if form.errors else 200)


def _segment_id(request: HttpRequest) -> int:
    asked = request.GET.get("segment", "")
    if not (asked.isascii() and asked.isdigit() and len(asked) < 20 and int(asked) <= LARGEST_ID):
        raise BadRequest("segment must be a segment's number.")
    return int(asked)


@require_POST
@requires("persona.edit")
def persona_act(request: HttpRequest, pk: int, what: str) -> HttpResponse:
    """Move a persona made by hand up or down, or retire it."""
    persona, by = get_object_or_404(Persona, pk=pk), staff(request)
    if what not in ("up", "down", "retire"):
        raise BadRequest("A persona can be moved up or down, or retired.")
    try:
        if what == "retire":
            handmade.retire_persona(persona=persona, by=by)
            messages.success(request, _("Retired. Its members go back to what is computed for them."))
        else:
            handmade.move_persona(persona=persona, up=what == "up", by=by)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        handmade.start_following(by=by)
    return redirect("personas:persona-list")
