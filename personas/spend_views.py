"""Pages about advertising: what it cost, what it brought, and whom a figure counts."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import requires, staff
from accounts.services import record_audit
from core import networks
from core.filters import LARGEST_ID
from core.holding import Gone
from core.models import Workspace
from core.paging import Sort, asc, page_for
from core.tables import format_of, table_response
from personas.models import AdSpend, Persona
from personas.reach.bounding import bounded
from personas.reach.results import WITHIN, Behind, customers_behind, results
from personas.reach.spend import SpendOutcome, change_spend, delete_spend, enter_spend
from personas.reach_filters import SPEND_SORTS, AdSpendFilter
from personas.reach_slow import says_when_slow
from personas.spend_forms import AmountForm, SpanForm, SpendForm, add_problems

CUSTOMER_SORTS = {"name": Sort(asc("name"))}
CHUNK = 2000


@require_GET
@requires("analytics.read")
@says_when_slow
def spend(request: HttpRequest) -> HttpResponse:
    """Cost per new customer and per order by network, campaign and persona."""
    form = SpanForm(request.GET or None)
    span = form.span() if form.is_bound else SpanForm({}).span()
    with bounded(staff(request)):
        found = results(span)
    context = {
        "form": form if form.is_bound else SpanForm({"first": span.first, "last": span.last}),
        "span": span,
        "query": urlencode({"first": span.first.isoformat(), "last": span.last.isoformat()}),
        "found": found,
        "within": WITHIN,
        "has_spend": AdSpend.objects.exists(),
        "chart": {
            "currency": Workspace.current().currency,
            "days": [day.isoformat() for day, _cost in found.by_day],
            "cost": [float(cost) for _day, cost in found.by_day],
            "names": [_("Cost")],
        },
    }
    return render(request, "personas/spend.html", context, status=422 if form.errors else 200)


@require_GET
@requires("customer.read")
@says_when_slow
def spend_customers(request: HttpRequest) -> HttpResponse:
    """The customers whom a figure counts."""
    form = SpanForm(request.GET)
    span = form.span()
    behind = _behind(request)
    found = customers_behind(span, behind, by=staff(request))
    with bounded(staff(request)):
        page = page_for(request, found.prefetch_related("identities"), sorts=CUSTOMER_SORTS, default="name")
    context = {"page": page, "span": span, "said": _said(behind), "within": WITHIN}
    return render(request, "personas/spend_customers.html", context)


def _behind(request: HttpRequest) -> Behind:
    asked = request.GET
    persona, how = asked.get("persona", ""), asked.get("how", "")
    if persona and not (persona.isascii() and persona.isdigit() and len(persona) < 19):
        raise BadRequest("persona must be a number.")
    if how not in ("", "none", "old", "campaign", "network"):
        raise BadRequest("how must be none, old, campaign or network.")
    return Behind(
        network=asked.get("network", "")[:30].replace("\x00", ""),
        campaign=asked.get("campaign", "")[:160].replace("\x00", ""),
        persona=min(int(persona), LARGEST_ID) if persona else None,
        new=asked.get("new") == "1",
        how=how,
    )


def _said(behind: Behind) -> list[str]:
    """What a drill-down shows, in words."""
    said = [_("New customers") if behind.new else _("Customers who bought")]
    if behind.how == "none":
        said.append(_("nothing came before their first order"))
    if behind.how == "old":
        said.append(_("first touch more than %(days)s days before the first order") % {"days": WITHIN})
    if behind.network:
        said.append(networks.get(behind.network).label)
    if behind.campaign:
        said.append(behind.campaign)
    if behind.persona is not None:
        said.append(str(Persona.objects.filter(pk=behind.persona).first() or _("No persona")))
    return said


# What was entered


@require_GET
@requires("analytics.read")
def spend_list(request: HttpRequest) -> HttpResponse:
    """Every day that cost something, as entered, imported or pushed."""
    chosen = _filtered(request)
    page = page_for(request, chosen.qs.select_related("by"), sorts=SPEND_SORTS, default="-day")
    context = {"page": page, "filter": chosen, "is_filtered": any(request.GET.get(n) for n in chosen.filters)}
    return render(request, "personas/spend_list.html", context)


def _filtered(request: HttpRequest) -> AdSpendFilter:
    chosen = AdSpendFilter(request.GET, queryset=AdSpend.objects.all())
    if not chosen.is_valid():
        raise BadRequest(" ".join(str(one) for problems in chosen.errors.values() for one in problems))
    return chosen


@require_http_methods(["GET", "POST"])
@requires("spend.edit")
def spend_new(request: HttpRequest) -> HttpResponse:
    """Enter an amount for a day or a span."""
    form = SpendForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            result = enter_spend(**form.values(), by=staff(request))
        except ValidationError as error:
            add_problems(form, error)
        else:
            messages.success(request, _entered(len(result.outcomes), result.count(SpendOutcome.CHANGED)))
            return redirect("personas:spend-list")
    return render(request, "personas/spend_new.html", {"form": form}, status=422 if form.errors else 200)


def _entered(days: int, changed: int) -> str:
    said = ngettext("One day is entered.", "%(n)s days are entered.", days) % {"n": days}
    if changed:
        more = ngettext("One had another amount before.", "%(n)s had another amount before.", changed)
        said = f"{said} {more % {'n': changed}}"
    return said


@require_http_methods(["GET", "POST"])
@requires("spend.edit")
def spend_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Another amount for one day."""
    row = get_object_or_404(AdSpend, pk=pk)
    form = AmountForm(request.POST or None, instance=copy(row))
    if request.method == "POST" and form.is_valid():
        try:
            change_spend(spend=row, **form.cleaned_data, by=staff(request))
        except ValidationError as error:
            add_problems(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("personas:spend-list")
    context = {"form": form, "row": row}
    return render(request, "personas/spend_edit.html", context, status=422 if form.errors else 200)


@require_POST
@requires("spend.edit")
def spend_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one day away."""
    try:
        delete_spend(spend=get_object_or_404(AdSpend, pk=pk), by=staff(request))
        messages.success(request, _("The day is gone."))
    except Gone as error:
        messages.info(request, error.message)
    return redirect("personas:spend-list")


HEADER = ("network", "campaign", "day", "amount", "currency", "base_amount", "source")


@require_GET
@requires("export.run")
def spend_export(request: HttpRequest) -> StreamingHttpResponse:
    """What the list shows, as a file that the importer takes back."""
    found = _filtered(request).qs.order_by("day", "pk")
    answer = table_response(request, "ad-spend", HEADER, _export_rows(found))
    detail = {"count": found.count(), "format": format_of(request)}
    record_audit(by=staff(request), verb="ad_spend.exported", detail=detail)
    return answer


def _export_rows(found: QuerySet[AdSpend]) -> Iterator[tuple[Any, ...]]:
    return found.values_list(*HEADER).iterator(chunk_size=CHUNK)
