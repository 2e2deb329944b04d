"""Why a row is in or out: the truth of each condition, and the value it looked at."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

from core.conditions.compiling import (
    Context,
    Sql,
    compile_leaf,
    consent_sql,
    count_sql,
    from_clause,
    value_sql,
)
from core.conditions.fields import FieldSet
from core.conditions.operators import FieldType
from core.conditions.tree import Group, Leaf, Node, Not, Occurrence, leaves
from core.conditions.wording import Wording

SCALARS = frozenset(FieldType) - {FieldType.TAG, FieldType.MEMBERSHIP, FieldType.CONSENT}


@dataclass(frozen=True)
class Explained:
    """One node of a rule for one row. `found` is the value a condition looked at, None if unknown."""

    kind: str
    text: str
    holds: bool
    found: str | None = None
    children: tuple["Explained", ...] = ()


def explain(node: Node, fieldset: FieldSet, context: Context, key: int) -> Sql:
    """SELECT of one row with two arrays: the truth of each leaf, and the value it looked at as text."""
    told = list(leaves(node))
    truths = [compile_leaf(leaf, context) for leaf in told]
    values = [_found_sql(leaf, context) for leaf in told]
    held = ", ".join(f"({part.text} IS TRUE)" for part in truths)
    found = ", ".join(part.text for part in values)
    source = f"FROM {from_clause(fieldset, node)} WHERE {fieldset.key} = %s"
    text = f"SELECT ARRAY[{held}]::boolean[], ARRAY[{found}]::text[] {source}"
    return Sql(text, [*(p for part in (*truths, *values) for p in part.params), key])


def _found_sql(leaf: Leaf, context: Context) -> Sql:
    if isinstance(leaf, Occurrence):
        found = count_sql(leaf, context)
    elif leaf.field.type is FieldType.CONSENT:
        found = consent_sql(leaf, context)
    elif leaf.field.type is FieldType.DATETIME:
        text, params = value_sql(leaf.field, context)
        return Sql(f"({text} AT TIME ZONE %s)::date::text", [*params, str(context.zone)])
    elif leaf.field.type in SCALARS:
        found = value_sql(leaf.field, context)
    else:
        return Sql("NULL::text", [])
    return Sql(f"{found.text}::text", found.params)


def why(node: Node, fieldset: FieldSet, context: Context, key: int) -> Explained | None:
    """The rule explained for one row, condition by condition; None if there is no such row."""
    with connection.cursor() as cursor:
        cursor.execute(*explain(node, fieldset, context, key))
        row = cursor.fetchone()
    if row is None:
        return None
    return _told(node, Wording(fieldset), iter(zip(*row, strict=True)))


def _told(node: Node, wording: Wording, found: Iterator[tuple[Any, Any]]) -> Explained:
    if isinstance(node, Not):
        child = _told(node.child, wording, found)
        return Explained("not", wording.text(node), not child.holds, children=(child,))
    if isinstance(node, Group):
        children = tuple(_told(child, wording, found) for child in node.children)
        join = all if node.joined == "all" else any
        text = {"all": "All of these", "any": "Any of these"}[node.joined]
        return Explained(node.joined, text, join(child.holds for child in children), children=children)
    truth, value = next(found)
    return Explained("condition", wording.text(node), truth, found=_said(node, wording, value))


def _said(leaf: Leaf, wording: Wording, value: str | None) -> str | None:
    """The value in the words that the rule is built of."""
    if value is None or isinstance(leaf, Occurrence):
        return value
    if leaf.field.type is FieldType.FLAG:
        return "yes" if value == "true" else "no"
    if leaf.field.type is FieldType.CHOICE:
        labels = wording.choosing.labels(leaf.field) or {}
        return next((label for key, label in labels.items() if str(key) == value), value)
    return value
