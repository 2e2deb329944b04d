"""Reading a rule from JSON. Every mistake is reported with its JSON path and what to type instead."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, cast

from core.conditions import values
from core.conditions.fields import Choosing, Dimension, Field, FieldSet, Value
from core.conditions.operators import EVENT_OPERATORS
from core.conditions.tree import VERSION, Condition, Group, Node, Not, Occurrence

MAX_DEPTH = 6
MAX_LEAVES = 100
MAX_COUNT = 1_000_000
SHAPE = 'A condition is an object with "all", "any", "not", "field" or "event".'
KEYS = {
    "all": frozenset({"all"}),
    "any": frozenset({"any"}),
    "not": frozenset({"not"}),
    "field": frozenset({"field", "op", "value"}),
    "event": frozenset({"event", "op", "count", "days"}),
}


@dataclass(frozen=True)
class RuleError:
    """One mistake in a rule: where it stands and what to type."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class RuleInvalid(ValueError):
    """A rule that cannot be used; `errors` holds each mistake."""

    def __init__(self, errors: list[RuleError]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = errors


class _Mistake(Exception):
    """A mistake that leaves a node unusable; the parser collects it and reads the next node."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.error = RuleError(path, message)


class _TooMany(_Mistake):
    """More leaves than a rule may have: reading on would only make the answer longer."""


def parse(data: Any, fieldset: FieldSet) -> Node:
    """The tree of a rule; RuleInvalid with all its mistakes otherwise.

    The root may carry `"version": 1`, and `{"all": []}` stands for everybody.
    """
    parser = _Parser(fieldset)
    body = dict(data) if isinstance(data, dict) else data
    if isinstance(body, dict) and body.pop("version", VERSION) != VERSION:
        raise RuleInvalid([RuleError("$.version", f"This installation reads rules of version {VERSION}.")])
    if body == {"all": []}:
        return Group("all", ())
    try:
        node = parser.node(body, "$", depth=1)
    except _TooMany as mistake:
        raise RuleInvalid([mistake.error]) from None
    if parser.errors or node is None:
        raise RuleInvalid(parser.errors)
    return node


class _Parser:
    def __init__(self, fieldset: FieldSet) -> None:
        self.fieldset = fieldset
        self.choosing = Choosing()
        self.defined: dict[str, Field] | None = None
        self.errors: list[RuleError] = []
        self.leaves = 0

    def node(self, data: Any, path: str, depth: int) -> Node | None:
        try:
            kind = self._kind(data, path)
            if kind in ("field", "event"):
                return self._leaf(kind, data, path)
            if depth > MAX_DEPTH:
                raise _Mistake(path, f"Groups may stand in each other {MAX_DEPTH} deep, not deeper.")
            if kind == "not":
                child = self.node(data["not"], f"{path}.not", depth + 1)
                return Not(child) if child else None
            return self._group(kind, data[kind], path, depth)
        except _TooMany:
            raise
        except _Mistake as mistake:
            self.errors.append(mistake.error)
            return None

    def _kind(self, data: Any, path: str) -> str:
        if not isinstance(data, dict):
            raise _Mistake(path, SHAPE)
        kinds = [kind for kind in KEYS if kind in data]
        if len(kinds) != 1:
            raise _Mistake(path, SHAPE if not kinds else f"Use only one of {' and '.join(kinds)} here.")
        for key in data:
            if key not in KEYS[kinds[0]]:
                raise _Mistake(f"{path}.{key}", "This key is not known here. Remove it.")
        return kinds[0]

    def _group(self, kind: str, items: Any, path: str, depth: int) -> Node | None:
        if not isinstance(items, list) or not items:
            raise _Mistake(f"{path}.{kind}", "Add at least one condition to this group, or remove the group.")
        children = [self.node(item, f"{path}.{kind}[{i}]", depth + 1) for i, item in enumerate(items)]
        if any(child is None for child in children):
            return None
        return Group(cast(Literal["all", "any"], kind), tuple(child for child in children if child))

    def _leaf(self, kind: str, data: dict[str, Any], path: str) -> Node:
        self.leaves += 1
        if self.leaves > MAX_LEAVES:
            raise _TooMany(path, f"A rule has at most {MAX_LEAVES} conditions.")
        return self._condition(data, path) if kind == "field" else self._occurrence(data, path)

    def _condition(self, data: dict[str, Any], path: str) -> Condition:
        field = self._field(data["field"], f"{path}.field")
        operators = {op.name: op for op in field.allowed()}
        name = data.get("op")
        if not isinstance(name, str) or name not in operators:
            raise _Mistake(f"{path}.op", f"Compare {field.label} by one of: {', '.join(operators)}.")
        try:
            value = values.READERS[operators[name].input](data.get("value"), field, self.choosing)
        except ValueError as error:
            raise _Mistake(f"{path}.value", str(error)) from None
        return Condition(field, name, value, path)

    def _field(self, name: Any, path: str) -> Field:
        if isinstance(name, str) and name in self.fieldset.fields:
            return self.fieldset.fields[name]
        if self.defined is None:
            self.defined = self.fieldset.defined()
        if isinstance(name, str) and name in self.defined:
            return self.defined[name]
        raise _Mistake(path, _unknown("field", name, [*self.fieldset.fields, *self.defined]))

    def _occurrence(self, data: dict[str, Any], path: str) -> Occurrence:
        event = data["event"]
        what = event.get("what") if isinstance(event, dict) else None
        if not isinstance(what, str) or what not in self.fieldset.events:
            raise _Mistake(f"{path}.event.what", _unknown("event", what, list(self.fieldset.events)))
        source = self.fieldset.events[what]
        op = data.get("op")
        if not isinstance(op, str) or op not in EVENT_OPERATORS:
            raise _Mistake(f"{path}.op", f"Choose one of: {', '.join(EVENT_OPERATORS)}.")
        count = self._whole(data.get("count"), f"{path}.count", low=int(op == "at_least"), high=MAX_COUNT)
        days = data.get("days")
        if days is not None:
            days = self._whole(days, f"{path}.days", low=1, high=values.MAX_DAYS)
        where = []
        for name, raw in event.items():
            if name != "what":
                where.append(self._dimension(source.dimension(name), name, raw, f"{path}.event.{name}"))
        return Occurrence(source, op, count, days, tuple(where), path)

    def _whole(self, raw: Any, path: str, *, low: int, high: int) -> int:
        try:
            return values.read_whole(raw, low=low, high=high, what=f"the {path.rsplit('.', 1)[-1]}")
        except ValueError as error:
            raise _Mistake(path, str(error)) from None

    def _dimension(
        self, dimension: Dimension | None, name: str, raw: Any, path: str
    ) -> tuple[str, tuple[Value, ...]]:
        if dimension is None:
            raise _Mistake(path, "This event is not known by that. Remove it.")
        try:
            return name, values.read_choices(raw, dimension, self.choosing)
        except ValueError as error:
            raise _Mistake(path, str(error)) from None


def _unknown(kind: str, name: Any, known: list[str]) -> str:
    if not isinstance(name, str):
        return f"Name a {kind}." if kind == "field" else "Name an event."
    near = get_close_matches(name[:100], known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"There is no {kind} called {name[:100]!r}.{hint}"
