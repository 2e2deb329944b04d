"""What the bell tells somebody: each app registers what it has to say."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Notice:
    """One line under the bell; `icon` is a Tabler icon without `ti-`, `level` is info, good or bad."""

    at: datetime
    text: str
    url: str
    icon: str = "bell"
    detail: str = ""
    level: str = "info"


Find = Callable[[Any, int], Sequence[Notice]]
_sources: dict[str, Find] = {}


def register(name: str, find: Find) -> None:
    """`find(user, limit)` returns what this person should know, newest first."""
    _sources[name] = find


def newest(user: Any, *, limit: int = 20) -> list[Notice]:
    """The newest notices of all sources."""
    found = [find(user, limit) for find in _sources.values()]
    merged = heapq.merge(*found, key=lambda notice: notice.at, reverse=True)
    return [notice for notice, _place in zip(merged, range(limit), strict=False)]
