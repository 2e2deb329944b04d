"""What is told of one segment: its members, its history, why somebody is in or out, and what uses it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import islice
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from accounts.models import AuditEntry
from accounts.permissions import requires, staff
from accounts.services import record_audit
from core.models import Workspace
from core.paging import Sort, desc, page_for
from core.tables import format_of, table_response
from crm.exports import CHUNK, customer_header, rows_of
from crm.filters import IdsFormField
from crm.models import Customer
from crm.trees import root_of
from personas import picking, segments
from personas.membership_reasons import reasons_for
from personas.models import Segment, SegmentChange, SegmentKind, SegmentMembership, SegmentPick
from personas.segment_history import changes_of, chart_of, days_of
from personas.segment_views import number, trend_of
from personas.staleness import staleness

MEMBER_SORTS = {"-since": Sort(desc("since"))}
CHANGE_SORTS = {"-at": Sort(desc("at"))}
FOUND = 8
TAKEN = ("segment.exported", "audience.exported")
NEWEST = 20


def _head(segment: Segment, part: str) -> dict[str, Any]:
    """What every tab shows of its segment."""
    return {"segment": segment, "part": part, "stale": staleness(segment)}


# Members


@require_GET
@requires("segment.read")
def segment_members(request: HttpRequest, pk: int) -> HttpResponse:
    """Who is in, the newest first, and who was put in or left out by hand."""
    segment = get_object_or_404(Segment, pk=pk)
    by_hand = picking.picks_of(segment).filter(customer_id=OuterRef("customer_id"), is_in=True)
    rows = SegmentMembership.objects.filter(segment=segment).select_related("customer")
    page = page_for(request, rows.annotate(by_hand=Exists(by_hand)), sorts=MEMBER_SORTS, default="-since")
    newest = Subquery(picking.picks_of(segment).values("pk"))
    picks = SegmentPick.objects.filter(pk__in=newest).select_related("customer", "by").order_by("-at", "-pk")
    context = {
        **_head(segment, "members"),
        "page": page,
        "left_out": picks.filter(is_in=False)[:50],
        "put_in": picks.filter(is_in=True).count(),
        "trend": trend_of(segment),
    }
    return render(request, "personas/segment_members.html", context)


@require_GET
@requires("segment.read")
def segment_find(request: HttpRequest, pk: int) -> HttpResponse:
    """Customers by any part of a name or handle, to be picked (`for=pick`) or explained (`for=why`)."""
    segment = get_object_or_404(Segment, pk=pk)
    text = request.GET.get("find", "")[:200].replace("\x00", "").strip()
    found: list[Customer] = []
    if text:
        everybody = Customer.objects.visible_to(request.user).roots().matching(text)
        found = list(everybody.prefetch_related("identities").order_by("name", "pk")[:FOUND])
    inside = SegmentMembership.objects.filter(segment=segment, customer__in=found)
    context = {
        "segment": segment,
        "found": found,
        "text": text,
        "inside": set(inside.values_list("customer_id", flat=True)),
        "reason": "pick" if request.GET.get("for") == "pick" else "why",
    }
    return render(request, "personas/_segment_found.html", context)


@require_POST
@requires("segment.edit")
def segment_pick(request: HttpRequest, pk: int) -> HttpResponse:
    """Put people in, leave them out, or let the rule decide again."""
    segment = get_object_or_404(Segment, pk=pk)
    ids, what = _ids(request), request.POST.get("do", "")
    visible = Customer.objects.visible_to(request.user).filter(pk__in=ids).values_list("pk", flat=True)
    try:
        _picked(request, segment, what, list(visible))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    if request.POST.get("back") == "why" and ids:
        return redirect(f"{reverse('personas:segment-why-page', args=[pk])}?customer={ids[0]}")
    return redirect("personas:segment-members", pk)


def _picked(request: HttpRequest, segment: Segment, what: str, ids: list[int]) -> None:
    by = staff(request)
    if what == "clear":
        picking.unpick_customers(segment=segment, ids=ids, by=by)
        messages.success(request, _("Nobody decides by hand any more: the rule does."))
    elif what in ("in", "out"):
        count = picking.pick_customers(segment=segment, ids=ids, is_in=what == "in", by=by)
        messages.success(request, _told(segment, what, count))
    else:
        raise BadRequest("do must be one of in, out, clear.")


def _told(segment: Segment, what: str, count: int) -> str:
    words = (
        ngettext("%(n)d customer put into %(name)s.", "%(n)d customers put into %(name)s.", count)
        if what == "in"
        else ngettext("%(n)d customer left out of %(name)s.", "%(n)d customers left out of %(name)s.", count)
    )
    return words % {"n": count, "name": segment.name}


def _ids(request: HttpRequest) -> list[int]:
    try:
        return list(IdsFormField(required=False).clean(request.POST.getlist("ids")))
    except ValidationError as error:
        raise BadRequest(" ".join(error.messages)) from error


@require_GET
@requires("segment.read")
def segment_picker(request: HttpRequest) -> HttpResponse:
    """For the list of customers: into which segment the chosen ones can be put."""
    open_ones = Segment.objects.filter(is_frozen=False)
    lists = list(open_ones.filter(kind=SegmentKind.LIST).order_by("name")[:100])
    rules = list(open_ones.filter(kind=SegmentKind.RULE).order_by("name")[:100])
    return render(request, "personas/_segment_picker.html", {"lists": lists, "rules": rules})


@require_POST
@requires("segment.edit")
def segment_pick_many(request: HttpRequest) -> HttpResponse:
    """Put the customers chosen in a list into a segment."""
    segment = Segment.objects.filter(pk=number(request.POST.get("to_segment", ""))).first()
    query = request.POST.get("back", "")[:2000]
    back = f"{reverse('crm:customer-list')}{query if query.startswith('?') else ''}"
    if segment is None:
        messages.error(request, _("Choose a segment first."))
        return redirect(back)
    visible = Customer.objects.visible_to(request.user).filter(pk__in=_ids(request))
    try:
        _picked(request, segment, "in", list(visible.values_list("pk", flat=True)))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return redirect(back)


# History


@require_GET
@requires("segment.read")
def segment_history(request: HttpRequest, pk: int) -> HttpResponse:
    """The size by day, and who entered and left, of one day when it is named."""
    segment = get_object_or_404(Segment, pk=pk)
    found, day, way = _changes(request, segment)
    days = days_of(segment)
    page = page_for(request, found.select_related("customer"), sorts=CHANGE_SORTS, default="-at")
    context = {
        **_head(segment, "history"),
        "page": page,
        "day": day,
        "way": way,
        "days": days,
        "moved": [one for one in reversed(days) if one.entered or one.left][:NEWEST],
        "entered": sum(one.entered for one in days),
        "left": sum(one.left for one in days),
        "charts": chart_of(days, Workspace.current().currency),
    }
    return render(request, "personas/segment_history.html", context)


def _changes(request: HttpRequest, segment: Segment) -> tuple[QuerySet[SegmentChange], date | None, str]:
    text, way = request.GET.get("day", ""), request.GET.get("way", "")
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        raise BadRequest("day is written as YYYY-MM-DD.") from None
    if way not in ("", "in", "out"):
        raise BadRequest("way must be in or out.")
    return changes_of(segment, first=day, last=day, entered=None if not way else way == "in"), day, way


@require_GET
@requires("export.run")
def segment_changes_export(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Who entered and left, with all that is known of them."""
    segment = get_object_or_404(Segment, pk=pk)
    found, _day, _way = _changes(request, segment)
    header = customer_header()
    detail = {"count": found.count(), "format": format_of(request)}
    rows = _change_rows(found.order_by("-at", "-pk"), header)
    answer = table_response(request, f"segment-{pk}-changes", [*header, "change", "at"], rows)
    record_audit(by=staff(request), verb="segment.changes_exported", target=segment, detail=detail)
    return answer


def _change_rows(found: QuerySet[SegmentChange], header: list[str]) -> Iterator[list[Any]]:
    told = found.values_list("customer_id", "entered", "at").iterator(chunk_size=CHUNK)
    while chunk := list(islice(told, CHUNK)):
        people = {row[0]: row for row in rows_of([customer for customer, _in, _at in chunk], header)}
        for customer, entered, at in chunk:
            if customer in people:
                yield [*people[customer], "entered" if entered else "left", at]


# Why


@require_GET
@requires("segment.read")
def segment_why_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Why one customer is in or out, condition by condition."""
    segment = get_object_or_404(Segment, pk=pk)
    asked, customer, reasons = request.GET.get("customer", "").strip(), None, None
    if asked and not number(asked):
        raise BadRequest("customer must be a customer's number.")
    if asked:
        found = Customer.objects.visible_to(request.user).filter(pk=number(asked)).first()
        customer = root_of(found) if found else None
        reasons = reasons_for(segment, customer.pk) if customer else None
    context = {
        **_head(segment, "why"),
        "asked": asked,
        "customer": customer,
        "reasons": reasons,
        "will_come": reasons and reasons.belongs and not reasons.is_member,
        "will_go": reasons and reasons.is_member and not reasons.belongs,
    }
    return render(request, "personas/segment_why.html", context)


# Use


@require_GET
@requires("segment.read")
def segment_use(request: HttpRequest, pk: int) -> HttpResponse:
    """What would break without this segment, and who took its members along."""
    segment = get_object_or_404(Segment, pk=pk)
    taken = AuditEntry.objects.filter(verb__in=TAKEN).order_by("-at", "-pk")
    own = taken.filter(verb="segment.exported", object_id=str(pk)) | taken.filter(
        verb="audience.exported", detail__group="segment", detail__id=pk
    )
    context = {
        **_head(segment, "use"),
        "uses": segments.uses_of(segment),
        "taken": own.select_related("actor")[:NEWEST],
    }
    return render(request, "personas/segment_use.html", context)


# On other pages


@require_GET
@requires("segment.read")
def segment_size(request: HttpRequest, pk: int) -> HttpResponse:
    """How many are in, for the head of its pages while they are counted."""
    segment = get_object_or_404(Segment, pk=pk)
    context = {"stale": staleness(segment), "segment": segment}
    return render(request, "personas/_segment_size.html", context)


@require_GET
@requires("segment.read")
def segment_stale(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """How old members are, for pages of other apps that show them."""
    segment = get_object_or_404(Segment, pk=pk) if pk else None
    return render(request, "personas/_stale.html", {"stale": staleness(segment), "segment": segment})
