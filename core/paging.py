"""Keyset paging: the one paginator of pages and API.

A list is ordered by a fixed, named `Sort`, always ended by the primary key, so that no two rows
are equal. A page starts after (or before) the key of a row, never at an offset: rows that arrive
or go meanwhile neither repeat nor hide another row.

    SORTS = {"-last": Sort(desc("last_at", null=EPOCH)), "name": Sort(asc(Lower("name")))}
    page = page_for(request, customers, sorts=SORTS, default="-last")

In a template: `{% for row in page %}`, `<a href="?{{ page.next_query }}">`.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import urlencode

from django.core.exceptions import BadRequest, EmptyResultSet, FieldDoesNotExist, ImproperlyConfigured
from django.core.signing import BadSignature, Signer
from django.db import connection
from django.db.models import BooleanField, F, Func, Model, Q, QuerySet, Value
from django.db.models.expressions import Combinable, Expression
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

M = TypeVar("M", bound=Model)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT_LIMIT = 50
MAX_LIMIT = 500
MAX_TOKEN = 8000
PAGE_PARAM, LIMIT_PARAM, SORT_PARAM = "page", "limit", "sort"
OWN_PARAMS = frozenset({PAGE_PARAM, LIMIT_PARAM})
OTHER_LIST = "This page token belongs to another list, order or filter. Start again from the first page."
BROKEN = "This page token is not one of ours, or it was changed. Start again from the first page."


class PageError(BadRequest):
    """A token, sort or limit that cannot be used; Django answers it with 400."""

    def __init__(self, message: str, *, param: str = PAGE_PARAM) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True)
class Column:
    """One column of a sort: a NOT NULL field or expression; `null` stands in where it may be NULL."""

    source: str | Expression
    descending: bool = False
    null: Any = None

    def expression(self) -> Combinable:
        source: Any = F(self.source) if isinstance(self.source, str) else self.source
        return source if self.null is None else Coalesce(source, Value(self.null))


def asc(source: str | Expression, *, null: Any = None) -> Column:
    """A column from small to large; NULLs count as `null`."""
    return Column(source, descending=False, null=null)


def desc(source: str | Expression, *, null: Any = None) -> Column:
    """A column from large to small; NULLs count as `null`."""
    return Column(source, descending=True, null=null)


class Sort:
    """A named order of a list, ended by the primary key in the direction of the column before it."""

    def __init__(self, *columns: Column, label: str = "") -> None:
        if not columns or columns[-1].source not in ("pk", "id"):
            columns = (*columns, Column("pk", descending=bool(columns) and columns[-1].descending))
        self.columns = columns
        self.label = label

    @property
    def signature(self) -> str:
        return repr([(str(c.source), c.descending, c.null) for c in self.columns])


@dataclass(frozen=True)
class Position:
    """Where a page starts: the sort key of a row, and on which side of it to read."""

    key: tuple[Any, ...]
    backward: bool = False
    inclusive: bool = False


@dataclass
class Page(Generic[M]):
    """One page of a list, in the list's order, with the tokens of its neighbors."""

    items: list[M]
    next_token: str | None = None
    previous_token: str | None = None
    limit: int = DEFAULT_LIMIT
    sort: str = ""
    params: list[tuple[str, str]] = field(default_factory=list)

    def __iter__(self) -> Iterator[M]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        return bool(self.items)

    @property
    def next_query(self) -> str:
        """Query string of the next page with the list's own filters, '' on the last page."""
        return self._query(self.next_token)

    @property
    def previous_query(self) -> str:
        """Query string of the page before with the list's own filters, '' on the first page."""
        return self._query(self.previous_token)

    def _query(self, token: str | None) -> str:
        return urlencode([*self.params, (PAGE_PARAM, token)]) if token else ""


# Tokens


def _signer() -> Signer:
    return Signer(salt="core.paging", sep=".")


def write_token(position: Position, *, list_hash: str) -> str:
    """The opaque, signed, URL-safe text for a position in one list."""
    side = ("b" if position.backward else "a") + ("i" if position.inclusive else "")
    body = json.dumps([list_hash, side, [_pack(value) for value in position.key]], separators=(",", ":"))
    return _signer().sign(base64.urlsafe_b64encode(body.encode()).decode().rstrip("="))


def read_token(token: str, *, list_hash: str) -> Position:
    """The position a token stands for; PageError if it is broken or of another list."""
    if len(token) > MAX_TOKEN:
        raise PageError(BROKEN)
    try:
        packed = _signer().unsign(token)
        found, side, key = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
        position = Position(tuple(_unpack(item) for item in key), side.startswith("b"), side.endswith("i"))
    except (BadSignature, binascii.Error, ValueError, TypeError, KeyError, InvalidOperation) as error:
        raise PageError(BROKEN) from error
    if found != list_hash:
        raise PageError(OTHER_LIST)
    return position


def _pack(value: Any) -> Any:
    if value is None:
        raise ImproperlyConfigured("A sort column gave NULL: give it a stand-in with null=...")
    if isinstance(value, datetime):
        return ["t", value.isoformat()]
    if isinstance(value, date):
        return ["d", value.isoformat()]
    if isinstance(value, Decimal):
        return ["n", str(value)]
    if isinstance(value, bool | int | float | str):
        return value
    return ["s", str(value)]


_UNPACK: dict[str, Callable[[str], Any]] = {
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
    "n": Decimal,
    "s": str,
}


def _unpack(item: Any) -> Any:
    if isinstance(item, list):
        kind, text = item
        return _UNPACK[kind](text)
    return item


def hash_filters(parts: Iterable[tuple[str, str]]) -> str:
    """A short hash of name and value pairs, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(parts)).encode()).hexdigest()[:16]


# Reading a page


class _RowCompare(Func):
    """`(a, b, id) < (x, y, z)`, which one index on (a, b, id) answers."""

    output_field = BooleanField()

    def __init__(self, columns: Sequence[Combinable], operator: str, key: Sequence[Any]) -> None:
        super().__init__(*columns, *(Value(value) for value in key))
        self.operator = operator

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **extra: Any) -> tuple[str, tuple[Any, ...]]:
        compiled = [compiler.compile(expression) for expression in self.source_expressions]
        half = len(compiled) // 2
        left, right = (", ".join(sql for sql, _ in part) for part in (compiled[:half], compiled[half:]))
        params = tuple(param for _, params in compiled for param in params)
        return f"({left}) {self.operator} ({right})", params


def paginate(
    queryset: QuerySet[M],
    *,
    sort: Sort,
    after: str | None = None,
    before: str | None = None,
    limit: int = DEFAULT_LIMIT,
    filters_hash: str = "",
) -> Page[M]:
    """One page of a queryset. `after` takes a page's `next_token`, `before` its `previous_token`."""
    list_hash = _list_hash(sort, filters_hash)
    token = after or before
    position = read_token(token, list_hash=list_hash) if token else None
    if position and position.backward != (not after):
        raise PageError("This page token points the other way: use it as the other of after and before.")
    return _page_at(queryset, sort=sort, position=position, limit=limit, list_hash=list_hash)


def _list_hash(sort: Sort, filters_hash: str) -> str:
    return hash_filters([("sort", sort.signature), ("filters", filters_hash)])


def _page_at(
    queryset: QuerySet[M], *, sort: Sort, position: Position | None, limit: int, list_hash: str
) -> Page[M]:
    backward = bool(position and position.backward)
    rows = _rows(queryset, sort, position, limit + 1)
    if backward and not rows:
        return _page_at(queryset, sort=sort, position=None, limit=limit, list_hash=list_hash)
    more, rows = len(rows) > limit, rows[:limit]
    if backward:
        rows.reverse()
    page = Page(rows, limit=limit)
    if rows and (more or backward):
        page.next_token = write_token(Position(_key(rows[-1], sort)), list_hash=list_hash)
    if rows and (more if backward else position is not None):
        page.previous_token = write_token(Position(_key(rows[0], sort), backward=True), list_hash=list_hash)
    if not rows and position:
        behind = Position(position.key, backward=True, inclusive=True)
        page.previous_token = write_token(behind, list_hash=list_hash)
    return page


def _rows(queryset: QuerySet[M], sort: Sort, position: Position | None, wanted: int) -> list[M]:
    """The next rows; those of a broad search (`core.finding`) piece by piece, until there are enough."""
    finder = getattr(queryset, "finder", None)
    batches = finder.batches(sort, position, wanted) if finder else None
    if batches is None:
        return list(_window(queryset, sort, position)[:wanted])
    rows: list[M] = []
    for ids in batches:
        rows += _window(queryset.filter(pk__in=ids), sort, position)[: wanted - len(rows)]
        if len(rows) >= wanted:
            break
    return rows


def _window(queryset: QuerySet[M], sort: Sort, position: Position | None) -> QuerySet[M]:
    for column in sort.columns:
        _check_not_null(queryset, column)
    named = {_name(i, c): c.expression() for i, c in enumerate(sort.columns) if not _is_own_field(c)}
    queryset = queryset.annotate(**named) if named else queryset
    names = [_name(i, c) for i, c in enumerate(sort.columns)]
    backward = bool(position and position.backward)
    falling = [c.descending != backward for c in sort.columns]
    if position:
        if len(position.key) != len(names):
            raise PageError(BROKEN)
        queryset = queryset.filter(_beyond(names, falling, position))
    return queryset.order_by(
        *(F(n).desc() if down else F(n).asc() for n, down in zip(names, falling, strict=True))
    )


def _beyond(names: list[str], falling: list[bool], position: Position) -> Any:
    """The condition 'comes after this key' in the given directions."""
    if len(set(falling)) == 1:
        operator = ("<" if falling[0] else ">") + ("=" if position.inclusive else "")
        return _RowCompare([F(name) for name in names], operator, position.key)
    first, value = names[0], position.key[0]
    rest = Position(position.key[1:], inclusive=position.inclusive)
    strict, loose = ("lt", "lte") if falling[0] else ("gt", "gte")
    tail = _beyond(names[1:], falling[1:], rest)
    # The outer bound lets an index on the first column narrow what the OR leaves open.
    return Q(**{f"{first}__{loose}": value}) & (
        Q(**{f"{first}__{strict}": value}) | (Q(**{first: value}) & Q(tail))
    )


def _is_own_field(column: Column) -> bool:
    return isinstance(column.source, str) and column.null is None and "__" not in column.source


def _name(index: int, column: Column) -> str:
    return str(column.source) if _is_own_field(column) else f"sort_key_{index}"


def _key(row: Model, sort: Sort) -> tuple[Any, ...]:
    return tuple(getattr(row, _name(i, column)) for i, column in enumerate(sort.columns))


def _check_not_null(queryset: QuerySet[M], column: Column) -> None:
    if not _is_own_field(column) or column.source == "pk":
        return
    try:
        model_field = queryset.model._meta.get_field(str(column.source))
    except FieldDoesNotExist:
        return
    if getattr(model_field, "null", False):
        raise ImproperlyConfigured(
            f"Sort column {column.source} may be NULL: give it a stand-in with null=..."
        )


# For pages


def page_for(
    request: HttpRequest,
    queryset: QuerySet[M],
    *,
    sorts: Mapping[str, Sort],
    default: str,
    limit: int = DEFAULT_LIMIT,
) -> Page[M]:
    """The page that a request's `?sort=&page=&limit=` asks for; PageError (400) on a bad one.

    The token holds for the same model, URL arguments, filters and sort, so a page and its row
    fragment under another URL share tokens.
    """
    finder = getattr(queryset, "finder", None)
    if finder and finder.default in sorts:
        default = finder.default
    name = _sort_name(request.GET.get(SORT_PARAM), sorts, default)
    params = [(k, v) for k in request.GET if k not in OWN_PARAMS for v in request.GET.getlist(k)]
    list_hash = _list_hash(sorts[name], _request_hash(request, queryset, params))
    token = request.GET.get(PAGE_PARAM)
    position = read_token(token, list_hash=list_hash) if token else None
    limit = _limit(request.GET.get(LIMIT_PARAM), limit)
    page = _page_at(queryset, sort=sorts[name], position=position, limit=limit, list_hash=list_hash)
    page.sort = name
    page.params = params + [(k, request.GET[k]) for k in request.GET if k == LIMIT_PARAM]
    return page


def _sort_name(asked: str | None, sorts: Mapping[str, Sort], default: str) -> str:
    if asked and asked not in sorts:
        raise PageError(f"Sort by one of: {', '.join(sorts)}.", param=SORT_PARAM)
    return asked or default


def _limit(asked: str | None, default: int) -> int:
    if not asked:
        return default
    if not (asked.isascii() and asked.isdigit() and 1 <= int(asked[:9]) <= MAX_LIMIT):
        raise PageError(f"limit is a whole number from 1 to {MAX_LIMIT}.", param=LIMIT_PARAM)
    return int(asked)


def _request_hash(request: HttpRequest, queryset: QuerySet[M], params: list[tuple[str, str]]) -> str:
    match = request.resolver_match
    place = [(f"url:{k}", str(v)) for k, v in (match.kwargs if match else {}).items()]
    filters = [(k, v) for k, v in params if v and k != SORT_PARAM]
    return hash_filters([("model", queryset.model._meta.label), *place, *filters])


# For the API


class KeysetPagination(BasePagination):
    """Pages of an API list: `{results, next, previous}`.

    A view names its orders as `sorts = {"-last": Sort(...)}` and `default_sort = "-last"`;
    without them a list goes by id.
    """

    default_sorts: ClassVar[dict[str, Sort]] = {"id": Sort(asc("pk")), "-id": Sort(desc("pk"))}
    page: Page[Any]
    request: Request

    def paginate_queryset(self, queryset: QuerySet[M], request: Request, view: Any = None) -> list[M]:  # type: ignore[override]
        sorts = getattr(view, "sorts", None) or self.default_sorts
        default = getattr(view, "default_sort", None) or next(iter(sorts))
        try:
            self.page = page_for(request._request, queryset, sorts=sorts, default=default)
        except PageError as error:
            raise ValidationError({error.param: [str(error)]}) from error
        self.request = request
        return self.page.items

    def get_paginated_response(self, data: Any) -> Response:
        links = {"next": self._link(self.page.next_query), "previous": self._link(self.page.previous_query)}
        return Response({"results": data, **links})

    def _link(self, query: str) -> str | None:
        return f"{self.request.build_absolute_uri(self.request.path)}?{query}" if query else None

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {"results": schema, "next": link, "previous": link},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        sorts = getattr(view, "sorts", None) or self.default_sorts
        return [
            _parameter(PAGE_PARAM, "Token of a page, from `next` or `previous`.", {"type": "string"}),
            _parameter(
                LIMIT_PARAM,
                f"Rows a page, {DEFAULT_LIMIT} unless said.",
                {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
            ),
            _parameter(SORT_PARAM, "Order of the list.", {"type": "string", "enum": list(sorts)}),
        ]


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


# Counts


@dataclass(frozen=True)
class CappedCount:
    """A count for a badge: exact up to a cap, then '99+'."""

    n: int
    capped: bool = False

    def __str__(self) -> str:
        return f"{self.n}+" if self.capped else str(self.n)

    def __int__(self) -> int:
        return self.n

    def __bool__(self) -> bool:
        return self.n > 0


def capped_count(queryset: QuerySet[Any], cap: int = 99) -> CappedCount:
    """Count at most `cap` + 1 rows, so that a badge costs the same on a big table."""
    found = queryset.order_by().values("pk")[: cap + 1].count()
    return CappedCount(min(found, cap), found > cap)


def capped_counts(wanted: Mapping[str, QuerySet[Any]], *, cap: int) -> dict[str, CappedCount]:
    """The sizes of many querysets in ONE statement, each counted to its cap only."""
    if not wanted:
        return {}
    parts: list[str] = []
    parameters: list[Any] = []
    for queryset in wanted.values():
        try:
            sql, params = queryset.order_by().values("pk")[: cap + 1].query.sql_with_params()
        except EmptyResultSet:
            sql, params = "SELECT 1 WHERE false", ()
        parts.append(f"(SELECT count(*) FROM ({sql}) AS found)")  # noqa: S608 -- Django's own SQL
        parameters.extend(params)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", parameters)
        row = cursor.fetchone()
    return {name: CappedCount(min(found, cap), found > cap) for name, found in zip(wanted, row, strict=True)}
