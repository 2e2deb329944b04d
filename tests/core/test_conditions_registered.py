"""What the apps registered can be asked: each field by each operator, each event by each dimension."""

import json
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from core.conditions import (
    Condition,
    Context,
    EventSource,
    Field,
    FieldSet,
    Group,
    Node,
    Occurrence,
    counting,
    describe,
    explain,
    fieldsets,
    matching,
    sentence,
)
from core.conditions.fields import Choosing, Dimension
from core.conditions.operators import Input, Operator

CONTEXT = Context(today=date(2026, 3, 29), zone=ZoneInfo("Europe/Berlin"))


def choice(item: Field | Dimension) -> Any:
    """One of the choices; a list that is still empty holds ids or names."""
    labels = Choosing().labels(item)
    return next(iter(labels)) if labels else 1 if getattr(item, "refers", "") else "x"


def typed(field: Field, operator: Operator) -> Any:
    if operator.input is Input.CONSENT:
        return {d.name: choice(d) if d.required else None for d in field.dimensions}
    if operator.input in (Input.CHOICE, Input.CHOICES):
        return choice(field) if operator.input is Input.CHOICE else (choice(field),)
    day = date(2026, 1, 31)
    samples = {
        Input.NONE: None,
        Input.NUMBER: Decimal("2.5"),
        Input.NUMBER_RANGE: (Decimal(1), Decimal(3)),
        Input.TEXT: "50%_'",
        Input.TEXTS: ("a", "b"),
        Input.DATE: day,
        Input.DATE_RANGE: (day, day),
        Input.DAYS: 90,
    }
    return samples[operator.input]


def field_leaves(field: Field) -> list[Node]:
    return [Condition(field, operator.name, typed(field, operator)) for operator in field.allowed()]


def event_leaves(source: EventSource) -> list[Node]:
    where = tuple((d.name, (choice(d),)) for d in source.dimensions)
    ops = ("at_least", "at_most", "exactly")
    some: list[Node] = [Occurrence(source, op, n, 90, where) for op in ops for n in (1, 3)]
    return [*some, Occurrence(source, "exactly", 0, None, ())]


CASES = [
    pytest.param(fieldset, item, id=f"{fieldset.name}:{item.name}")
    for fieldset in fieldsets()
    for item in (*fieldset.fields.values(), *fieldset.events.values())
]


def test_the_customers_can_be_asked_about() -> None:
    assert "customer" in {fieldset.name for fieldset in fieldsets()}


@pytest.mark.parametrize(("fieldset", "item"), CASES)
def test_every_condition_runs_is_counted_explained_and_told(
    db: None, fieldset: FieldSet, item: Field | EventSource
) -> None:
    leaves = field_leaves(item) if isinstance(item, Field) else event_leaves(item)
    rule = Group("any", tuple(leaves))
    with connection.cursor() as cursor:
        for sql, params in (
            matching(rule, fieldset, CONTEXT, keys=[1, 2]),
            counting(rule, fieldset, CONTEXT),
            explain(rule, fieldset, CONTEXT, 1),
        ):
            cursor.execute(sql, params)
            cursor.fetchall()
    told = sentence(rule, fieldset)
    assert told.startswith(fieldset.noun) and "{}" not in told


def test_every_builder_can_be_described(db: None) -> None:
    for fieldset in fieldsets():
        assert json.loads(json.dumps(describe(fieldset)))["fieldset"] == fieldset.name
