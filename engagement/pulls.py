"""Asks the accounts whose networks are read by pulling, each when it is due.

A page and the cursor behind it are saved in one transaction: a crash repeats a page, and never skips one. Who
pulls an account holds a lease on its row, and the cursor is only moved from where this pull began, so two
workers can never take one account's mail in turns. What cannot be understood is parked with its bytes and its
reason.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from core.events import emit
from core.text import clean_text
from engagement.channels import connector, paths
from engagement.channels.base import AuthFailure, Page, SendFailed
from engagement.ingest import IngestResult, Outcome
from engagement.intake import take_in
from engagement.models import ChannelAccount, Health
from engagement.raw_events import park, rejected

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)
"""Longer than a task may run, and renewed with every page, so that only a dead worker's lease runs out."""
PULL_SECONDS = 45.0
"""After so long a pull stops at a page's end and goes on in another task."""
BACK_OFF = (60, 120, 300, 600, 1800, 3600)
"""Seconds until a failing account is asked again; the last one again and again."""
SWEEP_ACCOUNTS = 100
CLOSED_HEALTH = (Health.NEEDS_LOGIN, Health.PAUSED)


class CursorMoved(Exception):
    """Somebody else pulled this account meanwhile; what this pull read is not stored."""


@dataclass
class Pulled:
    """What one pull brought."""

    pages: int = 0
    received: int = 0
    stored: int = 0
    parked: int = 0
    more: bool = False
    failure: str = ""


# When


def due_accounts(now: datetime) -> list[int]:
    """Accounts to be asked now; taken by this sweep, so that the next one does not queue them again."""
    with transaction.atomic():
        rows = (
            ChannelAccount.objects.active()
            .filter(
                Q(next_pull_at__isnull=True) | Q(next_pull_at__lte=now), connector__in=pulling_connectors()
            )
            .filter(Q(pull_lease_until__isnull=True) | Q(pull_lease_until__lt=now))
            .exclude(health__in=CLOSED_HEALTH)
            .select_for_update(skip_locked=True, no_key=True)
            .order_by(F("next_pull_at").asc(nulls_first=True), "pk")[:SWEEP_ACCOUNTS]
        )
        found = list(rows)
        for account in found:
            account.next_pull_at = now + interval(account)
            account.save(update_fields=["next_pull_at"])
    return [account.pk for account in found]


def pulling_connectors() -> list[str]:
    """Names of the connectors that are read by pulling."""
    return [name for name in paths() if _pulls(name)]


def _pulls(name: str) -> bool:
    try:
        return connector(name).can_pull
    except (ImportError, AttributeError):
        log.warning("connector cannot be loaded", connector=name)
        return False


def interval(account: ChannelAccount) -> timedelta:
    """Time between two pulls of this account."""
    return timedelta(seconds=connector(account.connector).pull_every_seconds)


# One account


def pull_account(account_id: int, *, seconds: float = PULL_SECONDS) -> Pulled:
    """Take in what is new, page by page; failures go into the account's health and are not raised.

    Does nothing where another worker holds the lease.
    """
    account = take_lease(account_id)
    if account is None:
        return Pulled()
    pulled, until = Pulled(), time.monotonic() + seconds
    try:
        for page in connector(account.connector).pull(account):
            _add(pulled, store_page(account, page), page)
            if time.monotonic() > until:
                break
    except CursorMoved:
        log.info("cursor moved by another worker", account=account.pk)
        return pulled
    except AuthFailure as failure:
        note_login_needed(account, str(failure))
        pulled.failure = str(failure)
    except SendFailed as failure:
        note_failure(account, str(failure))
        pulled.failure = str(failure)
    except Exception as error:
        log.exception("pull ended by an unexpected error", account=account.pk)
        note_failure(account, f"{type(error).__name__}: {error}")
        pulled.failure = f"{type(error).__name__}: {error}"
    else:
        note_success(account, more=pulled.more)
    return pulled


def take_lease(account_id: int) -> ChannelAccount | None:
    """The account, held for this worker; None where another holds it or it is not to be asked."""
    now = timezone.now()
    free = ChannelAccount.objects.active().filter(pk=account_id).exclude(health__in=CLOSED_HEALTH)
    free = free.filter(Q(pull_lease_until__isnull=True) | Q(pull_lease_until__lt=now))
    if not free.update(pull_lease_until=now + LEASE):
        return None
    return ChannelAccount.objects.select_related("brand", "team").get(pk=account_id)


def _add(pulled: Pulled, result: IngestResult, page: Page) -> None:
    pulled.pages += 1
    pulled.received += len(page.events) + len(page.orders) + len(page.bad)
    pulled.stored += result.count(Outcome.STORED)
    pulled.parked += len(page.bad) + result.count(Outcome.REJECTED)
    pulled.more = page.more


def store_page(account: ChannelAccount, page: Page) -> IngestResult:
    """Ingest one page, park what is bad and move the cursor, all or nothing. Raises CursorMoved.

    The account's own row is touched last, as ingest does, so that nobody waits for it in a circle.
    """
    with transaction.atomic():
        result = take_in(account, page, live=not page.history)
        park(account, [*page.bad, *rejected(page, result)])
        _move_cursor(account, page)
    account.cursor = dict(page.cursor)
    return result


def _move_cursor(account: ChannelAccount, page: Page) -> None:
    bad = len(page.bad)
    moved = ChannelAccount.objects.filter(pk=account.pk, cursor=account.cursor).update(
        cursor=dict(page.cursor),
        pull_lease_until=timezone.now() + LEASE,
        received=F("received") + bad,
        parked=F("parked") + bad,
    )
    if not moved:
        raise CursorMoved


# Health


def note_success(account: ChannelAccount, *, more: bool = False) -> None:
    """It answered: asked again after its interval, or at once where more is waiting."""
    now = timezone.now()
    row = ChannelAccount.objects.filter(pk=account.pk)
    row.update(pull_lease_until=None, next_pull_at=now if more else now + interval(account), failures=0)
    recovered = row.filter(health__in=(Health.FAILING, Health.NEEDS_LOGIN))
    if recovered.update(health=Health.HEALTHY, health_text="", health_since=now):
        emit("channel.recovered", channels=["role:admin"], account=account.pk)


def note_failure(account: ChannelAccount, text: str) -> None:
    """It did not answer: asked again later, and later still."""
    now = timezone.now()
    seconds = BACK_OFF[min(account.failures, len(BACK_OFF) - 1)]
    row = ChannelAccount.objects.filter(pk=account.pk)
    row.update(
        pull_lease_until=None,
        next_pull_at=now + timedelta(seconds=seconds),
        failures=F("failures") + 1,
        health_text=clean_text(text, limit=500),
    )
    row.filter(health=Health.HEALTHY).update(health=Health.FAILING, health_since=now)


def note_login_needed(account: ChannelAccount, text: str) -> None:
    """Its credentials are refused: it is asked no more, and admins are told once."""
    now = timezone.now()
    row = ChannelAccount.objects.filter(pk=account.pk)
    row.update(pull_lease_until=None, failures=F("failures") + 1, health_text=clean_text(text, limit=500))
    with transaction.atomic():
        changed = row.exclude(health=Health.NEEDS_LOGIN)
        if changed.update(health=Health.NEEDS_LOGIN, health_since=now):
            emit("channel.needs_login", channels=["role:admin", "role:manager"], account=account.pk)


def resume(account: ChannelAccount) -> None:
    """New credentials were given and checked: it is asked at once."""
    ChannelAccount.objects.filter(pk=account.pk).update(
        health=Health.HEALTHY,
        health_text="",
        health_since=timezone.now(),
        failures=0,
        next_pull_at=timezone.now(),
        pull_lease_until=None,
    )
