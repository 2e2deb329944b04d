"""What rules can ask about: fields and events, in named sets that apps fill in `ready()`.

SQL given here is part of the program, never of a rule. It may use the aliases of its set's
`base` and `joins`, and named parameters `%(name)s`; a plain percent sign is written `%%`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from django.core.exceptions import ImproperlyConfigured

from core.conditions.operators import OPERATORS, FieldType, Operator

Value = str | int
Choices = Sequence[tuple[Value, str]]
Verb = Callable[[Mapping[str, tuple[str, ...]]], str]
ChoiceSource = Choices | Callable[[], Choices] | None

NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
NEEDED: Mapping[FieldType, frozenset[str]] = MappingProxyType(
    {FieldType.TAG: frozenset({"values"}), FieldType.MEMBERSHIP: frozenset({"values"})}
)


@dataclass(frozen=True)
class Dimension:
    """One thing an event or a consent can be narrowed by, such as its network.

    `phrase` says it in a sentence ("on {}"); a dimension without one stands before the noun.
    """

    name: str
    label: str
    sql: str = ""
    choices: ChoiceSource = None
    phrase: str = ""
    required: bool = False


@dataclass(frozen=True)
class Field:
    """One thing a rule can compare.

    `sql` is by type:
    number, money, text, choice, flag: an expression; '' counts as unknown in text and choice;
    date: an expression of type date, a day in the workspace's zone; datetime: a timestamptz;
    tag, membership: a condition over `%(values)s`, an array that holds one or more of the choices
    and asks for any of them, such as
    `EXISTS (SELECT 1 FROM crm_tagging x WHERE x.customer_id = c.id AND x.tag_id = ANY(%(values)s))`;
    consent: an expression over its dimensions' names that gives 'given', 'refused' or NULL. `rows`, if
    given, says the same of everybody at once: FROM and WHERE of one row for each row of the set that has a
    consent, tied to it, with the state in a column `value`.

    `joins` names the set's joins that the SQL needs. `phrase` makes a better sentence than
    "whose <label> is …": "with {} orders", "who last ordered {}". `refers` ("tag", "segment")
    lets `references` find what a rule depends on. A hidden field still works in the rules that
    name it, and the builder offers it no more. `suggestions` are texts that the builder offers where any
    may be typed.
    """

    name: str
    label: str
    type: FieldType
    sql: str
    group: str = ""
    choices: ChoiceSource = None
    operators: tuple[str, ...] = ()
    unit: str | Callable[[], str] = ""
    nullable: bool = True
    joins: tuple[str, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    phrase: str = ""
    refers: str = ""
    hidden: bool = False
    rows: str = ""
    suggestions: Callable[[], Sequence[str]] | None = None

    def allowed(self) -> tuple[Operator, ...]:
        """The operators of this field, in the builder's order."""
        known = OPERATORS[self.type]
        if self.operators:
            return tuple(op for op in known if op.name in self.operators)
        hidden = () if self.nullable else ("known", "unknown")
        return tuple(op for op in known if op.name not in hidden)

    def unit_now(self) -> str:
        return self.unit() if callable(self.unit) else self.unit


@dataclass(frozen=True)
class EventSource:
    """Something that happens and can be counted within days.

    `table` with its alias, `match` ties it to the set's base ("d.customer_id = c.id"), `where` chooses
    its rows, `day` is a date in the workspace's zone or, with `day_type` datetime, a timestamptz;
    `count` is how many events one row stands for, always above zero. Optional `verb` turns the chosen
    dimensions' labels into a clause such as "wrote on Instagram", which follows `pronoun` ("whom we"),
    else the set's own ("who").
    """

    name: str
    label: str
    table: str
    match: str
    day: str
    count: str = "1"
    day_type: FieldType = FieldType.DATE
    dimensions: tuple[Dimension, ...] = ()
    group: str = "Events"
    noun: tuple[str, str] = ("event", "events")
    verb: Verb | None = None
    pronoun: str = ""
    where: str = ""

    def tie(self) -> tuple[str, str]:
        """The two sides of `match`: the column of the event's row, and the key of the set's."""
        key, _equals, of = self.match.partition(" = ")
        return key, of

    def dimension(self, name: str) -> Dimension | None:
        return next((d for d in self.dimensions if d.name == name), None)


@dataclass
class FieldSet:
    """The fields that rules over one kind of row may use.

    `fields` are the program's own; further ones that people define come from `lazy`, asked anew each time, so
    that a field works at once in every process.

    `base` is the FROM clause with its alias ("crm_customer c"), `key` the row's id ("c.id"),
    `joins` further LEFT JOINs that fields ask for by name. `noun` and `pronoun` begin a sentence.
    """

    name: str
    label: str
    base: str
    key: str
    noun: str = "Customers"
    pronoun: str = "who"
    joins: dict[str, str] = field(default_factory=dict)
    fields: dict[str, Field] = field(default_factory=dict)
    events: dict[str, EventSource] = field(default_factory=dict)
    lazy: Callable[[], Sequence[Field]] | None = None

    def join(self, name: str, sql: str) -> None:
        """Add a join; at most one row may match, or rows would repeat."""
        if self.joins.setdefault(name, sql) != sql:
            raise ImproperlyConfigured(f"{self.name}: another join is called {name}.")

    def register(self, *items: Field | EventSource) -> None:
        """Add fields and event sources; ImproperlyConfigured where one cannot work."""
        for item in items:
            if not NAME.fullmatch(item.name):
                raise ImproperlyConfigured(f"{item.name}: a name is like traits.orders_total.")
            if item.name in self.fields or item.name in self.events:
                raise ImproperlyConfigured(f"{self.name}: {item.name} is registered twice.")
            if isinstance(item, EventSource):
                if item.tie()[1] != self.key:
                    raise ImproperlyConfigured(f"{item.name}: match is like d.customer_id = {self.key}.")
                self.events[item.name] = item
            else:
                _check(self, item)
                self.fields[item.name] = item

    def defined(self) -> dict[str, Field]:
        """The fields that people defined, by name, as they are at this moment."""
        return {item.name: item for item in self.lazy()} if self.lazy else {}

    def every_field(self) -> dict[str, Field]:
        """The program's fields, then those that people defined."""
        return {**self.fields, **self.defined()}


def _check(fieldset: FieldSet, item: Field) -> None:
    known = {op.name for op in OPERATORS[item.type]}
    if unknown := set(item.operators) - known:
        raise ImproperlyConfigured(f"{item.name}: no operator {', '.join(sorted(unknown))} for {item.type}.")
    if missing := set(item.joins) - set(fieldset.joins):
        raise ImproperlyConfigured(f"{item.name}: no join called {', '.join(sorted(missing))}.")
    found = set(PLACEHOLDER.findall(item.sql))
    if lacking := NEEDED.get(item.type, frozenset()) - found:
        raise ImproperlyConfigured(f"{item.name}: its SQL needs %({', '.join(lacking)})s.")
    if item.type is FieldType.CONSENT and not {d.name for d in item.dimensions} & found:
        raise ImproperlyConfigured(f"{item.name}: its SQL uses none of its dimensions.")


_sets: dict[str, FieldSet] = {}


def define(fieldset: FieldSet) -> FieldSet:
    """Make a field set known by its name; done once, by the app that owns its base table."""
    if fieldset.name in _sets:
        raise ImproperlyConfigured(f"The field set {fieldset.name} is defined twice.")
    _sets[fieldset.name] = fieldset
    return fieldset


def fieldset(name: str) -> FieldSet:
    """The field set of that name, to register with or to parse against."""
    try:
        return _sets[name]
    except KeyError:
        raise ImproperlyConfigured(f"No field set is called {name}. Known: {', '.join(_sets)}.") from None


def fieldsets() -> list[FieldSet]:
    """Every field set that an app has defined."""
    return list(_sets.values())


class Choosing:
    """Reads each list of choices at most once; lists that come from the database are asked late."""

    def __init__(self) -> None:
        self._read: dict[int, dict[Value, str]] = {}
        self._units: dict[int, str] = {}
        self._suggested: dict[int, list[str]] = {}

    def unit(self, item: Field) -> str:
        """What stands beside the number, asked once of each function that knows."""
        if not callable(item.unit):
            return item.unit
        if id(item.unit) not in self._units:
            self._units[id(item.unit)] = item.unit()
        return self._units[id(item.unit)]

    def labels(self, item: Field | Dimension) -> dict[Value, str] | None:
        """Value to label, or None where any text may be typed."""
        if item.choices is None:
            return None
        # Several fields may ask the same function, or carry the same list, which lives as long as they do.
        key = id(item.choices)
        if key not in self._read:
            pairs = item.choices() if callable(item.choices) else item.choices
            self._read[key] = {value: str(label) for value, label in pairs}
        return self._read[key]

    def suggestions(self, item: Field) -> list[str]:
        """What the builder offers where any text may be typed, asked once of each function that knows."""
        if item.suggestions is None:
            return []
        if id(item.suggestions) not in self._suggested:
            self._suggested[id(item.suggestions)] = list(item.suggestions())
        return self._suggested[id(item.suggestions)]

    def label(self, item: Field | Dimension, value: Value) -> str:
        labels = self.labels(item) or {}
        return labels.get(value, str(value))
