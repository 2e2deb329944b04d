"""Pages of the reach planner: plans, one plan with its calendar, and prospects who are like a persona."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import requires, staff
from accounts.services import record_audit
from core.holding import Gone
from core.paging import page_for
from core.tables import format_of, table_response
from personas.models import ReachPlan
from personas.plan_forms import PlanForm
from personas.reach import plan_files
from personas.reach.bounding import bounded
from personas.reach.keeping import default_name, delete_plan, keep_plan, outcome
from personas.reach.planning import make_plan
from personas.reach_filters import PLAN_SORTS, PlanFilter
from personas.reach_slow import says_when_slow

Row = dict[str, Any]


@require_GET
@requires("persona.read")
def plan_list(request: HttpRequest) -> HttpResponse:
    """Every plan that was kept."""
    chosen = PlanFilter(request.GET, queryset=_plans())
    if not chosen.is_valid():
        raise BadRequest("This filter cannot be used.")
    page = page_for(request, chosen.qs, sorts=PLAN_SORTS, default="-created")
    return render(request, "personas/plan_list.html", {"page": page, "q": request.GET.get("q", "")})


def _plans() -> QuerySet[ReachPlan]:
    return ReachPlan.objects.select_related("persona", "segment", "created_by").defer("result")


@require_http_methods(["GET", "POST"])
@requires("persona.read")
@says_when_slow
def plan_new(request: HttpRequest) -> HttpResponse:
    """What the planner says to what the address asks; a POST keeps it."""
    if request.method == "POST":
        form = PlanForm(request.POST)
        if form.is_valid():
            try:
                kept = keep_plan(ask=form.ask(), name=form.cleaned_data["name"], by=staff(request))
            except Gone as error:
                form.add_error("audience", error)
            else:
                messages.success(request, _("The plan is kept."))
                return redirect("personas:plan", kept.pk)
        return render(request, "personas/plan.html", {"form": form}, status=422)
    form = PlanForm.starting(request.GET)
    context: Row = {"form": form}
    if form.is_bound and form.is_valid():
        ask = form.ask()
        with bounded(staff(request)):
            result = make_plan(ask)
        context |= _shown(result, ask.first, ask.last)
        context["suggested_name"] = default_name(ask)
    return render(request, "personas/plan.html", context, status=422 if form.errors else 200)


@require_GET
@requires("persona.read")
@says_when_slow
def plan_page(request: HttpRequest, pk: int) -> HttpResponse:
    """A plan as it was kept, beside what happened since."""
    plan = get_object_or_404(ReachPlan.objects.select_related("persona", "segment", "created_by"), pk=pk)
    with bounded(staff(request)):
        done = outcome(plan)
    context = {"plan": plan, "outcome": done, **_shown(plan.result, plan.first_day, plan.last_day)}
    return render(request, "personas/plan.html", context)


def _shown(result: Row, first: date, last: date) -> Row:
    return {
        "result": result,
        "months": months(result.get("entries", ()), first, last),
        "first": first,
        "last": last,
        "weekdays": [_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun")],
    }


def months(entries: Sequence[Row], first: date, last: date) -> list[Row]:
    """The months of a plan as weeks of days, Monday first; days outside the plan are empty."""
    by_day: dict[str, list[Row]] = {}
    for entry in entries:
        by_day.setdefault(entry["day"], []).append({**entry, "at": datetime.fromisoformat(entry["at"])})
    found, month = [], first.replace(day=1)
    while month <= last:
        weeks = [
            [
                {
                    "day": day,
                    "is_in": day.month == month.month and first <= day <= last,
                    "is_month": day.month == month.month,
                    "entries": by_day.get(day.isoformat(), []) if day.month == month.month else [],
                }
                for day in week
            ]
            for week in calendar.Calendar().monthdatescalendar(month.year, month.month)
        ]
        found.append({"month": month, "weeks": weeks})
        month = (month + timedelta(days=32)).replace(day=1)
    return found


@require_POST
@requires("persona.edit")
def plan_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a plan away."""
    try:
        delete_plan(plan=get_object_or_404(ReachPlan, pk=pk), by=staff(request))
        messages.success(request, _("The plan is gone."))
    except Gone as error:
        messages.info(request, error.message)
    return redirect("personas:plan-list")


@require_GET
@requires("export.run")
def plan_export(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """The days of a plan as a table."""
    plan = get_object_or_404(ReachPlan, pk=pk)
    answer = table_response(request, f"plan-{plan.pk}", plan_files.HEADER, plan_files.rows(plan))
    record_audit(by=staff(request), verb="plan.exported", target=plan, detail={"format": format_of(request)})
    return answer


@require_GET
@requires("export.run")
def plan_calendar(request: HttpRequest, pk: int) -> HttpResponse:
    """The days of a plan for a calendar."""
    plan = get_object_or_404(ReachPlan, pk=pk)
    answer = HttpResponse(plan_files.calendar(plan), content_type="text/calendar; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="plan-{plan.pk}.ics"'
    answer["Cache-Control"] = "no-store"
    record_audit(by=staff(request), verb="plan.exported", target=plan, detail={"format": "ics"})
    return answer
