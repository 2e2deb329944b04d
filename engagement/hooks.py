"""Webhooks: verified over their raw bytes, stored, answered. What they mean is found out afterwards.

A repeated delivery is stored once (the platform's delivery id, else the hash of its body). If storing fails,
the answer is an error and the platform sends it again.
"""

from __future__ import annotations

import json
from datetime import UTC
from hashlib import sha256
from secrets import token_urlsafe
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from core.models import Workspace
from engagement.channels import connector
from engagement.channels.base import Connector, Forged, Hook, HookAnswer
from engagement.models import ChannelAccount, RawState

log = structlog.get_logger(__name__)


def receive(link: Connector, hook: Hook, account: ChannelAccount | None) -> HookAnswer:
    """Verify and store one delivery. Raises Forged, and then nothing is stored but a count."""
    try:
        greeting = link.greet(hook, account)
        if greeting is not None:
            return greeting
        link.verify(hook, account)
    except Forged:
        count_refused(link.name, account)
        raise
    keep(link, hook, account)
    return link.hook_answer_for(hook, account)


def keep(link: Connector, hook: Hook, account: ChannelAccount | None) -> None:
    """Store the body and let a worker understand it; the same delivery again changes nothing."""
    key = link.delivery_key(hook)[:200] or sha256(hook.body).hexdigest()
    now = timezone.now()
    headers = {name: hook.headers[name][:2000] for name in link.hook_headers if name in hook.headers}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO engagement_rawevent
                (account_id, source, delivery_key, month, received_at, state, headers, body)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (source, delivery_key, month) DO NOTHING RETURNING id
            """,
            [
                account.pk if account else None,
                f"{link.name}:{account.pk}" if account else link.name,
                key.replace("\x00", ""),
                now.astimezone(UTC).date().replace(day=1),
                now,
                RawState.NEW.value,
                json.dumps(headers).replace("\\u0000", ""),
                hook.body,
            ],
        )
        stored = cursor.fetchone()
        if stored:
            _queue(stored[0])


def _queue(raw_id: int) -> None:
    """Understand it right after the commit; where Redis is away, the sweep finds it."""
    from engagement.tasks import understand_raw_event

    transaction.on_commit(lambda: understand_raw_event.delay(raw_id), robust=True)


def count_refused(name: str, account: ChannelAccount | None) -> None:
    """One more with a wrong signature today."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO engagement_refusedhook (connector, account_id, day, n, at)
            VALUES (%s, %s, %s, 1, statement_timestamp())
            ON CONFLICT (connector, account_id, day)
            DO UPDATE SET n = engagement_refusedhook.n + 1, at = excluded.at
            """,
            [name, account.pk if account else None, Workspace.current().today()],
        )


# Addresses


def address_of(account: ChannelAccount) -> str:
    """The public address for this account's webhooks, made where it has none yet and the account is saved."""
    link = connector(account.connector)
    if link.hook_scope == "app":
        return f"{settings.PUBLIC_URL}{reverse('engagement:hook-app', args=[link.name])}"
    if not account.hook_key:
        account.hook_key = token_urlsafe(24)
        if account.pk:
            ChannelAccount.objects.filter(pk=account.pk, hook_key="").update(hook_key=account.hook_key)
            account.refresh_from_db(fields=["hook_key"])
    return f"{settings.PUBLIC_URL}{reverse('engagement:hook-account', args=[link.name, account.hook_key])}"


def is_reachable() -> bool:
    """Whether a platform can be expected to reach our public address: https, and no name of this machine."""
    parts = urlsplit(settings.PUBLIC_URL)
    return parts.scheme == "https" and parts.hostname not in ("localhost", "127.0.0.1", None)
