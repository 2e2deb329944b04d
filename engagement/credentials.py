"""Access tokens that end: refreshed by one worker at a time, and stored before they are used.

Most platforms take a refresh token once. So whoever refreshes holds a lease on the account's row, looks again
under it whether somebody else was quicker, and the new tokens are in the database before the first call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.db.models import Q
from django.utils import timezone

from engagement.channels import connector
from engagement.channels.base import AuthFailure, TokenExpired, TransientFailure
from engagement.models import ChannelAccount

T = TypeVar("T")
MARGIN = timedelta(minutes=5)
"""A token that ends sooner is refreshed before it is used."""
LEASE = timedelta(seconds=90)
WAIT_SECONDS = 30.0


def ensure_fresh(account: ChannelAccount, *, margin: timedelta = MARGIN) -> None:
    """Let the account in hand hold credentials that are good for a while. Raises SendFailed."""
    link = connector(account.connector)
    if not link.refreshes or account.token_expires_at is None:
        return
    if account.token_expires_at > timezone.now() + margin:
        return
    refresh(account)


def with_fresh(account: ChannelAccount, call: Callable[[], T]) -> T:
    """Make a call with good credentials; where the platform says they ended, once more after a refresh."""
    ensure_fresh(account)
    try:
        return call()
    except TokenExpired:
        if not connector(account.connector).refreshes:
            raise
    refresh(account)
    return call()


def refresh(account: ChannelAccount) -> None:
    """New credentials, made here or by the worker that is at it; the account in hand holds them then."""
    known = dict(account.credentials)
    end = time.monotonic() + WAIT_SECONDS
    while not _take_lease(account):
        if time.monotonic() > end:
            raise TransientFailure("Another worker renews the access to this account. Try again in a moment.")
        time.sleep(0.2)
    try:
        account.refresh_from_db(fields=["credentials", "token_expires_at"])
        if dict(account.credentials) == known:
            _renew(account)
    finally:
        ChannelAccount.objects.filter(pk=account.pk).update(refresh_lease_until=None)


def _take_lease(account: ChannelAccount) -> bool:
    now = timezone.now()
    free = ChannelAccount.objects.filter(pk=account.pk).filter(
        Q(refresh_lease_until__isnull=True) | Q(refresh_lease_until__lt=now)
    )
    return bool(free.update(refresh_lease_until=now + LEASE))


def _renew(account: ChannelAccount) -> None:
    fresh = connector(account.connector).refresh(account)
    if not fresh.credentials:
        raise AuthFailure("The platform gave no new access.")
    account.credentials, account.token_expires_at = dict(fresh.credentials), fresh.expires_at
    account.save(update_fields=["credentials", "token_expires_at"])
