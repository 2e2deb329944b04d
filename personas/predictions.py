"""Predictions: who still buys, what and for how much, and where and when each answers best.

Models are fitted when there is none, by hand, or when the data has moved on by a week or a tenth; scores
follow from the stored models. A model is used only where it beats its baseline on held-out time, and its
card says so. Here it is decided whether anything is to be done; `personas.scoring` does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from personas.models import ChangedCustomer, ModelCard, PersonaModel

REFIT_DAYS = 7
REFIT_GROWTH = 0.1
BUYING = ("buying", "spending", "value")
CATEGORY = ("category",)
ANSWERING = ("network", "hour", "survey")
MODELS = BUYING + CATEGORY + ANSWERING


@dataclass(frozen=True)
class Scope:
    """For which day and whom predictions are made."""

    today: date
    zone: str
    now: datetime
    everybody: bool
    refit: bool = False

    def start_of(self, day: date) -> datetime:
        """The instant a local day begins."""
        return datetime.combine(day, time.min, tzinfo=ZoneInfo(self.zone))

    @property
    def tomorrow(self) -> datetime:
        """The instant at which today ends."""
        return self.start_of(self.today + timedelta(days=1))


@dataclass(frozen=True)
class Extent:
    """How far the data reaches: the last local day up to today, and how many customers it tells of."""

    ended: date | None
    customers: int


def predict(scope: Scope) -> dict[str, int]:
    """Bring predictions up to date; how many customers were scored, rows written and models fitted."""
    cards = {card.name: card for card in ModelCard.objects.filter(name__in=MODELS)}
    orders, messages = last_orders(scope), last_messages(scope)
    due: tuple[str, ...] = ()
    if _is_due(cards, BUYING + CATEGORY, orders, scope):
        due += BUYING + CATEGORY
    if _is_due(cards, ANSWERING, messages, scope) or _has_other_personas(cards):
        due += ANSWERING
    as_of = orders.ended.isoformat() if orders.ended else None
    moved = not cards.get("buying") or cards["buying"].parameters.get("as_of") != as_of
    if not (scope.everybody or due or moved or ChangedCustomer.objects.exists()):
        return {"customers": 0, "written": 0, "fitted": 0}

    from personas import fitting, habits, scoring

    if due:
        _count_tables()
    if "buying" in due:
        cards |= fitting.fit_buying(scope, orders) | habits.fit_category(scope, orders)
    if "network" in due:
        cards |= habits.fit_answering(scope, messages)
    # Time alone moves what somebody will buy, and nothing else.
    everybody = scoring.Everybody(
        buying=scope.everybody or bool(due) or moved, habits=scope.everybody or bool(due)
    )
    customers, written = scoring.score(scope, cards, orders.ended, everybody)
    cards["buying"].parameters["as_of"] = as_of
    cards["buying"].save(update_fields=["parameters"])
    return {"customers": customers, "written": written, "fitted": len(due)}


def _count_tables() -> None:
    """Right after a first import the planner knows nothing of these tables, and joins them row by row."""
    with connection.cursor() as cursor:
        cursor.execute(
            "ANALYZE crm_customer, crm_order, crm_orderline, engagement_interaction, personas_traits"
        )


def _is_due(cards: dict[str, ModelCard], names: tuple[str, ...], extent: Extent, scope: Scope) -> bool:
    """Whether the models of these names are to be fitted: none yet, by hand, or the data has moved on."""
    if scope.refit or any(name not in cards for name in names):
        return True
    card = cards[names[0]]
    if abs(extent.customers - card.customers) > REFIT_GROWTH * max(card.customers, 1):
        return True
    if extent.ended is None or card.window_end is None:
        return extent.ended != card.window_end
    return abs((extent.ended - card.window_end).days) >= REFIT_DAYS


def _has_other_personas(cards: dict[str, ModelCard]) -> bool:
    """Whether rates by persona are those of a model that is not the current one any more."""
    current = PersonaModel.objects.filter(is_current=True).values_list("pk", flat=True).first()
    fitted = [card for name, card in cards.items() if name in ANSWERING and card.parameters]
    return any(card.parameters.get("persona_model") != current for card in fitted)


def last_orders(scope: Scope) -> Extent:
    """Up to which day there are orders, and how many customers bought."""
    ended = _value(
        "SELECT (max(placed_at) AT TIME ZONE %(zone)s)::date FROM crm_order "
        "WHERE status IN ('paid', 'refunded') AND placed_at < %(before)s",
        scope,
    )
    return Extent(ended, _value("SELECT count(*) FROM personas_traits WHERE orders_total > 0", scope))


def last_messages(scope: Scope) -> Extent:
    """Up to which day there are interactions, and how many customers wrote."""
    ended = _value(
        "SELECT (max(i.at) AT TIME ZONE %(zone)s)::date FROM engagement_channelaccount a CROSS JOIN LATERAL "
        "(SELECT max(occurred_at) AS at FROM engagement_interaction "
        "WHERE account_id = a.id AND occurred_at < %(before)s) i",
        scope,
    )
    return Extent(ended, _value("SELECT count(*) FROM personas_traits WHERE inbound_total > 0", scope))


def _value(sql: str, scope: Scope) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"zone": scope.zone, "before": scope.tomorrow})
        found = cursor.fetchone()
    return found[0] if found else None
