"""Looks after what ends by itself: tokens are renewed in time and webhooks asked for again each day.

The same sweep finds days that are to be compared, and accounts that fell silent.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from core.text import clean_text
from engagement import credentials, logins, reconciling, silence
from engagement.channels import paths
from engagement.channels.base import AuthFailure, SendFailed
from engagement.examining import see_to_webhook
from engagement.models import ChannelAccount
from engagement.pulls import CLOSED_HEALTH, note_login_needed

log = structlog.get_logger(__name__)

EVERY = timedelta(days=1)
BEFORE_IT_ENDS = timedelta(hours=12)
"""A webhook that ends by itself is asked for again so long before."""
TOKEN_MARGIN = timedelta(days=7)
"""A token that ends sooner is renewed while there is still time for a person to help."""
AT_ONCE = 50
LISTENING_SECONDS = 300
FORGETTING_SECONDS = 600


def sweep(now: datetime | None = None) -> list[int]:
    """Start what is due; ids of the accounts whose token and webhook are to be looked after."""
    at = now or timezone.now()
    reconciling.sweep(at)
    if cache.add("silence-looked-for", True, timeout=LISTENING_SECONDS):
        silence.look_for_silence(at)
    if cache.add("logins-forgotten", True, timeout=FORGETTING_SECONDS):
        logins.forget_old(at)
    return due_accounts(at)


def due_accounts(now: datetime) -> list[int]:
    """Accounts that nobody looked after for a day; taken by this sweep."""
    stale = Q(maintained_at__isnull=True) | Q(maintained_at__lte=now - EVERY)
    ending = Q(hook_expires_at__lte=now + BEFORE_IT_ENDS, maintained_at__lte=now - EVERY / 24)
    with transaction.atomic():
        rows = ChannelAccount.objects.active().exclude(health__in=CLOSED_HEALTH).filter(stale | ending)
        found = rows.filter(connector__in=list(paths())).select_for_update(skip_locked=True, no_key=True)
        ids = [account.pk for account in found.order_by("pk")[:AT_ONCE]]
        ChannelAccount.objects.filter(pk__in=ids).update(maintained_at=now)
    return ids


def look_after(account_id: int) -> None:
    """Renew the token where it ends soon, and ask for webhooks again. What fails is told on the account."""
    account = ChannelAccount.objects.active().filter(pk=account_id).first()
    if account is None:
        return
    try:
        credentials.ensure_fresh(account, margin=TOKEN_MARGIN)
    except AuthFailure as failure:
        note_login_needed(account, str(failure))
        return
    except SendFailed as failure:
        log.warning("token not renewed", account=account.pk, reason=clean_text(str(failure), limit=200))
    see_to_webhook(account)
