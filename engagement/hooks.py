"""Webhooks: verified over their raw bytes, stored, answered. What they mean is found out afterwards.

A repeated delivery is stored once (the platform's delivery id, else the hash of its body). If storing fails,
the answer is an error and the platform sends it again.
"""

from __future__ import annotations

import json
import time
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
from core.text import clean_text
from engagement.channels import connector
from engagement.channels.base import Connector, Forged, Hook, HookAnswer
from engagement.models import ChannelAccount, RawState

log = structlog.get_logger(__name__)

MOST_KEY = 200
PAUSE_SECONDS = 10.0
_no_queue_until = 0.0


class Unexpected(Exception):
    """A request that is neither a delivery nor a platform's way to try the address."""


def receive(link: Connector, hook: Hook, account: ChannelAccount | None) -> HookAnswer:
    """Verify and store one delivery. Raises Forged, and then nothing is stored but a count; raises Unexpected
    for a request that delivers nothing, and DatabaseError where it could not be stored."""
    try:
        greeting = link.greet(hook, account)
        if greeting is not None:
            return greeting
        if hook.method != "POST":
            raise Unexpected
        _verify(link, hook, account)
    except Forged:
        count_refused(link.name, account)
        raise
    keep(link, hook, account)
    return _answer(link, hook, account)


def _verify(link: Connector, hook: Hook, account: ChannelAccount | None) -> None:
    """What a connector stumbles over as it verifies (letters that no signature has) is forged."""
    try:
        link.verify(hook, account)
    except Forged:
        raise
    except Exception as error:
        log.warning("webhook could not be verified", connector=link.name, error=type(error).__name__)
        raise Forged from error


def _answer(link: Connector, hook: Hook, account: ChannelAccount | None) -> HookAnswer:
    """It is stored, so it counts as taken whatever the connector has to say."""
    try:
        return link.hook_answer_for(hook, account)
    except Exception as error:
        log.exception(
            "webhook answered without its own words", connector=link.name, error=type(error).__name__
        )
        return HookAnswer()


def keep(link: Connector, hook: Hook, account: ChannelAccount | None) -> None:
    """Store the body and let a worker understand it; the same delivery again changes nothing."""
    now = timezone.now()
    headers = {
        name: clean_text(hook.headers[name], 2000) for name in link.hook_headers if name in hook.headers
    }
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
                _key_of(link, hook),
                now.astimezone(UTC).date().replace(day=1),
                now,
                RawState.NEW.value,
                json.dumps(headers),
                hook.body,
            ],
        )
        stored = cursor.fetchone()
        if stored:
            _queue(stored[0])


def _key_of(link: Connector, hook: Hook) -> str:
    """The platform's delivery id, else the hash of the body, which every repetition has too."""
    try:
        key = clean_text(link.delivery_key(hook))
    except Exception as error:
        log.warning("webhook without a delivery id", connector=link.name, error=type(error).__name__)
        key = ""
    return key if 0 < len(key) <= MOST_KEY else sha256(key.encode() or hook.body).hexdigest()


def _queue(raw_id: int) -> None:
    """Understand it right after the commit; where Redis is away, the sweep finds it."""
    transaction.on_commit(lambda: _hand_over(raw_id), robust=True)


def _hand_over(raw_id: int) -> None:
    """A Redis that did not answer is left alone for a while: no platform waits for its time-outs."""
    from engagement.tasks import understand_raw_event

    global _no_queue_until  # noqa: PLW0603
    if time.monotonic() < _no_queue_until:
        return
    try:
        understand_raw_event.delay(raw_id)
    except Exception as error:
        _no_queue_until = time.monotonic() + PAUSE_SECONDS
        log.warning("webhook left to the sweep", raw=raw_id, error=type(error).__name__)


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
