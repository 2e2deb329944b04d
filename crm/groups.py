"""Kinds of groups that customers belong to, by which every list is narrowed: segments, personas.

Which kinds there are is registered by the apps that compute them; lists of customers, conversations,
interactions and orders ask here and know nothing of how a group came about.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field

from core.filters import LARGEST_ID

NONE = "none"
"""Instead of a group's number: customers that belong to none."""
Q = TypeVar("Q", bound=QuerySet[Any])


@dataclass(frozen=True)
class Badge:
    """A group as it stands beside a customer: its name, where it is seen, its icon and tone."""

    id: int
    name: str
    url: str
    icon: str = ""
    tone: int = 0


@dataclass(frozen=True)
class GroupKind:
    """A kind of group. `name` is the filter's name in addresses.

    `choices` gives (number, name) of every group, `members` its customers as a queryset with a column
    `customer_id` (those of every group together for None), `badges` what stands beside some customers,
    `stale` the address of a fragment that says how old the members of a group, or of all, are.
    """

    name: str
    label: str | Promise
    choices: Callable[[], Sequence[tuple[int, str]]]
    members: Callable[[int | None], QuerySet[Any]]
    badges: Callable[[Collection[int]], Mapping[int, Badge]]
    stale: Callable[[int | None], str]


_kinds: dict[str, GroupKind] = {}


def register_kind(kind: GroupKind) -> None:
    """Make a kind of group known."""
    _kinds[kind.name] = kind


def kinds() -> list[GroupKind]:
    """Every kind, in the order they were registered."""
    return list(_kinds.values())


def choices(name: str) -> Sequence[tuple[int, str]]:
    """Number and name of every group of a kind; none where no app registered it."""
    kind = _kinds.get(name)
    return kind.choices() if kind else ()


def title(name: str, chosen: int | str) -> str:
    """What a list narrowed to this group is called."""
    kind = _kinds.get(name)
    if kind is None or chosen == NONE:
        return str(_("In none"))
    return dict(kind.choices()).get(int(chosen), str(kind.label))


def narrowed(rows: Q, name: str, chosen: int | str, *, by: str = "pk") -> Q:
    """The rows whose customer, in the column `by`, belongs to the group; NONE: to no group of this kind.

    Nobody belongs to a kind that no app registered.
    """
    kind = _kinds.get(name)
    if kind is None:
        return rows if chosen == NONE else rows.none()
    # EXISTS both ways: NOT IN over a million members would be read anew for every row.
    found = kind.members(None if chosen == NONE else int(chosen)).filter(customer_id=OuterRef(by))
    if chosen == NONE:
        return rows.filter(~Exists(found), **{f"{by}__isnull": False})
    return rows.filter(Exists(found))


def stale(given: Mapping[str, str]) -> list[str]:
    """Addresses of what says how old the members are, for a list narrowed by these filters."""
    chosen = [(kind, given[kind.name]) for kind in _kinds.values() if given.get(kind.name)]
    return [kind.stale(None if text == NONE else int(text)) for kind, text in chosen]


def badges(name: str, customers: Collection[int]) -> Mapping[int, Badge]:
    """What stands beside each of these customers, by customer."""
    kind = _kinds.get(name)
    return kind.badges(customers) if kind and customers else {}


class GroupFormField(forms.CharField):
    """The number of a group, or none."""

    def clean(self, value: Any) -> int | str | None:
        text = super().clean(value).strip()
        if not text or text == NONE:
            return text or None
        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:20]) <= LARGEST_ID):
            raise ValidationError(_("Give the number of a group, or none."), code="invalid")
        return int(text)


@extend_schema_field({"oneOf": [{"type": "integer", "minimum": 1}, {"const": NONE}]})
class GroupFilter(django_filters.Filter):
    """Rows whose customer belongs to a segment or persona; `by` is the column that names the customer."""

    field_class = GroupFormField

    def __init__(self, kind: str, *, by: str = "pk", **options: Any) -> None:
        super().__init__(max_length=20, **options)
        self.kind, self.by = kind, by

    def filter(self, qs: Any, value: Any) -> Any:
        return qs if value is None else narrowed(qs, self.kind, value, by=self.by)
