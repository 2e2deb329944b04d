"""The overview and the rows behind it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.permissions import requires, staff
from accounts.services import record_audit
from analytics import exports, figures, row_exports, rows
from analytics.by_persona import by_persona
from analytics.figures import Filters
from analytics.forms import OverviewForm, RowsForm
from analytics.needs import needs
from analytics.periods import CHOICES
from core import networks
from core.models import Workspace
from core.paging import page_for
from core.tables import format_of, table_response
from engagement.models import ChannelAccount
from personas.models import Persona


def _filters(request: HttpRequest) -> Filters:
    return OverviewForm(request.GET).filters(user=request.user, today=Workspace.current().today())


@require_GET
@requires("analytics.read")
def overview(request: HttpRequest) -> HttpResponse:
    """The day at a glance: what needs somebody, and the figures of a period against the one before."""
    filters = _filters(request)
    topics = figures.topics(filters)
    volume = figures.volume(filters)
    context = {
        "filters": filters,
        "periods": CHOICES,
        "needs": needs(request.user, topics),
        "volume": volume,
        "newest_day": figures.newest_day(filters),
        "busiest": max((row["count"].now for row in volume), default=0),
        "interactions": figures.Compared(
            sum(row["count"].now for row in volume), sum(row["count"].before for row in volume)
        ),
        "response": figures.first_response(filters),
        "sentiment": figures.sentiment_by_day(filters),
        "topics": topics,
        "shares": figures.persona_shares(filters),
        "revenue": figures.revenue(filters),
        "by_persona": by_persona(filters),
        "now": timezone.now(),
        "networks": _networks(request),
        "personas": Persona.objects.filter(is_active=True).order_by("rank", "pk"),
    }
    context["charts"] = _charts(filters, context)
    return render(request, "analytics/overview.html", context)


def _networks(request: HttpRequest) -> list[networks.Network]:
    """Networks of the accounts this reader may see, by label."""
    used = (
        ChannelAccount.objects.visible_to(request.user)
        .order_by()
        .values_list("network", flat=True)
        .distinct()
    )
    return sorted((networks.get(name) for name in used), key=lambda network: network.label)


def _charts(filters: Filters, context: dict[str, Any]) -> dict[str, Any]:
    """What `static/js/charts.js` draws; days as ISO dates, shown in the reader's own way."""
    response, sentiment = context["response"], context["sentiment"]
    return {
        "days": [day.isoformat() for day in filters.period.each()],
        "volume": figures.volume_by_day(filters),
        "response": {"now": response["now"], "before": response["before"]},
        "sentiment": {"happy": sentiment["happy"], "unhappy": sentiment["unhappy"]},
        "shares": [
            {
                "name": row["name"],
                "tone": row["tone"],
                "now": round(row["share"].now, 1),
                "before": round(row["share"].before, 1),
            }
            for row in context["shares"]["personas"]
        ],
        "hasBefore": bool(context["shares"]["total_before"]),
        "revenue": context["revenue"]["by_persona"][:8],
        "revenueDays": {"now": context["revenue"]["now"], "before": context["revenue"]["before"]},
        "currency": Workspace.current().currency,
    }


@require_GET
@requires("analytics.read")
def export(request: HttpRequest, figure: str) -> StreamingHttpResponse:
    """One figure of the overview as a file, with the filters of the page."""
    if figure not in exports.TABLES:
        raise Http404
    header, found = exports.TABLES[figure](_filters(request))
    return table_response(request, figure, header, found)


def _given(request: HttpRequest) -> dict[str, Any]:
    form = RowsForm(request.GET)
    if not form.is_valid():
        raise BadRequest("; ".join(f"{name}: {errors[0]}" for name, errors in form.errors.items()))
    return form.cleaned_data


def _rows(
    request: HttpRequest, found: QuerySet[Any], given: dict[str, Any], kind: str, sorts: Any
) -> HttpResponse:
    page = page_for(request, found, sorts=sorts, default="-at")
    chosen = {name: value for name, value in given.items() if value}
    context = {
        "page": page,
        "given": given,
        "chosen": chosen,
        "kind": kind,
        "networks": _networks(request),
        "personas": Persona.objects.filter(is_active=True).order_by("rank", "pk"),
    }
    return render(request, f"analytics/{kind}_list.html", context)


@require_GET
@requires("analytics.read")
def interaction_list(request: HttpRequest) -> HttpResponse:
    """Inbound interactions behind volume, sentiment and topics."""
    given = _given(request)
    found = rows.interactions(request.user, given, Workspace.current().tz)
    return _rows(request, found, given, "interaction", rows.INTERACTION_SORTS)


@require_GET
@requires("analytics.read")
def conversation_list(request: HttpRequest) -> HttpResponse:
    """Conversations behind the response times."""
    given = _given(request)
    found = rows.conversations(request.user, given, Workspace.current().tz)
    return _rows(request, found, given, "conversation", rows.CONVERSATION_SORTS)


@require_GET
@requires("analytics.read")
def order_list(request: HttpRequest) -> HttpResponse:
    """Orders behind revenue."""
    given = _given(request)
    return _rows(request, rows.orders(given, Workspace.current().tz), given, "order", rows.ORDER_SORTS)


@require_GET
@requires("export.run")
def row_export(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    """The rows behind a figure as a file: interactions, conversations or orders under their filters."""
    given, zone = _given(request), Workspace.current().tz
    found: QuerySet[Any]
    header: tuple[str, ...]
    if kind == "interactions":
        found = rows.interactions(request.user, given, zone)
        header, cells = row_exports.INTERACTION_HEADER, row_exports.interactions(found)
    elif kind == "conversations":
        found = rows.conversations(request.user, given, zone)
        header, cells = row_exports.CONVERSATION_HEADER, row_exports.conversations(found)
    else:
        found = rows.orders(given, zone)
        header, cells = row_exports.ORDER_HEADER, row_exports.orders(found)
    count = found.count()
    answer = table_response(request, kind, header, cells)
    filters = {name: str(value) for name, value in given.items() if value}
    detail = {"count": count, "format": format_of(request), "filters": filters}
    record_audit(by=staff(request), verb=f"{kind}.exported", detail=detail)
    return answer
