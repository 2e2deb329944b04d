"""Asks the accounts whose networks are read by pulling, each when it is due.

A page and the cursor behind it are saved in one transaction: a crash repeats a page, and never skips one. So
an outage of any length is made up for from where the account was read last. Who pulls an account holds a
lease on its row, and the cursor is only moved from where this pull began, so two workers can never take one
account's mail in turns. Before each page the platform's allowance is asked; an account that may not be asked
just now waits, and delays no other. What cannot be understood is parked with its bytes and its reason.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from core.events import emit
from core.text import clean_text
from engagement import rates
from engagement.breaker import PULLS
from engagement.channels import connector, paths
from engagement.channels.base import (
    AuthFailure,
    Change,
    Page,
    RateReached,
    SendFailed,
    TokenExpired,
    TransientFailure,
)
from engagement.credentials import ensure_fresh, refresh
from engagement.ingest import IngestResult, Outcome
from engagement.intake import take_in
from engagement.leases import LEASE, Lease, kept
from engagement.models import ChannelAccount, Health
from engagement.raw_events import park, rejected

log = structlog.get_logger(__name__)

PULL_SECONDS = 15.0
"""After so long a pull stops at a page's end and goes on in another task, so that all have their turn."""
BACK_OFF = (60, 120, 180, 300)
"""Seconds until a failing account is asked again; the last one again and again."""
EMPTY_PAGES = 100
"""So many empty pages under one cursor are borne before it counts as one that never ends."""
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
    wait: float = 0.0
    """Seconds until the platform's allowance lets us ask again."""


@dataclass
class Guard:
    """Tells a pull that goes round in circles: the same page again, though there was to be more."""

    last: tuple[str, ...] = ()
    seen: Counter[tuple[str, tuple[str, ...]]] = field(default_factory=Counter)

    def check(self, page: Page) -> None:
        """Raises TransientFailure where the platform gives what it gave before."""
        if not page.more:
            return
        held = _held(page)
        place = (json.dumps(dict(page.cursor), sort_keys=True, default=str), held)
        self.seen[place] += 1
        if (held and held == self.last) or self.seen[place] > (1 if held else EMPTY_PAGES):
            raise TransientFailure(
                "The platform gave the same page again and said that there is more; the pull was stopped.",
                advice="Nothing is lost: it is asked again later, from the same place.",
            )
        self.last = held


def _held(page: Page) -> tuple[str, ...]:
    """What a page holds, by ids."""
    events = [
        f"{one.external_id} {one.kind} {one.at}" if isinstance(one, Change) else one.external_id
        for one in page.events
    ]
    things = [*(one.external_id for one in page.posts), *(one.external_id for one in page.orders)]
    return (
        *events,
        *things,
        *(one.delivery_key for one in page.bad),
        *(one.external_id for one in page.people),
    )


# When


def due_accounts(now: datetime) -> list[int]:
    """Accounts to be asked now; taken by this sweep, so that the next one does not queue them again."""
    with transaction.atomic():
        rows = (
            ChannelAccount.objects.active()
            .filter(
                Q(next_pull_at__isnull=True) | Q(next_pull_at__lte=now), connector__in=pulling_connectors()
            )
            .filter(Q(pull_lease_until__isnull=True) | Q(pull_lease_until__lt=now), PULLS.open(now))
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
    lease = Lease(_row(account), "pull_lease_until", account.pull_lease_until or timezone.now())
    pulled = Pulled()
    try:
        with kept(lease):
            _pull(account, pulled, seconds=seconds)
    except CursorMoved:
        log.info("cursor moved by another worker", account=account.pk)
    except AuthFailure as failure:
        note_login_needed(account, str(failure))
        pulled.failure = str(failure)
    except RateReached as failure:
        rates.shut(account, "pull", failure.retry_after)
        note_rate(account, failure.retry_after)
        pulled.wait = failure.retry_after
    except SendFailed as failure:
        note_failure(account, str(failure))
        pulled.failure = str(failure)
    except Exception as error:
        log.exception("pull ended by an unexpected error", account=account.pk)
        note_failure(account, f"{type(error).__name__}: {error}")
        pulled.failure = f"{type(error).__name__}: {error}"
    finally:
        lease.rows.filter(pull_lease_until=lease.until).update(pull_lease_until=None)
    return pulled


def _pull(account: ChannelAccount, pulled: Pulled, *, seconds: float) -> None:
    until, guard = time.monotonic() + seconds, Guard()
    pages, asks = _pages(account), True
    while True:
        # What comes after the last page, such as another stream or the end, is asked for by nobody's leave:
        # a token spent on the mere end of a pull would be missing at the next.
        pulled.wait = rates.take(account, "pull") if asks else 0.0
        if pulled.wait:
            note_rate(account, pulled.wait)
            return
        page = next(pages, None)
        if page is None:
            break
        guard.check(page)
        _add(pulled, store_page(account, page), page)
        asks = page.more
        if time.monotonic() > until:
            break
    note_success(account, more=pulled.more)


def _pages(account: ChannelAccount) -> Iterator[Page]:
    """The connector's pages. A token that ends on the way is renewed, and they go on from the cursor."""
    ensure_fresh(account)
    link = connector(account.connector)
    try:
        yield from link.pull(account)
    except TokenExpired:
        if not link.refreshes:
            raise
    else:
        return
    refresh(account)
    yield from link.pull(account)


def take_lease(account_id: int) -> ChannelAccount | None:
    """The account, held for this worker; None where another holds it or it is not to be asked."""
    now = timezone.now()
    free = ChannelAccount.objects.active().filter(pk=account_id).exclude(health__in=CLOSED_HEALTH)
    free = free.filter(Q(pull_lease_until__isnull=True) | Q(pull_lease_until__lt=now), PULLS.open(now))
    if not free.update(pull_lease_until=now + LEASE):
        return None
    account = ChannelAccount.objects.select_related("brand", "team").get(pk=account_id)
    if PULLS.may_try(account):
        return account
    _row(account).filter(pull_lease_until=account.pull_lease_until).update(pull_lease_until=None)
    return None


def _row(account: ChannelAccount) -> QuerySet[ChannelAccount]:
    return ChannelAccount.objects.filter(pk=account.pk)


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
        cursor=dict(page.cursor), received=F("received") + bad, parked=F("parked") + bad
    )
    if not moved:
        raise CursorMoved


# Health


def note_success(account: ChannelAccount, *, more: bool = False) -> None:
    """It answered: asked again after its interval, or at once where more is waiting."""
    now = timezone.now()
    row = _row(account)
    row.update(next_pull_at=now if more else now + interval(account))
    PULLS.succeed(account.pk)
    recovered = row.filter(health=Health.FAILING, send_closed_until__isnull=True)
    if recovered.update(health=Health.HEALTHY, health_text="", health_since=now):
        emit("channel.recovered", channels=["role:admin"], account=account.pk)


def note_rate(account: ChannelAccount, seconds: float) -> None:
    """Its allowance is used up, which is no failure: asked again when it is not."""
    _row(account).update(next_pull_at=timezone.now() + timedelta(seconds=seconds))


def note_failure(account: ChannelAccount, text: str) -> None:
    """It did not answer: asked again later, and later still."""
    now = timezone.now()
    row = _row(account)
    failures = row.values_list("failures", flat=True).get()
    again = now + timedelta(seconds=BACK_OFF[min(failures, len(BACK_OFF) - 1)])
    closed = PULLS.fail(account.pk)
    row.update(next_pull_at=max(again, closed or again), health_text=clean_text(text, limit=500))
    row.filter(health=Health.HEALTHY).update(health=Health.FAILING, health_since=now)


def note_login_needed(account: ChannelAccount, text: str) -> None:
    """Its credentials are refused: it is asked no more, and admins are told once."""
    now = timezone.now()
    row = ChannelAccount.objects.filter(pk=account.pk)
    row.update(failures=F("failures") + 1, health_text=clean_text(text, limit=500))
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
        closed_until=None,
        send_failures=0,
        send_closed_until=None,
        next_pull_at=timezone.now(),
        pull_lease_until=None,
    )
