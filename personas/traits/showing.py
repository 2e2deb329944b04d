"""How traits are written for people, on the customer page and in what a person gets to see of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from core import formatting, networks
from core.models import Workspace
from personas.traits.catalogue import CATALOGUE
from personas.traits.trait import Trait

if TYPE_CHECKING:
    from personas.models import Traits

ON_THE_RECORD = frozenset({"stage", "language", "country", "city", "birth_year", "profession", "interests"})
"""What pages of a customer show as part of the record, with who said so."""

_SAID, _DONE = ("inbound_total",), ("inbound_total", "orders_total")
BASES = {
    "public_share": _SAID, "call_share": _SAID, "review_share": _SAID,
    "office_share": _DONE, "evening_share": _DONE, "weekend_share": _DONE, "morning_share": _DONE,
    "payday_share": _DONE, "festive_share": _DONE, "refund_share": ("orders_total",),
    "average_order": ("orders_total",), "survey_score": ("surveys_answered",),
}  # fmt: skip
"""What shares and means are of, where other traits count it."""


@dataclass
class Group:
    """Traits of one group that have something to say, each with its value in words."""

    label: str
    rows: list[tuple[Trait, str, str]] = field(default_factory=list)
    """Trait, value, and for a share what it is a share of."""


def shown(traits: Traits | None, *, leave_out: frozenset[str] = frozenset()) -> Sequence[Group]:
    """Every trait that is known and not zero, in the groups of the catalogue."""
    groups: dict[str, Group] = {}
    currency = Workspace.current().currency
    for trait in CATALOGUE if traits is not None else ():
        value = getattr(traits, trait.name)
        if trait.name not in leave_out and not is_empty(value, trait):
            group = groups.setdefault(trait.group, Group(trait.group))
            group.rows.append((trait, text_of(trait, value, currency=currency), base_of(trait, traits)))
    return list(groups.values())


def base_of(trait: Trait, traits: Any) -> str:
    """How many a share is of, in words; '' where its description alone says it."""
    names = BASES.get(trait.name)
    if names is None:
        return ""
    return _("of %(n)s") % {"n": formatting.number(sum(getattr(traits, name) for name in names))}


def is_empty(value: Any, trait: Trait) -> bool:
    """Whether there is nothing to show: unknown, or 0 of what is counted."""
    return value is None or value == "" or (trait.is_zero_when_empty and not value)


def text_of(trait: Trait, value: Any, *, currency: str) -> str:
    """One known value in words: 81%, €430, 14:00, Tuesday."""
    if "money" in (trait.type, trait.unit):
        return formatting.money(value, currency)
    match trait.type:
        case "share":
            return formatting.percent(value)
        case "time":
            return str(date_format(localtime(value), "j M Y"))
        case "hour":
            return f"{value}:00"
        case "weekday":
            return str(WEEKDAYS[value - 1])
        case "year":
            return str(value)
        case "text":
            return networks.get(value).label if trait.name == "top_network" else str(value)
    decimals = 0 if trait.type == "count" else _decimals(value)
    return f"{formatting.number(round(value, decimals), decimals)} {trait.unit}".strip()


def _decimals(value: float) -> int:
    """Means of little things need two digits after the point, of greater ones none."""
    return 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
