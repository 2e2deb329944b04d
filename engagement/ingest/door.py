"""Stores a page of events: set-based, idempotent, in whatever order they come.

The number of statements does not depend on the number of events. Order of locks: identities (FOR SHARE, so
that no merge happens in between), threads by id, conversations by id, customers by id, days. Two workers
that meet wait for each other on a unique key or a thread; should they still lock each other out,
PostgreSQL ends one of them and `ingest` tries that page once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from core.models import Workspace
from engagement.channels.base import Change, Event
from engagement.ingest import changes, echoes, store
from engagement.ingest.left_out import ErasedMet, LeftOut, erased_changes, without
from engagement.ingest.prepare import Prepared, Rejected, check_change, prepare
from engagement.models import ChannelAccount

HISTORY = timedelta(days=14)
"""Conversations imported as history whose last line is older than this arrive resolved, not as work."""


class Outcome(StrEnum):
    """What became of one event."""

    STORED = "stored"
    REPEATED = "repeated"
    CHANGED = "changed"
    PENDING = "pending"
    REJECTED = "rejected"
    ERASED = "erased"
    """By somebody who was erased after it, so it stays out."""


@dataclass
class IngestResult:
    """What became of each item, in the order they were given; reasons stand beside rejected ones."""

    outcomes: list[Outcome]
    reasons: dict[int, str] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    """Interaction id by external id, of those stored now."""
    conversations: list[int] = field(default_factory=list)
    came_back: bool = False
    """Whether a message of ours was among them."""

    def count(self, outcome: Outcome) -> int:
        return self.outcomes.count(outcome)


def ingest(
    account: ChannelAccount,
    items: Sequence[Event | Change],
    *,
    read_text: bool = True,
    live: bool = True,
    count: bool = True,
) -> IngestResult:
    """Store one page of one account; bad items are answered one by one and the others go in.

    `live=False` is history (an import): nobody is notified, and old conversations arrive resolved.
    Runs in the caller's transaction where there is one, so that a pull saves its cursor with its page.
    `count=False` leaves it to the caller to count what came, where more of it follows.
    """
    attempts = 1 if connection.in_atomic_block else 2
    left_out = LeftOut()
    while True:
        try:
            with transaction.atomic():
                result = _ingest(account, items, left_out, read_text=read_text, live=live)
                if count:
                    store.count_received(account, result)
                return result
        except ErasedMet as met:
            left_out |= met.left_out
        except OperationalError as error:
            attempts -= 1
            if attempts == 0 or getattr(error.__cause__, "pgcode", "") != "40P01":
                raise


def _ingest(
    account: ChannelAccount,
    items: Sequence[Event | Change],
    left_out: LeftOut,
    *,
    read_text: bool,
    live: bool,
) -> IngestResult:
    result = IngestResult(outcomes=[Outcome.REPEATED] * len(items))
    prepared = _prepare_all(account, items, result)
    _drop_known(account, prepared)
    _drop_erased(prepared, left_out, result)
    ours = echoes.find(account, prepared)
    back = {echo.position: prepared.pop(echo.position) for echo in ours}
    _store(account, prepared, result, read_text=read_text, live=live)
    result.came_back = bool(ours)
    strangers = echoes.settle(ours)
    _store(account, {p: back[p] for p in strangers}, result, read_text=read_text, live=live)
    waiting = _good_changes(items, result)
    if waiting:
        erased = erased_changes(account, [change for _, change in waiting])
        for position, change in waiting:
            if change.external_id in erased:
                result.outcomes[position] = Outcome.ERASED
        waiting = [(position, change) for position, change in waiting if change.external_id not in erased]
        for position, applied in changes.apply(account, waiting, read_text=read_text).items():
            result.outcomes[position] = Outcome.CHANGED if applied else Outcome.PENDING
    return result


def _store(
    account: ChannelAccount,
    prepared: dict[int, Prepared],
    result: IngestResult,
    *,
    read_text: bool,
    live: bool,
) -> None:
    if not prepared:
        return
    written = store.store_page(account, list(prepared.values()), read_text=read_text, live=live)
    result.ids |= written.ids
    result.conversations += written.conversations
    for position, one in prepared.items():
        if one.event.external_id in written.ids:
            result.outcomes[position] = Outcome.STORED


def _good_changes(items: Sequence[Event | Change], result: IngestResult) -> list[tuple[int, Change]]:
    found = []
    for position, item in enumerate(items):
        if not isinstance(item, Change):
            continue
        try:
            check_change(item)
        except Rejected as error:
            result.outcomes[position] = Outcome.REJECTED
            result.reasons[position] = str(error)
            continue
        found.append((position, item))
    return found


def _prepare_all(
    account: ChannelAccount, items: Sequence[Event | Change], result: IngestResult
) -> dict[int, Prepared]:
    """Clean events by position; of two with one id the first is kept."""
    now, country = timezone.now(), Workspace.current().country
    found: dict[int, Prepared] = {}
    seen: set[str] = set()
    for position, item in enumerate(items):
        if isinstance(item, Change):
            continue
        try:
            one = prepare(account, item, country=country, now=now)
        except Rejected as error:
            result.outcomes[position] = Outcome.REJECTED
            result.reasons[position] = str(error)
            continue
        if one.event.external_id not in seen:
            seen.add(one.event.external_id)
            found[position] = one
    return found


def _drop_known(account: ChannelAccount, prepared: dict[int, Prepared]) -> None:
    known = store.known(account, [one.event.external_id for one in prepared.values()])
    for position in [p for p, one in prepared.items() if one.event.external_id in known]:
        del prepared[position]


def _drop_erased(prepared: dict[int, Prepared], left_out: LeftOut, result: IngestResult) -> None:
    if not left_out:
        return
    for position, one in list(prepared.items()):
        if one.event.external_id in left_out.events:
            result.outcomes[position] = Outcome.ERASED
            del prepared[position]
        else:
            prepared[position] = without(one, left_out)
