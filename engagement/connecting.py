"""Connecting channels: every write about a channel account, each with its line in the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Team, User
from accounts.permissions import check
from accounts.services import record_audit
from core.demo import refuse_while_demo
from core.events import emit
from core.models import Brand
from engagement import outbox
from engagement.channels import connector
from engagement.channels.base import SendFailed
from engagement.models import ChannelAccount, Health

SET_BY_PEOPLE = (
    "name", "team", "brand", "network", "external_id", "issuer", "settings", "credentials", "is_active",
    "reply_goal_minutes", "health", "health_text", "health_since", "failures", "next_pull_at",
)  # fmt: skip


def connect_account(
    *,
    name: str,
    connector_name: str,
    cleaned: Mapping[str, Any],
    team: Team,
    brand: Brand | None,
    goal_minutes: int,
    by: User,
    network: str = "",
    try_first: bool = True,
) -> ChannelAccount:
    """Connect an account after its credentials were tried.

    Raises ValidationError when they do not work or the account is connected already, and
    core.demo.DemoIsPresent while the workspace holds demo data.
    """
    check(by, "channel.manage")
    refuse_while_demo()
    account = ChannelAccount(
        connector=connector_name,
        network=network or (connector(connector_name).networks or (connector_name,))[0],
        name=name.strip(),
        team=team,
        brand=brand,
        reply_goal_minutes=goal_minutes,
    )
    connector(connector_name).fill_account(account, cleaned)
    account.external_id = account.external_id or name.strip() or str(uuid4())
    if try_first:
        try_account(account)
    return _store(account, "channel.connected", by=by)


def change_account(
    *,
    account: ChannelAccount,
    name: str,
    cleaned: Mapping[str, Any],
    team: Team,
    brand: Brand | None,
    goal_minutes: int,
    by: User,
    try_first: bool = True,
) -> ChannelAccount:
    """Change an account; credentials that work again end its pause.

    Raises ValidationError as connecting does.
    """
    check(by, "channel.manage")
    account.name, account.team, account.brand = name.strip(), team, brand
    account.reply_goal_minutes = goal_minutes
    connector(account.connector).fill_account(account, cleaned)
    if try_first:
        try_account(account)
    if account.health in (Health.NEEDS_LOGIN, Health.FAILING):
        _set_healthy(account)
    return _store(account, "channel.changed", by=by)


def try_account(account: ChannelAccount) -> None:
    """Try the credentials against the network. Raises ValidationError in the network's words."""
    try:
        connector(account.connector).check(account)
    except SendFailed as error:
        raise ValidationError(str(error) or _("The server did not accept this.")) from error


@transaction.atomic
def _store(account: ChannelAccount, verb: str, *, by: User) -> ChannelAccount:
    try:
        with transaction.atomic():
            account.is_active = True
            account.next_pull_at = timezone.now() if connector(account.connector).can_pull else None
            _save(account)
    except IntegrityError as error:
        raise ValidationError(_("This account is connected already.")) from error
    outbox.resume_account(account)
    _record(account, verb, by=by)
    return account


@transaction.atomic
def pause_account(*, account: ChannelAccount, by: User) -> ChannelAccount:
    """Stop taking in and sending; what is written waits."""
    check(by, "channel.manage")
    account.health, account.health_text, account.health_since = Health.PAUSED, "", timezone.now()
    account.save(update_fields=["health", "health_text", "health_since"])
    _record(account, "channel.paused", by=by)
    return account


@transaction.atomic
def resume_account(*, account: ChannelAccount, by: User) -> ChannelAccount:
    """Take in and send again."""
    check(by, "channel.manage")
    _set_healthy(account)
    account.next_pull_at = timezone.now() if connector(account.connector).can_pull else None
    _save(account)
    outbox.resume_account(account)
    _record(account, "channel.resumed", by=by)
    return account


@transaction.atomic
def disconnect_account(*, account: ChannelAccount, by: User) -> ChannelAccount:
    """Forget its credentials and stop; everything that was said stays."""
    check(by, "channel.manage")
    account.is_active, account.credentials, account.next_pull_at = False, {}, None
    account.health, account.health_text = Health.PAUSED, _("Disconnected")
    account.health_since = timezone.now()
    _save(account)
    _record(account, "channel.disconnected", by=by)
    return account


def _save(account: ChannelAccount) -> None:
    """Keep what people set. Cursor, counters and lease belong to whoever pulls the account at this moment; a
    connector that wants it read anew empties the cursor."""
    if account._state.adding:
        account.save()
        return
    account.save(update_fields=[*SET_BY_PEOPLE, *(() if account.cursor else ("cursor",))])


def _set_healthy(account: ChannelAccount) -> None:
    account.health, account.health_text = Health.HEALTHY, ""
    account.health_since, account.failures = timezone.now(), 0


def _record(account: ChannelAccount, verb: str, *, by: User) -> None:
    record_audit(by=by, verb=verb, target=account)
    emit(verb, channels=["role:admin", "role:manager"], account=account.pk)
