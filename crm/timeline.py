"""The customer's timeline: what this app puts into it, how a reader narrows it, and its days."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy

from core import networks, timeline
from core.timeline import Before, Entry, Filter
from crm.journey_steps import Line
from crm.models import Identity, Order, OrderLine, StageChange

ORDER, STAGE = "order", "stage"
ORDER_TEMPLATE = "crm/_timeline_order.html"
STAGE_TEMPLATE = "crm/_timeline_stage.html"
PAGE = 30
MAX_TEXT = 200
VISIBILITIES = ("", "public", "private")


def orders(
    customer_ids: Sequence[int], user: Any, before: Before | None, wanted: Filter, limit: int
) -> Sequence[Entry]:
    """Orders of these customers, newest first, by the index (customer, placed_at, id)."""
    if wanted.leaves_out(ORDER) or wanted.visibility:
        return []
    rows = (
        Order.objects.filter(customer_id__in=customer_ids)
        .select_related("customer")
        .prefetch_related("lines")
    )
    if wanted.network:
        rows = rows.filter(identity__network=wanted.network)
    if wanted.text:
        bought = OrderLine.objects.filter(order=OuterRef("pk"), title__icontains=wanted.text)
        rows = rows.filter(Q(number__icontains=wanted.text) | Exists(bought))
    newest = _older(rows, "placed_at", ORDER, before).order_by("-placed_at", "-pk")[:limit]
    return [Entry(row.placed_at, ORDER, row.pk, ORDER, ORDER_TEMPLATE, row, "shopping-bag") for row in newest]


def stages(
    customer_ids: Sequence[int], user: Any, before: Before | None, wanted: Filter, limit: int
) -> Sequence[Entry]:
    """Steps of these customers along the journey, by the index (customer, at, id)."""
    if wanted.leaves_out(STAGE) or wanted.network or wanted.text or wanted.visibility:
        return []
    rows = StageChange.objects.filter(customer_id__in=customer_ids).select_related("by")
    newest = list(_older(rows, "at", STAGE, before).order_by("-at", "-pk")[:limit])
    return [Entry(row.at, STAGE, row.pk, STAGE, STAGE_TEMPLATE, Line(row), "route") for row in newest]


def _older(rows: Any, column: str, source: str, before: Before | None) -> Any:
    bound = timeline.is_older(source, before)
    if bound is None:
        return rows
    at, pk = bound
    return rows.filter(Q(**{f"{column}__lt": at}) | Q(**{column: at}, pk__lt=pk))


def register() -> None:
    """Called once, when the app is ready."""
    timeline.register(ORDER, orders, kinds={ORDER: gettext_lazy("Orders")})
    timeline.register(STAGE, stages, kinds={STAGE: gettext_lazy("Journey")})


# The page


def wanted_by(params: QueryDict) -> Filter:
    """The filter that an address asks for. Raises BadRequest for one that means nothing."""
    kinds = frozenset(params.getlist("kind")) - {""}
    visibility = params.get("visibility", "")
    if not kinds <= timeline.kinds().keys():
        raise BadRequest(f"kind must be of {', '.join(timeline.kinds())}.")
    if visibility not in VISIBILITIES:
        raise BadRequest("visibility must be public, private or nothing.")
    return Filter(
        kinds=kinds,
        network=_cleaned(params.get("network", ""), 30),
        text=_cleaned(params.get("text", ""), MAX_TEXT),
        visibility=visibility,
    )


def _cleaned(text: str, most: int) -> str:
    return text.replace("\x00", "").strip()[:most]


def query_of(wanted: Filter) -> str:
    """The filter as the query string of an address."""
    pairs = [("kind", kind) for kind in sorted(wanted.kinds)]
    pairs += [(name, getattr(wanted, name)) for name in ("network", "visibility", "text")]
    return urlencode([(name, value) for name, value in pairs if value])


def stream(request: HttpRequest, customers: Sequence[int]) -> dict[str, Any]:
    """What the timeline shows of these customers: a page of entries, and the filter with its choices."""
    wanted, before = wanted_by(request.GET), _before(request)
    entries, older = timeline.page(customers, request.user, before=before, wanted=wanted, limit=PAGE)
    used = Identity.objects.filter(customer__in=customers).order_by("network")
    names = set(used.values_list("network", flat=True).distinct()) | ({wanted.network} - {""})
    return {
        "entries": by_day(entries, after=before.at if before else None),
        "older": _token(older),
        "wanted": wanted,
        "query": query_of(wanted),
        "kinds": timeline.kinds(),
        "timeline_networks": sorted((networks.get(name) for name in names), key=lambda one: one.label),
    }


def _token(point: Before | None) -> str:
    return f"{point.at.isoformat()}|{point.source}|{point.id}" if point else ""


def _before(request: HttpRequest) -> Before | None:
    token = request.GET.get("before", "")
    if not token:
        return None
    try:
        at, source, number = token.split("|")
        return Before(datetime.fromisoformat(at), source, int(number))
    except ValueError as error:
        raise BadRequest("This place in the timeline cannot be read. Open the customer again.") from error


@dataclass(frozen=True)
class Shown:
    """An entry as the page writes it; `opens` is set where a new local day begins above it.

    `more` are those that followed and are folded into it.
    """

    entry: Entry
    opens: str = ""
    more: list[Entry] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.entry, name)


def by_day(entries: Iterable[Entry], *, after: datetime | None = None) -> list[Shown]:
    """Entries with the first of each local day marked: today, yesterday or day.

    `after` is the last entry of the page before, whose day is headed already.
    """
    shown: list[Shown] = []
    today = timezone.localdate()
    names = {today: "today", today - timedelta(days=1): "yesterday"}
    headed = timezone.localdate(after) if after else None
    for entry in entries:
        day = timezone.localdate(entry.at)
        if shown and day == headed and entry.folds and entry.folds == shown[-1].entry.folds:
            shown[-1].more.append(entry)
            continue
        shown.append(Shown(entry, "" if day == headed else names.get(day, "day")))
        headed = day
    return shown
