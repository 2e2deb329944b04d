"""What came of a send: states that move forward only, and what follows from each kind of failure."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from core.events import emit
from core.text import clean_text
from engagement import rates
from engagement.breaker import SENDS
from engagement.channels import connector
from engagement.channels.base import (
    AuthFailure,
    ByHand,
    Direction,
    PermanentFailure,
    PermissionMissing,
    RateReached,
    SendFailed,
    Sent,
    TransientFailure,
    Uncertain,
    WindowClosed,
)
from engagement.ingest.echoes import has_our_id, take_network_id
from engagement.models import (
    ChannelAccount,
    Delivery,
    DeliveryState,
    Health,
    Interaction,
)
from engagement.replies import lock_conversation

log = structlog.get_logger(__name__)

BACK_OFF = (10, 20, 40, 80, 160, 300)
"""Seconds until the next try; the last one again and again."""
PATIENCE = timedelta(minutes=15)
"""So long the messages behind one that does not get through wait before staff are asked."""
GIVE_UP = timedelta(hours=24)
MAX_DEATHS = 5
"""So many workers may die over one message; what kills each of them is not given to the next for ever."""
ON_ITS_WAY = (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ)


@transaction.atomic
def record_sent(delivery: Delivery, sent: Sent) -> Delivery:
    """It left: keep the id the network gave it. A later word of the network is never taken back."""
    delivery = locked(delivery)
    if delivery.state in ON_ITS_WAY:
        if has_our_id(delivery):
            take_network_id(delivery.interaction, sent.external_id)
        return delivery
    now = timezone.now()
    delivery.sent_at = now
    settle(delivery, DeliveryState.DELIVERED if sent.status == "delivered" else DeliveryState.SENT)
    take_network_id(delivery.interaction, sent.external_id)
    ChannelAccount.objects.filter(pk=delivery.account_id).update(last_out_at=now)
    note_answer(delivery.account_id)
    return delivery


def note_answer(account_id: int) -> None:
    """The platform took or refused something, so the way to it is open; pulls have a say of their own."""
    if not SENDS.succeed(account_id):
        return
    row = ChannelAccount.objects.filter(pk=account_id, health=Health.FAILING, failures=0)
    row.update(health=Health.HEALTHY, health_text="", health_since=timezone.now())


def note_trouble(account_id: int, text: str) -> None:
    """The platform did not answer; after some in a row it is left alone, and the account says so."""
    until = SENDS.fail(account_id)
    if until is None:
        return
    row = ChannelAccount.objects.filter(pk=account_id)
    row.filter(health__in=(Health.HEALTHY, Health.FAILING)).update(health_text=clean_text(text, limit=500))
    row.filter(health=Health.HEALTHY).update(health=Health.FAILING, health_since=timezone.now())


@transaction.atomic
def record_failure(delivery: Delivery, failure: SendFailed) -> Delivery:
    """Write down why it did not leave, and what follows from that."""
    claimed, delivery = delivery, locked(delivery)
    if delivery.state != DeliveryState.SENDING or delivery.attempts != claimed.attempts:
        return delivery
    text = clean_text(str(failure), limit=500) or _("The network gave no reason.")
    delivery.advice = clean_text(failure.advice, limit=500) or _advice(failure)
    if isinstance(failure, AuthFailure):
        wait(delivery, "auth", text, seconds=0)
        pause_account(delivery.account, text)
    elif isinstance(failure, RateReached):
        rates.shut(delivery.account, "send", failure.retry_after)
        _try_later(delivery, "rate", text, seconds=failure.retry_after)
        note_answer(delivery.account_id)
    elif isinstance(failure, TransientFailure):
        _try_later(delivery, "transient", text)
        note_trouble(delivery.account_id, text)
    elif isinstance(failure, PermanentFailure):
        _settle_failed(delivery, _kind(failure), text)
        note_answer(delivery.account_id)
    else:
        _not_known(delivery, text)
        note_trouble(delivery.account_id, text)
    return delivery


def _kind(failure: PermanentFailure) -> str:
    if isinstance(failure, ByHand):
        return "by_hand"
    return "window" if isinstance(failure, WindowClosed) else "permanent"


def _advice(failure: SendFailed) -> str:
    """What a person can do about it, where the connector does not say."""
    if isinstance(failure, AuthFailure):
        return _(
            "Somebody who manages channels has to renew the access in Settings. It leaves by itself then."
        )
    if isinstance(failure, TransientFailure):
        return _("There is nothing to do: it is tried again by itself.")
    if isinstance(failure, ByHand):
        return _("Copy it to where it belongs, then say that you published it.")
    if isinstance(failure, WindowClosed):
        return _("Write on another channel, or wait until the customer writes again.")
    if isinstance(failure, PermissionMissing):
        words = _(
            "Somebody who manages channels has to allow “%(scope)s” on the platform, then send it again."
        )
        return words % {"scope": failure.scope or _("sending")}
    if isinstance(failure, Uncertain) or not isinstance(failure, PermanentFailure):
        return _("Look whether it arrived before you send it again.")
    return _("Change the message or write on another channel; sent again unchanged it will be refused again.")


def _not_known(delivery: Delivery, text: str) -> None:
    """It may have left: looked for or repeated where the network lets us, else staff are asked."""
    link = connector(delivery.account.connector)
    if link.takes_our_id or link.reads_back:
        delivery.advice = _("It is found out by itself whether it arrived.")
        _try_later(delivery, "uncertain", text)
    else:
        settle_uncertain(delivery, text)


def settle_uncertain(delivery: Delivery, text: str) -> None:
    """It may have been sent; what comes next staff decide."""
    delivery.advice = _advice(Uncertain(text))
    settle(delivery, DeliveryState.UNCERTAIN, text=text)


def locked(delivery: Delivery) -> Delivery:
    """The delivery, read again under lock, in the order of ingest: threads, conversation, interaction."""
    lock_conversation(delivery.conversation_id)
    Interaction.objects.select_for_update().get(pk=delivery.interaction_id)
    rows = Delivery.objects.select_related("interaction", "account")
    return rows.select_for_update(of=("self",)).get(pk=delivery.pk)


def _try_later(delivery: Delivery, kind: str, text: str, *, seconds: float | None = None) -> None:
    waited = timezone.now() - delivery.created_at
    if waited >= GIVE_UP:
        if "uncertain" in (kind, delivery.failure):
            settle_uncertain(delivery, text)
        else:
            _settle_failed(delivery, kind, text)
        return
    if waited >= PATIENCE and delivery.asked_at is None:
        delivery.asked_at = timezone.now()
    if seconds is None:
        seconds = BACK_OFF[min(delivery.attempts, len(BACK_OFF)) - 1]
    wait(delivery, kind, text, seconds=seconds)


def wait(delivery: Delivery, failure: str, text: str, *, seconds: float) -> None:
    """Not now. One that may have been sent stays one, whatever keeps it from being looked for."""
    delivery.state = DeliveryState.QUEUED
    delivery.failure = "uncertain" if delivery.failure == "uncertain" else failure
    delivery.failure_text = text
    delivery.lease_until = None
    delivery.next_try_at = timezone.now() + timedelta(seconds=seconds)
    delivery.updated_at = timezone.now()
    delivery.save()
    tell_changed(delivery)


def _settle_failed(delivery: Delivery, failure: str, text: str) -> None:
    settle(delivery, DeliveryState.FAILED, failure=failure, text=text)
    wait_for_answer_again(delivery)


def settle(delivery: Delivery, state: str, *, failure: str = "", text: str = "") -> None:
    """The last state that this delivery reaches by our own doing."""
    delivery.state = state
    delivery.failure, delivery.failure_text = failure, text
    if state in ON_ITS_WAY:
        delivery.advice = ""
    delivery.lease_until, delivery.asked_at = None, None
    delivery.updated_at = timezone.now()
    delivery.save()
    tell_changed(delivery)


def tell_changed(delivery: Delivery) -> None:
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


def pause_account(account: ChannelAccount, text: str) -> None:
    """Ask for new credentials once; what is written meanwhile waits."""
    paused = ChannelAccount.objects.filter(pk=account.pk).exclude(health=Health.NEEDS_LOGIN)
    if paused.update(health=Health.NEEDS_LOGIN, health_text=text, health_since=timezone.now()):
        emit("channel.needs_login", channels=["role:admin", "role:manager"], account=account.pk)


def wait_for_answer_again(delivery: Delivery) -> None:
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
