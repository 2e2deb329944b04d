"""Sends what staff wrote: only the oldest open message of each conversation, so that order holds.

A delivery is claimed in one short transaction (row lock, skipped by other workers; then a lease), sent
outside any transaction, and its result written in another. A worker that was killed leaves a lease that runs
out: where the network takes our own id the send is repeated, else it is said that it may have been sent, and
nothing is sent again by itself. What is due when stands in the table, so a flushed Redis costs time and no
message.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.events import emit
from engagement.channels import connector
from engagement.channels.base import (
    AuthFailure,
    Author,
    Direction,
    File,
    Outgoing,
    PermanentFailure,
    SendFailed,
    Sent,
    TransientFailure,
    Uncertain,
    WindowClosed,
)
from engagement.models import (
    Attachment,
    ChannelAccount,
    Conversation,
    Delivery,
    DeliveryState,
    Health,
    Interaction,
)
from engagement.models.delivery import OPEN_STATES
from engagement.replies import lock_conversation, queue_delivery

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)
"""Longer than a task may run, so that only a dead worker's lease runs out."""
BACK_OFF = (10, 20, 40, 80, 160, 300)
"""Seconds until the next try; the last one again and again."""
PATIENCE = timedelta(minutes=15)
"""So long the messages behind one that does not get through wait before staff are asked."""
GIVE_UP = timedelta(hours=24)
MAX_DEATHS = 3
SWEEP_SECONDS = 45.0
CLOSED_HEALTH = (Health.NEEDS_LOGIN, Health.PAUSED)
REFERENCES = 20


# Claiming


def heads() -> QuerySet[Delivery]:
    """Open deliveries that nothing older of their conversation stands before, on accounts that may send."""
    older = Delivery.objects.filter(
        conversation_id=OuterRef("conversation_id"), pk__lt=OuterRef("pk"), state__in=OPEN_STATES
    )
    usable = Delivery.objects.filter(account__is_active=True).exclude(account__health__in=CLOSED_HEALTH)
    return usable.filter(state__in=OPEN_STATES).exclude(Exists(older))


def due_heads() -> QuerySet[Delivery]:
    """Heads to be sent now: queued and due, or left behind by a worker that died."""
    now = timezone.now()
    waiting = Q(state=DeliveryState.QUEUED, next_try_at__lte=now)
    abandoned = Q(state=DeliveryState.SENDING, lease_until__lt=now)
    return heads().filter(waiting | abandoned)


def claim(found: QuerySet[Delivery]) -> Delivery | None:
    """Take the first of these nobody else holds, with a lease; None where there is none to send.

    One that was cut off on a network that would show it twice is not taken but marked as perhaps sent.
    """
    with transaction.atomic():
        rows = found.select_for_update(of=("self",), skip_locked=True).select_related("account")
        delivery: Delivery | None = rows.order_by("next_try_at", "pk").first()
        if delivery is None:
            return None
        if delivery.state == DeliveryState.SENDING and not _may_repeat(delivery):
            _settle(
                delivery, DeliveryState.UNCERTAIN, text=_("The connection ended while it was being sent.")
            )
            return delivery
        delivery.state = DeliveryState.SENDING
        delivery.attempts += 1
        delivery.lease_until = timezone.now() + LEASE
        delivery.updated_at = timezone.now()
        delivery.save(update_fields=["state", "attempts", "lease_until", "updated_at"])
        return delivery


def _may_repeat(delivery: Delivery) -> bool:
    return connector(delivery.account.connector).takes_our_id and delivery.attempts < MAX_DEATHS


# Sending


@dataclass
class Sweep:
    """What one pass over the outbox did."""

    results: dict[str, int] = field(default_factory=dict)
    stuck_accounts: set[int] = field(default_factory=set)

    def note(self, delivery: Delivery) -> None:
        self.results[delivery.state] = self.results.get(delivery.state, 0) + 1
        if delivery.state == DeliveryState.QUEUED:
            self.stuck_accounts.add(delivery.account_id)


def sweep(*, seconds: float = SWEEP_SECONDS) -> Sweep:
    """Send what is due, head after head, until nothing is or the time is up.

    An account that just failed is left alone for the rest of the pass, so one dead server delays nobody else.
    """
    done, end = Sweep(), time.monotonic() + seconds
    while time.monotonic() < end:
        delivery = _send_first(due_heads().exclude(account_id__in=done.stuck_accounts))
        if delivery is None:
            break
        done.note(delivery)
    return done


def send_delivery(delivery_id: int) -> Delivery | None:
    """Send this one if it is the head of its conversation and due, then what waited behind it."""
    delivery = _send_first(due_heads().filter(pk=delivery_id))
    last = delivery
    while delivery is not None and delivery.state not in OPEN_STATES:
        last = delivery
        delivery = _send_first(due_heads().filter(conversation_id=delivery.conversation_id))
    return delivery or last


def _send_first(found: QuerySet[Delivery]) -> Delivery | None:
    delivery = claim(found)
    if delivery is None or delivery.state != DeliveryState.SENDING:
        return delivery
    return send_claimed(delivery)


def send_claimed(delivery: Delivery) -> Delivery:
    """Call the connector outside any transaction and write down what came of it."""
    try:
        sent = connector(delivery.account.connector).send(gather(delivery))
    except SendFailed as failure:
        return record_failure(delivery, failure)
    except Exception as error:
        log.exception("send ended without a verdict", delivery=delivery.pk)
        return record_failure(delivery, Uncertain(f"{type(error).__name__}: {error}"))
    return record_sent(delivery, sent)


def gather(delivery: Delivery) -> Outgoing:
    """Everything the connector needs to send one message."""
    rows = Delivery.objects.select_related(
        "account__brand", "conversation__identity", "interaction__staff", "interaction__post"
    )
    delivery = rows.get(pk=delivery.pk)
    interaction, conversation, identity = (
        delivery.interaction,
        delivery.conversation,
        delivery.conversation.identity,
    )
    to = []
    if identity is not None:
        known = (identity.external_id, identity.handle, identity.name, identity.network, identity.issuer)
        to.append(Author(*known))
    thread = conversation.threads.order_by("pk").first()
    payload = delivery.payload
    return Outgoing(
        delivery=delivery,
        account=delivery.account,
        # What only the customer may read, such as their own link, is not stored as the message's text.
        text=str(payload.get("text") or interaction.text),
        html=str(payload.get("html", "")),
        subject=interaction.subject,
        external_id=interaction.external_id,
        in_reply_to=interaction.in_reply_to,
        references=_references(interaction),
        to=to,
        cc=tuple(payload.get("cc", ())),
        bcc=tuple(payload.get("bcc", ())),
        thread_key=thread.thread_key if thread else "",
        files=[_read_file(kept) for kept in interaction.attachments.order_by("pk") if kept.file],
        sender_name=interaction.staff_name,
    )


def _references(interaction: Interaction) -> tuple[str, ...]:
    """Ids of what was said before in the conversation: its beginning and its newest lines, in order."""
    said = Interaction.objects.filter(conversation=interaction.conversation, pk__lt=interaction.pk)
    said = said.exclude(direction=Direction.INTERNAL).order_by("occurred_at", "pk")
    ids = list(said.values_list("external_id", flat=True))
    return tuple(ids if len(ids) <= REFERENCES else [ids[0], *ids[-(REFERENCES - 1) :]])


def _read_file(kept: Attachment) -> File:
    with kept.file.open("rb") as stream:
        content = stream.read()
    return File(name=kept.name, content_type=kept.content_type, content=content, size=len(content))


# What came of it


@transaction.atomic
def record_sent(delivery: Delivery, sent: Sent) -> Delivery:
    """It left: keep the id the network gave it. A later word of the network is never taken back."""
    delivery = _locked(delivery)
    if delivery.state in (DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.SENT):
        return delivery
    now = timezone.now()
    delivery.sent_at = now
    _settle(delivery, DeliveryState.DELIVERED if sent.status == "delivered" else DeliveryState.SENT)
    _take_network_id(delivery.interaction, sent.external_id)
    account = ChannelAccount.objects.filter(pk=delivery.account_id)
    account.update(last_out_at=now)
    account.filter(health=Health.FAILING).update(
        health=Health.HEALTHY, health_text="", health_since=now, failures=0
    )
    return delivery


def _take_network_id(interaction: Interaction, external_id: str) -> None:
    """Our message goes by the network's id from here on; an echo that came first is the same message."""
    if not external_id or external_id == interaction.external_id:
        return
    echo = Interaction.objects.filter(account_id=interaction.account_id, external_id=external_id)
    if echo.filter(direction=Direction.INBOUND).exists():
        log.warning("network gave our message the id of an inbound one", interaction=interaction.pk)
        return
    for twin in echo.select_for_update():
        Conversation.objects.filter(pk=twin.conversation_id, count__gt=0).update(count=F("count") - 1)
        twin.delete()
    interaction.external_id = external_id
    interaction.save(update_fields=["external_id"])


@transaction.atomic
def record_failure(delivery: Delivery, failure: SendFailed) -> Delivery:
    """Write down why it did not leave, and what follows from that."""
    claimed, delivery = delivery, _locked(delivery)
    if delivery.state != DeliveryState.SENDING or delivery.attempts != claimed.attempts:
        return delivery
    text = str(failure)[:500] or _("The network gave no reason.")
    if isinstance(failure, AuthFailure):
        _pause_account(delivery.account, text)
        _wait(delivery, "auth", text, seconds=0)
    elif isinstance(failure, TransientFailure):
        _try_later(delivery, text)
    elif isinstance(failure, Uncertain) or type(failure) is SendFailed:
        _settle(delivery, DeliveryState.UNCERTAIN, text=text)
    elif isinstance(failure, PermanentFailure):
        kind = "window" if isinstance(failure, WindowClosed) else "permanent"
        _settle(delivery, DeliveryState.FAILED, failure=kind, text=text)
        _wait_for_answer_again(delivery)
    return delivery


def _locked(delivery: Delivery) -> Delivery:
    """The delivery, read again under lock, in the order of ingest: threads, conversation, interaction."""
    lock_conversation(delivery.conversation_id)
    Interaction.objects.select_for_update().get(pk=delivery.interaction_id)
    rows = Delivery.objects.select_related("interaction", "account")
    return rows.select_for_update(of=("self",)).get(pk=delivery.pk)


def _try_later(delivery: Delivery, text: str) -> None:
    waited = timezone.now() - delivery.created_at
    if waited >= GIVE_UP:
        _settle(delivery, DeliveryState.FAILED, failure="transient", text=text)
        _wait_for_answer_again(delivery)
        return
    if waited >= PATIENCE and delivery.asked_at is None:
        delivery.asked_at = timezone.now()
    _wait(delivery, "transient", text, seconds=BACK_OFF[min(delivery.attempts, len(BACK_OFF)) - 1])


def _wait(delivery: Delivery, failure: str, text: str, *, seconds: int) -> None:
    delivery.state = DeliveryState.QUEUED
    delivery.failure, delivery.failure_text = failure, text
    delivery.lease_until = None
    delivery.next_try_at = timezone.now() + timedelta(seconds=seconds)
    delivery.updated_at = timezone.now()
    delivery.save()
    _tell(delivery)


def _settle(delivery: Delivery, state: str, *, failure: str = "", text: str = "") -> None:
    delivery.state = state
    delivery.failure, delivery.failure_text = failure, text
    delivery.lease_until, delivery.asked_at = None, None
    delivery.updated_at = timezone.now()
    delivery.save()
    _tell(delivery)


def _tell(delivery: Delivery) -> None:
    """Windows with the conversation open see the new state; its author hears of what needs a decision."""
    interaction = delivery.interaction
    channels = [f"team:{interaction.team_id}", f"conversation:{delivery.conversation_id}"]
    needs_word = delivery.state in (DeliveryState.FAILED, DeliveryState.UNCERTAIN) or delivery.asked_at
    if needs_word and interaction.staff_id:
        channels.append(f"user:{interaction.staff_id}")
    emit(
        "delivery.changed",
        channels=channels,
        delivery=delivery.pk,
        interaction=interaction.pk,
        conversation=delivery.conversation_id,
        state=str(delivery.state),
    )


def _pause_account(account: ChannelAccount, text: str) -> None:
    """Ask for new credentials once; what is written meanwhile waits."""
    paused = ChannelAccount.objects.filter(pk=account.pk).exclude(health=Health.NEEDS_LOGIN)
    if paused.update(health=Health.NEEDS_LOGIN, health_text=text, health_since=timezone.now()):
        emit("channel.needs_login", channels=["role:admin", "role:manager"], account=account.pk)


def _wait_for_answer_again(delivery: Delivery) -> None:
    """An answer that never left is no answer: its customer waits as before."""
    conversation = lock_conversation(delivery.conversation_id)
    heard = conversation.last_inbound_at
    if heard is None or heard > delivery.interaction.occurred_at or conversation.waiting_since:
        return
    ours = Interaction.objects.filter(
        conversation=conversation, direction=Direction.OUTBOUND, is_automatic=False, occurred_at__gt=heard
    )
    failed = Delivery.objects.filter(interaction=OuterRef("pk"), state=DeliveryState.FAILED)
    alive = Delivery.objects.filter(interaction=OuterRef("pk")).exclude(state=DeliveryState.FAILED)
    if ours.exclude(Exists(failed) & ~Exists(alive)).exists():
        return
    conversation.waiting_since = heard
    conversation.due_at = heard + timedelta(minutes=conversation.account.reply_goal_minutes)
    fields = ["waiting_since", "due_at"]
    if conversation.first_answered_at == delivery.interaction.occurred_at:
        conversation.first_answered_at = None
        fields.append("first_answered_at")
    conversation.save(update_fields=fields)


# What staff decide about one that did not get through


@transaction.atomic
def confirm_arrived(*, delivery: Delivery, by: User) -> Delivery:
    """Somebody looked: the message that may have been sent is there."""
    check(by, "conversation.reply")
    delivery = _locked(delivery)
    if delivery.state == DeliveryState.UNCERTAIN:
        delivery.sent_at = timezone.now()
        _settle(delivery, DeliveryState.SENT)
    return delivery


@transaction.atomic
def send_again(*, delivery: Delivery, by: User) -> Delivery:
    """A new delivery of a message that failed or may have been sent; one of them is open at a time."""
    check(by, "conversation.reply")
    delivery = _locked(delivery)
    newest = delivery.interaction.deliveries.order_by("-pk").first()
    if newest is None or newest.state not in (DeliveryState.FAILED, DeliveryState.UNCERTAIN):
        return newest or delivery
    again = Delivery.objects.create(
        interaction=delivery.interaction,
        account=delivery.account,
        conversation_id=delivery.conversation_id,
        client_key=uuid4(),
        payload=delivery.payload,
    )
    conversation = lock_conversation(delivery.conversation_id)
    if conversation.last_inbound_at and conversation.last_inbound_at <= delivery.interaction.occurred_at:
        conversation.waiting_since = conversation.due_at = None
        conversation.save(update_fields=["waiting_since", "due_at"])
    record_audit(by=by, verb="delivery.sent_again", target=again, name="", detail={"before": delivery.pk})
    _tell(again)
    queue_delivery(again.pk)
    return again


@transaction.atomic
def try_now(*, delivery: Delivery, by: User) -> Delivery:
    """Do not wait for the next try."""
    check(by, "conversation.reply")
    delivery = _locked(delivery)
    if delivery.state == DeliveryState.QUEUED:
        delivery.next_try_at = delivery.updated_at = timezone.now()
        delivery.save(update_fields=["next_try_at", "updated_at"])
        queue_delivery(delivery.pk)
    return delivery


@transaction.atomic
def give_up(*, delivery: Delivery, by: User) -> Delivery:
    """Stop trying; what was written after it goes on."""
    check(by, "conversation.reply")
    delivery = _locked(delivery)
    if delivery.state != DeliveryState.QUEUED:
        return delivery
    name = by.display_name
    text = _("%(name)s stopped it. %(why)s") % {"name": name, "why": delivery.failure_text}
    _settle(delivery, DeliveryState.FAILED, failure=delivery.failure or "permanent", text=text.strip()[:500])
    _wait_for_answer_again(delivery)
    following = heads().filter(conversation_id=delivery.conversation_id).values_list("pk", flat=True)
    _queue_all(following)
    return delivery


def resume_account(account: ChannelAccount) -> None:
    """Credentials work again: everything that waited for them is due now."""
    waiting = Delivery.objects.filter(account=account, state=DeliveryState.QUEUED)
    waiting.update(next_try_at=timezone.now())


def _queue_all(ids: Iterable[int]) -> None:
    for pk in ids:
        queue_delivery(pk)
