"""Edits, deletions and delivery statuses, which may come before the interaction they are about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import Q

from core.events import emit
from core.models import Workspace
from core.text import clean_text
from engagement.channels.base import Change
from engagement.ingest.late_files import add_files, written_down
from engagement.ingest.prepare import MAX_TEXT
from engagement.ingest.watermarks import reached
from engagement.media import names_of
from engagement.models import (
    ChannelAccount,
    Conversation,
    DeliveryState,
    Interaction,
    PendingChange,
)
from engagement.reading import UNREAD, read_texts

RANK = {
    DeliveryState.QUEUED: 0,
    DeliveryState.SENDING: 1,
    DeliveryState.UNCERTAIN: 2,
    DeliveryState.SENT: 3,
    DeliveryState.FAILED: 4,
    DeliveryState.DELIVERED: 5,
    DeliveryState.READ: 6,
}
"""Statuses move forward only: a late "sent" never covers a "delivered"."""


def apply(
    account: ChannelAccount, items: Sequence[tuple[int, Change]], *, read_text: bool
) -> dict[int, bool]:
    """Apply each change to its interaction, or keep it until that arrives. False: kept."""
    ids = [change.external_id for _, change in items]
    targets = {
        row.external_id: row
        for row in Interaction.objects.filter(account=account, external_id__in=ids)
        .order_by("id")
        .select_for_update()
    }
    applied = {}
    for position, change in sorted(items, key=lambda item: item[1].at):
        if change.thread_key:
            applied[position] = True
            for sent in reached(account, change, RANK):
                _status(sent, change, read_text)
            continue
        target = targets.get(change.external_id)
        applied[position] = target is not None
        if target is None:
            _keep(account, change)
        else:
            _APPLY[change.kind](target, change, read_text)
    return applied


def _edit(target: Interaction, change: Change, read_text: bool) -> None:
    if target.deleted_at or (target.edited_at and target.edited_at >= change.at):
        return
    target.text = clean_text(change.text, limit=MAX_TEXT)
    target.edited_at = change.at
    reads = read_text and target.direction == "inbound"
    reading = read_texts([target.text], languages=Workspace.current().languages)[0] if reads else UNREAD
    target.language, target.sentiment = reading.language, reading.sentiment
    target.reason, target.topics, target.reader = reading.reason, list(reading.topics), reading.version
    target.save(update_fields=["text", "edited_at", "language", "sentiment", "reason", "topics", "reader"])
    _follow(target, "interaction.edited")


def _delete(target: Interaction, change: Change, read_text: bool) -> None:
    """The network asks for the words to go; that something was said stays."""
    if target.deleted_at:
        return
    target.deleted_at = change.at
    target.text, target.subject, target.topics = "", "", []
    target.sentiment, target.reason = None, ""
    target.save(update_fields=["deleted_at", "text", "subject", "topics", "sentiment", "reason"])
    _drop_files(target)
    _follow(target, "interaction.deleted")


def _drop_files(target: Interaction) -> None:
    """Attachments and their content, once the deletion is through."""
    names = names_of(target.attachments.all())
    target.attachments.all().delete()
    for name in names:
        transaction.on_commit(partial(default_storage.delete, name), robust=True)


def _status(target: Interaction, change: Change, read_text: bool) -> None:
    delivery = target.deliveries.order_by("-id").select_for_update().first()
    if delivery is None or change.status not in RANK:
        return
    if RANK[DeliveryState(change.status)] <= RANK[DeliveryState(delivery.state)]:
        return
    delivery.state = change.status
    delivery.failure = "permanent" if change.status == DeliveryState.FAILED else ""
    delivery.failure_text = clean_text(change.error, limit=500)
    delivery.updated_at = change.at
    delivery.save(update_fields=["state", "failure", "failure_text", "updated_at"])
    if target.conversation_id is not None:
        emit(
            "delivery.changed",
            channels=[f"team:{target.team_id}", f"conversation:{target.conversation_id}"],
            delivery=delivery.pk,
            conversation=target.conversation_id,
        )


def _files(target: Interaction, change: Change, read_text: bool) -> None:
    if add_files(target, change.files):
        _follow(target, "interaction.edited")


def _follow(target: Interaction, type: str) -> None:
    """What depends on the text: the snippet, traits, rollups, and whoever looks at it."""
    last = Interaction.objects.filter(conversation=target.conversation_id).exclude(direction="internal")
    newest = last.order_by("-occurred_at", "-external_id").first()
    if newest and newest.pk == target.pk and target.conversation_id:
        Conversation.objects.filter(pk=target.conversation_id).update(last_text=target.text[:200])
    _touch(target.customer_id)
    mark_dirty(target.account_id, target.occurred_at)
    emit(
        type,
        channels=[f"team:{target.team_id}", f"conversation:{target.conversation_id}"],
        interaction=target.pk,
        conversation=target.conversation_id,
    )


def _touch(customer_id: int | None) -> None:
    from crm.models import CustomerTouch

    if customer_id:
        CustomerTouch.objects.create(customer_id=customer_id)


def mark_dirty(account_id: int, at: datetime) -> None:
    """The rollups of that local day are to be computed again."""
    day = Workspace.current().today(at)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO engagement_dirtyday (account_id, day, at) VALUES (%s, %s, statement_timestamp()) "
            "ON CONFLICT (account_id, day) DO UPDATE SET at = excluded.at",
            [account_id, day],
        )


def _keep(account: ChannelAccount, change: Change) -> None:
    """The newest change of each kind waits for its interaction."""
    kept, made = PendingChange.objects.get_or_create(
        account=account,
        external_id=change.external_id,
        kind=change.kind,
        defaults={"at": change.at, "payload": _payload(change)},
    )
    if not made:
        newer = PendingChange.objects.filter(Q(pk=kept.pk), at__lt=change.at)
        newer.update(at=change.at, payload=_payload(change))


def _payload(change: Change) -> dict[str, Any]:
    return {
        "text": clean_text(change.text, limit=MAX_TEXT),
        "status": change.status,
        "error": change.error,
        **({"files": written_down(change.files)} if change.files else {}),
    }


_APPLY: dict[str, Callable[[Interaction, Change, bool], None]] = {
    "edit": _edit,
    "delete": _delete,
    "status": _status,
    "files": _files,
}
