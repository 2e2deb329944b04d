"""What each persona speaks of in a period, and which of it grows against the period before.

The counts are those of the daily rollup, by persona as of each day, so that a month stays what it was when
people move. A higher app keeps that rollup and registers how it is asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt

LEAST = 10
"""A topic of fewer interactions does not grow: it came up by chance."""

SURE = 1.96
"""How many standard errors the share must have grown by (5 of 100 by chance)."""

MOST_TOPICS = 8


@dataclass(frozen=True)
class Spoken:
    """Interactions of one persona (0: of nobody's) on one topic within some days; topic '' is all of them."""

    persona: int
    topic: str
    n: int
    unhappy_n: int = 0


Source = Callable[[date, date, Collection[int] | None], Iterable[Spoken]]
"""`source(first, last, teams)` gives every persona's topics and sums; `teams` None: of all teams."""
_sources: list[Source] = []


def register_source(source: Source) -> None:
    """Say how the rollup is asked; called once, when the app that keeps it is ready."""
    _sources[:] = [source]


@dataclass(frozen=True)
class TopicFigure:
    """A topic of one persona in a period and the one before: interactions, and of how many in all."""

    persona: int
    topic: str
    n: int
    base: int
    n_before: int
    base_before: int
    unhappy_n: int

    @property
    def share(self) -> float:
        return self.n / self.base if self.base else 0.0

    @property
    def share_before(self) -> float | None:
        """None where nothing was said in the period before."""
        return self.n_before / self.base_before if self.base_before else None

    @property
    def change(self) -> float | None:
        """How much its share has changed, 0.5 for half as much again; None without anything before."""
        return self.share / self.share_before - 1 if self.share_before else None

    @property
    def moved(self) -> int:
        """1 where it grows and -1 where it falls, surely enough; else 0."""
        if not self.base or not self.base_before or max(self.n, self.n_before) < LEAST:
            return 0
        both = (self.n + self.n_before) / (self.base + self.base_before)
        error = sqrt(both * (1 - both) * (1 / self.base + 1 / self.base_before)) if 0 < both < 1 else 0.0
        apart = self.share - self.n_before / self.base_before
        return 0 if not error or abs(apart) < SURE * error else (1 if apart > 0 else -1)


def by_persona(
    since: date, until: date, *, teams: Collection[int] | None = None, most: int = MOST_TOPICS
) -> dict[int, list[TopicFigure]]:
    """Topics from `since` to `until` (both included) by persona, the most spoken of first, and what grows.

    Compared with as many days before. Hashtags are left out: they are names of all sorts. Two statements of
    the rollup, whose rows are days, accounts and topics, however many customers there are.
    """
    days = (until - since).days + 1
    now = _summed(since, until, teams)
    before = _summed(since - timedelta(days=days), since - timedelta(days=1), teams)
    found: dict[int, list[TopicFigure]] = defaultdict(list)
    for persona, topic in now.keys() | before.keys():
        if topic and not topic.startswith("#"):
            found[persona].append(_figure(persona, topic, now, before))
    return {persona: _first(figures, most) for persona, figures in found.items()}


Sums = dict[tuple[int, str], Spoken]


def _summed(first: date, last: date, teams: Collection[int] | None) -> Sums:
    return {(one.persona, one.topic): one for source in _sources for one in source(first, last, teams)}


def _figure(persona: int, topic: str, now: Sums, before: Sums) -> TopicFigure:
    nothing = Spoken(persona, topic, 0)
    here, there = now.get((persona, topic), nothing), before.get((persona, topic), nothing)
    return TopicFigure(
        persona=persona,
        topic=topic,
        n=here.n,
        base=now.get((persona, ""), nothing).n,
        n_before=there.n,
        base_before=before.get((persona, ""), nothing).n,
        unhappy_n=here.unhappy_n,
    )


def _first(figures: list[TopicFigure], most: int) -> list[TopicFigure]:
    """The most spoken of, and those that grow or fall though they are not among them."""
    ordered = sorted(figures, key=lambda one: (-one.n, -one.n_before, one.topic))
    late = [one for one in ordered[most:] if one.moved][:most]
    return [one for one in ordered[:most] if one.n or one.moved] + late
