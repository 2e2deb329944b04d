"""What is known about a customer, who said so, and whose word counts.

A field's origin stands in `Customer.origins`: {field: {"source", "at", "by"}}. A person's word, staff's or
the customer's own, beats a machine's; among machines the later word counts, and an empty one clears nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from crm.models import Customer

STAFF = "staff"
CUSTOMER = "customer"
WORDS = "words"
"""What somebody wrote about themselves, read by a machine."""
PEOPLE = frozenset({STAFF, CUSTOMER})
"""Sources through which a person speaks; every other source is a machine."""
CUSTOM = "custom."
"""Before the key of a field of the workspace's own."""
FIELDS = (
    "name", "language", "country", "city", "zone", "birth_year", "job", "profession", "company", "interests",
    "note", "stage",
)  # fmt: skip
EMPTY: tuple[Any, ...] = ("", None, [], {})


@dataclass
class Taken:
    """What a source told about one customer: written, and kept as a person had it."""

    changed: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)


def take(
    customer: Customer,
    values: Mapping[str, Any],
    *,
    source: str,
    by: int | None = None,
    at: datetime | None = None,
) -> Taken:
    """Set what this source may change on the record, in memory, with its origin; the caller saves.

    `values` are checked and normalized, by name of field or "custom.<key>"; `by` is the id of the member of
    staff who spoke.
    """
    at = at or timezone.now()
    taken = Taken()
    for name, value in values.items():
        if value_of(customer, name) == value:
            continue
        if not may_change(customer, name, value, source=source, at=at):
            if value not in EMPTY:
                taken.kept[name] = value
            continue
        _set(customer, name, value)
        customer.origins[name] = origin(source, by=by, at=at)
        taken.changed[name] = value
    return taken


def may_change(customer: Customer, name: str, value: Any, *, source: str, at: datetime) -> bool:
    """Whether this source's word replaces what stands in the field."""
    if source in PEOPLE:
        return True
    known = customer.origins.get(name)
    if value in EMPTY or (known and known["source"] in PEOPLE):
        return False
    return known is None or datetime.fromisoformat(known["at"]) <= at


def origin(source: str, *, by: int | None = None, at: datetime | None = None) -> dict[str, Any]:
    """How an origin is written down."""
    return {"source": source, "at": (at or timezone.now()).isoformat(), "by": by}


def value_of(customer: Customer, name: str) -> Any:
    """What stands in a field, the workspace's own included."""
    if name.startswith(CUSTOM):
        return customer.custom.get(name.removeprefix(CUSTOM))
    return getattr(customer, name)


def put_back(customer: Customer, name: str, value: Any, known: Mapping[str, Any] | None) -> None:
    """Set a field as it was before somebody spoke, in memory, with the origin it had then."""
    _set(customer, name, value)
    if known is None:
        customer.origins.pop(name, None)
    else:
        customer.origins[name] = dict(known)


def _set(customer: Customer, name: str, value: Any) -> None:
    if not name.startswith(CUSTOM):
        setattr(customer, name, value)
        return
    key = name.removeprefix(CUSTOM)
    if value in EMPTY:
        customer.custom.pop(key, None)
    else:
        customer.custom[key] = value
