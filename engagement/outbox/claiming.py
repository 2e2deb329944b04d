"""Whose turn it is: heads of conversations, what their account and its platform allow, and the lease."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from engagement import rates
from engagement.breaker import SENDS
from engagement.channels import connector
from engagement.leases import LEASE
from engagement.models import ChannelAccount, Delivery, DeliveryState, Health
from engagement.models.delivery import OPEN_STATES
from engagement.outbox.results import MAX_DEATHS, settle_uncertain, wait

CLOSED_HEALTH = (Health.NEEDS_LOGIN, Health.PAUSED)
AT_ONCE = 3
"""Sends of one account at a time, so that a slow one leaves workers to the others."""
PLACES_LOCK = 5_203_172
"""The advisory lock, with the account's number, under which places for sends are counted."""


def heads() -> QuerySet[Delivery]:
    """Open deliveries that nothing older of their conversation stands before, on accounts that may send."""
    older = Delivery.objects.filter(
        conversation_id=OuterRef("conversation_id"), pk__lt=OuterRef("pk"), state__in=OPEN_STATES
    )
    usable = Delivery.objects.filter(account__is_active=True).exclude(account__health__in=CLOSED_HEALTH)
    return usable.filter(state__in=OPEN_STATES).exclude(Exists(older))


def due_heads() -> QuerySet[Delivery]:
    """Heads to be sent now: queued and due on a way that is open, or left behind by a worker that died."""
    now = timezone.now()
    waiting = Q(state=DeliveryState.QUEUED, next_try_at__lte=now)
    abandoned = Q(state=DeliveryState.SENDING, lease_until__lt=now)
    return heads().filter(waiting | abandoned, SENDS.open(now, account="account__"))


def due_accounts() -> list[int]:
    """Accounts with something to be sent now, the longest waiting first."""
    found: dict[int, None] = {}
    for account_id in due_heads().order_by("next_try_at", "pk").values_list("account_id", flat=True):
        found.setdefault(account_id)
    return list(found)


def is_full(account_id: int) -> bool:
    """Whether as many of this account are being sent as may be; who sends them goes on with what waits."""
    held = Delivery.objects.filter(
        account_id=account_id, state=DeliveryState.SENDING, lease_until__gte=timezone.now()
    )
    return held.count() >= AT_ONCE


def claim(found: QuerySet[Delivery]) -> Delivery | None:
    """Take the first of these nobody else holds, with a lease; None where there is none to send.

    What it gives back may not be to be sent: one that was cut off on a network that would show it twice is
    marked as perhaps sent, and one for which the platform allows nothing now waits until it does.
    """
    with transaction.atomic():
        rows = found.select_for_update(of=("self",), skip_locked=True)
        rows = rows.select_related("account", "conversation__identity")
        delivery: Delivery | None = rows.order_by("next_try_at", "pk").first()
        if delivery is None or not _has_place(delivery.account) or not SENDS.may_try(delivery.account):
            return None
        if delivery.state == DeliveryState.SENDING and not _take_over(delivery):
            return delivery
        if _must_wait(delivery):
            return delivery
        now = timezone.now()
        delivery.state = DeliveryState.SENDING
        delivery.attempts += 1
        delivery.lease_until, delivery.updated_at = now + LEASE, now
        delivery.save(update_fields=["state", "attempts", "deaths", "failure", "lease_until", "updated_at"])
        return delivery


def _has_place(account: ChannelAccount) -> bool:
    """Whether one more of this account may be sent. Claims of one account are made one after the other, for
    several at once would each count only what was there before all of them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [PLACES_LOCK, account.pk % 2**31])
    return not is_full(account.pk)


def _take_over(delivery: Delivery) -> bool:
    """Go on with what a dead worker left; false where that could be a second message, which it then says."""
    link = connector(delivery.account.connector)
    delivery.deaths += 1
    if delivery.deaths < MAX_DEATHS and (link.takes_our_id or link.reads_back):
        delivery.failure = "uncertain"
        return True
    settle_uncertain(delivery, _("The connection ended while it was being sent."))
    return False


def _must_wait(delivery: Delivery) -> bool:
    """Whether the platform's allowance is used up; then it waits, or its whole account does."""
    identity = delivery.conversation.identity
    told = rates.ask(delivery.account, "send", person=identity.external_id if identity else "")
    if not told:
        return False
    wait(delivery, "rate", _("The channel allows no more messages just now."), seconds=told.seconds)
    if not told.is_person:
        _hold_back(delivery.account, told.seconds)
    return True


def _hold_back(account: ChannelAccount, seconds: float) -> None:
    """None of the others need be tried before that either."""
    now = timezone.now()
    waiting = Delivery.objects.filter(account=account, state=DeliveryState.QUEUED, next_try_at__lte=now)
    ids = waiting.select_for_update(skip_locked=True).values_list("pk", flat=True)
    Delivery.objects.filter(pk__in=list(ids)).update(next_try_at=now + timedelta(seconds=seconds))
