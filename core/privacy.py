"""Which tables hold a person, and what merging, exporting and erasing does with their rows.

Each app registers every column that names a customer or an identity; a test walks the models and fails for
one that did not. Texts are found without being registered: every column of text of our own apps is searched
when somebody is erased, except those that an app spares and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.functional import Promise

OWN_APPS = ("core", "accounts", "crm", "engagement", "outreach", "personas", "analytics")
SHORTEST_TEXT = 20
"""Columns that hold fewer letters are codes: a language, a country, a kind."""


@dataclass(frozen=True)
class Subject:
    """Whom it is about: one person's customers, the root first, and all their identities."""

    customers: tuple[int, ...]
    identities: tuple[int, ...]


@dataclass(frozen=True)
class Holding:
    """How one table holds a person.

    `customer_field` is the column that follows a merge, `home_field` the one that never changes and by
    which an undo finds its way back; "" where the table has none. `on_merge` is one of
    - "follow": rows whose home moved get the new root (the table keeps a home column);
    - "recompute": the table is computed; rows of both sides are dropped and computed again;
    - "stay": rows stay with the customer they name (history of one record).

    `on_erase` is "delete" (the rows go) or "clear" (the row is about another, and forgets whom it named).
    """

    model: type[models.Model]
    customer_field: str
    home_field: str = ""
    on_merge: str = "follow"
    seen_field: str = ""
    """The time at which a row shows that the customer was there; "" where it does not."""
    export: Callable[[Sequence[int]], Sequence[dict[str, Any]]] | None = None
    """Gives the rows of these customers; None: all columns, without what would give others away."""
    erase: Callable[[Sequence[int]], int] | None = None
    """Does by itself what `on_erase` says, and returns how many rows."""
    on_erase: str = "delete"
    export_for: str = "customer"
    """"nobody": rows that only say how we keep things; they are in no export."""


@dataclass(frozen=True)
class IdentityHolding:
    """A column that names an identity; rows follow their identity, so a merge has nothing to do with it."""

    model: type[models.Model]
    identity_field: str
    on_erase: str = "delete"


_holdings: dict[tuple[str, str], Holding] = {}
_identity_holdings: dict[tuple[str, str], IdentityHolding] = {}
_demo_tables: list[type[models.Model]] = []


def register(holding: Holding) -> None:
    """Make a table known, once for each column that names a customer; apps call it when they are ready."""
    _holdings[holding.model._meta.label, holding.customer_field] = holding


def register_identity(model: type[models.Model], identity_field: str, *, on_erase: str = "delete") -> None:
    """Make a column known that names an identity."""
    _identity_holdings[model._meta.label, identity_field] = IdentityHolding(model, identity_field, on_erase)


def register_customer_data(*models_: type[models.Model]) -> None:
    """Tables without a customer column that are emptied with the demo (conversations, posts, rollups)."""
    _demo_tables.extend(models_)


def holdings() -> list[Holding]:
    """Every table that holds a person."""
    return list(_holdings.values())


def identity_holdings() -> list[IdentityHolding]:
    """Every column that names an identity."""
    return list(_identity_holdings.values())


def customer_data_tables() -> list[str]:
    """Every table about customers, for emptying the demo workspace."""
    held = [holding.model for holding in _holdings.values()]
    return sorted({model._meta.db_table for model in [*held, *_demo_tables]})


def unregistered(
    customer: type[models.Model], identity: type[models.Model], among: Sequence[type[models.Model]]
) -> list[str]:
    """The columns that name a customer or an identity and that nobody registered, as `app.Model.column`."""
    homes = {(one.model._meta.label, one.home_field) for one in holdings() if one.home_field}
    known = {*_holdings, *homes}
    return [
        f"{model._meta.label}.{column.name}"
        for model in among
        for column in model._meta.concrete_fields
        if (column.related_model is customer and (model._meta.label, column.name) not in known)
        or (
            column.related_model is identity
            and (model._meta.label, column.name) not in _identity_holdings
            and (model._meta.label, column.name) not in known
        )
    ]


# What was told and computed about a person, beyond the rows of one table


@dataclass
class Section:
    """One part of a person's export: rows, and files as (name in the archive, name in the storage)."""

    name: str
    label: str
    rows: Sequence[Mapping[str, Any]]
    note: str = ""
    files: Sequence[tuple[str, str]] = ()


Exporter = Callable[[Subject], Section]
_exporters: dict[str, tuple[int, Exporter]] = {}


def register_export(name: str, exporter: Exporter, *, order: int = 50) -> None:
    """Add a part to the export of a person."""
    _exporters[name] = (order, exporter)


def sections(subject: Subject) -> Iterator[Section]:
    """The parts that apps registered, in their order."""
    for _name, (_order, exporter) in sorted(_exporters.items(), key=lambda item: (item[1][0], item[0])):
        yield exporter(subject)


@dataclass
class Erasing:
    """An erasure that is going on, as each eraser sees it.

    `words` finds and blots out what names the person (`crm.privacy.words.Words`). Erasers add to `counts`
    ({table: rows}), to `files` (names in the storage, deleted once the rows are gone) and to `keys` (what
    must not come back, see `crm.erased`).
    """

    subject: Subject
    words: Any
    at: datetime
    counts: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    keys: set[tuple[str, ...]] = field(default_factory=set)

    def count(self, model: type[models.Model], rows: int) -> None:
        """Remember how many rows of a table were deleted or blotted out."""
        if rows:
            table = model._meta.db_table
            self.counts[table] = self.counts.get(table, 0) + rows


Eraser = Callable[[Erasing], None]
_erasers: dict[str, tuple[int, Eraser]] = {}
_told: dict[str, Callable[[Subject], Mapping[str, Sequence[str]]]] = {}


def register_eraser(name: str, eraser: Eraser, *, order: int = 50) -> None:
    """`eraser(erasing)` deletes what no holding names; called before the holdings' own rows go."""
    _erasers[name] = (order, eraser)


def erasers() -> list[Eraser]:
    """Every eraser, in its order."""
    found = sorted(_erasers.items(), key=lambda item: (item[1][0], item[0]))
    return [eraser for _name, (_order, eraser) in found]


def register_words(name: str, words: Callable[[Subject], Mapping[str, Sequence[str]]]) -> None:
    """`words(subject)` gives what else names the person, by kind: name, handle, email, phone, number."""
    _told[name] = words


def further_words(subject: Subject) -> Iterator[tuple[str, str]]:
    """(kind, word) of everything that apps know somebody by."""
    for told in _told.values():
        for kind, words in told(subject).items():
            for word in words:
                yield kind, word


Elsewhere = Callable[[Sequence[str], Subject], set[str]]
_elsewhere: dict[str, Elsewhere] = {}


def register_elsewhere(name: str, elsewhere: Elsewhere) -> None:
    """`elsewhere(words, subject)` gives those of these words that mean or name others too."""
    _elsewhere[name] = elsewhere


def used_elsewhere(words: Sequence[str], subject: Subject) -> set[str]:
    """Those of these words that do not point at this person alone."""
    return {word for elsewhere in _elsewhere.values() for word in elsewhere(words, subject)}


# Texts

_spared: dict[tuple[str, str], str] = {}


def spare(model: type[models.Model], *columns: str, why: str) -> None:
    """Leave columns (all where none is named) out of the search for an erased person's traces."""
    for column in columns or ("*",):
        _spared[model._meta.label, column] = why


def text_columns() -> dict[type[models.Model], list[models.Field[Any, Any]]]:
    """Every column of our own apps that can hold a person's words or name, by table."""
    found: dict[type[models.Model], list[models.Field[Any, Any]]] = {}
    for model in apps.get_models(include_auto_created=True):
        if model._meta.app_label not in OWN_APPS or model._meta.proxy:
            continue
        columns = [column for column in model._meta.concrete_fields if _can_name(model, column)]
        if columns:
            found[model] = columns
    return found


def _can_name(model: type[models.Model], column: models.Field[Any, Any]) -> bool:
    label = model._meta.label
    if (label, "*") in _spared or (label, column.name) in _spared or column.choices or column.remote_field:
        return False
    if isinstance(column, models.CharField):
        return column.max_length is None or column.max_length >= SHORTEST_TEXT
    return isinstance(column, models.TextField | models.JSONField | ArrayField)


# Retention


@dataclass(frozen=True)
class Kind:
    """Rows of one kind that may be deleted once they are old.

    `count(before, most)` says how many would go, counting at most `most`; `purge(before)` deletes one batch
    in a transaction of its own and says how many rows, 0 when none is left.
    """

    name: str
    label: str | Promise
    help: str | Promise
    days: int
    count: Callable[[datetime, int], int]
    purge: Callable[[datetime], int]
    is_on: bool = False
    order: int = 50


_kinds: dict[str, Kind] = {}


def register_retention(kind: Kind) -> None:
    """Add a kind of rows to the retention rules."""
    _kinds[kind.name] = kind


def retention_kinds() -> list[Kind]:
    """Every kind, in its order."""
    return sorted(_kinds.values(), key=lambda kind: (kind.order, kind.name))
