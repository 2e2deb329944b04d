"""Which interactions and conversations a text means: all its words, "a phrase", the beginnings of words*.

A rare word is probed through the index and sorted. One that nearly every row holds is walked by time, a
bounded number of rows. Everything between is read week by week: the index holds team and week beside the
words, so that neither other weeks nor other teams are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.contrib.postgres.search import SearchVectorExact
from django.db import connection
from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet

from accounts.permissions import SEES_ALL_TEAMS
from accounts.querysets import team_ids
from core.finding import FEW, MOST_PARTS, equals, estimate, in_batches, size_of, take, take_each
from core.paging import Position, Sort
from core.words import Words
from crm.finding import Wanted, find, matches
from crm.models import Customer
from engagement.models import Interaction
from engagement.querysets import SAID, WEEK_ONE, Week

FREQUENT = 0.1
"""Words in a larger share of all rows are walked: so many rows are read for one that is shown, at most."""
WALKED_FOR_ONE = 10
SURELY_MANY = 20 * FEW
"""Where the planner expects so many hits, there is no need to probe for few."""
SMALL_VIEW = 200
COLUMNS = ("occurred_at", "pk", "conversation_id")
Row = tuple[datetime, int, int | None]


class Said:
    """Reads what somebody may see of a search in texts, newest or oldest first."""

    default = "-occurred"

    def __init__(self, words: Words, user: Any) -> None:
        self.words = words
        self.sees_all = getattr(user, "role", None) in SEES_ALL_TEAMS
        self.teams = team_ids(user)

    def batches(self, sort: Sort, position: Position | None, wanted: int) -> Iterator[Sequence[int]] | None:
        """All ids where there are few; else in order of time; None for another order of many."""
        column = sort.columns[0]
        by_time = column.source == "occurred_at"
        if self.few is None and not by_time:
            return None
        falling = column.descending != bool(position and position.backward)
        bound = (position.key[0], position.key[1]) if position and by_time else None
        if self.few is not None and not by_time:
            return iter([[pk for _, pk, _ in self.few]])
        return ([pk for _, pk, _ in some] for some in self.in_order(bound, falling, wanted))

    @cached_property
    def few(self) -> list[Row] | None:
        """All hits, if they are at most `FEW`."""
        if not self.teams:
            return []
        if self._is_frequent or (self.sees_all and self._expected >= SURELY_MANY):
            return None
        rows = take(self._hits(), *COLUMNS, limit=FEW + 1)
        return rows if len(rows) <= FEW else None

    def in_order(
        self, bound: tuple[datetime, int] | None, falling: bool, wanted: int
    ) -> Iterator[Sequence[Row]]:
        """Hits from a bound on, in order of time."""
        if self.few is not None:
            yield from in_batches(_sorted(self.few, bound, falling), wanted)
            return
        if self._is_frequent:
            walked = self._walk(bound, falling, WALKED_FOR_ONE * wanted)
            if walked:
                yield walked
                at, pk, _ = walked[-1]
                bound = (at, pk - 1 if falling else pk + 1)
        for rows in self._weeks(bound, falling):
            yield from in_batches(rows, wanted)

    @cached_property
    def _expected(self) -> int:
        return estimate(Interaction.objects.alias(words=SAID).filter(words=self.words.query))

    @property
    def _is_frequent(self) -> bool:
        return 0 < FREQUENT * self._size < self._expected

    @cached_property
    def _size(self) -> int:
        return size_of(Interaction)

    def _hits(self) -> QuerySet[Interaction]:
        said = Interaction.objects.alias(words=SAID).filter(words=self.words.query)
        return said.filter(self._own_teams)

    @property
    def _own_teams(self) -> Q:
        if self.sees_all:
            return Q()
        return equals("team_id", self.teams[0]) if len(self.teams) == 1 else Q(team_id__in=self.teams)

    # Week by week

    def _weeks(self, bound: tuple[datetime, int] | None, falling: bool) -> Iterator[list[Row]]:
        """Ever more weeks at once, until the last one."""
        edges = Interaction.objects.aggregate(Min("occurred_at"), Max("occurred_at"))
        if edges["occurred_at__min"] is None:
            return
        low, high = _week(edges["occurred_at__min"]), _week(edges["occurred_at__max"])
        at, step = (high, -1) if falling else (low, 1)
        if bound is not None:
            at = min(max(_week(bound[0]), low), high)
        width = 1
        while low <= at <= high:
            weeks = [week for week in range(at, at + step * width, step) if low <= week <= high]
            yield self._of(weeks, bound, falling)
            at, width = at + step * width, min(width * 2, MOST_PARTS)

    def _of(self, weeks: Sequence[int], bound: tuple[datetime, int] | None, falling: bool) -> list[Row]:
        begins = [WEEK_ONE + timedelta(weeks=week) for week in weeks]
        parts = [Q(week=begin) for begin in begins]
        rows: list[Row] = take_each(self._hits().alias(week=Week("occurred_at")), parts, *COLUMNS)
        return _sorted(rows, bound, falling)

    # Walking by time

    def _walk(self, bound: tuple[datetime, int] | None, falling: bool, most: int) -> list[Row]:
        """The hits among the next `most` rows."""
        order = ("-occurred_at", "-pk") if falling else ("occurred_at", "pk")
        rows = Interaction.objects.all()
        if bound is not None:
            rows = rows.filter(_beyond(bound, falling))
        if not self.sees_all and len(self.teams) > 1:
            each = [
                rows.filter(team_id=team).order_by(*order).values("occurred_at", "pk") for team in self.teams
            ]
            nearest = each[0][:most].union(*(one[:most] for one in each[1:]), all=True)
            keys = list(nearest.order_by(*order).values_list("pk", flat=True)[:most])
            rows = Interaction.objects.filter(pk__in=keys)
        else:
            rows = rows.filter(self._own_teams)
        said = rows.annotate(said=SearchVectorExact(SAID, self.words.query))
        sql, params = said.order_by(*order).values_list(*COLUMNS, "said")[:most].query.sql_with_params()
        with connection.cursor() as cursor:
            columns = "at, id, talk"
            cursor.execute(
                f"SELECT {columns} FROM ({sql}) AS walked ({columns}, said) WHERE said",  # noqa: S608
                params,
            )
            return list(cursor.fetchall())


def _sorted(rows: Sequence[Row], bound: tuple[datetime, int] | None, falling: bool) -> list[Row]:
    """In order of time, from the bound on."""
    kept = [row for row in rows if bound is None or (row[:2] <= bound if falling else row[:2] >= bound)]
    return sorted(kept, key=lambda row: row[:2], reverse=falling)


def _beyond(bound: tuple[datetime, int], falling: bool) -> Q:
    at, pk = bound
    side, equal = ("lt", "lte") if falling else ("gt", "gte")
    return Q(**{f"occurred_at__{equal}": at}) & (
        Q(**{f"occurred_at__{side}": at}) | Q(**{f"pk__{equal}": pk})
    )


def _week(moment: datetime) -> int:
    return (moment - WEEK_ONE) // timedelta(weeks=1)


# Conversations


def conversations_about(shown: QuerySet[Any], text: str, user: Any) -> Q:
    """The rule of the inbox's search box, for the conversations that are shown.

    Where too much is found, each conversation of a small view is asked. Of a large one, those of some of the
    customers and of the newest messages are taken: who wants others adds a word, or narrows the view.
    """
    wanted, words = Wanted.of(text), Words.of(text)
    found, said = find(wanted), Said(words, user) if words.query is not None else None
    is_small = (found.is_broad or (said is not None and said.few is None)) and _is_small(shown)
    about = Q(customer_id__in=found.ids)
    if found.is_broad and is_small:
        people = Customer.objects.filter(matches(wanted, found.exact), pk=OuterRef("customer_id"))
        about = Q(Exists(people))
    if said is None:
        return about
    if said.few is None and is_small:
        rows = Interaction.objects.visible_to(user).saying(text).filter(conversation_id=OuterRef("pk"))
        return about | Q(Exists(rows))
    return about | Q(pk__in=_newest_talks(said))


def _is_small(shown: QuerySet[Any]) -> bool:
    return len(shown.order_by().values_list("pk")[: SMALL_VIEW + 1]) <= SMALL_VIEW


def _newest_talks(said: Said) -> set[int]:
    """Conversations of all messages that say it, or of the newest ones."""
    talks: set[int] = set()
    seen = 0
    for rows in said.in_order(None, True, FEW):
        talks |= {talk for _, _, talk in rows if talk}
        seen += len(rows)
        if seen >= FEW:
            break
    return talks
