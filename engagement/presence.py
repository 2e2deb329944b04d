"""Who else looks at a conversation just now, kept in the cache; without it, nobody is shown.

Two who arrive in the same instant may hide each other until the next sign of life, 20 seconds later.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.cache import cache

from accounts.models import User

SECONDS = 45
DOING = ("reads", "reply", "note")
People = dict[int, tuple[float, str]]


@dataclass(frozen=True)
class Here:
    """Somebody who is here, and whether they read, write a reply or a note."""

    user: User
    doing: str


def _key(conversation_id: int) -> str:
    return f"here:{conversation_id}"


def arrive(conversation_id: int, user: User, *, doing: str = "reads") -> None:
    """Note that somebody is here; forgotten after 45 seconds without another word."""
    people = _fresh(cache.get(_key(conversation_id)))
    people[user.pk] = (time.time(), doing if doing in DOING else "reads")
    cache.set(_key(conversation_id), people, SECONDS)


def others(conversation_ids: Sequence[int], user: User) -> dict[int, list[Here]]:
    """Everybody else in these conversations: one round trip, and one statement where somebody is there."""
    if not conversation_ids:
        return {}
    raw = cache.get_many([_key(pk) for pk in conversation_ids])
    found = {pk: _fresh(raw.get(_key(pk))) for pk in conversation_ids}
    wanted = {pk for people in found.values() for pk in people} - {user.pk}
    known = User.objects.filter(is_active=True).in_bulk(wanted) if wanted else {}
    return {
        conversation: [Here(known[pk], doing) for pk, (_at, doing) in people.items() if pk in known]
        for conversation, people in found.items()
    }


def _fresh(people: People | None) -> People:
    oldest = time.time() - SECONDS
    return {pk: (at, doing) for pk, (at, doing) in (people or {}).items() if at >= oldest}
