"""Every trait, declared once: its column, rule field, API field, documentation and label follow from here.

Terms of the descriptions: an interaction counts when it is inbound and not deleted, of the kinds message,
comment, mention, review or call; visits are counted by themselves. A touch is an interaction, a visit or an
order, but habits of time are those of words and orders. A window of d days holds the local days in
(today - d, today]. Counts are 0 when there is nothing, shares and means NULL when their base
is 0. The SQL that computes them stands in `personas/sql/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from django.db import models

TraitType = Literal["count", "share", "mean", "money", "time", "text", "year"]


@dataclass(frozen=True)
class Trait:
    """One computed fact. `unit` is what stands beside the figure; '' for none."""

    name: str
    type: TraitType
    label: str
    description: str
    group: str
    unit: str = ""

    def field(self) -> models.Field[Any, Any]:
        """The column of `personas.Traits` that holds it."""
        match self.type:
            case "count":
                return models.IntegerField(default=0)
            case "share" | "mean":
                return models.FloatField(null=True)
            case "money":
                return models.DecimalField(max_digits=14, decimal_places=2, default=0)
            case "time":
                return models.DateTimeField(null=True)
            case "year":
                return models.PositiveSmallIntegerField(null=True)
            case "text":
                return models.CharField(max_length=30, null=True)


_LATELY = "Lately"
_WHEN = "First and last"
_SPEAKING = "How they speak"
_TIME = "When they are here"
_BUYING = "How they buy"
_WHO = "Who they are"

CATALOGUE: tuple[Trait, ...] = (
    Trait("inbound_30", "count", "Interactions, 30 days", "Interactions in the last 30 days", _LATELY),
    Trait("inbound_90", "count", "Interactions, 90 days", "Interactions in the last 90 days", _LATELY),
    Trait("inbound_365", "count", "Interactions, 365 days", "Interactions in the last 365 days", _LATELY),
    Trait("visits_30", "count", "Visits, 30 days", "Pages and app screens seen in the last 30 days", _LATELY),
    Trait(
        "outbound_90",
        "count",
        "We wrote, 90 days",
        "Messages of ours in their conversations, last 90 days",
        _LATELY,
    ),
    Trait(
        "active_days_365",
        "count",
        "Active days, 365 days",
        "Different local days with a touch in 365 days",
        _LATELY,
        "days",
    ),
    Trait("orders_365", "count", "Orders, 365 days", "Orders placed in the last 365 days", _LATELY),
    Trait(
        "revenue_365",
        "money",
        "Revenue, 365 days",
        "Paid less refunded in 365 days, workspace currency",
        _LATELY,
    ),
    Trait(
        "sentiment_90",
        "mean",
        "Sentiment, 90 days",
        "Mean sentiment of interactions in 90 days, -1 to 1",
        _LATELY,
    ),
    Trait("first_seen_at", "time", "First seen", "Time of the first touch", _WHEN),
    Trait("last_seen_at", "time", "Last seen", "Time of the last touch", _WHEN),
    Trait("first_order_at", "time", "First order", "Time of the first order", _WHEN),
    Trait("last_order_at", "time", "Last order", "Time of the last order", _WHEN),
    Trait("inbound_total", "count", "Interactions", "Interactions of the whole history", _SPEAKING),
    Trait("networks", "count", "Networks", "Different networks they spoke on", _SPEAKING),
    Trait("top_network", "text", "Main network", "Network with the most interactions", _SPEAKING),
    Trait("public_share", "share", "Share in public", "Share of interactions anybody could read", _SPEAKING),
    Trait("call_share", "share", "Share of calls", "Share of interactions that are calls", _SPEAKING),
    Trait("review_share", "share", "Share of reviews", "Share of interactions that are reviews", _SPEAKING),
    Trait("question_share", "share", "Share of questions", "Of interactions with a known reason", _SPEAKING),
    Trait(
        "complaint_share", "share", "Share of complaints", "Of interactions with a known reason", _SPEAKING
    ),
    Trait("praise_share", "share", "Share of praise", "Of interactions with a known reason", _SPEAKING),
    Trait(
        "order_talk_share", "share", "Share about orders", "Of interactions with a known reason", _SPEAKING
    ),
    Trait("sentiment", "mean", "Sentiment", "Mean sentiment of all interactions, -1 to 1", _SPEAKING),
    Trait(
        "message_length",
        "mean",
        "Length of messages",
        "Mean characters of an interaction",
        _SPEAKING,
        "characters",
    ),
    Trait(
        "office_share",
        "share",
        "Share in office hours",
        "Touches Monday to Friday, 9 to 17 local time",
        _TIME,
    ),
    Trait("evening_share", "share", "Share in the evening", "Touches at 18 or later, local time", _TIME),
    Trait("weekend_share", "share", "Share at weekends", "Touches on Saturday or Sunday", _TIME),
    Trait("morning_share", "share", "Share before noon", "Touches before 12, local time", _TIME),
    Trait(
        "payday_share",
        "share",
        "Share around payday",
        "Touches from the 26th to the 4th of a month, local time",
        _TIME,
    ),
    Trait("festive_share", "share", "Share in Nov and Dec", "Touches in November or December", _TIME),
    Trait("orders_total", "count", "Orders", "Orders of the whole history", _BUYING),
    Trait("average_order", "mean", "Average order", "Mean order total, workspace currency", _BUYING, "money"),
    Trait("units_per_order", "mean", "Units an order", "Mean units of an order", _BUYING),
    Trait("unit_price", "mean", "Price a unit", "Paid total over units", _BUYING, "money"),
    Trait("discount_share", "share", "Discount share", "Discounts over full prices", _BUYING),
    Trait("refund_share", "share", "Refunded orders", "Share of orders with a refund", _BUYING),
    Trait(
        "repeat_share",
        "share",
        "Repeated products",
        "Of products in orders after the first: bought before",
        _BUYING,
    ),
    Trait(
        "products_per_order",
        "mean",
        "Products an order",
        "Different products an order, of orders with lines",
        _BUYING,
    ),
    Trait("categories", "count", "Categories", "Different product categories bought", _BUYING),
    Trait(
        "order_gap_days",
        "mean",
        "Days between orders",
        "Mean days between orders, with two or more",
        _BUYING,
        "days",
    ),
    Trait("birth_year", "year", "Born", "Year of birth, where known", _WHO),
    Trait("language", "text", "Language", "Language they prefer or write", _WHO),
    Trait("country", "text", "Country", "Country they live in", _WHO),
    Trait("consents", "count", "Consents given", "Purposes for which the newest consent is a grant", _WHO),
    Trait("identities", "count", "Handles", "Handles, addresses and numbers we know them by", _WHO),
    Trait("tags", "count", "Tags", "Different tags on the customer", _WHO),
)
BY_NAME: dict[str, Trait] = {trait.name: trait for trait in CATALOGUE}
