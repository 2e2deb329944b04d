"""What the palette finds: each app registers a finder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hit:
    """One line of the palette."""

    label: str
    url: str
    detail: str = ""
    icon: str = "ti-search"


@dataclass(frozen=True)
class Group:
    """The hits of one finder."""

    label: str
    hits: Sequence[Hit]


Find = Callable[[str, Any, int], Sequence[Hit]]
_finders: dict[str, Find] = {}


def register(label: str, find: Find) -> None:
    """`find(text, user, limit)` returns hits that this user may see, best first."""
    _finders[label] = find


def search(text: str, user: Any, *, limit: int = 6) -> list[Group]:
    """Every finder's hits in the order of registration; groups without a hit are left out."""
    text = text.strip()
    if not text:
        return []
    found = [Group(label, find(text, user, limit)) for label, find in _finders.items()]
    return [group for group in found if group.hits]
