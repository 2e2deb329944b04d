"""Figures of the overview as tables, to be saved as files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from analytics import figures
from analytics.by_persona import by_persona
from analytics.figures import Filters

Table = tuple[Sequence[str], Iterable[Sequence[Any]]]


def _volume(filters: Filters) -> Table:
    rows = [(row["network"], row["count"].now, row["count"].before) for row in figures.volume(filters)]
    return ("network", "interactions", "interactions before"), rows


def _by_day(filters: Filters) -> Table:
    counts = figures.volume_by_day(filters)
    days = filters.period.each()
    return ("day", "interactions", "interactions before"), zip(
        days, counts["now"], counts["before"], strict=True
    )


def _response(filters: Filters) -> Table:
    found = figures.first_response(filters)
    days = filters.period.each()
    header = ("day", "median minutes to first answer", "median minutes before")
    return header, zip(days, found["now"], found["before"], strict=True)


def _sentiment(filters: Filters) -> Table:
    found = figures.sentiment_by_day(filters)
    header = ("day", "happy per cent", "unhappy per cent")
    return header, zip(filters.period.each(), found["happy"], found["unhappy"], strict=True)


def _topics(filters: Filters) -> Table:
    rows = [
        (row["topic"], row["count"].now, row["count"].before, round(row["unhappy_share"], 1))
        for row in figures.topics(filters, limit=1000)
    ]
    return ("topic", "interactions", "interactions before", "unhappy per cent"), rows


def _personas(filters: Filters) -> Table:
    rows = [
        (row["name"], row["members"], round(row["share"].now, 2), round(row["share"].before, 2))
        for row in figures.persona_shares(filters)["personas"]
    ]
    return ("persona", "customers", "per cent", "per cent before"), rows


def _revenue(filters: Filters) -> Table:
    rows = [(row["name"], row["now"], row["before"]) for row in figures.revenue(filters)["by_persona"]]
    return ("persona", "revenue", "revenue before"), rows


def _by_persona(filters: Filters) -> Table:
    header = (
        "persona", "interactions", "interactions before", "happy per cent", "unhappy per cent",
        "of interactions with a mood", "conversations", "answered in time", "median minutes to first answer",
        "orders", "orders before", "revenue", "revenue before",
    )  # fmt: skip
    return header, [
        (
            row.name or "No persona",
            row.interactions.now,
            row.interactions.before,
            None if row.happy is None else round(row.happy, 1),
            None if row.unhappy is None else round(row.unhappy, 1),
            row.known,
            row.conversations,
            row.in_time,
            None if row.median is None else round(row.median, 1),
            row.orders.now,
            row.orders.before,
            row.revenue.now,
            row.revenue.before,
        )
        for row in by_persona(filters)
    ]


TABLES: dict[str, Callable[[Filters], Table]] = {
    "volume": _volume,
    "by-day": _by_day,
    "response": _response,
    "sentiment": _sentiment,
    "topics": _topics,
    "personas": _personas,
    "revenue": _revenue,
    "by-persona": _by_persona,
}
