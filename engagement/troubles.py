"""What is wrong with channel accounts, in words: for the bell, the list and the health page alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Max, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core import formatting
from engagement import hooks
from engagement.channels import connector, paths
from engagement.channels.base import Connector
from engagement.models import ChannelAccount, Health, HookState, RawEvent, RawState, Reconciliation

ENDS_SOON = timedelta(days=7)
COMPARED_DAYS = 30


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong; `part` is where on the health page it is mended, `level` bad or soon."""

    part: str
    text: str
    at: datetime
    icon: str
    detail: str = ""
    level: str = "soon"
    is_told: bool = True
    """Whether the bell says so too; what mends itself is only shown where the account is."""


@dataclass(frozen=True)
class Parked:
    """Bodies of one account that could not be understood."""

    n: int
    newest: datetime


def troubles(accounts: Sequence[ChannelAccount]) -> dict[int, list[Trouble]]:
    """What is wrong with each of these connected accounts, worst first; two statements for all of them."""
    ids = [account.pk for account in accounts if account.is_active]
    parked, unrepaired = parked_by_account(ids), _unrepaired(ids)
    return {
        account.pk: [
            *_with_access(account),
            *_with_webhook(account),
            *_with_flow(account),
            *_with_comparison(account, unrepaired.get(account.pk)),
            *_with_parked(account, parked.get(account.pk)),
        ]
        if account.is_active
        else []
        for account in accounts
    }


def parked_by_account(ids: Sequence[int]) -> dict[int, Parked]:
    """How much is parked for each account, and since when the newest."""
    rows = RawEvent.objects.filter(account_id__in=ids, state=RawState.PARKED).values("account_id")
    found = rows.annotate(n=Count("pk"), newest=Max("received_at"))
    return {row["account_id"]: Parked(row["n"], row["newest"]) for row in found}


def _unrepaired(ids: Sequence[int]) -> dict[int, tuple[int, datetime]]:
    since = timezone.now().date() - timedelta(days=COMPARED_DAYS)
    rows = Reconciliation.objects.filter(account_id__in=ids, day__gte=since, missing__gt=F("repaired"))
    sums = rows.values("account_id").annotate(left=Sum("missing") - Sum("repaired"), newest=Max("at"))
    return {row["account_id"]: (row["left"], row["newest"]) for row in sums}


def _link(account: ChannelAccount) -> Connector | None:
    return connector(account.connector) if account.connector in paths() else None


def _with_access(account: ChannelAccount) -> list[Trouble]:
    name = {"name": account.name}
    if account.health == Health.NEEDS_LOGIN:
        text = _("%(name)s needs new credentials") % name
        return [Trouble("access", text, account.health_since, "key", account.health_text, "bad")]
    link, ends = _link(account), account.token_expires_at
    now = timezone.now()
    if ends is None or ends > now + ENDS_SOON or (link is not None and link.refreshes):
        return []
    if ends <= now:
        text = _("The access of %(name)s has ended") % name
        return [Trouble("access", text, ends, "key", _("Sign in again."), "bad")]
    text = _("The access of %(name)s ends soon") % name
    detail = _("On %(day)s; it cannot be renewed without you.") % {"day": formatting.moment(ends)}
    return [Trouble("access", text, ends - ENDS_SOON, "key", detail)]


def _with_webhook(account: ChannelAccount) -> list[Trouble]:
    if account.hook_state != HookState.OFF:
        return []
    link = _link(account)
    text = _("%(name)s gets no webhooks") % {"name": account.name}
    pulls = link is not None and link.can_pull
    # an installation that no platform can reach is no news, as long as everything is fetched
    is_told = hooks.is_reachable() or not pulls
    level = "soon" if pulls else "bad"
    at = account.health_since
    return [Trouble("webhook", text, at, "webhook-off", account.hook_text, level, is_told)]


def _with_flow(account: ChannelAccount) -> list[Trouble]:
    found = []
    if account.health == Health.FAILING:
        text = _("%(name)s does not answer") % {"name": account.name}
        found.append(
            Trouble("flow", text, account.health_since, "plug-x", account.health_text, is_told=False)
        )
    if account.silent_since is not None:
        text = _("%(name)s is silent") % {"name": account.name}
        detail = _("Nothing came, although its usual hours would have brought something.")
        found.append(Trouble("flow", text, account.silent_since, "volume-off", detail))
    return found


def _with_comparison(account: ChannelAccount, left: tuple[int, datetime] | None) -> list[Trouble]:
    found = []
    if left is not None:
        text = ngettext(
            "%(name)s lacks %(n)s message that its platform has",
            "%(name)s lacks %(n)s messages that its platform has",
            left[0],
        ) % {"name": account.name, "n": formatting.number(left[0])}
        found.append(Trouble("comparison", text, left[1], "scale-off", _("It could not be fetched."), "bad"))
    if account.reconcile_text:
        text = _("%(name)s could not be compared") % {"name": account.name}
        at = account.reconciled_at or account.created_at
        found.append(Trouble("comparison", text, at, "scale-off", account.reconcile_text))
    return found


def _with_parked(account: ChannelAccount, parked: Parked | None) -> list[Trouble]:
    if parked is None:
        return []
    text = ngettext(
        "%(n)s arrival at %(name)s could not be understood",
        "%(n)s arrivals at %(name)s could not be understood",
        parked.n,
    ) % {"n": formatting.number(parked.n), "name": account.name}
    return [Trouble("parked", text, parked.newest, "parking", _("Look at why, and replay them."))]
