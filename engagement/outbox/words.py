"""What the thread and the composer say of messages that wait."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from engagement import rates
from engagement.models import ChannelAccount, Delivery, DeliveryState, Health

SHOWN_AFTER = timedelta(seconds=5)


def why_waiting(delivery: Delivery, account: ChannelAccount) -> str:
    """Why a queued message has not left yet and until when it waits; '' where it is about to."""
    if delivery.state != DeliveryState.QUEUED:
        return ""
    account_waits = why_account_waits(account)
    if account_waits:
        return account_waits
    if delivery.failure and delivery.next_try_at > timezone.now() + SHOWN_AFTER:
        return _("%(why)s Next try at %(time)s.") % {
            "why": delivery.failure_text,
            "time": _time(delivery.next_try_at),
        }
    return ""


def why_account_waits(account: ChannelAccount) -> str:
    """Why nothing leaves by this account now; '' where it does. Asks no platform and no Redis."""
    name = {"name": account.name}
    if not account.is_active:
        return _("“%(name)s” was disconnected; what is written waits.") % name
    if account.health == Health.NEEDS_LOGIN:
        return _("“%(name)s” needs new credentials; what is written waits and leaves by itself then.") % name
    if account.health == Health.PAUSED:
        return _("“%(name)s” is paused; what is written waits and leaves when it goes on.") % name
    closed = account.send_closed_until
    if closed is not None and closed > timezone.now():
        return _("“%(name)s” does not answer; what is written waits. Next try at %(time)s.") % {
            **name,
            "time": _time(closed),
        }
    return ""


def why_composer_waits(account: ChannelAccount) -> str:
    """The same before something is written, and what the platform's allowance says."""
    waits = why_account_waits(account)
    if waits:
        return waits
    seconds = rates.shut_for(account, "send")
    if seconds < SHOWN_AFTER.total_seconds():
        return ""
    until = timezone.now() + timedelta(seconds=seconds)
    return _("The channel allows no more messages just now; what is written leaves at %(time)s.") % {
        "time": _time(until)
    }


def _time(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return date_format(local, "H:i" if local.date() == timezone.localdate() else "D H:i")
