"""Edits, deletions, hidings and delivery statuses, which may come before the interaction they are about.

Whatever the order in which changes come, and however often, the same is left: of edits and hidings the newest
counts, a deletion is final, and a status only moves forward. The number of statements does not depend on the
number of changes, but for those that come with files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction

from core import sql
from core.events import Happening, emit_many
from core.models import Workspace
from core.text import clean_text
from crm.models import CustomerTouch
from engagement.channels.base import Change, PostRef
from engagement.ingest import echoes
from engagement.ingest.late_files import add_files, written_down
from engagement.ingest.posts import store_known_posts
from engagement.ingest.prepare import MAX_TEXT
from engagement.media import names_of
from engagement.models import (
    Attachment,
    ChannelAccount,
    Conversation,
    Delivery,
    DeliveryState,
    Interaction,
    Post,
)
from engagement.reading import UNREAD, Reading, read_texts
from engagement.text_models import sentiment_models

APP = "engagement"
RANK = {
    DeliveryState.QUEUED: 0,
    DeliveryState.SENDING: 1,
    DeliveryState.UNCERTAIN: 2,
    DeliveryState.SENT: 3,
    DeliveryState.FAILED: 4,
    DeliveryState.DELIVERED: 5,
    DeliveryState.READ: 6,
}
"""Statuses move forward only: a late "sent" never covers a "delivered", nor a "failed"."""
ANSWER_TAKES = timedelta(seconds=5)
"""We note that a message left once the network has answered, a little after its own time of it."""
CHANGED_FIELDS = (
    "text", "subject", "rating", "edited_at", "deleted_at", "hidden_at", "hidden_as_of", "language",
    "sentiment", "reason", "topics", "reader", "contact_reason", "reason_model", "mood_by_staff",
)  # fmt: skip


@dataclass
class _Batch:
    """The rows that changes are about, under lock, and what became of them."""

    rows: dict[str, Interaction]
    """Interactions by the external id that a change names."""
    by_key: dict[str, Delivery]
    newest: dict[int, Delivery]
    """The last delivery of each interaction."""
    threads: dict[str, list[Delivery]]
    """Deliveries that are on their way to customers, by a thread that a change is about as a whole."""
    posts: set[str]
    edited: dict[int, Interaction] = field(default_factory=dict)
    deleted: dict[int, Interaction] = field(default_factory=dict)
    turned: dict[int, Interaction] = field(default_factory=dict)
    """Hidden, or shown again."""
    moved: dict[int, Delivery] = field(default_factory=dict)


def apply(
    account: ChannelAccount, items: Sequence[tuple[int, Change]], *, read_text: bool
) -> dict[int, bool]:
    """Apply each change to its interaction, or keep it until that arrives. False: kept."""
    if not items:
        return {}
    in_order = sorted(items, key=lambda item: item[1].at)
    batch = _lock(account, [change for _, change in in_order])
    applied, early = {}, []
    for position, change in in_order:
        if change.kind == "status" and change.thread_key in batch.threads:
            applied[position] = _up_to(batch, change)
            continue
        target = _target(batch, change)
        applied[position] = target is not None or change.external_id in batch.posts
        if target is not None:
            _APPLY[change.kind](batch, target, change)
        elif not applied[position]:
            early.append(change)
    _write(account, batch, read_text=read_text)
    _edit_posts(account, batch, [change for _, change in in_order])
    _keep(account, early)
    return applied


def _lock(account: ChannelAccount, changes: Sequence[Change]) -> _Batch:
    """Everything that these changes are about, locked as ingest does: conversations, lines, deliveries."""
    by_key = echoes.deliveries_by_key(account, (change.our_key for change in changes))
    in_thread = _sent_in(account, {change.thread_key for change in changes if not change.external_id} - {""})
    ids = {change.external_id for change in changes} - {""}
    lines = Interaction.objects.filter(account=account, external_id__in=ids)
    found = dict(lines.values_list("pk", "conversation_id")) if ids else {}
    of_lines = Delivery.objects.filter(interaction__in=found) if found else Delivery.objects.none()
    wanted = {row.pk for row in by_key.values()} | {pk for pks in in_thread.values() for pk in pks}
    wanted |= set(of_lines.values_list("pk", flat=True))
    _lock_conversations(found.values())
    locked = echoes.lock_deliveries(wanted) if wanted else {}
    known = {row.interaction_id: row.interaction for row in locked.values()}
    rows = lines.order_by("pk").select_for_update() if found else []
    by_id = {row.external_id: known.get(row.pk, row) for row in rows}
    posts = Post.objects.filter(account=account, external_id__in=ids - by_id.keys())
    return _Batch(
        rows=by_id,
        by_key={key: locked[row.pk] for key, row in by_key.items() if row.pk in locked},
        newest={row.interaction_id: row for row in locked.values()},
        threads={key: [locked[pk] for pk in pks if pk in locked] for key, pks in in_thread.items()},
        posts=set(posts.values_list("external_id", flat=True)) if ids - by_id.keys() else set(),
    )


def _sent_in(account: ChannelAccount, keys: set[str]) -> dict[str, list[int]]:
    """What we sent and nobody read yet, by the threads of these keys."""
    found: dict[str, list[int]] = {key: [] for key in keys}
    if keys:
        rows = Delivery.objects.filter(
            account=account, state__in=(DeliveryState.SENT, DeliveryState.DELIVERED)
        )
        rows = rows.filter(conversation__threads__account=account, conversation__threads__thread_key__in=keys)
        for key, pk in rows.values_list("conversation__threads__thread_key", "pk"):
            found[key].append(pk)
    return found


def _lock_conversations(ids: Iterable[int | None]) -> None:
    wanted = {pk for pk in ids if pk is not None}
    if wanted:
        talks = Conversation.objects.filter(pk__in=wanted)
        list(talks.order_by("pk").select_for_update(no_key=True))


def _target(batch: _Batch, change: Change) -> Interaction | None:
    """The interaction a change is about; one of ours that it names by key takes the network's id."""
    delivery = batch.by_key.get(change.our_key)
    if delivery is None:
        return batch.rows.get(change.external_id)
    line, name = delivery.interaction, change.external_id
    known = batch.rows.get(name)
    if name and (known is None or (known.pk != line.pk and known.direction == line.direction)):
        echoes.take_network_id(line, name)
        line.refresh_from_db()
        delivery.refresh_from_db(fields=["state", "sent_at", "failure", "failure_text"])
        batch.rows[name] = line
    return line


def _up_to(batch: _Batch, change: Change) -> bool:
    """A receipt for everything that left in a thread up to a moment.

    One that failed stays failed: the receipt does not name it, so it was not this one that arrived.
    """
    for delivery in batch.threads[change.thread_key]:
        if (delivery.sent_at or delivery.interaction.occurred_at) <= change.at + ANSWER_TAKES:
            _move(batch, delivery, change)
    return True


# What each kind does


def _edit(batch: _Batch, target: Interaction, change: Change) -> None:
    if target.deleted_at or (target.edited_at and target.edited_at >= change.at):
        return
    target.text, target.edited_at = clean_text(change.text, limit=MAX_TEXT), change.at
    if change.rating is not None and 0 <= change.rating <= 10:
        target.rating = change.rating
    batch.edited[target.pk] = target


def _delete(batch: _Batch, target: Interaction, change: Change) -> None:
    """The network asks for the words to go; that something was said stays."""
    if target.deleted_at and target.deleted_at <= change.at:
        return
    target.deleted_at, target.edited_at = change.at, None
    target.text, target.subject, target.topics = "", "", []
    target.sentiment, target.reason, target.language = None, "", ""
    target.contact_reason, target.reason_model, target.mood_by_staff = "", 0, False
    batch.edited.pop(target.pk, None)
    batch.deleted[target.pk] = target


def _hide(batch: _Batch, target: Interaction, change: Change) -> None:
    _turn(batch, target, change, hidden_at=change.at)


def _unhide(batch: _Batch, target: Interaction, change: Change) -> None:
    _turn(batch, target, change, hidden_at=None)


def _turn(batch: _Batch, target: Interaction, change: Change, *, hidden_at: datetime | None) -> None:
    if target.hidden_as_of and target.hidden_as_of >= change.at:
        return
    target.hidden_at, target.hidden_as_of = hidden_at, change.at
    batch.turned[target.pk] = target


def _status(batch: _Batch, target: Interaction, change: Change) -> None:
    delivery = batch.by_key.get(change.our_key) or batch.newest.get(target.pk)
    if delivery is not None:
        _move(batch, delivery, change)


def _move(batch: _Batch, delivery: Delivery, change: Change) -> None:
    if _rank(change.status) <= RANK[DeliveryState(delivery.state)]:
        return
    delivery.state = change.status
    delivery.failure = "permanent" if change.status == DeliveryState.FAILED else ""
    delivery.failure_text = clean_text(change.error, limit=500)
    delivery.lease_until = delivery.asked_at = None
    if change.status != DeliveryState.FAILED:
        delivery.sent_at = delivery.sent_at or change.at
    delivery.updated_at = change.at
    batch.moved[delivery.pk] = delivery


def _files(batch: _Batch, target: Interaction, change: Change) -> None:
    if add_files(target, change.files):
        batch.turned[target.pk] = target


_APPLY: dict[str, Callable[[_Batch, Interaction, Change], None]] = {
    "edit": _edit,
    "delete": _delete,
    "hide": _hide,
    "unhide": _unhide,
    "status": _status,
    "files": _files,
}


# Writing it down


def _write(account: ChannelAccount, batch: _Batch, *, read_text: bool) -> None:
    _read(list(batch.edited.values()), read_text=read_text)
    changed = batch.edited | batch.deleted | batch.turned
    if changed:
        Interaction.objects.bulk_update(changed.values(), CHANGED_FIELDS)
    _drop_files(batch.deleted)
    _follow(account, list((batch.edited | batch.deleted).values()))
    if batch.moved:
        fields = ["state", "failure", "failure_text", "lease_until", "asked_at", "sent_at", "updated_at"]
        Delivery.objects.bulk_update(batch.moved.values(), fields)
        echoes.tell(row for row in batch.moved.values() if row.conversation_id is not None)
    _tell(batch)


def _read(lines: Sequence[Interaction], *, read_text: bool) -> None:
    """Only what customers wrote is read."""
    theirs = [line for line in lines if read_text and line.direction == "inbound"]
    texts = [line.text for line in theirs]
    readings = dict(
        zip(
            (line.pk for line in theirs),
            _readings(texts) if texts else (),
            strict=True,
        )
    )
    for line in lines:
        reading = readings.get(line.pk, UNREAD)
        line.language = reading.language
        if not line.mood_by_staff:
            line.sentiment = reading.sentiment
        line.reason, line.topics, line.reader = reading.reason, list(reading.topics), reading.version


def _readings(texts: Sequence[str]) -> list[Reading]:
    return read_texts(texts, languages=Workspace.current().languages, models=sentiment_models())


def _drop_files(lines: dict[int, Interaction]) -> None:
    """Attachments and their content, once the deletion is through."""
    if not lines:
        return
    rows = Attachment.objects.filter(interaction_id__in=lines)
    names = names_of(rows)
    rows.delete()
    for name in names:
        transaction.on_commit(partial(default_storage.delete, name), robust=True)


def _follow(account: ChannelAccount, lines: Sequence[Interaction]) -> None:
    """What depends on the text: the snippet, traits and rollups."""
    if not lines:
        return
    talks = sorted({line.conversation_id for line in lines if line.conversation_id is not None})
    sql.run(APP, "refresh_snippets", {"ids": talks})
    customers = sorted({line.customer_id for line in lines if line.customer_id})
    CustomerTouch.objects.bulk_create(CustomerTouch(customer_id=pk) for pk in customers)
    moments = [line.occurred_at for line in lines]
    zone = Workspace.current().zone
    sql.run(APP, "mark_dirty_days", {"account": account.pk, "moments": moments, "zone": zone})


def _tell(batch: _Batch) -> None:
    """Whoever looks at it sees it change."""
    types = dict.fromkeys(batch.turned, "interaction.changed")
    types |= dict.fromkeys(batch.edited, "interaction.edited")
    types |= dict.fromkeys(batch.deleted, "interaction.deleted")
    lines = batch.edited | batch.deleted | batch.turned
    emit_many(
        [
            Happening(
                type,
                {"interaction": pk, "conversation": lines[pk].conversation_id},
                (f"team:{lines[pk].team_id}", f"conversation:{lines[pk].conversation_id}"),
            )
            for pk, type in sorted(types.items())
        ]
    )


def _edit_posts(account: ChannelAccount, batch: _Batch, changes: Sequence[Change]) -> None:
    """Where what was edited is a post of ours, it says the new words. One that was deleted stays here."""
    edits = [change for change in changes if change.kind == "edit" and change.external_id in batch.posts]
    found = [PostRef(change.external_id, text=change.text, as_of=change.at) for change in edits]
    if found:
        store_known_posts(account, found)


def _keep(account: ChannelAccount, changes: Sequence[Change]) -> None:
    """The newest change of each kind waits for its interaction, the first deletion, the furthest status."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for change in sorted(changes, key=lambda one: (one.at, _rank(one.status))):
        row = _row(change)
        known = rows.get((row["external_id"], change.kind))
        if row["external_id"] and (known is None or _is_further(row, known)):
            rows[row["external_id"], change.kind] = row
    if rows:
        ordered = [rows[key] for key in sorted(rows)]
        sql.run(APP, "keep_changes", {"account": account.pk, "changes": json.dumps(ordered)})


def _is_further(row: dict[str, Any], known: dict[str, Any]) -> bool:
    """Whether a change that comes after another of its kind, by time, is the one that counts."""
    if row["kind"] == "delete":
        return False
    return bool(row["payload"].get("rank", 0) >= known["payload"].get("rank", 0))


def _rank(status: str) -> int:
    return RANK[DeliveryState(status)] if status in DeliveryState.values else -1


def _row(change: Change) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "text": clean_text(change.text, limit=MAX_TEXT),
        "status": change.status,
        "error": clean_text(change.error, limit=500),
        **({"files": written_down(change.files)} if change.files else {}),
    }
    if change.kind == "status":
        payload["rank"] = _rank(change.status)
    if change.rating is not None:
        payload["rating"] = change.rating
    return {
        "external_id": change.external_id,
        "kind": change.kind,
        "at": change.at.isoformat(),
        "payload": payload,
    }
