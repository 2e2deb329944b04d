"""What an erased person said before they were erased stays out, whichever way it comes again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from crm.erased import Key, erased_before, identity_key, interaction_key, thread_key
from crm.identities import IdentityKey
from engagement.channels.base import Change
from engagement.ingest.prepare import Prepared
from engagement.models import ChannelAccount

People = frozenset[tuple[str, IdentityKey]]


@dataclass(frozen=True)
class LeftOut:
    """Events to be dropped, and people of other events who are not named with them: (event, whom)."""

    events: frozenset[str] = frozenset()
    people: People = field(default_factory=frozenset)

    def __bool__(self) -> bool:
        return bool(self.events or self.people)

    def __or__(self, other: LeftOut) -> LeftOut:
        return LeftOut(self.events | other.events, self.people | other.people)


class ErasedMet(Exception):
    """The page holds what was erased; it is stored anew without that."""

    def __init__(self, left_out: LeftOut) -> None:
        super().__init__(f"{len(left_out.events)} erased events")
        self.left_out = left_out


def refuse_erased(account: ChannelAccount, page: Sequence[Prepared]) -> None:
    """Raise ErasedMet where the page holds what was erased; one statement whatever its size.

    Asked once the page's identities are under lock: an erasure that ended before is seen, and one that begins
    later waits and takes what this page stored.
    """
    found = erased_before({key for one in page for key in _keys(account, one)})
    if not found:
        return
    left_out = LeftOut(
        frozenset(one.event.external_id for one in page if _is_erased(account, one, found)),
        frozenset(
            (one.event.external_id, key)
            for one in page
            for _role, key in one.participants
            if _before(one.event.occurred_at, found.get(identity_key(key)))
        ),
    )
    if left_out:
        raise ErasedMet(left_out)


def without(one: Prepared, left_out: LeftOut) -> Prepared:
    """An event of somebody else, without naming those who were erased."""
    gone = {key for event, key in left_out.people if event == one.event.external_id}
    if not gone:
        return one
    return replace(
        one,
        participants=[(role, key) for role, key in one.participants if key not in gone],
        people={key: author for key, author in one.people.items() if key not in gone or key == one.author},
    )


def erased_changes(account: ChannelAccount, changes: Collection[Change]) -> set[str]:
    """The interactions among those to be changed that were erased."""
    keys = {interaction_key(account.pk, change.external_id): change.external_id for change in changes}
    return {keys[key] for key in erased_before(keys)}


def _keys(account: ChannelAccount, one: Prepared) -> set[Key]:
    found = {interaction_key(account.pk, one.event.external_id)}
    found.update(identity_key(key) for key in one.people)
    if one.author is None:
        found.update(thread_key(account.pk, key) for key in one.event.thread_keys)
    return found


def _is_erased(account: ChannelAccount, one: Prepared, found: dict[Key, datetime]) -> bool:
    """Their own lines, and ours in threads that were theirs alone, dated before the erasure."""
    if interaction_key(account.pk, one.event.external_id) in found:
        return True
    if one.author is not None:
        return _before(one.event.occurred_at, found.get(identity_key(one.author)))
    threads = (found.get(thread_key(account.pk, key)) for key in one.event.thread_keys)
    return any(_before(one.event.occurred_at, at) for at in threads)


def _before(occurred_at: datetime, erased_at: datetime | None) -> bool:
    return erased_at is not None and occurred_at <= erased_at
