"""Tries what an account may do, and sees to its webhooks; what came of it stands on the account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from core.text import clean_text
from engagement import credentials, hooks
from engagement.channels import connector
from engagement.channels.base import (
    AuthFailure,
    Finding,
    SendFailed,
    Subscription,
)
from engagement.models import ChannelAccount, HookState
from engagement.pulls import note_login_needed

log = structlog.get_logger(__name__)

MOST_FINDINGS = 40


def examine(account: ChannelAccount) -> list[Finding]:
    """Try every permission of a connected account and keep the findings on it; never raises."""
    link = connector(account.connector)
    try:
        credentials.ensure_fresh(account)
        found = list(link.examine(account))
    except SendFailed as failure:
        if isinstance(failure, AuthFailure):
            note_login_needed(account, str(failure))
        found = [_failed(failure)]
    except Exception as error:
        log.exception("self-test ended by an unexpected error", account=account.pk)
        found = [Finding("credentials", works=False, text=f"{type(error).__name__}: {error}")]
    keep_findings(account, found)
    return found


def _failed(failure: SendFailed) -> Finding:
    text = str(failure) or _("The platform did not answer.")
    return Finding("credentials", works=False, text=text, remedy=failure.advice)


def keep_findings(account: ChannelAccount, found: Sequence[Finding]) -> None:
    """Write the lines of a self-test down, each cut to what a page can show."""
    account.findings = [_written(one) for one in found[:MOST_FINDINGS]]
    account.examined_at = timezone.now()
    ChannelAccount.objects.filter(pk=account.pk).update(
        findings=account.findings, examined_at=account.examined_at
    )


def _written(finding: Finding) -> dict[str, Any]:
    return {
        name: clean_text(value, limit=500) if isinstance(value, str) else value
        for name, value in asdict(finding).items()
    }


# Webhooks


def see_to_webhook(account: ChannelAccount) -> HookState:
    """Have the platform send webhooks where it can be asked to, and keep how that stands; never raises."""
    link = connector(account.connector)
    if not link.takes_hooks:
        return _keep_hook(account, HookState.NONE)
    address = hooks.address_of(account)
    if not link.subscribes:
        return _keep_hook(account, HookState.BY_HAND)
    if not hooks.is_reachable() and not settings.CHANNEL_URLS.get(link.name):
        return _keep_hook(account, HookState.OFF, unreachable_text())
    try:
        credentials.ensure_fresh(account)
        told = link.subscribe(account, address)
    except SendFailed as failure:
        return _keep_hook(account, HookState.OFF, str(failure) or type(failure).__name__)
    except Exception as error:
        log.exception("webhook not asked for", account=account.pk)
        return _keep_hook(account, HookState.OFF, f"{type(error).__name__}: {error}")
    _keep_what_came_with(account, told)
    state = HookState.ON if told.active else HookState.OFF
    return _keep_hook(account, state, told.text, expires_at=told.expires_at)


def unreachable_text() -> str:
    """Why no platform can send anything to our address."""
    return _(
        "Platforms cannot reach %(address)s: set PUBLIC_URL to a public https address of this installation."
    ) % {"address": settings.PUBLIC_URL}


def _keep_what_came_with(account: ChannelAccount, told: Subscription) -> None:
    """A webhook's own secret belongs to the credentials before the first delivery arrives."""
    if told.secrets:
        account.credentials = {**account.credentials, **told.secrets}
        account.save(update_fields=["credentials"])
    if told.settings:
        account.settings = {**account.settings, **told.settings}
        account.save(update_fields=["settings"])


def _keep_hook(
    account: ChannelAccount, state: HookState, text: str = "", *, expires_at: datetime | None = None
) -> HookState:
    account.hook_state, account.hook_text = state, clean_text(text, limit=500)
    account.hook_checked_at, account.hook_expires_at = timezone.now(), expires_at
    account.save(update_fields=["hook_state", "hook_text", "hook_checked_at", "hook_expires_at"])
    return state
