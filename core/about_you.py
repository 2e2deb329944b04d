"""What people are told about themselves on their own page: each app registers a part, in plain words.

A part is a title and the lines about one person, each with the reason why it is known or believed. It is read
by the person it is about: it names nobody else, no staff, and nothing that staff wrote for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise


@dataclass(frozen=True)
class Line:
    """One thing that is known or believed: what, and why or from where."""

    text: str
    why: str = ""


@dataclass(frozen=True)
class Part:
    """One part of the page. `lines` takes the person's id; `rank` orders the parts, smallest first."""

    title: Promise | str
    lines: Callable[[int], Sequence[Line]]
    rank: int = 100
    nothing: Promise | str = ""
    """What stands there when there are no lines; '' leaves the part out."""


@dataclass(frozen=True)
class Told:
    """A part with what it says about one person."""

    title: str
    lines: Sequence[Line]
    nothing: str = ""


_parts: dict[str, Part] = {}


def register(name: str, part: Part) -> None:
    """Make a part known; registering the same name again replaces it."""
    _parts[name] = part


def tell(person: int) -> list[Told]:
    """Every part about this person, in order, without those that have nothing to say."""
    told = [
        Told(str(part.title), part.lines(person), str(part.nothing))
        for _name, part in sorted(_parts.items(), key=lambda item: (item[1].rank, item[0]))
    ]
    return [one for one in told if one.lines or one.nothing]
