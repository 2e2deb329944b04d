"""Rows of one person as they are told to that person: readable, and giving nobody else away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import User
from core import privacy
from core.models import Brand
from core.privacy import Holding, Section, Subject
from crm.models import Customer, Identity, Order, Suspect, Tag

OTHER = "[another person]"
NAMED = frozenset({"crm.Tag", "personas.Persona", "personas.Segment", "core.Brand", "accounts.Team"})
"""Tables whose rows are told by their name; of others the number is."""


def sections(subject: Subject) -> Iterator[Section]:
    """Every part of a person's export: the tables that name them, then what apps add."""
    by_table: dict[type[models.Model], Section] = {}
    for holding in privacy.holdings():
        if holding.export_for == "nobody" or holding.on_erase == "clear":
            continue
        rows = list(rows_of(holding, subject))
        if holding.model in by_table:
            by_table[holding.model].rows = [*by_table[holding.model].rows, *rows]
        else:
            label = str(holding.model._meta.verbose_name_plural).capitalize()
            by_table[holding.model] = Section(holding.model._meta.db_table, label, rows)
    yield from by_table.values()
    yield from privacy.sections(subject)


def rows_of(holding: Holding, subject: Subject) -> Iterator[Mapping[str, Any]]:
    """The rows of one table that name this person."""
    if holding.export is not None:
        for row in holding.export(subject.customers):
            yield {name: plain(value) for name, value in row.items()}
        return
    column = holding.customer_field
    wanted = Q(pk__in=subject.customers) if column == "id" else Q(**{f"{column}_id__in": subject.customers})
    for found in holding.model._default_manager.filter(wanted).order_by("pk").iterator(chunk_size=2000):
        yield {
            field.name: told(found, field, subject)
            for field in holding.model._meta.concrete_fields
            if not field.name.startswith("home_")
        }


def told(row: models.Model, field: models.Field[Any, Any], subject: Subject) -> Any:
    """One value, as it may be told: staff by first name, other customers not at all."""
    value = getattr(row, field.attname)
    if value is None or field.related_model is None:
        return plain(value)
    if field.related_model is Customer:
        return value if value in subject.customers else OTHER
    if field.related_model is Identity:
        return str(getattr(row, field.name)) if value in subject.identities else OTHER
    if field.related_model is User:
        return getattr(row, field.name).get_short_name()
    if field.related_model in (Tag, Brand) or field.related_model._meta.label in NAMED:
        return str(getattr(row, field.name))
    return plain(value)


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def orders(customers: Sequence[int]) -> Sequence[dict[str, Any]]:
    """What they bought, with each line."""
    found = (
        Order.objects.filter(customer_id__in=customers).prefetch_related("lines").order_by("placed_at", "pk")
    )
    return [
        {
            "shop": order.source,
            "number": order.number or order.external_id,
            "id": order.external_id,
            "status": order.status,
            "placed_at": order.placed_at,
            "total": order.total,
            "discount": order.discount,
            "refunded": order.refunded,
            "currency": order.currency,
            "lines": [
                f"{line.units} × {line.title} {line.sku} ({line.category}) at {line.price}"
                for line in order.lines.all()
            ],
        }
        for order in found
    ]


def suspects(customers: Sequence[int]) -> Sequence[dict[str, Any]]:
    """Whom the search for duplicates held for the same person, without saying who that is."""
    pairs = Suspect.objects.filter(Q(low_id__in=customers) | Q(high_id__in=customers)).order_by("pk")
    return [
        {
            "with": OTHER,
            "probability": pair.probability,
            "state": pair.state,
            "found_at": pair.found_at,
            "compared": [str(one.get("field", "")) for one in pair.evidence],
        }
        for pair in pairs
    ]


def nothing_more(customers: Sequence[int]) -> Sequence[dict[str, Any]]:
    """For the second column of a table whose first one told both."""
    return []


def looks(subject: Subject) -> Section:
    """When staff looked at this record, and who, by first name."""
    from accounts.models import AuditEntry

    numbers = [str(pk) for pk in subject.customers]
    entries = AuditEntry.objects.filter(object_kind="crm.customer", object_id__in=numbers)
    rows = [
        {"at": plain(one.at), "what": one.verb, "by": one.actor.get_short_name() if one.actor else ""}
        for one in entries.select_related("actor").order_by("at", "pk")
    ]
    return Section("looks", _("Who looked at or changed this record"), rows)
