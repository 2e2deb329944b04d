"""Parts of searching that every app shares: folded text, patterns, and lists that are read piece by piece.

Text is compared folded: composed, without accents, in lower case (`core_fold` in the database, which indexes
use). A search that finds too much to be sorted at once attaches a `Finder` to its queryset; `core.paging`
then reads the page from pieces that lie one behind the other in the list's order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from django.db import connection
from django.db.models import BigIntegerField, BooleanField, Func, Model, Q, QuerySet, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast

if TYPE_CHECKING:
    from core.paging import Position, Sort

T = TypeVar("T")

FEW = 500
"""So many hits of a search are taken as a list of ids and sorted; beyond that the list is read in pieces."""
LONGEST = 200
MOST_WORDS = 8
MOST_PARTS = 16
"""So many pieces of a broad search are read at once."""
SHORT = 3
"""Words shorter than this are looked for where words begin only: a trigram index knows no less."""


class Fold(Func):
    """Text without accents and capitals, as it is compared and indexed."""

    function = "core_fold"
    output_field = TextField()


class Pattern(Func):
    """A LIKE pattern that holds a word literally, folded, between two pieces of pattern."""

    function = "core_pattern"
    output_field = TextField()

    def __init__(self, before: str, word: str, behind: str) -> None:
        super().__init__(Value(before), Value(word), Value(behind))


class Like(Func):
    """`text LIKE pattern`, as indexes for patterns answer it."""

    arg_joiner = " LIKE "
    template = "(%(expressions)s)"
    output_field = BooleanField()


def holds(folded: Combinable, word: str) -> Q:
    """Whether folded text holds a word in any place; a short one, at the beginning of a word."""
    if len(word) >= SHORT:
        return Q(Like(folded, Pattern("%", word, "%")))
    return Q(Like(folded, Pattern("", word, "%"))) | Q(Like(folded, Pattern("% ", word, "%")))


def starts(folded: Combinable, word: str) -> Q:
    """Whether folded text begins with this."""
    return Q(Like(folded, Pattern("", word, "%")))


def equals(column: str, value: int) -> Q:
    """Whether a bigint column is this; the value is made as wide, else no GIN index compares it."""
    return Q(**{column: Cast(Value(value), BigIntegerField())})


class Finder(Protocol):
    """How a search that is too broad to be sorted is read."""

    default: str
    """The sort that serves it best, for lists that offer it."""

    def batches(self, sort: Sort, position: Position | None, wanted: int) -> Iterator[Sequence[int]] | None:
        """Ids of hits from this position on, each batch wholly behind the one before in this sort.

        None where the list is better read through its own filter.
        """


class FoundQuerySet(QuerySet[Any]):
    """Carries the finder of a broad search along."""

    finder: Finder | None = None

    def found_by(self, finder: Finder | None) -> Self:
        """The same rows, read by this finder."""
        found = self.all()
        found.finder = finder
        return found

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]
        clone.finder = self.finder
        return clone


def estimate(queryset: QuerySet[Any]) -> int:
    """How many rows the planner expects: it knows frequent words from its statistics."""
    sql, params = queryset.order_by().values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        plan = cursor.fetchone()[0]
    return int((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plan Rows"])


def size_of(model: type[Model]) -> int:
    """About how many rows a table has, from the planner's statistics."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [model._meta.db_table])
        return max(int(cursor.fetchone()[0]), 0)


def take(queryset: QuerySet[Any], *columns: str, limit: int | None = None) -> list[tuple[Any, ...]]:
    """Rows in whatever order the index gives them.

    A limit is kept out of the planner's sight: it would scan the table for a frequent word that is rare.
    """
    sql, params = queryset.order_by().values_list(*columns).query.sql_with_params()
    bound = "" if limit is None else f" LIMIT {limit:d}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH hits AS MATERIALIZED ({sql}) SELECT * FROM hits{bound}",  # noqa: S608 -- Django's own SQL
            params,
        )
        return list(cursor.fetchall())


def take_each(queryset: QuerySet[Any], parts: Sequence[Q], *columns: str) -> list[tuple[Any, ...]]:
    """Rows of several parts, each looked up by itself.

    Given one list of values, the planner leaves it out of the index where it expects few rows, and reads all.
    """
    plain = queryset.order_by().values_list(*columns)
    compiled = [plain.filter(part).query.sql_with_params() for part in parts]
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(f"({sql})" for sql, _ in compiled),
            [param for _, params in compiled for param in params],
        )
        return list(cursor.fetchall())


def in_batches(ids: Sequence[T], first: int) -> Iterator[Sequence[T]]:
    """Slices that grow: most pages need one, those with further filters several."""
    begin = 0
    while begin < len(ids):
        yield ids[begin : begin + first]
        begin += first
        first *= 4
