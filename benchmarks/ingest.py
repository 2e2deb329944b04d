"""How fast events come in, beside a bare multi-row insert of the same rows into the same table.

Events go in by pages of 500, one worker, one transaction a page: without reading of text, with it, with it
where the reader meets every text for the first time in its page, and so with a trained model of moods in
use as well (trained here on what VADER says of the texts). After each slice of each of these the very rows
that it stored are inserted once more under another account, by pages of 500 and one transaction a
page, so that both meet the same table, of the same size, with all its indexes, at the same time of day.
Everything happens in a database of its own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks import _talk
from benchmarks._figures import Figures, is_small, migrated_django, say_machine, spread

if TYPE_CHECKING:
    from engagement.channels.base import Event
    from engagement.models import ChannelAccount

PAGE = 500
PAGES_A_SLICE = 5
FULL, SMALL = 100_000, 10_000
BOUND_OFF, BOUND_ON = 0.25, 0.1
SIZES = (1, 50, 500)
# Not part of the bare insert: the key, which the table draws itself.
COPIED = [
    "external_id",
    "conversation_id",
    "team_id",
    "identity_id",
    "home_customer_id",
    "customer_id",
    "staff_name",
    "kind",
    "direction",
    "is_public",
    "is_automatic",
    "occurred_at",
    "received_at",
    "subject",
    "text",
    "rating",
    "in_reply_to",
    "post_id",
    "object_key",
    "language",
    "sentiment",
    "reason",
    "topics",
    "reader",
]


@dataclass
class Way:
    """One way of ingesting, its account, and the account of its bare twin."""

    name: str
    read_text: bool
    forget: bool
    bound: float
    account: ChannelAccount
    bare: ChannelAccount
    trained: bool = False
    pages: list[float] = field(default_factory=list)
    bare_pages: list[float] = field(default_factory=list)


def main() -> int:
    """Measure and return the exit code."""
    figures = Figures()
    count = SMALL if is_small() else FULL
    texts = _talk.care_texts()
    say_machine(figures)
    figures.say("events", count)
    figures.say("texts repeated", len(texts))
    figures.say("seed", str(_talk.SEED))
    with migrated_django():
        ways = _ways()
        figures.say("words, pairs and pieces in the trained model", _train(texts))
        for lines in _batches(list(_talk.talk(count, texts)), PAGE * PAGES_A_SLICE):
            for way in ways:
                _slice(way, lines)
        _tell_shape(figures, ways[0])
        for way in ways:
            _tell(figures, way)
        _tell_statements(figures, texts)
    return figures.exit_code()


def _ways() -> list[Way]:
    plans = [
        ("reading off", False, False, BOUND_OFF, False),
        ("reading on", True, False, BOUND_ON, False),
        ("reading on, nothing remembered", True, True, BOUND_ON, False),
        ("reading on by a trained model, nothing remembered", True, True, BOUND_ON, True),
    ]
    return [
        Way(name, reads, forget, bound, _account(name), _account(f"{name}, bare"), trained)
        for name, reads, forget, bound, trained in plans
    ]


def _train(texts: list[str]) -> int:
    """Store a trained model that is not in use yet; how many grams it weighs."""
    import numpy as np

    from engagement.models import TextModel
    from engagement.reading.cleaning import clean
    from engagement.reading.trained import packed
    from personas.text.sentiment import all_signs, exported, fit

    words = [clean(text)[0] for text in texts]
    seen = all_signs(words, english=True)
    found = fit(words, seen, np.array(seen[:, 0]))
    model = exported(found, version=1, language="en", places=(-0.5, -0.1, 0.1, 0.5))
    TextModel.objects.create(
        kind="sentiment", language="en", version=1, labels=len(texts), parameters=packed(model)
    )
    return len(model.grams.idf)


def _use(*, trained: bool) -> None:
    from engagement.models import TextModel

    TextModel.objects.update(is_used=trained)


def _account(name: str) -> ChannelAccount:
    """Return an account whose people are nobody else's."""
    from accounts.models import Team
    from engagement.models import ChannelAccount

    return ChannelAccount.objects.create(
        connector="api", network="bench", external_id=name, name=name, issuer=name, team=Team.general()
    )


def _event(line: _talk.Line) -> Event:
    from engagement.channels.base import Author, Event

    author = Author(external_id=f"p{line.customer}", handle=f"person{line.customer}")
    return Event(
        external_id=line.external_id,
        kind="message",
        direction=line.direction,
        occurred_at=line.occurred_at,
        text=line.text,
        thread_keys=(f"c{line.conversation}",),
        author=author if line.direction == "inbound" else None,
        in_reply_to="" if line.answers is None else f"e{line.answers:07d}",
    )


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _slice(way: Way, lines: Sequence[_talk.Line]) -> None:
    """Ingest one slice, then insert what it stored once more."""
    from engagement.ingest import ingest
    from engagement.models import Interaction
    from engagement.reading import clear_cache

    _use(trained=way.trained)
    for page in _batches([_event(line) for line in lines], PAGE):
        if way.forget:
            clear_cache()
        with _timed(way.pages):
            ingest(way.account, page, read_text=way.read_text, live=False)
    ids = [line.external_id for line in lines]
    stored = Interaction.objects.filter(account=way.account, external_id__in=ids).order_by("id")
    rows = [(way.bare.pk, *row) for row in stored.values_list(*COPIED)]
    for page in _batches(rows, PAGE):
        with _timed(way.bare_pages):
            _insert(page)


@contextmanager
def _timed(into: list[float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    into.append(time.perf_counter() - began)


def _insert(rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows in one statement and one transaction."""
    from django.db import connection
    from psycopg2.extras import execute_values

    with connection.cursor() as cursor:
        execute_values(
            cursor.cursor,
            f"INSERT INTO engagement_interaction (account_id, {', '.join(COPIED)}) VALUES %s",
            rows,
            page_size=len(rows),
        )


def _statements(texts: list[str]) -> dict[int, int]:
    """Count the statements that a page of each size takes."""
    from django.db import connection

    from engagement.ingest import ingest

    found = {}
    account = _account("statements")
    lines = list(_talk.talk(sum(SIZES), texts, seed=1))
    for size in SIZES:
        page, lines = [_event(line) for line in lines[:size]], lines[size:]
        counted: list[str] = []

        def count(execute: Any, sql: str, *rest: Any, counted: list[str] = counted) -> Any:
            counted.append(sql)
            return execute(sql, *rest)

        with connection.execute_wrapper(count):
            ingest(account, page, live=False)
        found[size] = len(counted)
    return found


def _tell_statements(figures: Figures, texts: list[str]) -> None:
    """A page of one holds a single kind of event, and so asks no more than those that hold every kind."""
    found = _statements(texts)
    one, *others = SIZES
    figures.at_most(f"statements for a page of {one}", found[one], found[others[0]])
    for size in others:
        figures.equal(f"statements for a page of {size}", found[size], found[others[0]])


def _tell_shape(figures: Figures, way: Way) -> None:
    from django.db.models import Count

    from engagement.models import Interaction

    rows = Interaction.objects.filter(account=way.account)
    shape = rows.aggregate(
        events=Count("id"),
        conversations=Count("conversation", distinct=True),
        customers=Count("customer", distinct=True),
    )
    for name, value in shape.items():
        figures.say(f"stored {name} of one way", value)


def _tell(figures: Figures, way: Way) -> None:
    events = len(way.pages) * PAGE
    figures.say(f"{way.name}, events a second", events / sum(way.pages))
    figures.say(f"{way.name}, pages", spread(way.pages))
    figures.say(f"{way.name}, bare insert, rows a second", events / sum(way.bare_pages))
    figures.say(f"{way.name}, bare insert, pages", spread(way.bare_pages))
    figures.at_least(f"{way.name}, ratio to bare insert", sum(way.bare_pages) / sum(way.pages), way.bound)


if __name__ == "__main__":
    sys.exit(main())
