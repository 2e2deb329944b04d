"""Writes one page of prepared events, a fixed number of statements whatever its size."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import F
from django.utils import timezone

from core import sql
from core.events import Happening, emit_many
from core.models import Workspace
from crm.arrivals import Owner, fill_blanks, own_identities
from crm.identities import IdentityKey
from engagement.channels import connector
from engagement.channels.base import Event
from engagement.ingest import extras
from engagement.ingest.grouping import Group, group_threads
from engagement.ingest.left_out import refuse_erased
from engagement.ingest.prepare import Prepared, author_rows
from engagement.models import ChannelAccount, ConversationEvent
from engagement.reading import UNREAD, Reading, read_texts
from engagement.text_models import sentiment_models

if TYPE_CHECKING:
    from engagement.ingest.door import IngestResult

APP = "engagement"


@dataclass
class Written:
    """What a page left behind."""

    ids: dict[str, int] = field(default_factory=dict)
    conversations: list[int] = field(default_factory=list)


def known(account: ChannelAccount, external_ids: Sequence[str]) -> set[str]:
    """Those of these ids that the account holds already."""
    if not external_ids:
        return set()
    found = sql.rows(APP, "known_interactions", {"account": account.pk, "external_ids": list(external_ids)})
    return {row["external_id"] for row in found}


def store_page(account: ChannelAccount, page: Sequence[Prepared], *, read_text: bool, live: bool) -> Written:
    """Insert the page and everything that follows from it, in the caller's transaction.

    Raises ErasedMet where it holds what was erased, before anything but identities is written.
    """
    people = author_rows(page)
    owners = own_identities(people, source=account.connector)
    refuse_erased(account, page)
    posts = extras.store_posts(account, page)
    for one in page:
        if one.event.post:
            one.post_id = posts[one.event.post.external_id]
    _place_in_conversations(account, page)
    workspace = Workspace.current()
    readings = _read(page, workspace) if read_text else [UNREAD] * len(page)
    written = _insert(account, page, owners, readings)
    extras.store_extras(page, written.ids, owners)
    extras.apply_pending(account, list(written.ids))
    changed = _refresh(account, written, owners, live=live)
    fill_blanks(people, owners, source=account.connector)
    _touch(account, page, written, owners, changed, zone=workspace.zone)
    _tell(changed, written, live=live)
    return written


def _place_in_conversations(account: ChannelAccount, whole: Sequence[Prepared]) -> None:
    page = [one for one in whole if one.is_said]
    if not page:
        return
    keys = sorted({key for one in page for key in one.event.thread_keys})
    sql.run(APP, "store_threads", {"account": account.pk, "keys": keys})
    threads = sql.rows(APP, "lock_threads", {"account": account.pk, "keys": keys})
    groups = group_threads(page, threads)
    new = [group for group in groups if group.conversation_id is None]
    made = sql.rows(
        APP,
        "store_conversations",
        {
            "account": account.pk,
            "team": account.team_id,
            "conversations": json.dumps([_opening(number, group) for number, group in enumerate(new)]),
        },
    )
    for row in made:
        new[row["number"]].conversation_id = row["id"]
    pairs = [
        {"thread_id": thread, "conversation_id": group.conversation_id}
        for group in groups
        for thread in group.thread_ids
    ]
    sql.run(APP, "point_threads", {"pairs": json.dumps(pairs)})
    for group in groups:
        for one in group.events:
            one.conversation_id = group.conversation_id


def _opening(number: int, group: Group) -> dict[str, Any]:
    first = min(group.events, key=lambda one: (one.event.occurred_at, one.event.external_id))
    return {
        "number": number,
        "subject": first.event.subject,
        "is_public": first.event.public,
        "post_id": first.post_id,
        "at": first.event.occurred_at.isoformat(),
    }


def _read(page: Sequence[Prepared], workspace: Workspace) -> list[Reading]:
    """Only what customers wrote is read: our own words, and the titles of our pages, say nothing of them."""
    written = [one.event.direction == "inbound" and one.is_said for one in page]
    texts = [one.event.text for one, is_theirs in zip(page, written, strict=True) if is_theirs]
    if not texts:
        return [UNREAD] * len(page)
    readings = iter(read_texts(texts, languages=workspace.languages, models=sentiment_models()))
    return [next(readings) if is_theirs else UNREAD for is_theirs in written]


def _insert(
    account: ChannelAccount,
    page: Sequence[Prepared],
    owners: dict[IdentityKey, Owner],
    readings: Sequence[Reading],
) -> Written:
    values = [_row(one, owners, reading) for one, reading in zip(page, readings, strict=True)]
    found = sql.rows(
        APP,
        "store_interactions",
        {"account": account.pk, "team": account.team_id, "interactions": json.dumps(values)},
    )
    return Written(
        ids={row["external_id"]: row["id"] for row in found},
        conversations=sorted({row["conversation_id"] for row in found} - {None}),
    )


def _row(one: Prepared, owners: dict[IdentityKey, Owner], reading: Reading) -> dict[str, Any]:
    event: Event = one.event
    owner = owners[one.author] if one.author else None
    return {
        "external_id": event.external_id,
        "conversation_id": one.conversation_id,
        "identity_id": owner and owner.identity_id,
        "home_customer_id": owner and owner.home_customer_id,
        "customer_id": owner and owner.customer_id,
        "staff_name": event.staff_name,
        "kind": event.kind,
        "direction": event.direction,
        "is_public": event.public,
        "is_automatic": event.is_automatic,
        "occurred_at": event.occurred_at.isoformat(),
        "subject": event.subject,
        "text": event.text,
        "rating": event.rating,
        "in_reply_to": event.in_reply_to,
        "post_id": one.post_id,
        "object_key": event.object_key,
        "language": reading.language,
        "sentiment": reading.sentiment,
        "reason": reading.reason,
        "topics": list(reading.topics),
        "reader": reading.version,
    }


def refresh_conversations(
    account: ChannelAccount,
    interactions: Sequence[int],
    *,
    held: Collection[int] = (),
    history_before: datetime | None = None,
) -> list[dict[str, Any]]:
    """Read again what the conversations of these interactions show; `held` are identities under lock.

    A merge moves conversations too. They are locked by a statement of their own, so that the one that writes
    sees what a merge has just done; an owner who is not of this page is looked at again under lock.
    """
    link = connector(account.connector)
    sql.run(APP, "lock_conversations", {"ids": list(interactions)})
    changed = sql.rows(
        APP,
        "refresh_conversations",
        {
            "ids": list(interactions),
            "window": link.limits(account, public=False).window,
            "public_window": link.limits(account, public=True).window,
            "history_before": history_before,
        },
    )
    others = [row["id"] for row in changed if row["has_new_owner"] and row["identity_id"] not in held]
    if others:
        sql.run(APP, "own_conversations", {"ids": others})
    return changed


def _refresh(
    account: ChannelAccount, written: Written, owners: Mapping[IdentityKey, Owner], *, live: bool
) -> list[dict[str, Any]]:
    from engagement.ingest.door import HISTORY

    if not written.conversations:
        return []
    changed = refresh_conversations(
        account,
        list(written.ids.values()),
        held={owner.identity_id for owner in owners.values()},
        history_before=None if live else timezone.now() - HISTORY,
    )
    reopened = [row for row in changed if row["reopened"]]
    if reopened:
        ConversationEvent.objects.bulk_create(
            ConversationEvent(conversation_id=row["id"], team_id=row["team_id"], type="reopened")
            for row in reopened
        )
    return changed


def _touch(
    account: ChannelAccount,
    page: Sequence[Prepared],
    written: Written,
    owners: dict[IdentityKey, Owner],
    changed: Sequence[dict[str, Any]],
    *,
    zone: str,
) -> None:
    seen = [
        {
            "customer_id": owners[one.author].customer_id,
            "at": one.event.occurred_at.isoformat(),
            "inbound": True,
        }
        for one in page
        if one.author and one.event.external_id in written.ids
    ]
    seen += [{"customer_id": row["customer_id"]} for row in changed if row["customer_id"]]
    sql.run(APP, "touch_customers", {"seen": json.dumps(seen)})
    # rollups count what is said: visits would drown it
    moments = [one.event.occurred_at for one in page if one.is_said and one.event.external_id in written.ids]
    sql.run(APP, "mark_dirty_days", {"account": account.pk, "moments": moments, "zone": zone})


def _tell(changed: Sequence[dict[str, Any]], written: Written, *, live: bool) -> None:
    """One event a conversation: the change feed always, the live stream only for what is news."""
    emit_many(
        [
            Happening(
                "conversation.changed",
                {"conversation": row["id"], "customer": row["customer_id"], "new": row["n"]},
                (f"team:{row['team_id']}", f"conversation:{row['id']}") if live else (),
            )
            for row in changed
        ]
    )


def count_received(account: ChannelAccount, result: IngestResult) -> None:
    """Every item that came is accounted for on the account, in the transaction that stored it.

    The account's row is where all of its workers meet: nothing is locked after it.
    """
    counted, now = Counter(str(outcome) for outcome in result.outcomes), timezone.now()
    ChannelAccount.objects.filter(pk=account.pk).update(
        received=F("received") + len(result.outcomes),
        stored=F("stored") + counted["stored"],
        repeated=F("repeated") + counted["repeated"],
        parked=F("parked") + counted["rejected"],
        last_in_at=now,
        **({"last_out_at": now} if result.came_back else {}),
    )
