"""The list of segments, the builder that counts while a rule is typed, and what is done with a segment."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import can, requires, staff
from core.conditions import Part, RuleError, RuleInvalid, describe, fieldset, parts
from core.holding import Gone
from core.jobs import JobIsOpen
from core.paging import Sort, asc, desc, page_for
from crm.models import Customer
from personas import nightly, previewing, quick_counts, segments
from personas.building import customer_rule
from personas.models import Segment, SegmentKind
from personas.quick_counts import RuleTooSlow, Superseded
from personas.segment_history import last_sizes
from personas.staleness import staleness

SEGMENT_SORTS = {"name": Sort(asc("name")), "-size": Sort(desc("size")), "-id": Sort(desc("pk"))}
SPARK = (72, 22)
EVERYBODY: dict[str, Any] = {"all": []}
TOKEN = re.compile(r"[A-Za-z0-9-]{8,36}")
DRAWS = 1_000_000
LISTED_DAYS, TREND_DAYS = 12, 30


# The list


@require_GET
@requires("segment.read")
def segment_list(request: HttpRequest) -> HttpResponse:
    """All segments with size, trend and last rebuild."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    found = Segment.objects.filter(name__icontains=text) if text else Segment.objects.all()
    page = page_for(request, found, sorts=SEGMENT_SORTS, default="name")
    trends = last_sizes(list(page), LISTED_DAYS)
    rows = [{"segment": one, "trend": spark(trends[one.pk])} for one in page]
    context = {"page": page, "rows": rows, "q": text, "rebuild": nightly.newest_rebuild()}
    return render(request, "personas/segment_list.html", context)


def spark(values: Sequence[int]) -> str:
    """An SVG path over the last sizes; '' for fewer than two."""
    if len(values) < 2:
        return ""
    width, height = SPARK
    low, high = min(values), max(values)
    step = (width - 2) / (len(values) - 1)
    points = [
        f"{1 + at * step:.1f} {height - 3 - (value - low) / max(high - low, 1) * (height - 6):.1f}"
        for at, value in enumerate(values)
    ]
    return "M" + " ".join(points)


def trend_of(segment: Segment) -> str:
    """The sizes of its last days, as a path."""
    return spark(last_sizes([segment], TREND_DAYS)[segment.pk])


# The builder


@require_GET
@requires("segment.read")
def segment_page(request: HttpRequest, pk: int) -> HttpResponse:
    """The rule of a segment: in plain words for everybody, in the builder for those who may edit it."""
    segment = get_object_or_404(Segment, pk=pk)
    if segment.kind == SegmentKind.LIST:
        return redirect("personas:segment-members", pk)
    given = {"name": segment.name, "description": segment.description, "rule": segment.rule}
    return _builder(request, segment, given, [])


@require_http_methods(["GET", "POST"])
@requires("segment.edit")
def segment_edit(request: HttpRequest, pk: int | None = None) -> HttpResponseBase:
    """A new segment, or another rule for one: nested conditions, counted while they are put together."""
    segment = get_object_or_404(Segment, pk=pk) if pk else None
    if segment and segment.kind == SegmentKind.LIST:
        return segment_list_edit(request, pk)
    given = {
        "name": request.POST.get("name", segment.name if segment else ""),
        "description": request.POST.get("description", segment.description if segment else ""),
        "rule": segment.rule if segment else EVERYBODY,
    }
    problems: list[RuleError] = []
    if request.method == "POST":
        rule, problems = _rule_of(request)
        given["rule"] = rule if rule is not None else given["rule"]
        if rule is not None and not problems:
            saved = _save(request, segment, given, problems)
            if saved is not None:
                return redirect("personas:segment", saved.pk)
    return _builder(request, segment, given, problems)


def _builder(
    request: HttpRequest, segment: Segment | None, given: dict[str, Any], problems: list[RuleError]
) -> HttpResponse:
    may_edit = can(request.user, "segment.edit")
    told, broken = parts_of(given["rule"])
    context = {
        "segment": segment,
        "part": "rule",
        "given": given,
        "problems": problems,
        "parts": told,
        "broken": broken,
        "may_edit": may_edit and not (segment and segment.is_frozen),
        "stale": staleness(segment) if segment else None,
        "trend": trend_of(segment) if segment else "",
    }
    if context["may_edit"]:
        context["builder"] = {
            "fields": describe(fieldset("customer")),
            "rule": given["rule"],
            "problems": [{"path": one.path, "message": one.message} for one in problems],
        }
    return render(request, "personas/segment.html", context, status=422 if problems else 200)


@require_http_methods(["GET", "POST"])
@requires("segment.edit")
def segment_list_edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """A list that people keep by hand: its name and what it is for."""
    segment = get_object_or_404(Segment, pk=pk, kind=SegmentKind.LIST) if pk else None
    given: dict[str, Any] = {
        "name": request.POST.get("name", segment.name if segment else ""),
        "description": request.POST.get("description", segment.description if segment else ""),
    }
    problems: list[str] = []
    if request.method == "POST":
        try:
            if segment is None:
                saved = segments.create_segment(kind=SegmentKind.LIST, by=staff(request), **given)
            else:
                saved = segments.update_segment(segment=segment, by=staff(request), **given)
            return redirect("personas:segment-members", saved.pk)
        except ValidationError as error:
            problems = error.messages
    context = {"segment": segment, "given": given, "problems": problems}
    return render(request, "personas/segment_list_edit.html", context, status=422 if problems else 200)


def parts_of(rule: Any) -> tuple[list[Part], str]:
    """The sentence of a rule in pieces; or none, and why it cannot be read."""
    try:
        return parts(customer_rule(rule), fieldset("customer")), ""
    except RuleInvalid as error:
        return [], str(error)


def _rule_of(request: HttpRequest) -> tuple[dict[str, Any] | None, list[RuleError]]:
    """The rule that the builder sent, and what is wrong with it."""
    try:
        rule = json.loads(request.POST.get("rule", ""))
        customer_rule(rule)
    except RuleInvalid as error:
        return rule, error.errors
    except (ValueError, RecursionError):
        return None, [RuleError("", _("The rule did not arrive whole. Try again."))]
    return rule, []


def _save(
    request: HttpRequest, segment: Segment | None, given: dict[str, Any], problems: list[RuleError]
) -> Segment | None:
    """Write the segment and have its members counted; None with the reason in `problems`."""
    try:
        if segment is None:
            saved = segments.create_segment(by=staff(request), **given)
        else:
            saved = segments.update_segment(segment=segment, by=staff(request), **given)
    except ValidationError as error:
        problems.extend(RuleError("name", message) for message in error.messages)
        return None
    if saved.version != saved.built_version:
        segments.begin_build(saved, by=staff(request))
    return saved


# Counting while somebody types


@require_POST
@requires("segment.read")
def segment_preview(request: HttpRequest) -> HttpResponse:
    """Whom the rule in the builder finds: first at once, then exactly, then who for instance."""
    stage = request.POST.get("stage", "first")
    if stage not in STAGES:
        raise BadRequest("stage must be one of first, exact, details, sample.")
    token = _token(request)
    if stage == "first" and token:
        quick_counts.cancel(token)
    segment = Segment.objects.filter(pk=number(request.POST.get("segment", ""))).first()
    rule, problems = _rule_of(request)
    if rule is None or problems:
        context = {"problems": problems, "paths": [[one.path, one.message] for one in problems]}
        return render(request, "personas/_preview.html", context)
    whose = token or f"{staff(request).pk} -"
    try:
        context = STAGES[stage](request, rule, segment, whose)
    except Superseded:
        return HttpResponse(status=204)
    except RuleTooSlow as error:
        context = {"slow": str(error)}
    return render(request, TEMPLATES[stage], {**context, "segment": segment})


def _first(request: HttpRequest, rule: dict[str, Any], segment: Segment | None, token: str) -> dict[str, Any]:
    return {"found": quick_counts.first_count(rule, token=token), "parts": parts_of(rule)[0]}


def _exact(request: HttpRequest, rule: dict[str, Any], segment: Segment | None, token: str) -> dict[str, Any]:
    return {"found": quick_counts.exact_count(rule, token=token), "parts": parts_of(rule)[0]}


def _details(
    request: HttpRequest, rule: dict[str, Any], segment: Segment | None, token: str
) -> dict[str, Any]:
    found = previewing.details_of(rule, segment=segment, token=token)
    return {"details": found, "sample": _shown(request, found.sample), "draw": 1}


def _sample(
    request: HttpRequest, rule: dict[str, Any], segment: Segment | None, token: str
) -> dict[str, Any]:
    draw = number(request.POST.get("draw", "")) % DRAWS or 1
    found = previewing.sample_of(rule, draw=draw, token=token)
    return {"sample": _shown(request, found), "draw": draw + 1}


STAGES = {"first": _first, "exact": _exact, "details": _details, "sample": _sample}
TEMPLATES = {
    "first": "personas/_preview.html",
    "exact": "personas/_preview.html",
    "details": "personas/_preview_details.html",
    "sample": "personas/_preview_sample.html",
}


def _shown(request: HttpRequest, ids: Sequence[int]) -> list[Customer]:
    """In the order they were drawn."""
    found = Customer.objects.visible_to(request.user).prefetch_related("identities").in_bulk(ids)
    return [found[pk] for pk in ids if pk in found]


@require_POST
@requires("segment.read")
def segment_preview_stop(request: HttpRequest) -> HttpResponse:
    """The builder was left: nobody waits for its counts any more."""
    if token := _token(request):
        quick_counts.cancel(token)
    return HttpResponse(status=204)


def _token(request: HttpRequest) -> str:
    """What the counts of one open builder are known by; nobody can name somebody else's."""
    given = request.POST.get("token", "")
    return f"{staff(request).pk} {given}" if TOKEN.fullmatch(given) else ""


def number(text: str) -> int:
    """A primary key that a form sent; 0, which nothing has, for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


# What is done with one


@require_POST
@requires("segment.edit")
def segment_act(request: HttpRequest, pk: int, what: str) -> HttpResponse:
    """Freeze, thaw, copy, count again or delete a segment."""
    segment = get_object_or_404(Segment, pk=pk)
    try:
        return _acted(request, segment, what)
    except Gone as error:
        messages.info(request, error.message)
        return redirect("personas:segment-list")


def _acted(request: HttpRequest, segment: Segment, what: str) -> HttpResponse:
    by = staff(request)
    if what in ("freeze", "thaw"):
        segments.freeze_segment(segment=segment, frozen=what == "freeze", by=by)
    elif what == "copy":
        return redirect("personas:segment", segments.copy_segment(segment=segment, by=by).pk)
    elif what == "build":
        return _build(request, segment)
    elif what == "delete":
        return _delete(request, segment)
    else:
        raise BadRequest("A segment can be frozen, thawed, copied, counted or deleted.")
    return redirect("personas:segment", segment.pk)


def _build(request: HttpRequest, segment: Segment) -> HttpResponse:
    try:
        segments.start_build(segment=segment, by=staff(request))
        messages.success(request, _("It is being counted."))
    except JobIsOpen as error:
        messages.info(request, str(error))
    return redirect("personas:segment", segment.pk)


def _delete(request: HttpRequest, segment: Segment) -> HttpResponse:
    try:
        segments.delete_segment(segment=segment, by=staff(request))
    except Gone:
        raise
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("personas:segment-use", segment.pk)
    messages.success(request, _("The segment is gone."))
    return redirect("personas:segment-list")
