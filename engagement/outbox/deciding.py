"""What staff decide about a message that did not get through, and what new credentials set free."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import uuid4

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from engagement.channels import connector
from engagement.models import ActRecord, ChannelAccount, Delivery, DeliveryState
from engagement.outbox.claiming import heads
from engagement.outbox.results import locked, settle, tell_changed, wait_for_answer_again
from engagement.replies import lock_conversation, queue_delivery


@transaction.atomic
def confirm_arrived(*, delivery: Delivery, by: User) -> Delivery:
    """Somebody looked, or put it there: the message is there."""
    check(by, "conversation.reply")
    delivery = locked(delivery)
    is_by_hand = delivery.state == DeliveryState.FAILED and delivery.failure == "by_hand"
    if delivery.state == DeliveryState.UNCERTAIN or is_by_hand:
        delivery.sent_at = timezone.now()
        settle(delivery, DeliveryState.SENT)
    if is_by_hand:
        _wait_no_more(delivery)
        record_audit(by=by, verb="delivery.published_by_hand", target=delivery, name="")
    return delivery


def _wait_no_more(delivery: Delivery) -> None:
    """The customer waits for nothing where this answers their last word."""
    conversation = lock_conversation(delivery.conversation_id)
    if conversation.last_inbound_at and conversation.last_inbound_at <= delivery.interaction.occurred_at:
        conversation.waiting_since = conversation.due_at = None
        conversation.save(update_fields=["waiting_since", "due_at"])


@transaction.atomic
def send_again(*, delivery: Delivery, by: User) -> Delivery:
    """A new delivery of a message that failed or may have been sent; one of them is open at a time.

    Where the network can neither recognize it nor be asked, one that may have been sent may then be there
    twice, and says so for good.
    """
    check(by, "conversation.reply")
    delivery = locked(delivery)
    newest = delivery.interaction.deliveries.order_by("-pk").first()
    if newest is None or newest.state not in (DeliveryState.FAILED, DeliveryState.UNCERTAIN):
        return newest or delivery
    again = _again(newest)
    _wait_no_more(delivery)
    detail = {"before": newest.pk, "may_be_twice": again.may_be_twice}
    record_audit(by=by, verb="delivery.sent_again", target=again, name="", detail=detail)
    tell_changed(again)
    queue_delivery(again.pk)
    return again


def _again(before: Delivery) -> Delivery:
    link = connector(before.account.connector)
    is_uncertain = before.state == DeliveryState.UNCERTAIN
    can_be_told = link.takes_our_id or link.reads_back
    return Delivery.objects.create(
        interaction=before.interaction,
        account=before.account,
        conversation_id=before.conversation_id,
        client_key=uuid4(),
        payload=before.payload,
        failure="uncertain" if is_uncertain and can_be_told else "",
        may_be_twice=before.may_be_twice or (is_uncertain and not can_be_told),
    )


@transaction.atomic
def try_now(*, delivery: Delivery, by: User) -> Delivery:
    """Do not wait for the next try."""
    check(by, "conversation.reply")
    delivery = locked(delivery)
    if delivery.state == DeliveryState.QUEUED:
        delivery.next_try_at = delivery.updated_at = timezone.now()
        delivery.save(update_fields=["next_try_at", "updated_at"])
        queue_delivery(delivery.pk)
    return delivery


@transaction.atomic
def give_up(*, delivery: Delivery, by: User) -> Delivery:
    """Stop trying; what was written after it goes on. One that may have been sent stays one."""
    check(by, "conversation.reply")
    delivery = locked(delivery)
    if delivery.state != DeliveryState.QUEUED:
        return delivery
    text = _("%(name)s stopped it. %(why)s") % {"name": by.display_name, "why": delivery.failure_text}
    text = text.strip()[:500]
    if delivery.failure == "uncertain":
        settle(delivery, DeliveryState.UNCERTAIN, text=text)
    else:
        settle(delivery, DeliveryState.FAILED, failure=delivery.failure or "permanent", text=text)
        wait_for_answer_again(delivery)
    following = heads().filter(conversation_id=delivery.conversation_id).values_list("pk", flat=True)
    _queue_all(following)
    return delivery


def resume_account(account: ChannelAccount) -> None:
    """Credentials work again: everything that waited for them, messages and acts, is due now."""
    ChannelAccount.objects.filter(pk=account.pk).update(send_failures=0, send_closed_until=None)
    waiting = Delivery.objects.filter(account=account, state=DeliveryState.QUEUED)
    waiting.update(next_try_at=timezone.now())
    ActRecord.objects.filter(account=account, state="queued").update(next_try_at=timezone.now())


def _queue_all(ids: Iterable[int]) -> None:
    for pk in ids:
        queue_delivery(pk)
