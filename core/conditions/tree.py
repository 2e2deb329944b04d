"""The rule tree: groups, negations and two kinds of leaves. Made by `parse`, never by hand."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from core.conditions.fields import EventSource, Field, Value

VERSION = 1


@dataclass(frozen=True)
class Group:
    """All or any of its children. Only the root may be empty: all of nothing is everybody."""

    joined: Literal["all", "any"]
    children: tuple["Node", ...]


@dataclass(frozen=True)
class Not:
    """The complement: every row its child does not hold for, unknown values included."""

    child: "Node"


@dataclass(frozen=True)
class Condition:
    """A field compared with a value; the value's Python type follows the operator's input."""

    field: Field
    op: str
    value: Any = None
    path: str = "$"


@dataclass(frozen=True)
class Occurrence:
    """How often something happened within the last days (None: ever), narrowed by dimensions."""

    source: EventSource
    op: str
    count: int
    days: int | None = None
    where: tuple[tuple[str, tuple[Value, ...]], ...] = ()
    path: str = "$"


Leaf = Condition | Occurrence
Node = Group | Not | Condition | Occurrence


@dataclass(frozen=True)
class Reference:
    """Something outside the rule that it depends on: a segment, a persona, a tag."""

    kind: str
    value: Value


def leaves(node: Node) -> Iterator[Leaf]:
    """Every leaf in reading order."""
    if isinstance(node, Group):
        for child in node.children:
            yield from leaves(child)
    elif isinstance(node, Not):
        yield from leaves(node.child)
    else:
        yield node


def references(node: Node) -> set[Reference]:
    """What the rule depends on, by the `refers` of its fields."""
    found: set[Reference] = set()
    for leaf in leaves(node):
        if isinstance(leaf, Condition) and leaf.field.refers:
            values = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
            found |= {Reference(leaf.field.refers, value) for value in values if value is not None}
    return found


def to_json(node: Node) -> dict[str, Any]:
    """The rule as it is stored, in one spelling; `parse` reads it back to the same tree."""
    return {"version": VERSION, **_node_json(node)}


def _node_json(node: Node) -> dict[str, Any]:
    if isinstance(node, Group):
        return {node.joined: [_node_json(child) for child in node.children]}
    if isinstance(node, Not):
        return {"not": _node_json(node.child)}
    if isinstance(node, Condition):
        shown = {} if node.value is None else {"value": _value_json(node.value)}
        return {"field": node.field.name, "op": node.op, **shown}
    where = {name: list(values) if len(values) > 1 else values[0] for name, values in node.where}
    days = {} if node.days is None else {"days": node.days}
    return {"event": {"what": node.source.name, **where}, "op": node.op, "count": node.count, **days}


def _value_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_value_json(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
