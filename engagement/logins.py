"""Logins on a platform by OAuth 2: sent there with a state, back with accounts to choose from.

The state is a random number of which only the hash is kept. It works once, for ten minutes, in the session
and for the person it was made for. What must be remembered meanwhile, and what the login gave, lies encrypted
in a LoginGrant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from core.demo import refuse_while_demo
from engagement.channels import connector
from engagement.channels.base import Connector, Offer, PermanentFailure, SendFailed, app_keys
from engagement.models import ChannelAccount, LoginGrant

SESSION_KEY = "channel_logins"
STATE_LIVES = timedelta(minutes=10)
GRANT_LIVES = timedelta(hours=1)
MOST_OPEN = 5


class LoginRefused(Exception):
    """A login that did not come to its end, with the reason in plain words."""


@dataclass(frozen=True)
class Finished:
    """What a login gave: the grant to choose from, and the account it was made for, if any."""

    grant: LoginGrant
    account_id: int | None


def missing_variables(link: Connector) -> list[str]:
    """The environment variables of the operator's own app that are not set."""
    if not link.keys_of:
        return []
    given = app_keys(link.keys_of)
    parts = [part for part in link.app_parts if not given.get(part)]
    return [f"CHANNEL_APP_{link.keys_of.upper()}_{part.upper()}" for part in parts]


def back_address(name: str) -> str:
    """The redirect address to be entered in the operator's app on the platform."""
    return f"{settings.PUBLIC_URL}{reverse('engagement:channel-back', args=[name])}"


def begin(
    *,
    connector_name: str,
    cleaned: Mapping[str, Any],
    asked: Mapping[str, Any],
    session: MutableMapping[str, Any],
    by: User,
    account: ChannelAccount | None = None,
) -> str:
    """The platform's address for this login. `asked` is kept for the choice that follows; with an `account`
    the login gives it new credentials. Raises SendFailed in plain words."""
    check(by, "channel.manage")
    refuse_while_demo()
    link, state = connector(connector_name), token_urlsafe(32)
    if missing := missing_variables(link):
        raise PermanentFailure(_("These variables are not set: %(names)s") % {"names": ", ".join(missing)})
    login = link.begin_login(cleaned, state=state, back_to=back_address(connector_name))
    grant = LoginGrant.objects.create(
        connector=connector_name,
        staff=by,
        offers={
            "state": _hash(state),
            "remembered": json.loads(json.dumps(dict(login.remembered), default=str)),
            "asked": dict(asked),
            "account": account.pk if account else None,
        },
    )
    opened = dict(list(session.get(SESSION_KEY, {}).items())[1 - MOST_OPEN :])
    session[SESSION_KEY] = {**opened, _hash(state): grant.pk}
    return login.url


def _hash(state: str) -> str:
    return sha256(state.encode()).hexdigest()


def finish(
    *, connector_name: str, query: Mapping[str, str], session: MutableMapping[str, Any], by: User
) -> Finished:
    """Take a login that came back. Raises LoginRefused."""
    check(by, "channel.manage")
    held = _take_state(connector_name, query.get("state", ""), session, by)
    link = connector(connector_name)
    try:
        offers = link.finish_login(query, held["remembered"], back_to=back_address(connector_name))
    except SendFailed as failure:
        raise LoginRefused(" ".join(part for part in (str(failure), failure.advice) if part)) from failure
    if not offers:
        raise LoginRefused(_("This login gives access to no account that could be connected."))
    grant = LoginGrant.objects.create(
        connector=connector_name,
        staff=by,
        offers={"asked": held["asked"], "offers": [_packed(offer) for offer in offers]},
    )
    return Finished(grant, held["account"])


def _take_state(name: str, state: str, session: MutableMapping[str, Any], by: User) -> Mapping[str, Any]:
    """What was remembered for this state, which is used up by it. Raises LoginRefused."""
    opened = dict(session.get(SESSION_KEY, {}))
    pk = int(opened.pop(_hash(state), 0)) if state else 0
    session[SESSION_KEY] = opened
    with transaction.atomic():
        rows = LoginGrant.objects.filter(pk=pk, connector=name, staff=by).select_for_update()
        grant = rows.first()
        held = dict(grant.offers) if grant else {}
        if grant is not None:
            grant.delete()
    if grant is None or held.get("state") != _hash(state):
        raise LoginRefused(_("This login was not begun here, or it has come back already. Begin again."))
    if grant.created_at < timezone.now() - STATE_LIVES:
        raise LoginRefused(_("This login took longer than ten minutes. Begin again."))
    return held


# Choosing


def open_grant(pk: int, *, by: User) -> LoginGrant | None:
    """A grant of this person that is not an hour old yet."""
    rows = LoginGrant.objects.filter(pk=pk, staff=by, created_at__gt=timezone.now() - GRANT_LIVES)
    grant: LoginGrant | None = rows.first()
    return grant if grant and "offers" in grant.offers else None


def offers_of(grant: LoginGrant) -> list[Offer]:
    """The accounts that the login gave."""
    return [_unpacked(one) for one in grant.offers["offers"]]


def connected(grant: LoginGrant, offers: Sequence[Offer]) -> dict[str, ChannelAccount]:
    """Those of them that are connected already, by external id."""
    rows = ChannelAccount.objects.active().filter(
        connector=grant.connector, external_id__in=[offer.external_id for offer in offers]
    )
    return {
        offer.external_id: account
        for account in rows
        for offer in offers
        if offer.external_id == account.external_id and offer.network in ("", account.network)
    }


def _packed(offer: Offer) -> dict[str, Any]:
    packed = asdict(offer)
    packed["expires_at"] = offer.expires_at.isoformat() if offer.expires_at else None
    return packed


def _unpacked(packed: Mapping[str, Any]) -> Offer:
    at = packed["expires_at"]
    return Offer(
        **{
            **packed,
            "scopes": tuple(packed["scopes"]),
            "expires_at": datetime.fromisoformat(at) if at else None,
        }
    )


def forget_old(now: datetime | None = None) -> int:
    """Delete what nobody chose from within an hour."""
    return LoginGrant.objects.filter(created_at__lte=(now or timezone.now()) - GRANT_LIVES).delete()[0]
