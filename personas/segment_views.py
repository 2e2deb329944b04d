"""Pages about segments: the list, the builder, and all that is told of one segment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import requires, staff
from core.conditions import RuleInvalid, describe, fieldset, sentence
from core.jobs import JobIsOpen
from core.paging import Sort, asc, desc, page_for
from crm.models import Customer
from personas import nightly, segments
from personas.building import customer_rule
from personas.membership_reasons import explain_member
from personas.models import Segment, SegmentChange, SegmentMembership
from personas.previewing import preview
from personas.quick_counts import RuleTooSlow

SEGMENT_SORTS = {"name": Sort(asc("name")), "-size": Sort(desc("size")), "-id": Sort(desc("pk"))}
MEMBER_SORTS = {"-since": Sort(desc("since"))}
SPARK = (72, 22)
EVERYBODY = {"all": []}  # type: ignore[var-annotated]


@require_GET
@requires("segment.read")
def segment_list(request: HttpRequest) -> HttpResponse:
    """All segments with size, trend and last rebuild."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    found = Segment.objects.filter(name__icontains=text) if text else Segment.objects.all()
    page = page_for(request, found.prefetch_related("sizes"), sorts=SEGMENT_SORTS, default="name")
    rows = [{"segment": one, "trend": _spark([size.size for size in one.sizes.all()][-12:])} for one in page]
    context = {"page": page, "rows": rows, "q": text, "rebuild": nightly.newest_rebuild()}
    return render(request, "personas/segment_list.html", context)


def _spark(values: Sequence[int]) -> str:
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


@require_GET
@requires("segment.read")
def segment_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Who is in a segment, and how it changed."""
    segment = get_object_or_404(Segment, pk=pk)
    members = SegmentMembership.objects.filter(segment=segment)
    page = page_for(request, members.select_related("customer"), sorts=MEMBER_SORTS, default="-since")
    context = {
        "segment": segment,
        "page": page,
        "sentence": _sentence(segment),
        "trend": _spark(list(segment.sizes.order_by("day").values_list("size", flat=True))[-30:]),
        "changes": SegmentChange.objects.filter(segment=segment)
        .select_related("customer")
        .order_by("-at", "-pk")[:10],
        "used_by": segments.used_by(segment),
        "why": _why(request, segment),
        "asked": request.GET.get("customer", ""),
    }
    return render(request, "personas/segment.html", context)


def _sentence(segment: Segment) -> str:
    try:
        return sentence(customer_rule(segment.rule), fieldset("customer"))
    except RuleInvalid as error:
        return _("This rule cannot be used any more: %(why)s") % {"why": error}


def _why(request: HttpRequest, segment: Segment) -> Any:
    """Condition by condition for the customer that was asked about; None for nobody."""
    asked = request.GET.get("customer", "").strip()
    if not asked:
        return None
    if not _number(asked):
        raise BadRequest("customer must be a customer's number.")
    return explain_member(segment, _number(asked))


@require_http_methods(["GET", "POST"])
@requires("segment.edit")
def segment_edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """The builder: a rule of nested conditions, counted while it is put together."""
    segment = get_object_or_404(Segment, pk=pk) if pk else None
    problems: list[str] = []
    given = {
        "name": request.POST.get("name", segment.name if segment else ""),
        "description": request.POST.get("description", segment.description if segment else ""),
        "rule": segment.rule if segment else EVERYBODY,
    }
    if request.method == "POST":
        rule, problems = _rule_of(request)
        given["rule"] = rule if rule is not None else given["rule"]
        if rule is not None and not problems:
            saved = _save(request, segment, given, problems)
            if saved is not None:
                return redirect("personas:segment", saved.pk)
    context = {
        "segment": segment,
        "given": given,
        "problems": problems,
        "builder": {"fields": describe(fieldset("customer")), "rule": given["rule"]},
    }
    return render(request, "personas/segment_edit.html", context, status=422 if problems else 200)


def _rule_of(request: HttpRequest) -> tuple[dict[str, Any] | None, list[str]]:
    """The rule that the builder sent, and what is wrong with it."""
    try:
        rule = json.loads(request.POST.get("rule", ""))
        customer_rule(rule)
    except RuleInvalid as error:
        return rule, [f"{problem.path}: {problem.message}" for problem in error.errors]
    except ValueError:
        return None, [_("The rule did not arrive whole. Try again.")]
    return rule, []


def _save(
    request: HttpRequest, segment: Segment | None, given: dict[str, Any], problems: list[str]
) -> Segment | None:
    """Write the segment and have its members counted; None with the reason in `problems`."""
    try:
        if segment is None:
            saved = segments.create_segment(by=staff(request), **given)
        else:
            saved = segments.update_segment(segment=segment, by=staff(request), **given)
    except ValidationError as error:
        problems.extend(error.messages)
        return None
    try:
        segments.start_build(segment=saved, by=staff(request))
    except JobIsOpen as error:
        messages.info(request, str(error))
    return saved


@require_POST
@requires("segment.read")
def segment_preview(request: HttpRequest) -> HttpResponse:
    """Whom the rule in the builder finds at this moment."""
    segment = Segment.objects.filter(pk=_number(request.POST.get("segment", ""))).first()
    rule, problems = _rule_of(request)
    found = None
    if rule is not None and not problems:
        try:
            found = preview(rule, segment=segment)
        except RuleTooSlow as error:
            problems = [str(error)]
    sample = Customer.objects.filter(pk__in=found.sample).prefetch_related("identities") if found else []
    context = {"found": found, "problems": problems, "sample": sample, "segment": segment}
    return render(request, "personas/_preview.html", context)


def _number(text: str) -> int:
    """A primary key that a form sent; 0, which nothing has, for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


@require_POST
@requires("segment.edit")
def segment_act(request: HttpRequest, pk: int, what: str) -> HttpResponse:
    """Freeze, thaw, copy, count again or delete a segment."""
    segment = get_object_or_404(Segment, pk=pk)
    by = staff(request)
    if what in ("freeze", "thaw"):
        segments.freeze_segment(segment=segment, frozen=what == "freeze", by=by)
    elif what == "copy":
        return redirect("personas:segment-edit", segments.copy_segment(segment=segment, by=by).pk)
    elif what == "build":
        return _build(request, segment)
    elif what == "delete":
        return _delete(request, segment)
    else:
        raise BadRequest("A segment can be frozen, thawed, copied, counted or deleted.")
    return redirect("personas:segment", pk)


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
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("personas:segment", segment.pk)
    messages.success(request, _("The segment is gone."))
    return redirect("personas:segment-list")
