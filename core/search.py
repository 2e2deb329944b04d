"""What the palette and the search page find: each app registers finders, actions and names of places."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db import connection, transaction
from django.db.utils import OperationalError
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.functional import Promise

from core.text import clean_text

LONGEST = 200
IN_PALETTE, ON_PAGE = 6, 12
SECONDS_EACH, SECONDS_ALL = 1.5, 4.0
"""What a finder, and all of them together, may take before their group says that it was too slow."""
CANCELED = "57014"


@dataclass(frozen=True)
class Hit:
    """One line of the palette. `object` and `id` name what it leads to for the API: customer 7."""

    label: str
    url: str
    detail: str = ""
    icon: str = "ti-search"
    object: str = ""
    id: int | None = None


@dataclass(frozen=True)
class Group:
    """The hits of one finder; slow where it found nothing in its time."""

    key: str
    label: str | Promise
    hits: Sequence[Hit]
    more_url: str = ""
    has_more: bool = False
    is_slow: bool = False


Find = Callable[[str, Any, int], Sequence[Hit]]
Name = Callable[[Sequence[int], Any], dict[int, Hit]]


@dataclass(frozen=True)
class Finder:
    """Finds one kind of thing. `more` is the name of the URL of a list that takes the same text as `q`."""

    key: str
    label: str | Promise
    find: Find
    more: str = ""
    order: int = 100
    has_records: bool = True
    """False: what it finds are pages, which mean nothing to a program."""


@dataclass(frozen=True)
class Action:
    """Something to begin from anywhere."""

    url_name: str
    label: str | Promise
    icon: str
    allowed: Callable[[Any], bool]


_finders: dict[str, Finder] = {}
_actions: dict[str, Action] = {}
_names: dict[str, Name] = {}


def register(finder: Finder) -> None:
    """Its `find(text, user, limit)` returns hits that this user may see, best first."""
    _finders[finder.key] = finder


def register_action(action: Action) -> None:
    """Offer something to begin."""
    _actions[action.url_name] = action


def register_place(url_name: str, name: Name) -> None:
    """`name(ids, user)` returns the hits of pages with these ids that this user may still see."""
    _names[url_name] = name


def search(text: str, user: Any, *, limit: int = IN_PALETTE, only: Container[str] = ()) -> list[Group]:
    """Every finder's hits in the finders' order; groups without a hit are left out.

    `only` names groups. A finder that takes too long is ended by the database; the others are asked all
    the same.
    """
    text = clean_text(text[: 4 * LONGEST], LONGEST).strip()
    if not text:
        return []
    until = time.monotonic() + SECONDS_ALL
    found = [_ask(one, text, user, limit, until) for one in _in_order() if not only or one.key in only]
    return [group for group in found if group.hits or group.is_slow]


def _ask(finder: Finder, text: str, user: Any, limit: int, until: float) -> Group:
    left = min(SECONDS_EACH, until - time.monotonic())
    hits: Sequence[Hit] = []
    is_slow = left <= 0
    if not is_slow:
        try:
            with transaction.atomic():
                _bound(left)
                hits = finder.find(text, user, limit + 1)
                _bound(0)
        except OperationalError as error:
            if getattr(error.__cause__, "pgcode", "") != CANCELED:
                raise
            is_slow = True
    there_is_more = len(hits) > limit
    more_url = _more(finder, text) if there_is_more else ""
    return Group(finder.key, finder.label, hits[:limit], more_url, there_is_more, is_slow)


def _bound(seconds: float) -> None:
    with connection.cursor() as cursor:
        # Workers of a parallel scan read on while the first few hits are taken.
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, true),"
            " set_config('max_parallel_workers_per_gather', '0', true)",
            [f"{int(seconds * 1000)}ms"],
        )


def _more(finder: Finder, text: str) -> str:
    return f"{reverse(finder.more)}?{urlencode({'q': text})}" if finder.more else ""


def record_keys() -> list[str]:
    """The groups of records, in their order."""
    return [one.key for one in _in_order() if one.has_records]


def _in_order() -> list[Finder]:
    return sorted(_finders.values(), key=lambda one: (one.order, one.key))


def actions_for(user: Any) -> list[Hit]:
    """What this person may begin."""
    allowed = [action for action in _actions.values() if action.allowed(user)]
    return [Hit(str(one.label), reverse(one.url_name), icon=f"ti-{one.icon}") for one in allowed]


def recent(paths: Iterable[str], user: Any, *, limit: int = IN_PALETTE) -> list[Hit]:
    """Pages that were opened from the palette, named as they are called today; gone ones are left out."""
    places = [place for path in list(paths)[: 4 * limit] if (place := _place(path))]
    wanted: dict[str, list[int]] = {}
    for url_name, pk in places:
        wanted.setdefault(url_name, []).append(pk)
    named = {url_name: _names[url_name](ids, user) for url_name, ids in wanted.items()}
    found = [named[url_name][pk] for url_name, pk in dict.fromkeys(places) if pk in named[url_name]]
    return found[:limit]


def _place(path: str) -> tuple[str, int] | None:
    try:
        match = resolve(path.split("?", maxsplit=1)[0])
    except (Resolver404, NoReverseMatch, ValueError):
        return None
    pk = match.kwargs.get("pk")
    return (match.view_name, pk) if match.view_name in _names and isinstance(pk, int) else None


def beginning(text: str) -> str:
    """The text with its last word taken as the beginning of one, as somebody still types it."""
    last = text.rsplit(maxsplit=1)[-1] if text.split() else ""
    return f"{text}*" if len(last) > 2 and last.isalnum() and '"' not in text else text
