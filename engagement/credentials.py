"""Access tokens that end: refreshed by one worker at a time, and stored before they are used.

Most platforms take a refresh token once. So whoever refreshes holds a lease on the account's row, looks again
under it whether somebody else was quicker, and the new tokens are in the database before the first call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import structlog
from django.db.models import Q
from django.utils import timezone

from engagement.channels import connector
from engagement.channels.base import AuthFailure, SendFailed, TokenExpired, TransientFailure
from engagement.leases import LEASE, Lease, kept
from engagement.models import ChannelAccount

log = structlog.get_logger(__name__)

T = TypeVar("T")
MARGIN = timedelta(minutes=5)
"""A token that ends sooner is refreshed before it is used."""
WAIT_SECONDS = LEASE.total_seconds() + 5
"""Longer than a lease, so that a refresh whose worker was killed is taken up by who waits for it."""


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
    """New credentials, made here or by the worker that is at it; the account in hand holds them then.

    Raises AuthFailure where only a person can help, TransientFailure for everything else.
    """
    known = dict(account.credentials)
    lease = _wait_for_lease(account)
    try:
        with kept(lease):
            account.refresh_from_db(fields=["credentials", "token_expires_at"])
            if dict(account.credentials) == known:
                _renew(account)
    except SendFailed:
        raise
    except Exception as error:
        # Nothing was sent yet: whoever wanted to may simply try again.
        log.exception("refresh ended by an unexpected error", account=account.pk)
        raise TransientFailure(f"{type(error).__name__}: {error}") from None
    finally:
        lease.rows.filter(refresh_lease_until=lease.until).update(refresh_lease_until=None)


def _wait_for_lease(account: ChannelAccount) -> Lease:
    end = time.monotonic() + WAIT_SECONDS
    while (lease := _take_lease(account)) is None:
        if time.monotonic() > end:
            raise TransientFailure("Another worker renews the access to this account. Try again in a moment.")
        time.sleep(0.2)
    return lease


def _take_lease(account: ChannelAccount) -> Lease | None:
    now = timezone.now()
    rows = ChannelAccount.objects.filter(pk=account.pk)
    free = rows.filter(Q(refresh_lease_until__isnull=True) | Q(refresh_lease_until__lt=now))
    until = now + LEASE
    return Lease(rows, "refresh_lease_until", until) if free.update(refresh_lease_until=until) else None


def _renew(account: ChannelAccount) -> None:
    fresh = connector(account.connector).refresh(account)
    if not fresh.credentials:
        raise AuthFailure("The platform gave no new access.")
    account.credentials, account.token_expires_at = dict(fresh.credentials), fresh.expires_at
    account.token_renewed_at = timezone.now()
    account.save(update_fields=["credentials", "token_expires_at", "token_renewed_at"])
