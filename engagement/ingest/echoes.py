"""Our own messages coming back: an echo is the message that we sent, and never a second one.

A network that gives back what we sent along names the delivery by its key. Where it does not, an outbound
message with the same words in the same thread is ours while its delivery is on its way or may have been sent.
Either way the row that staff wrote takes the network's id, also when the echo is quicker than the answer to
the call that sent it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from core import sql
from core.events import Happening, emit_many
from engagement.channels import connector
from engagement.channels.base import Direction, Event
from engagement.ingest.prepare import Prepared
from engagement.media import names_of
from engagement.models import (
    ChannelAccount,
    Conversation,
    Delivery,
    DeliveryState,
    Interaction,
    Thread,
)

log = structlog.get_logger(__name__)

CLOCKS_DIFFER = timedelta(minutes=5)
AFTERWARDS = timedelta(hours=1)
"""So long after the last try an outbound message with the same words is the one that we tried to send."""
ON_ITS_WAY = (DeliveryState.SENDING, DeliveryState.UNCERTAIN, DeliveryState.SENT)
UNPROVEN = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.UNCERTAIN, DeliveryState.FAILED)
_URL = re.compile(r"https?://\S+")
_NAMES = re.compile(r"^(@\S+\s+)+")


@dataclass
class Echo:
    """An event that seems to be a message of ours, and the delivery that sent it."""

    position: int
    event: Event
    delivery_id: int


def find(account: ChannelAccount, prepared: Mapping[int, Prepared]) -> list[Echo]:
    """The echoes among these events, each delivery once; nothing is locked or written."""
    outbound = {
        position: one.event
        for position, one in prepared.items()
        if one.event.direction == Direction.OUTBOUND and one.is_said
    }
    if not outbound:
        return []
    by_key = deliveries_by_key(account, (event.our_key for event in outbound.values()))
    found = [
        Echo(position, event, by_key[event.our_key].pk)
        for position, event in outbound.items()
        if event.our_key in by_key
    ]
    taken = {echo.delivery_id for echo in found}
    rest = {p: event for p, event in outbound.items() if event.our_key not in by_key}
    return found + _by_words(account, rest, taken)


def deliveries_by_key(account: ChannelAccount, keys: Iterable[str]) -> dict[str, Delivery]:
    """The account's deliveries by the key that we sent along; what is no key of ours is left out."""
    wanted = {key: uuid for key in keys if (uuid := _uuid(key)) is not None}
    if not wanted:
        return {}
    rows = {
        row.client_key: row
        for row in Delivery.objects.filter(account=account, client_key__in=wanted.values())
    }
    return {key: rows[uuid] for key, uuid in wanted.items() if uuid in rows}


def _uuid(key: str) -> UUID | None:
    try:
        return UUID(key) if key else None
    except ValueError:
        return None


def _by_words(account: ChannelAccount, events: Mapping[int, Event], taken: set[int]) -> list[Echo]:
    waiting = _on_their_way(account, events.values())
    found = []
    for position, event in sorted(events.items(), key=lambda item: item[1].occurred_at):
        for delivery, keys in waiting:
            if delivery.pk not in taken and keys & set(event.thread_keys) and _is_echo(delivery, event):
                taken.add(delivery.pk)
                found.append(Echo(position, event, delivery.pk))
                break
    return found


def _on_their_way(account: ChannelAccount, events: Collection[Event]) -> list[tuple[Delivery, set[str]]]:
    """Deliveries that may come back in these events, oldest first, with the threads they went to."""
    keys = {key for event in events for key in event.thread_keys}
    if not keys:
        return []
    since = min(event.occurred_at for event in events) - AFTERWARDS
    rows = Delivery.objects.filter(account=account, state__in=ON_ITS_WAY, updated_at__gte=since)
    rows = rows.filter(conversation__threads__account=account, conversation__threads__thread_key__in=keys)
    threads: dict[int, set[str]] = {}
    for key, conversation in Thread.objects.filter(account=account, thread_key__in=keys).values_list(
        "thread_key", "conversation_id"
    ):
        threads.setdefault(conversation, set()).add(key)
    found = rows.distinct().select_related("interaction", "account").order_by("pk")
    return [(row, threads.get(row.conversation_id, set())) for row in found]


def _is_echo(delivery: Delivery, event: Event) -> bool:
    """Whether this is what the delivery sent, by state, time and words."""
    if delivery.state not in ON_ITS_WAY:
        return False
    if delivery.state == DeliveryState.SENT and not has_our_id(delivery):
        return False
    from_, until = delivery.interaction.occurred_at - CLOCKS_DIFFER, delivery.updated_at + AFTERWARDS
    same_words = _words(delivery.interaction.text) == _words(event.text)
    return same_words and from_ <= event.occurred_at <= until


def has_our_id(delivery: Delivery) -> bool:
    """Whether the network did not say yet how it calls a message that was sent."""
    link = connector(delivery.account.connector)
    ours = link.new_external_id(delivery.account, str(delivery.client_key))
    return not link.takes_our_id and delivery.interaction.external_id == ours


def _words(text: str) -> str:
    """Networks put names in front, shorten links and fold spaces."""
    return " ".join(_URL.sub("<url>", _NAMES.sub("", text.strip())).split())


# Settling


def settle(echoes: Sequence[Echo]) -> set[int]:
    """Let our messages take the network's ids and count as sent; the positions that are no echoes after all.

    Looked at again under lock: meanwhile the call that sent it may have ended, and said another id.
    """
    if not echoes:
        return set()
    deliveries = lock_deliveries({echo.delivery_id for echo in echoes})
    strangers, proven = set(), []
    for echo in echoes:
        delivery = deliveries.get(echo.delivery_id)
        if delivery is None or not _is_still(delivery, echo.event):
            strangers.add(echo.position)
            continue
        is_new = delivery.state in UNPROVEN or has_our_id(delivery)
        if delivery.state in UNPROVEN:
            mark_sent(delivery, at=echo.event.occurred_at)
            proven.append(delivery)
        if is_new:
            take_network_id(delivery.interaction, echo.event.external_id)
    if proven:
        tell(proven)
    return strangers


def _is_still(delivery: Delivery, event: Event) -> bool:
    if delivery.interaction.external_id == event.external_id or str(delivery.client_key) == event.our_key:
        return True
    return _is_echo(delivery, event)


def lock_deliveries(ids: Collection[int]) -> dict[int, Delivery]:
    """These deliveries under lock, as ingest does: threads, conversations, interactions, deliveries."""
    rows = Delivery.objects.filter(pk__in=ids).values_list("conversation_id", "interaction_id")
    conversations, interactions = ({row[0] for row in rows}, {row[1] for row in rows})
    threads = Thread.objects.filter(conversation_id__in=conversations)
    list(threads.order_by("pk").select_for_update(no_key=True))
    list(Conversation.objects.filter(pk__in=conversations).order_by("pk").select_for_update(no_key=True))
    list(Interaction.objects.filter(pk__in=interactions).order_by("pk").select_for_update())
    locked = Delivery.objects.filter(pk__in=ids).select_related("interaction", "account")
    return {row.pk: row for row in locked.order_by("pk").select_for_update(of=("self",))}


def mark_sent(delivery: Delivery, *, at: datetime) -> None:
    """The network shows it, so it left, whatever the call that sent it came to."""
    if delivery.state == DeliveryState.FAILED:
        answered = Conversation.objects.filter(pk=delivery.conversation_id)
        answered = answered.filter(last_inbound_at__lte=delivery.interaction.occurred_at)
        answered.update(waiting_since=None, due_at=None)
    delivery.state, delivery.sent_at = DeliveryState.SENT, at
    delivery.failure = delivery.failure_text = delivery.advice = ""
    delivery.lease_until, delivery.asked_at, delivery.updated_at = None, None, timezone.now()
    delivery.save()


def tell(deliveries: Iterable[Delivery]) -> None:
    """Windows with these conversations open see the new states."""
    emit_many(
        [
            Happening(
                "delivery.changed",
                {
                    "delivery": one.pk,
                    "interaction": one.interaction_id,
                    "conversation": one.conversation_id,
                    "state": str(one.state),
                },
                (f"team:{one.interaction.team_id}", f"conversation:{one.conversation_id}"),
            )
            for one in deliveries
        ]
    )


def take_network_id(interaction: Interaction, external_id: str) -> None:
    """Our message goes by the network's id from here on; an echo that was stored first is the same message.

    The caller holds its conversation and the interaction. What the network said of this id before it was
    known here is applied.
    """
    from engagement.ingest.extras import apply_pending

    if not external_id or external_id == interaction.external_id:
        return
    account = interaction.account
    known = Interaction.objects.filter(account=account, external_id=external_id)
    if known.filter(direction=Direction.INBOUND).exists():
        log.warning("network gave our message the id of an inbound one", interaction=interaction.pk)
        return
    for twin in known.select_for_update():
        _drop_twin(twin, interaction)
    interaction.external_id = external_id
    interaction.save(update_fields=["external_id"])
    _remember_answers(account, interaction)
    apply_pending(account, [external_id])


def _drop_twin(twin: Interaction, interaction: Interaction) -> None:
    """The echo was stored as a message of its own; a conversation that held it alone is ours too."""
    alone = twin.conversation_id
    for name in names_of(twin.attachments.all()):
        transaction.on_commit(partial(default_storage.delete, name), robust=True)
    twin.delete()
    if alone is None:
        return
    Conversation.objects.filter(pk=alone, count__gt=0).update(count=F("count") - 1)
    if alone == interaction.conversation_id:
        return
    if not Interaction.objects.filter(conversation_id=alone).exists():
        Thread.objects.filter(conversation_id=alone).update(conversation_id=interaction.conversation_id)
        Conversation.objects.filter(pk=alone).delete()


def _remember_answers(account: ChannelAccount, interaction: Interaction) -> None:
    """An answer that names our message by the network's id leads to its conversation."""
    keys = list(connector(account.connector).answer_keys(account, interaction.external_id))
    if keys and interaction.conversation_id is not None:
        sql.run("engagement", "store_threads", {"account": account.pk, "keys": keys})
        rows = Thread.objects.filter(account=account, thread_key__in=keys, conversation__isnull=True)
        rows.update(conversation_id=interaction.conversation_id)
