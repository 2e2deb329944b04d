"""What personas are found by: habits derived from traits, with how much evidence stands behind each.

Habits only: how somebody buys, speaks and when. How recently somebody was here changes with the calendar and
belongs to the journey stage; nothing here depends on the day of the run. Nothing here says or guesses
health, belief, origin, politics, sexuality or membership of a union (`NEVER`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame
    Column = pd.Series[float]

NEVER = (
    "health", "belief", "origin and nationality", "political opinion", "sexuality", "trade union membership",
    "gender", "language", "interests and profession", "names and words of tags", "custom fields",
    "words of messages",
)  # fmt: skip
"""What is never offered as a habit, whoever asks."""


@dataclass(frozen=True)
class Feature:
    """One habit. `more` and `less` say in words what a high and a low value mean; names are built from
    `adjectives` and `nouns`, each (for high, for low), '' for none. `shown` formats one value; where
    `less` names the other part of a whole (`halves`), what is left of a share is told with it."""

    name: str
    label: str
    value: Callable[[Frame], Column]
    evidence: Callable[[Frame], Column]
    more: str
    less: str
    shown: str
    needs: tuple[str, ...]
    adjectives: tuple[str, str] = ("", "")
    nouns: tuple[str, str] = ("", "")
    halves: bool = False
    caution: str = ""

    @property
    def by_default(self) -> bool:
        """Whether it is used where nobody has chosen: what needs a caution is not."""
        return not self.caution


def _of(column: str) -> Callable[[Frame], Column]:
    return lambda frame: frame[column]


def _log(column: str) -> Callable[[Frame], Column]:
    return lambda frame: _logarithm(frame[column])


def _logarithm(values: Column) -> Column:
    return cast("Column", np.log(values.where(values > 0)))


def _part(column: str, *, within: str, rest: bool = False) -> Callable[[Frame], Column]:
    """A share of all as a share of a part of all: of what is public, or of what is not (`rest`)."""

    def value(frame: Frame) -> Column:
        part = 1 - frame[within] if rest else frame[within]
        return (frame[column] / part.where(part > 1e-9)).clip(upper=1.0)

    return value


def _interactions(frame: Frame) -> Column:
    return frame["inbound_total"].astype(float)


def _rated(frame: Frame) -> Column:
    return frame["inbound_total"] * frame["sentiment"].notna()


def _public(frame: Frame) -> Column:
    return frame["inbound_total"] * frame["public_share"].fillna(0.0)


def _private(frame: Frame) -> Column:
    return frame["inbound_total"] * (1 - frame["public_share"].fillna(0.0))


def touches(frame: Frame) -> Column:
    """Interactions and orders together."""
    return (frame["inbound_total"] + frame["orders_total"]).astype(float)


def _weekdays(frame: Frame) -> Column:
    return touches(frame) * (1 - frame["weekend_share"].fillna(0.0))


def _daytime(frame: Frame) -> Column:
    return touches(frame) * (1 - frame["evening_share"].fillna(0.0))


def _orders(frame: Frame) -> Column:
    return frame["orders_total"].astype(float)


def _later_orders(frame: Frame) -> Column:
    return (frame["orders_total"] - 1).clip(lower=0).astype(float)


def _always(frame: Frame) -> Column:
    return frame["inbound_total"] * 0.0 + 1.0


def _order_share(frame: Frame) -> Column:
    count = touches(frame)
    return frame["orders_total"] / count.where(count > 0)


def _unit_price(frame: Frame) -> Column:
    return _logarithm(frame["average_order"] / frame["units_per_order"].where(frame["units_per_order"] > 0))


def _units_per_product(frame: Frame) -> Column:
    return _logarithm(frame["units_per_order"] / frame["products_per_order"].fillna(1.0))


def _order_gap(frame: Frame) -> Column:
    """Two orders of one day count as a day apart."""
    return _logarithm(frame["order_gap_days"].clip(lower=1.0))


def _since(frame: Frame) -> Column:
    """Days from 1970 to the first touch: a date, so that it does not change with the day of the run."""
    import pandas as pd

    times = pd.to_datetime(frame["first_seen_at"], utc=True)
    return (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds() / 86_400


FEATURES: tuple[Feature, ...] = (
    Feature(
        "public_share",
        "Public or private",
        _of("public_share"),
        _interactions,
        "Speaks in public more than most",
        "Speaks in private more than most",
        "share",
        ("public_share",),
        adjectives=("outspoken", "discreet"),
        halves=True,
    ),
    Feature(
        "call_share",
        "Calls or writes",
        _part("call_share", within="public_share", rest=True),
        _private,
        "Calls more than most",
        "Writes rather than calls",
        "share",
        ("call_share", "public_share"),
        nouns=("callers", ""),
        halves=True,
    ),
    Feature(
        "review_share",
        "Reviews",
        _part("review_share", within="public_share"),
        _public,
        "Writes reviews more than most",
        "Writes fewer reviews than most",
        "share",
        ("review_share", "public_share"),
        nouns=("reviewers", ""),
    ),
    Feature(
        "question_share",
        "Questions",
        _of("question_share"),
        _interactions,
        "Asks more than most",
        "Asks less than most",
        "share",
        ("question_share",),
        adjectives=("curious", ""),
    ),
    Feature(
        "complaint_share",
        "Complaints",
        _of("complaint_share"),
        _interactions,
        "Complains more than most",
        "Complains less than most",
        "share",
        ("complaint_share",),
        adjectives=("critical", ""),
    ),
    Feature(
        "praise_share",
        "Praise",
        _of("praise_share"),
        _interactions,
        "Praises more than most",
        "Praises less than most",
        "share",
        ("praise_share",),
        nouns=("fans", ""),
    ),
    Feature(
        "order_talk_share",
        "Talk about orders",
        _of("order_talk_share"),
        _interactions,
        "Writes about orders more than most",
        "Writes about orders less than most",
        "share",
        ("order_talk_share",),
    ),
    Feature(
        "sentiment",
        "Mood",
        _of("sentiment"),
        _rated,
        "In a better mood than most",
        "In a worse mood than most",
        "signed",
        ("sentiment",),
        adjectives=("cheerful", "displeased"),
    ),
    Feature(
        "message_length",
        "Length of messages",
        _log("message_length"),
        _interactions,
        "Writes longer messages than most",
        "Writes shorter messages than most",
        "characters",
        ("message_length",),
        adjectives=("talkative", "brief"),
    ),
    Feature(
        "morning_share",
        "Before or after noon",
        _part("morning_share", within="evening_share", rest=True),
        _daytime,
        "Comes before noon more than most",
        "Comes after noon more than most",
        "share",
        ("morning_share", "evening_share"),
        adjectives=("morning", "afternoon"),
        halves=True,
    ),
    Feature(
        "office_share",
        "Office hours",
        _part("office_share", within="weekend_share", rest=True),
        _weekdays,
        "Comes in office hours more than most",
        "Comes outside office hours more than most",
        "share",
        ("office_share", "weekend_share"),
        adjectives=("office-hours", ""),
        halves=True,
    ),
    Feature(
        "evening_share",
        "Evenings",
        _of("evening_share"),
        touches,
        "Comes in the evening more than most",
        "Comes in the evening less than most",
        "share",
        ("evening_share",),
        adjectives=("evening", "daytime"),
    ),
    Feature(
        "weekend_share",
        "Weekends",
        _of("weekend_share"),
        touches,
        "Comes at weekends more than most",
        "Comes on weekdays more than most",
        "share",
        ("weekend_share",),
        adjectives=("weekend", "weekday"),
        halves=True,
    ),
    Feature(
        "payday_share",
        "Turn of the month",
        _of("payday_share"),
        touches,
        "Comes around the turn of the month more than most",
        "Comes in mid-month more than most",
        "share",
        ("payday_share",),
        adjectives=("payday", "mid-month"),
        halves=True,
    ),
    Feature(
        "festive_share",
        "November and December",
        _of("festive_share"),
        touches,
        "Comes in November and December more than most",
        "Comes in November and December less than most",
        "share",
        ("festive_share",),
        nouns=("holiday shoppers", ""),
    ),
    Feature(
        "order_share",
        "Buys or talks",
        _order_share,
        touches,
        "Buys more and writes less than most",
        "Writes more and buys less than most",
        "share",
        ("orders_total", "inbound_total"),
        nouns=("buyers", "conversationalists"),
        halves=True,
    ),
    Feature(
        "unit_price",
        "Price of what they buy",
        _unit_price,
        _orders,
        "Buys dearer things than most",
        "Buys cheaper things than most",
        "money",
        ("average_order", "units_per_order"),
        adjectives=("", "thrifty"),
        nouns=("premium buyers", ""),
    ),
    Feature(
        "units_per_product",
        "Pieces of each product",
        _units_per_product,
        _orders,
        "Takes more of each product than most",
        "Takes fewer of each product than most",
        "log",
        ("units_per_order",),
        nouns=("bulk buyers", "single-piece buyers"),
    ),
    Feature(
        "products_per_order",
        "Products at once",
        _log("products_per_order"),
        _orders,
        "Orders more different products at once than most",
        "Orders fewer different products at once than most",
        "log",
        ("products_per_order",),
        nouns=("basket fillers", "one-thing buyers"),
    ),
    Feature(
        "discount_share",
        "Discounts",
        _of("discount_share"),
        _orders,
        "Buys at a discount more than most",
        "Buys at full price more than most",
        "share",
        ("discount_share",),
        adjectives=("", "full-price"),
        nouns=("bargain hunters", ""),
        halves=True,
    ),
    Feature(
        "refund_share",
        "Returns",
        _of("refund_share"),
        _orders,
        "Sends back more than most",
        "Sends back less than most",
        "share",
        ("refund_share",),
        nouns=("returners", ""),
    ),
    Feature(
        "repeat_share",
        "The same again or new",
        _of("repeat_share"),
        _later_orders,
        "Buys the same again more than most",
        "Buys something new more than most",
        "share",
        ("repeat_share",),
        nouns=("repeat buyers", "explorers"),
        halves=True,
    ),
    Feature(
        "order_gap",
        "Time between orders",
        _order_gap,
        _later_orders,
        "Lets more time pass between orders than most",
        "Buys at shorter intervals than most",
        "days",
        ("order_gap_days",),
        adjectives=("occasional", "frequent"),
    ),
    Feature(
        "customer_since",
        "When they came",
        _since,
        lambda frame: frame["first_seen_at"].notna().astype(float),
        "Came to us later than most",
        "Came to us earlier than most",
        "date",
        ("first_seen_at",),
        adjectives=("new", "long-standing"),
    ),
    Feature(
        "birth_year",
        "Age",
        _of("birth_year"),
        lambda frame: frame["birth_year"].notna().astype(float),
        "Younger than most",
        "Older than most",
        "year",
        ("birth_year",),
        adjectives=("young", "older"),
        caution="Not what somebody does. Known of few, it may only part those whose age is known.",
    ),
    Feature(
        "at_home",
        "Country of most or abroad",
        _of("at_home"),
        lambda frame: frame["at_home"].notna().astype(float),
        "Lives where most customers live",
        "Lives abroad",
        "country",
        ("country",),
        adjectives=("local", "far-away"),
        caution="Where somebody lives can stand for where they come from.",
    ),
    Feature(
        "tags",
        "Number of tags",
        _of("tags"),
        _always,
        "Has more tags than most",
        "Has fewer tags than most",
        "count",
        ("tags",),
    ),
    Feature(
        "identities",
        "Number of handles",
        _of("identities"),
        _always,
        "Known by more handles than most",
        "Known by fewer handles than most",
        "count",
        ("identities",),
    ),
    Feature(
        "consents",
        "Number of consents",
        _of("consents"),
        _always,
        "Gave more consents than most",
        "Gave fewer consents than most",
        "count",
        ("consents",),
    ),
)

BY_NAME = {feature.name: feature for feature in FEATURES}
COLUMNS = tuple(dict.fromkeys(name for feature in FEATURES for name in feature.needs))
"""Traits that must be in a frame; a missing one is taken for unknown."""


def chosen(names: Sequence[str] = ()) -> tuple[Feature, ...]:
    """The features of these names in their fixed order; without names those used by default."""
    return tuple(one for one in FEATURES if (one.name in names if names else one.by_default))


def show(feature: Feature, value: float, *, high: bool = True) -> str:
    """One value as a person reads it, beside the words for a high or a low one."""
    match feature.shown:
        case "share":
            told = value if high or not feature.halves else 1 - value
            return f"{100 * told:.0f}%"
        case "signed":
            return f"{value:+.2f}"
        case "characters":
            return f"{np.exp(value):.0f} characters"
        case "days":
            return f"{np.exp(value):.0f} days"
        case "money" | "log":
            return f"{np.exp(value):.1f}"
        case "date":
            return f"{np.datetime64(int(value), 'D')}"[:7]
        case "year":
            return f"{value:.0f}"
        case _:
            return f"{value:.1f}".removesuffix(".0")
