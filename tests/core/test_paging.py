"""Keyset paging: each row exactly once, in both directions, whatever the sort column holds."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, models
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.test import RequestFactory
from rest_framework import generics, serializers
from rest_framework.test import APIRequestFactory

from core.paging import (
    EPOCH,
    KeysetPagination,
    Page,
    PageError,
    Position,
    Sort,
    asc,
    capped_count,
    desc,
    page_for,
    paginate,
    read_token,
    write_token,
)

SAME = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


class Row(models.Model):
    """A row of a list under test; its table lives only in this file's tests."""

    at = models.DateTimeField(null=True)
    made = models.DateTimeField()
    name = models.CharField(max_length=20)
    amount = models.DecimalField(max_digits=8, decimal_places=2)
    rank = models.IntegerField()
    done = models.BooleanField(default=False)

    class Meta:
        app_label = "tests_paging"
        db_table = "tests_paging_row"


SORTS = {
    "-made": Sort(desc("made")),
    "-at": Sort(desc("at", null=EPOCH)),
    "name": Sort(asc(Lower("name"))),
    "mixed": Sort(desc("rank"), asc("name"), desc("amount")),
    "nullfirst": Sort(asc("at", null=EPOCH), desc("rank")),
    "done": Sort(asc("done")),
    "id": Sort(desc("pk")),
}


@pytest.fixture
def table(db: None) -> Iterator[None]:
    with connection.schema_editor() as editor:
        editor.create_model(Row)
    yield


def fill(count: int, *, start: int = 0) -> None:
    Row.objects.bulk_create(
        Row(
            at=None if i % 3 == 0 else SAME,
            made=SAME,
            name=["Ann", "ann", "Bob", "Zoë", "%_'\\"][i % 5],
            amount=Decimal(i % 7) / 4,
            rank=i % 4,
            done=i % 2 == 0,
        )
        for i in range(start, start + count)
    )


def walk(queryset: QuerySet[Row], sort: Sort, *, limit: int) -> Iterator[Page[Row]]:
    page = paginate(queryset, sort=sort, limit=limit)
    yield page
    while page.next_token:
        page = paginate(queryset, sort=sort, limit=limit, after=page.next_token)
        yield page


@pytest.mark.parametrize("name", SORTS)
def test_each_of_5000_rows_comes_once_forward_and_backward(table: None, name: str) -> None:
    fill(5000)
    pages = list(walk(Row.objects.all(), SORTS[name], limit=331))
    seen = [row.pk for page in pages for row in page]
    assert sorted(seen) == sorted(Row.objects.values_list("pk", flat=True))

    back, page = [row.pk for row in pages[-1]], pages[-1]
    while page.previous_token:
        page = paginate(Row.objects.all(), sort=SORTS[name], limit=331, before=page.previous_token)
        back = [row.pk for row in page] + back
    assert back == seen
    assert pages[0].previous_token is None
    assert pages[-1].next_token is None


def test_order_is_the_order_of_the_sort(table: None) -> None:
    fill(60)
    rows = [row for page in walk(Row.objects.all(), SORTS["mixed"], limit=7) for row in page]
    expected = sorted(Row.objects.all(), key=lambda r: (-r.rank, 0, -r.amount, -r.pk))
    names = [
        list(Row.objects.filter(rank=k).order_by("name").values_list("name", flat=True)) for k in (3, 2, 1, 0)
    ]
    assert [row.rank for row in rows] == [row.rank for row in expected]
    assert [row.name for row in rows] == [name for part in names for name in part]
    for left, right in pairwise(rows):
        if (left.rank, left.name) == (right.rank, right.name):
            assert (left.amount, left.pk) > (right.amount, right.pk)


@pytest.mark.parametrize("name", ["-made", "-at", "mixed"])
def test_rows_that_arrive_meanwhile_neither_repeat_nor_hide_a_row(table: None, name: str) -> None:
    fill(400)
    there = set(Row.objects.values_list("pk", flat=True))
    seen: list[int] = []
    for round_, page in enumerate(walk(Row.objects.all(), SORTS[name], limit=23)):
        seen += [row.pk for row in page]
        if round_ < 20:
            fill(5, start=round_)
    assert len(seen) == len(set(seen))
    assert there <= set(seen)


def test_rows_that_go_meanwhile_leave_a_way_back(table: None) -> None:
    fill(30)
    first = paginate(Row.objects.all(), sort=SORTS["-made"], limit=10)
    shown = [row.pk for row in first]
    Row.objects.exclude(pk__in=shown).delete()
    empty = paginate(Row.objects.all(), sort=SORTS["-made"], limit=10, after=first.next_token)
    assert not empty and empty.next_token is None
    back = paginate(Row.objects.all(), sort=SORTS["-made"], limit=10, before=empty.previous_token)
    assert [row.pk for row in back] == shown

    second = paginate(Row.objects.all(), sort=SORTS["-made"], limit=5)
    third = paginate(Row.objects.all(), sort=SORTS["-made"], limit=5, after=second.next_token)
    Row.objects.filter(pk__in=[row.pk for row in second]).delete()
    start = paginate(Row.objects.all(), sort=SORTS["-made"], limit=5, before=third.previous_token)
    assert [row.pk for row in start] == [row.pk for row in third]
    assert start.previous_token is None


def test_equal_directions_are_one_row_comparison(table: None) -> None:
    fill(20)
    page = paginate(Row.objects.all(), sort=SORTS["-made"], limit=5)
    with connection.execute_wrapper(_record(statements := [])):
        paginate(Row.objects.all(), sort=SORTS["-made"], limit=5, after=page.next_token)
    assert len(statements) == 1
    assert '("tests_paging_row"."made", "tests_paging_row"."id") < (%s, %s)' in statements[0]
    assert "OFFSET" not in statements[0]


def _record(statements: list[str]) -> Any:
    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    return wrapper


def test_a_sort_column_that_may_be_null_needs_a_stand_in(table: None) -> None:
    with pytest.raises(ImproperlyConfigured, match="at may be NULL"):
        paginate(Row.objects.all(), sort=Sort(desc("at")))


@pytest.mark.parametrize(
    "key",
    [
        (SAME, 5),
        (date(2026, 1, 2), Decimal("12.30"), "ünï\"'\\", True, -1, 9),
        (0.1, 2**62, "", False),
    ],
)
def test_a_token_gives_back_the_same_values_of_the_same_types(key: tuple[Any, ...]) -> None:
    found = read_token(write_token(Position(key), list_hash="h"), list_hash="h").key
    assert found == key
    assert [type(value) for value in found] == [type(value) for value in key]


@pytest.mark.parametrize("other", [SORTS["-at"], SORTS["id"], Sort(asc("made"))])
def test_a_token_of_another_order_is_refused(table: None, other: Sort) -> None:
    fill(20)
    page = paginate(Row.objects.all(), sort=SORTS["-made"], limit=5)
    with pytest.raises(PageError, match="another list"):
        paginate(Row.objects.all(), sort=other, limit=5, after=page.next_token)


def test_a_token_of_other_filters_is_refused(table: None) -> None:
    fill(20)
    page = paginate(Row.objects.all(), sort=SORTS["id"], limit=5, filters_hash="a")
    with pytest.raises(PageError, match="another list"):
        paginate(Row.objects.all(), sort=SORTS["id"], limit=5, after=page.next_token, filters_hash="b")


def test_every_changed_character_of_a_token_is_a_clear_error(table: None) -> None:
    fill(20)
    token = paginate(Row.objects.all(), sort=SORTS["id"], limit=5).next_token
    assert token
    for i, letter in enumerate(token[:-1]):
        changed = token[:i] + ("A" if letter != "A" else "B") + token[i + 1 :]
        with pytest.raises(PageError, match="first page"):
            paginate(Row.objects.all(), sort=SORTS["id"], limit=5, after=changed)


@pytest.mark.parametrize("token", ["x", "é", "\x00", "a.b", "." * 30, "9" * 10_000, "\ud800"])
def test_nonsense_instead_of_a_token_is_a_clear_error(table: None, token: str) -> None:
    with pytest.raises(PageError, match="first page"):
        paginate(Row.objects.all(), sort=SORTS["id"], after=token)


def test_a_token_used_the_wrong_way_round_is_refused(table: None) -> None:
    fill(20)
    page = paginate(Row.objects.all(), sort=SORTS["id"], limit=5)
    with pytest.raises(PageError, match="other way"):
        paginate(Row.objects.all(), sort=SORTS["id"], limit=5, before=page.next_token)


def ask(**params: Any) -> Any:
    return RequestFactory().get("/rows/", params)


def test_a_page_keeps_filters_limit_and_sort_in_its_links(table: None) -> None:
    fill(20)
    page = page_for(ask(q="bob", limit="5", sort="name"), Row.objects.all(), sorts=SORTS, default="-made")
    assert page.sort == "name" and len(page) == 5
    assert page.next_query.startswith("q=bob&sort=name&limit=5&page=")
    again = RequestFactory().get("/rows/?" + page.next_query)
    second = page_for(again, Row.objects.all(), sorts=SORTS, default="-made")
    assert second.previous_query and not {r.pk for r in page} & {r.pk for r in second}


def test_a_page_token_under_another_filter_is_a_400(table: None) -> None:
    fill(20)
    page = page_for(ask(q="bob", limit=5), Row.objects.all(), sorts=SORTS, default="-made")
    with pytest.raises(PageError, match="another list"):
        page_for(ask(q="ann", page=page.next_token), Row.objects.all(), sorts=SORTS, default="-made")


@pytest.mark.parametrize("limit", ["0", "501", "-1", "x", "1.5", "²", "9" * 5000])
def test_a_bad_limit_is_a_clear_error(table: None, limit: str) -> None:
    with pytest.raises(PageError, match="from 1 to 500"):
        page_for(ask(limit=limit), Row.objects.all(), sorts=SORTS, default="-made")


def test_an_unknown_sort_names_the_known_ones(table: None) -> None:
    with pytest.raises(PageError, match="-made, -at, name"):
        page_for(ask(sort="password"), Row.objects.all(), sorts=SORTS, default="-made")


class RowSerializer(serializers.ModelSerializer[Row]):
    class Meta:
        model = Row
        fields = ("id", "name")


class RowList(generics.ListAPIView[Row]):
    queryset = Row.objects.all()
    serializer_class = RowSerializer
    pagination_class = KeysetPagination
    authentication_classes = ()
    permission_classes = ()
    sorts = SORTS
    default_sort = "-at"


def get(url: str) -> Any:
    return RowList.as_view()(APIRequestFactory().get(url))


def test_an_api_list_is_walked_by_its_own_links(table: None) -> None:
    fill(120)
    answer = get("/rows/?limit=50")
    assert set(answer.data) == {"results", "next", "previous"}
    assert answer.data["previous"] is None
    ids, sizes = [], []
    while True:
        ids += [row["id"] for row in answer.data["results"]]
        sizes.append(len(answer.data["results"]))
        if not answer.data["next"]:
            break
        answer = get(answer.data["next"])
    assert sizes == [50, 50, 20]
    assert len(set(ids)) == 120
    back = get(answer.data["previous"])
    assert [row["id"] for row in back.data["results"]] == ids[50:100]


@pytest.mark.parametrize("query", ["page=x", "limit=501", "sort=secret"])
def test_a_bad_parameter_of_an_api_list_is_a_400_that_names_it(table: None, query: str) -> None:
    answer = get("/rows/?" + query)
    assert answer.status_code == 400
    assert [error["attr"] for error in answer.data["errors"]] == [query.split("=", maxsplit=1)[0]]


def test_a_capped_count_stops_at_its_cap(table: None) -> None:
    fill(100)
    assert str(capped_count(Row.objects.all())) == "99+"
    assert str(capped_count(Row.objects.filter(pk__lte=Row.objects.order_by("pk")[6].pk))) == "7"
    assert not capped_count(Row.objects.filter(Q(pk__lt=0)))
    with connection.execute_wrapper(_record(statements := [])):
        capped_count(Row.objects.all(), cap=9)
    assert "LIMIT 10" in statements[0]
