"""Topics by persona, asked of the daily rollups."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

from django.db.models import QuerySet, Sum

from analytics.models import DailyInteractions, DailyTopics
from personas.topics import Spoken, register_source


def spoken(first: date, last: date, teams: Collection[int] | None) -> Iterable[Spoken]:
    """Each persona's topics in these days, and under '' all that its people said."""
    topics = _of(DailyTopics.objects.all(), first, last, teams).values_list("persona_id", "topic")
    for persona, topic, n, unhappy in topics.annotate(Sum("n"), Sum("negative_n")):
        yield Spoken(persona, topic, n, unhappy)
    inbound = DailyInteractions.objects.filter(direction="inbound")
    sums = _of(inbound, first, last, teams).values_list("persona_id").annotate(Sum("n"))
    for persona, n in sums:
        yield Spoken(persona, "", n)


def _of(rows: QuerySet[Any], first: date, last: date, teams: Collection[int] | None) -> QuerySet[Any]:
    rows = rows.filter(day__range=(first, last))
    return rows if teams is None else rows.filter(team_id__in=teams)


def register() -> None:
    """Called once, when the app is ready."""
    register_source(spoken)
