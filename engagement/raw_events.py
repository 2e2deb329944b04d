"""What arrived raw: bodies that wait to be understood, and items that could not be.

A webhook stores its body here and answers; the sweep understands it afterwards. A bad item is parked with its
reason and its bytes, and can be tried again once the reason is gone. Understood ones are kept thirty days.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, timedelta
from hashlib import sha256

import structlog
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from core.text import clean_text
from crm.orders import OrderIn
from engagement.channels import connector
from engagement.channels.base import Bad, Change, Event, Page
from engagement.ingest import IngestResult, Outcome
from engagement.intake import take_parcels
from engagement.models import ChannelAccount, RawEvent, RawState

log = structlog.get_logger(__name__)

KEPT = timedelta(days=30)
SWEPT_AT_ONCE = 200


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
    """Parse one stored body and take in what it holds. Raises ValueError with the reason it cannot be."""
    with transaction.atomic():
        result = take_parcels(raw, connector(connector_of(raw)).parse(raw))
        if result.reasons:
            raise ValueError("; ".join(result.reasons.values()))
        _settle(raw, RawState.DONE)
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
    """Understand or park one body, under a row lock, so that two workers never take the same."""
    with transaction.atomic():
        rows = RawEvent.objects.filter(pk=raw_id, state=RawState.NEW).select_for_update(skip_locked=True)
        raw: RawEvent | None = rows.first()
        if raw is None:
            return False
        try:
            understand(raw)
        except Exception as error:
            reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            log.warning("raw event parked", source=raw.source, reason=reason[:200])
            _settle(raw, RawState.PARKED, error=reason)
            if raw.account_id is not None:
                ChannelAccount.objects.filter(pk=raw.account_id).update(parked=F("parked") + 1)
        return True


def _settle(raw: RawEvent, state: str, *, error: str = "") -> None:
    RawEvent.objects.filter(pk=raw.pk, month=raw.month).update(
        state=state, error=clean_text(error, limit=2000), attempts=F("attempts") + 1
    )


def forget_understood() -> int:
    """Delete understood bodies after thirty days at the latest; parked ones stay until they are resolved.

    A retention rule may say fewer days (`engagement.retention`).
    """
    old = RawEvent.objects.filter(state=RawState.DONE, received_at__lt=timezone.now() - KEPT)
    return old._raw_delete(using=old.db)
