"""What arrived raw: bodies that wait to be understood, and items that could not be.

A webhook stores its body here and answers; the sweep understands it afterwards. A bad item is parked with its
reason and its bytes, and can be tried again once the reason is gone. Understood ones are kept thirty days.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, timedelta
from hashlib import sha256

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Max, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.jobs import JobFailed, Progress, register_runner, start_job
from core.models import Job
from core.text import clean_text
from crm.orders import OrderIn
from engagement.channels import connector
from engagement.channels.base import Bad, Change, Event, Page
from engagement.ingest import IngestResult, Outcome
from engagement.ingest.prepare import CHANGES
from engagement.intake import take_parcels
from engagement.models import ChannelAccount, PendingChange, RawEvent, RawState

log = structlog.get_logger(__name__)

KEPT = timedelta(days=30)
SWEPT_AT_ONCE = 200
LOCK = 5_203_172
"""The advisory locks of bodies that a worker is at."""
MOST_ATTEMPTS = 10
"""A body whose attempts broke off so often is parked."""
JOB = "raw.replay"


def rejected(page: Page, result: IngestResult) -> list[Bad]:
    """The events and orders that were refused, written down as far as they are known."""
    items = [*page.events, *page.orders]
    return [
        Bad(delivery_key=items[position].external_id, error=reason, body=_written_down(items[position]))
        for position, reason in result.reasons.items()
    ]


def _written_down(item: Event | Change | OrderIn) -> bytes:
    if isinstance(item, OrderIn):
        return json.dumps(asdict(item), default=str).encode()
    event = item
    known = {
        "external_id": event.external_id,
        "kind": event.kind,
        "author": getattr(getattr(event, "author", None), "external_id", ""),
        "subject": getattr(event, "subject", ""),
        "text": event.text,
    }
    return json.dumps(known).encode()


def park(account: ChannelAccount, items: Sequence[Bad]) -> None:
    """Keep bad items with their reason until somebody resolves them; the same item once a month."""
    now = timezone.now()
    if not items:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO engagement_rawevent
                (account_id, source, delivery_key, month, received_at, state, body, error, attempts)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 1)
            ON CONFLICT (source, delivery_key, month) DO NOTHING
            """,
            [
                (
                    account.pk,
                    f"{account.connector}:{account.pk}",
                    _delivery_key(item),
                    now.astimezone(UTC).date().replace(day=1),
                    now,
                    RawState.PARKED.value,
                    item.body,
                    clean_text(item.error, limit=2000),
                )
                for item in items
            ],
        )


def _delivery_key(item: Bad) -> str:
    key = clean_text(item.delivery_key)
    return key if 0 < len(key) <= 200 else sha256(item.delivery_key.encode("utf-8", "replace")).hexdigest()


# Understanding


def understand(raw: RawEvent) -> IngestResult:
    """Parse one stored body and take in what it holds. Raises ValueError with the reason it cannot be.

    What is good in it goes in; where some of it was refused, or is for an account that is not connected, it
    is parked with the reasons beside it. Each account has a transaction of its own: after a crash in between,
    what is here already counts as repeated.
    """
    result = take_parcels(raw, connector(connector_of(raw)).parse(raw))
    reasons = "; ".join(dict.fromkeys(result.reasons.values()))
    with transaction.atomic():
        _settle(raw, RawState.PARKED if reasons else RawState.DONE, error=reasons)
        if result.count(Outcome.ERASED):
            RawEvent.objects.filter(pk=raw.pk, month=raw.month).update(body=b"", headers={})
    return result


def connector_of(raw: RawEvent) -> str:
    """Name of the connector that understands this body."""
    return raw.source.partition(":")[0]


def sweep() -> int:
    """Understand what waits, oldest first; what cannot be is parked. Returns how many were looked at."""
    waiting = RawEvent.objects.filter(state=RawState.NEW).order_by("id")
    looked_at = 0
    for raw_id in list(waiting.values_list("pk", flat=True)[:SWEPT_AT_ONCE]):
        looked_at += understand_one(raw_id)
    return looked_at


def understand_one(raw_id: int) -> bool:
    """Understand or park one body; two workers never take the same at once.

    Where only the database was in trouble it waits for the sweep, as it was. One that ended its worker, or
    met such trouble, again and again is parked.
    """
    with _held(raw_id) as is_ours:
        raw = _begin(raw_id) if is_ours else None
        if raw is None:
            return False
        try:
            _understand_or_park(raw)
        except (OperationalError, InterfaceError) as error:
            log.warning("raw event waits for the database", raw=raw_id, error=type(error).__name__)
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
    return True


@contextmanager
def _held(raw_id: int) -> Iterator[bool]:
    """Whether this body is ours alone for the block; the lock outlives transactions, and no dead worker."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, raw_id % 2**31])
        (is_ours,) = cursor.fetchone()
    try:
        yield bool(is_ours)
    finally:
        if is_ours:
            _let_go(raw_id)


def _let_go(raw_id: int) -> None:
    """A connection that broke holds no lock any more; a transaction that broke off lets go with its end."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, raw_id % 2**31])
    except (DatabaseError, InterfaceError) as error:
        log.warning("lock of a raw event not given back", raw=raw_id, error=type(error).__name__)
        if not connection.in_atomic_block:
            connection.close()


def _begin(raw_id: int) -> RawEvent | None:
    """The body if it waits; the attempt is counted before it is made, so that one that kills its worker is
    found out."""
    raw = RawEvent.objects.filter(pk=raw_id, state=RawState.NEW).select_related("account").first()
    if raw is None:
        return None
    if raw.attempts >= MOST_ATTEMPTS:
        _park(raw, raw.error or f"It was tried {raw.attempts} times, and each time the attempt broke off.")
        return None
    RawEvent.objects.filter(pk=raw.pk, month=raw.month).update(attempts=F("attempts") + 1)
    return raw


def _understand_or_park(raw: RawEvent) -> None:
    """Raises OperationalError or InterfaceError where the database is in trouble, and not the body."""
    try:
        understand(raw)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        _park(raw, str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}")


def _park(raw: RawEvent, reason: str) -> None:
    log.warning("raw event parked", source=raw.source, reason=clean_text(reason, limit=200))
    _settle(raw, RawState.PARKED, error=reason)
    if raw.account_id is not None:
        ChannelAccount.objects.filter(pk=raw.account_id).update(parked=F("parked") + 1)


def _settle(raw: RawEvent, state: str, *, error: str = "") -> None:
    RawEvent.objects.filter(pk=raw.pk, month=raw.month).update(
        state=state, error=clean_text(error, limit=2000)
    )


# Trying again


def parked_of(account: ChannelAccount) -> QuerySet[RawEvent]:
    """What is parked for this account; also what came to an address of all accounts and named none."""
    mine = Q(account=account)
    if connector(account.connector).hook_scope == "app":
        mine |= Q(account=None, source=account.connector)
    return RawEvent.objects.filter(mine, state=RawState.PARKED)


def replay(raw: RawEvent, *, by: User | None) -> str:
    """Try to understand a parked body once more; the reason where it still cannot be, else ''.

    What of it is here already is not taken in twice.
    """
    if by is not None:
        check(by, "channel.manage")
    with _held(raw.pk) as is_ours:
        if not is_ours:
            return _("Somebody is trying it at this moment.")
        rows = RawEvent.objects.filter(pk=raw.pk, month=raw.month, state=RawState.PARKED)
        held = rows.select_related("account").first()
        if held is None:
            return ""
        rows.update(attempts=F("attempts") + 1)
        if by is not None:
            record_audit(by=by, verb="raw_event.replayed", target=held, name="", detail={"raw": held.pk})
        try:
            understand(held)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            _settle(held, RawState.PARKED, error=reason)
        held.refresh_from_db(fields=["state", "error"])
    return held.error if held.state == RawState.PARKED else ""


def replay_all(account: ChannelAccount, *, by: User) -> Job:
    """Try everything that is parked for this account again, as a job. Raises JobIsOpen where one is."""
    check(by, "channel.manage")
    with transaction.atomic():
        job = start_job(
            JOB,
            _("Trying again what was not understood: %(name)s") % {"name": account.name},
            input={"account": account.pk},
            by=by,
            exclusive=str(account.pk),
        )
        record_audit(by=by, verb="raw_event.replayed", target=account, detail={"all": True})
    return job


def run_replay(progress: Progress) -> dict[str, int]:
    """Run a job of `replay_all`, oldest first; each body is tried once."""
    account = ChannelAccount.objects.filter(pk=progress.job.input["account"]).first()
    if account is None:
        raise JobFailed(_("The channel is gone."))
    last = int(progress.job.cursor.get("last", 0))
    until = int(progress.job.cursor.get("until") or parked_of(account).aggregate(last=Max("pk"))["last"] or 0)
    counted = {"understood": 0, "parked": 0, **progress.job.cursor.get("counted", {})}
    total = sum(counted.values()) + parked_of(account).filter(pk__gt=last, pk__lte=until).count()
    while True:
        raw = parked_of(account).filter(pk__gt=last, pk__lte=until).order_by("pk").first()
        if raw is None:
            return counted
        counted["parked" if replay(raw, by=None) else "understood"] += 1
        last = raw.pk
        cursor = {"last": last, "until": until, "counted": counted}
        progress.save_cursor(cursor, done=sum(counted.values()), total=total)


def discard(raw: RawEvent, *, by: User) -> None:
    """Throw a parked body away for good."""
    check(by, "channel.manage")
    with transaction.atomic():
        rows = RawEvent.objects.filter(pk=raw.pk, month=raw.month, state=RawState.PARKED)
        if rows._raw_delete(using=rows.db):
            detail = {"raw": raw.pk, "account": raw.account_id}
            record_audit(by=by, verb="raw_event.discarded", target=raw, name="", detail=detail)


def register() -> None:
    """Let workers run the jobs of this module."""
    register_runner(JOB, run_replay, queue="inbound")


# Keeping


def forget_understood() -> int:
    """Delete understood bodies after thirty days at the latest; parked ones stay until they are resolved.

    A retention rule may say fewer days (`engagement.retention`). Changes that waited as long for a message
    that never came (a status of what another program sent from our number) go too.
    """
    before = timezone.now() - KEPT
    waiting = PendingChange.objects.filter(created_at__lt=before, kind__in=CHANGES)
    waiting._raw_delete(using=waiting.db)
    old = RawEvent.objects.filter(state=RawState.DONE, received_at__lt=before)
    return old._raw_delete(using=old.db)
