"""What a page or a body holds, taken in whole: posts, what was said, purchases, people, and who is who.

Everything goes in the caller's transaction, so that a pull's cursor moves with all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from itertools import chain
from typing import Any

from django.db import OperationalError, connection, transaction

from core import sql
from crm.arrivals import fill_blanks, own_identities
from crm.orders import OrderOutcome, store_orders
from engagement.asked import note_asks, note_refusals
from engagement.channels import connector
from engagement.channels.base import Change, Event, KnownConversation, Page, Parcel
from engagement.ingest import IngestResult, Outcome, ingest
from engagement.ingest.people import people_rows, vouch
from engagement.ingest.posts import store_known_posts
from engagement.ingest.store import count_received
from engagement.models import ChannelAccount, RawEvent

APP = "engagement"
DEADLOCK = "40P01"
TRIES = 4
OUTCOME_OF_ORDER = {
    OrderOutcome.STORED: Outcome.STORED,
    OrderOutcome.CHANGED: Outcome.CHANGED,
    OrderOutcome.REPEATED: Outcome.REPEATED,
    OrderOutcome.REJECTED: Outcome.REJECTED,
    OrderOutcome.ERASED: Outcome.ERASED,
}


def take_in(
    account: ChannelAccount, batch: Page | Parcel, *, live: bool = True, told_at: datetime | None = None
) -> IngestResult:
    """Take in one batch of one account. Outcomes and reasons are in the order events, then orders.

    `told_at` is when the network said it; now by default. The account's own row is written last, where all of
    its workers meet.
    """
    with transaction.atomic():
        # first, because it locks whole customers
        vouch(account, batch.links)
        store_known_posts(account, batch.posts, told_at=told_at)
        result = _take_events(account, batch.events, live=live)
        _take_orders(account, batch, result, live=live)
        if batch.people:
            rows = people_rows(account, batch.people)
            fill_blanks(rows, own_identities(rows, source=account.connector), source=account.connector)
        note_refusals(account, batch.refusals)
        note_asks(account, batch.asks)
        if result.outcomes:
            count_received(account, result)
    return result


def take_parcels(raw: RawEvent, parcels: Sequence[Parcel]) -> IngestResult:
    """Take in what one body holds for each account, in a transaction of its own.

    In one transaction two bodies that name the same accounts in another order would lock each other out.
    Those of accounts that are not connected are left out, and a reason says so: the body is parked and can be
    taken in again once the account is there.
    """
    whole = IngestResult(outcomes=[])
    by_account: dict[int, tuple[ChannelAccount, list[Parcel]]] = {}
    for parcel in parcels:
        account = _account_of(raw, parcel)
        if account is None or not _may_say(raw, account):
            whole.reasons[len(whole.outcomes)] = _why_left_out(parcel, account)
            whole.outcomes.append(Outcome.REJECTED)
            continue
        by_account.setdefault(account.pk, (account, []))[1].append(parcel)
    for pk in sorted(by_account):
        account, found = by_account[pk]
        _take_account(raw, account, _together(found), whole)
    return whole


def _together(parcels: Sequence[Parcel]) -> Parcel:
    """What several parts of one body hold for one account."""
    if len(parcels) == 1:
        return parcels[0]
    joined: dict[str, Any] = {
        one.name: tuple(chain.from_iterable(getattr(parcel, one.name) for parcel in parcels))
        for one in fields(Parcel)
        if one.name not in ("account", "revoked")
    }
    revoked = next((parcel.revoked for parcel in parcels if parcel.revoked), "")
    return replace(parcels[0], revoked=revoked, **joined)


def _take_account(raw: RawEvent, account: ChannelAccount, parcel: Parcel, whole: IngestResult) -> None:
    result = _again_on_deadlock(lambda: _take_parcel(raw, account, parcel))
    offset = len(whole.outcomes)
    whole.outcomes += result.outcomes
    whole.reasons |= {offset + position: reason for position, reason in result.reasons.items()}
    whole.ids |= result.ids
    whole.conversations += result.conversations


@transaction.atomic
def _take_parcel(raw: RawEvent, account: ChannelAccount, parcel: Parcel) -> IngestResult:
    result = take_in(account, parcel, told_at=raw.received_at)
    if parcel.named:
        _note_named(account, parcel.named)
    if parcel.revoked:
        _note_revoked(account, parcel.revoked)
    return result


def _again_on_deadlock(work: Callable[[], IngestResult]) -> IngestResult:
    """What PostgreSQL ended to let somebody else go on is done again, unless more hangs on it."""
    tries = 1 if connection.in_atomic_block else TRIES
    while True:
        try:
            return work()
        except OperationalError as error:
            tries -= 1
            if tries == 0 or getattr(error.__cause__, "pgcode", "") != DEADLOCK:
                raise


def _account_of(raw: RawEvent, parcel: Parcel) -> ChannelAccount | None:
    if not parcel.account:
        return raw.account
    name = raw.source.partition(":")[0]
    rows = ChannelAccount.objects.filter(connector=name, external_id=parcel.account, is_active=True)
    return rows.select_related("brand", "team").order_by("pk").first()


def _may_say(raw: RawEvent, account: ChannelAccount) -> bool:
    """Whether the account whose address a body came to may speak for this one."""
    if raw.account is None or raw.account.pk == account.pk:
        return True
    return connector(account.connector).speaks_for(raw.account, account)


def _why_left_out(parcel: Parcel, account: ChannelAccount | None) -> str:
    if account is None:
        return f"No account is connected for {parcel.account or 'this body'}."
    return f"It came for another account, which does not speak for {parcel.account}."


def _note_revoked(account: ChannelAccount, why: str) -> None:
    from engagement.pulls import note_login_needed

    note_login_needed(account, why)


def _note_named(account: ChannelAccount, ids: Sequence[str]) -> None:
    from engagement.named import note_named

    note_named(account, ids)


def _take_events(account: ChannelAccount, events: Sequence[Event | Change], *, live: bool) -> IngestResult:
    """Let the connector judge what the events claim to belong to, then ingest them."""
    if not events:
        return IngestResult(outcomes=[])
    judged = connector(account.connector).admit(
        account, events, lambda keys: known_conversations(account, keys)
    )
    return ingest(account, judged, live=live, count=False)


def _take_orders(account: ChannelAccount, batch: Page | Parcel, result: IngestResult, *, live: bool) -> None:
    if not batch.orders:
        return
    source = connector(account.connector).order_source(account)
    stored = store_orders(source, batch.orders, live=live)
    offset = len(result.outcomes)
    result.outcomes += [OUTCOME_OF_ORDER[one] for one in stored.outcomes]
    result.reasons |= {offset + position: reason for position, reason in stored.reasons.items()}


def known_conversations(account: ChannelAccount, keys: Sequence[str]) -> Mapping[str, KnownConversation]:
    """The conversations of this account that these thread keys lead to, by key."""
    found = sql.rows(APP, "known_conversations", {"account": account.pk, "keys": list(keys)})
    return {
        row["key"]: KnownConversation(
            conversation_id=row["conversation_id"],
            thread_key=row["thread_key"],
            people=frozenset(row["people"]),
            subject=row["subject"],
        )
        for row in found
    }
