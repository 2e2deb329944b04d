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
from engagement.channels.base import Offer, SendFailed
from engagement.models import ChannelAccount, Health, HookState, Interaction

SET_BY_PEOPLE = (
    "name", "team", "brand", "network", "external_id", "issuer", "settings", "is_active",
    "reply_goal_minutes", "health", "health_text", "health_since", "failures", "next_pull_at",
    "closed_until", "send_failures", "send_closed_until", "maintained_at", "silent_since",
)  # fmt: skip
ACCESS = ("credentials", "scopes", "token_expires_at", "token_renewed_at")
"""What a worker may renew at the same moment."""


class OtherAccount(ValidationError):
    """These credentials are of another account than the one they were given for."""


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
    """Connect an account after its credentials were tried; one that was disconnected goes on where it stood.

    Raises ValidationError when they do not work or the account is connected already, and
    core.demo.DemoIsPresent while the workspace holds demo data.
    """
    check(by, "channel.manage")
    refuse_while_demo()
    link = connector(connector_name)
    account = ChannelAccount(
        connector=connector_name,
        network=network or (link.networks or (connector_name,))[0],
        name=name.strip(),
        team=team,
        brand=brand,
        reply_goal_minutes=goal_minutes,
    )
    _fill(account, cleaned)
    account.external_id = account.external_id or account.name or str(uuid4())
    account.name = account.name or account.external_id[:160]
    if try_first:
        try_account(account)
    return _store(_instead(account), "channel.connected", by=by)


def _fill(account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
    """Let the connector take in a form. Raises ValidationError where it must ask the platform and cannot."""
    try:
        connector(account.connector).fill_account(account, cleaned)
    except SendFailed as error:
        raise ValidationError(_in_words(error)) from error


def _in_words(error: SendFailed) -> list[str]:
    told = str(error) or _("The server did not accept this.")
    return [told, error.advice] if error.advice else [told]


def _instead(account: ChannelAccount) -> ChannelAccount:
    """The row of the same account that was disconnected, with what was just given; else this one."""
    old = _row_of(account.connector, account.network, account.external_id)
    if old is None or old.is_active:
        return account
    old.name, old.team, old.brand = account.name, account.team, account.brand
    old.reply_goal_minutes = account.reply_goal_minutes
    old.settings = {**old.settings, **account.settings}
    old.credentials, old.issuer = dict(account.credentials), account.issuer or old.issuer
    old.scopes, old.token_expires_at = account.scopes, account.token_expires_at
    _set_healthy(old)
    return old


def _row_of(connector_name: str, network: str, external_id: str) -> ChannelAccount | None:
    rows = ChannelAccount.objects.filter(connector=connector_name, network=network, external_id=external_id)
    return rows.select_related("team", "brand").first()


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

    Raises ValidationError as connecting does, and OtherAccount where the credentials are of another one.
    """
    check(by, "channel.manage")
    was = (account.network, account.external_id)
    known = dict(account.credentials)
    _refuse_to_send_elsewhere(account, cleaned)
    account.name, account.team, account.brand = name.strip() or account.name, team, brand
    account.reply_goal_minutes = goal_minutes
    _fill(account, cleaned)
    _refuse_another(account, was)
    if try_first:
        try_account(account)
    if account.health in (Health.NEEDS_LOGIN, Health.FAILING):
        _set_healthy(account)
    return _store(account, "channel.changed", by=by, known=known)


def _refuse_to_send_elsewhere(account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
    """A secret that is stored goes only where it was typed for."""
    for setting, secrets in connector(account.connector).sent_to.items():
        before, asked = account.settings.get(setting), cleaned.get(setting)
        if not before or asked in (None, before):
            continue
        if any(account.credentials.get(secret) and not cleaned.get(secret) for secret in secrets):
            raise ValidationError(
                _("What is stored was given for %(before)s. Type it again to use it at %(asked)s.")
                % {"before": before, "asked": asked}
            )


def _refuse_another(account: ChannelAccount, was: tuple[str, str]) -> None:
    if (account.network, account.external_id) == was:
        return
    if Interaction.objects.filter(account=account.pk).exists():
        raise OtherAccount(
            _("This is %(new)s, and what came in so far is of %(old)s. Connect it as a channel of its own.")
            % {"new": account.external_id, "old": was[1]}
        )


def try_account(account: ChannelAccount) -> None:
    """Try the credentials against the network. Raises ValidationError in the network's words."""
    try:
        connector(account.connector).check(account)
    except SendFailed as error:
        raise ValidationError(_in_words(error)) from error


# By a login on the platform


def connect_offer(
    *,
    connector_name: str,
    offer: Offer,
    team: Team,
    brand: Brand | None,
    goal_minutes: int,
    only_new: bool,
    by: User,
) -> ChannelAccount:
    """Connect one account that a login gave. Raises ValidationError where it is connected already."""
    check(by, "channel.manage")
    refuse_while_demo()
    link = connector(connector_name)
    network = offer.network or (link.networks or (connector_name,))[0]
    account = _row_of(connector_name, network, offer.external_id)
    if account is not None and account.is_active:
        raise ValidationError(_("%(name)s is connected already.") % {"name": account.name})
    account = account or ChannelAccount(
        connector=connector_name, network=network, external_id=offer.external_id
    )
    account.name = (account.name or offer.name or offer.external_id)[:160]
    account.team, account.brand, account.reply_goal_minutes = team, brand, goal_minutes
    _give_access(account, offer)
    if link.reads_history:
        account.settings = {**account.settings, "only_new": only_new}
    return _store(account, "channel.connected", by=by)


def reconnect(*, account: ChannelAccount, offer: Offer, by: User) -> ChannelAccount:
    """New credentials for an account that is there: its data, cursor and settings stay.

    Raises OtherAccount where the login is of another one.
    """
    check(by, "channel.manage")
    if not is_of(offer, account):
        raise OtherAccount(
            _("This login is of %(new)s, and the channel is %(old)s. Nothing was changed.")
            % {"new": offer.name or offer.external_id, "old": account.external_id}
        )
    _give_access(account, offer)
    return _store(account, "channel.reconnected", by=by)


def is_of(offer: Offer, account: ChannelAccount) -> bool:
    """Whether a login is of this very account."""
    same_issuer = not offer.issuer or not account.issuer or offer.issuer == account.issuer
    same_network = not offer.network or offer.network == account.network
    return same_issuer and same_network and offer.external_id == account.external_id


def _give_access(account: ChannelAccount, offer: Offer) -> None:
    account.credentials = {**account.credentials, **offer.credentials}
    account.settings = {**account.settings, **offer.settings}
    account.issuer = offer.issuer or account.issuer
    account.scopes = list(offer.scopes)
    account.token_expires_at, account.token_renewed_at = offer.expires_at, timezone.now()
    _set_healthy(account)


# Keeping


@transaction.atomic
def _store(
    account: ChannelAccount, verb: str, *, by: User, known: Mapping[str, Any] | None = None
) -> ChannelAccount:
    """Keep an account as connected. `known` are the credentials that the form began with: those which it did
    not touch are left as they are by now, because a worker may have renewed them meanwhile."""
    try:
        with transaction.atomic():
            account.is_active = True
            account.next_pull_at = timezone.now() if connector(account.connector).can_pull else None
            account.maintained_at = None
            _save(account, known)
    except IntegrityError as error:
        raise ValidationError(_("This account is connected already.")) from error
    outbox.resume_account(account)
    _record(account, verb, by=by)
    return account


def _save(account: ChannelAccount, known: Mapping[str, Any] | None = None) -> None:
    """Keep what people set. Cursor, counters and lease belong to whoever pulls the account at this moment; a
    connector that wants it read anew empties the cursor."""
    if account._state.adding:
        account.save()
        return
    touched = known is None or dict(account.credentials) != known
    if known is not None and touched:
        held = ChannelAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
        typed = {name: value for name, value in account.credentials.items() if known.get(name) != value}
        account.credentials = {**held.credentials, **typed}
    account.save(
        update_fields=[*SET_BY_PEOPLE, *(ACCESS if touched else ()), *(() if account.cursor else ("cursor",))]
    )


def _set_healthy(account: ChannelAccount) -> None:
    account.health, account.health_text = Health.HEALTHY, ""
    account.health_since, account.failures = timezone.now(), 0
    account.closed_until, account.send_failures, account.send_closed_until = None, 0, None


# Pausing and disconnecting


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
    _save(account, account.credentials)
    outbox.resume_account(account)
    _record(account, "channel.resumed", by=by)
    return account


@transaction.atomic
def disconnect_account(*, account: ChannelAccount, by: User) -> ChannelAccount:
    """Forget its credentials and stop; everything that was said stays."""
    check(by, "channel.manage")
    account.is_active, account.credentials, account.next_pull_at = False, {}, None
    account.scopes, account.token_expires_at, account.token_renewed_at = [], None, None
    account.hook_state, account.hook_text, account.hook_key = HookState.NONE, "", ""
    account.findings, account.silent_since = [], None
    account.health, account.health_text = Health.PAUSED, _("Disconnected")
    account.health_since = timezone.now()
    _save(account)
    account.save(update_fields=["hook_state", "hook_text", "hook_key", "findings"])
    _record(account, "channel.disconnected", by=by)
    return account


def _record(account: ChannelAccount, verb: str, *, by: User) -> None:
    record_audit(by=by, verb=verb, target=account)
    emit(verb, channels=["role:admin", "role:manager"], account=account.pk)
