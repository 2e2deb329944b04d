"""Things that a webhook names without saying them: a worker asks for them, and they are taken in as usual.

What is to be asked for waits in the table of pending changes, so a lost queue or a platform that is down
costs time and nothing more. What cannot be had in the end is parked with its reason and can be tried again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import structlog
from django.db import transaction
from django.utils import timezone

from core.text import clean_text
from engagement.channels import connector, paths
from engagement.channels.base import Bad, Page, SendFailed, TransientFailure
from engagement.credentials import with_fresh
from engagement.intake import take_in
from engagement.models import ChannelAccount, PendingChange
from engagement.pulls import CLOSED_HEALTH
from engagement.raw_events import park, rejected

log = structlog.get_logger(__name__)

KIND = "named"
LEASE = timedelta(minutes=5)
BACK_OFF = (15, 60, 300, 1800, 7200, 6 * 3600)
"""Seconds until the next try; after the last it is parked."""
AT_ONCE = 50


def note_named(account: ChannelAccount, ids: Sequence[str]) -> None:
    """Ask for these after the commit; the same one again is asked for once."""
    from engagement.tasks import fetch_named

    now = timezone.now()
    wanted = sorted({clean_text(one, limit=320) for one in ids if one})
    rows = [
        PendingChange(account=account, external_id=one, kind=KIND, at=now, payload={"tries": 0})
        for one in wanted
    ]
    PendingChange.objects.bulk_create(rows, ignore_conflicts=True)
    transaction.on_commit(partial(fetch_named.delay, account.pk), robust=True)


def sweep() -> int:
    """Ask for what waits; returns how many accounts had something."""
    due = PendingChange.objects.filter(kind=KIND, at__lte=timezone.now(), account__is_active=True)
    due = due.exclude(account__health__in=CLOSED_HEALTH).filter(account__connector__in=list(paths()))
    ids = list(due.order_by("account_id").values_list("account_id", flat=True).distinct()[:AT_ONCE])
    for account_id in ids:
        fetch(account_id)
    return len(ids)


def fetch(account_id: int) -> None:
    """Ask for what one account waits for, at most fifty things."""
    account = ChannelAccount.objects.active().filter(pk=account_id).exclude(health__in=CLOSED_HEALTH).first()
    rows = _claim(account_id) if account is not None else []
    if account is None or not rows:
        return
    ids = [row.external_id for row in rows]
    try:
        page = with_fresh(account, lambda: connector(account.connector).fetch(account, ids))
    except TransientFailure as failure:
        _try_later(account, rows, failure)
    except SendFailed as failure:
        _give_up(account, rows, str(failure))
    else:
        _take(account, rows, page)


def _claim(account_id: int) -> list[PendingChange]:
    """What is due, held for this worker."""
    now = timezone.now()
    with transaction.atomic():
        due = PendingChange.objects.filter(account_id=account_id, kind=KIND, at__lte=now)
        rows = list(due.order_by("at", "id").select_for_update(skip_locked=True)[:AT_ONCE])
        PendingChange.objects.filter(pk__in=[row.pk for row in rows]).update(at=now + LEASE)
    return rows


@transaction.atomic
def _take(account: ChannelAccount, rows: Sequence[PendingChange], page: Page) -> None:
    result = take_in(account, page)
    park(account, [*page.bad, *rejected(page, result)])
    _forget(rows)


def _try_later(account: ChannelAccount, rows: Sequence[PendingChange], failure: SendFailed) -> None:
    log.warning("named things not fetched", account=account.pk, reason=str(failure)[:200])
    for row in rows:
        tries = int(row.payload.get("tries", 0))
        if tries >= len(BACK_OFF):
            _give_up(account, [row], str(failure))
            continue
        row.at, row.payload = timezone.now() + timedelta(seconds=BACK_OFF[tries]), {"tries": tries + 1}
        row.save(update_fields=["at", "payload"])


@transaction.atomic
def _give_up(account: ChannelAccount, rows: Sequence[PendingChange], reason: str) -> None:
    """Park them as bodies that name the same thing, so that a replay asks once more."""
    park(account, [Bad(row.external_id, reason, body_of(row.external_id)) for row in rows])
    _forget(rows)


def body_of(named: str) -> bytes:
    """What `parse` is given to name this thing again."""
    return json.dumps({"object": "pulled", "kind": KIND, "named": named}).encode()


def _forget(rows: Sequence[PendingChange]) -> None:
    PendingChange.objects.filter(pk__in=[row.pk for row in rows]).delete()
