"""The customer page is one stream: each app registers what it puts into it.

A source answers "the newest `limit` entries of these customers before this point" by keyset,
so that a page costs one statement a source, however long the history is.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise


@dataclass(frozen=True)
class Entry:
    """One line of a timeline. `template` renders it with `item` in its context.

    `icon` (without ti-) stands beside what came by no channel account. Entries that `folds` names alike and
    that follow one another are shown as one.
    """

    at: datetime
    source: str
    id: int
    kind: str
    template: str
    item: Any
    icon: str = "circle-dot"
    folds: str = ""

    @property
    def key(self) -> tuple[datetime, str, int]:
        return (self.at, self.source, self.id)


@dataclass(frozen=True)
class Before:
    """The point a page goes on from; entries strictly older are wanted."""

    at: datetime
    source: str
    id: int


@dataclass(frozen=True)
class Filter:
    """What the reader asked for; a source that cannot hold any of it answers nothing.

    `visibility` is public, private or '' for both.
    """

    kinds: frozenset[str] = frozenset()
    network: str = ""
    text: str = ""
    visibility: str = ""

    def __bool__(self) -> bool:
        return bool(self.kinds or self.network or self.text or self.visibility)

    def leaves_out(self, *kinds: str) -> bool:
        """Whether none of these kinds is wanted."""
        return bool(self.kinds) and self.kinds.isdisjoint(kinds)


Fetch = Callable[[Sequence[int], Any, Before | None, Filter, int], Sequence[Entry]]
_sources: dict[str, Fetch] = {}
_kinds: dict[str, Promise | str] = {}


def register(name: str, fetch: Fetch, *, kinds: Mapping[str, Promise | str] | None = None) -> None:
    """`fetch(customer_ids, user, before, filter, limit)` returns entries, newest first; an organization's
    page asks for all its people at once. `kinds` names the kinds of its entries for the reader's filter.
    """
    _sources[name] = fetch
    _kinds.update(kinds or {})


def kinds() -> dict[str, str]:
    """The kinds of entries by which a reader can narrow the timeline, with their labels, by label."""
    return dict(sorted(((name, str(label)) for name, label in _kinds.items()), key=lambda one: one[1]))


def sources() -> dict[str, Fetch]:
    """The registered sources by name."""
    return dict(_sources)


def is_older(source: str, before: Before | None) -> tuple[datetime, int] | None:
    """The (at, id) bound a source compares with, or None for the newest page.

    Sources with equal times are ordered by name, so each keeps its own bound.
    """
    if before is None:
        return None
    if source == before.source:
        return (before.at, before.id)
    return (before.at, 2**62) if source < before.source else (before.at, 0)


def page(
    customers: int | Sequence[int],
    user: Any,
    *,
    before: Before | None = None,
    wanted: Filter | None = None,
    limit: int = 50,
) -> tuple[list[Entry], Before | None]:
    """The newest `limit` entries of one customer or several over all sources, and where to go on."""
    wanted, ids = wanted or Filter(), [customers] if isinstance(customers, int) else list(customers)
    found: list[Sequence[Entry]] = [
        fetch(ids, user, before, wanted, limit + 1) for fetch in _sources.values()
    ]
    merged = list(heapq.merge(*found, key=lambda entry: entry.key, reverse=True))
    if len(merged) <= limit:
        return merged, None
    last = merged[limit - 1]
    return merged[:limit], Before(last.at, last.source, last.id)
