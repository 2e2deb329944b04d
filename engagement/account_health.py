"""How an account fares, in figures: what came and went, what its platform says, what it may still do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from statistics import median

from django.db.models import Count, Max, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from core.models import Job, Workspace
from engagement import rates, raw_events
from engagement.channels import paths
from engagement.channels.base import Connector
from engagement.disconnecting import KIND as REMOVAL
from engagement.models import (
    ChannelAccount,
    Delivery,
    DeliveryState,
    Interaction,
    RawEvent,
    RawState,
    Reconciliation,
    RefusedHook,
)
from engagement.models.delivery import OPEN_STATES
from engagement.rates import Left
from engagement.reconciling import KIND as COMPARISON

DAYS = 30
LOOKED_BACK = timedelta(days=30)
LAG_OF = 50
"""The lag is the median of so many of the newest messages."""


@dataclass(frozen=True)
class Day:
    """One local day: what we hold of it, and what the last comparison said, if there was one."""

    day: date
    here: int
    compared: Reconciliation | None

    @property
    def difference(self) -> int:
        """What the platform has and we could not get."""
        return self.compared.missing - self.compared.repaired if self.compared else 0


@dataclass(frozen=True)
class Token:
    """How long the access token lasts; `share` of its life is left, None where its beginning is not known."""

    ends: datetime
    share: float | None
    renews: bool

    @property
    def has_ended(self) -> bool:
        return self.ends <= timezone.now()


@dataclass(frozen=True)
class Out:
    """Messages on their way, and those of the last month that ended badly or in doubt."""

    waiting: int
    failed: int
    uncertain: int
    twice: int


@dataclass(frozen=True)
class Refused:
    """Webhooks with a wrong signature in the last month."""

    n: int
    last: datetime | None


def days_of(account: ChannelAccount, *, days: int = DAYS) -> list[Day]:
    """The last local days, newest first."""
    workspace = Workspace.current()
    today = workspace.today()
    first = today - timedelta(days=days - 1)
    since = datetime.combine(first, clock(), workspace.tz).astimezone(UTC)
    said = Interaction.objects.filter(account=account, occurred_at__gte=since, direction="inbound")
    counted = said.exclude(kind="visit").annotate(day=TruncDate("occurred_at", tzinfo=workspace.tz))
    here = dict(counted.order_by().values("day").annotate(n=Count("pk")).values_list("day", "n"))
    compared = {row.day: row for row in Reconciliation.objects.filter(account=account, day__gte=first)}
    every = (today - timedelta(days=back) for back in range(days))
    return [Day(day, here.get(day, 0), compared.get(day)) for day in every]


def lag_of(account: ChannelAccount) -> float | None:
    """Seconds from when something was said until it was here, as a median of the newest; None for none."""
    said = Interaction.objects.filter(account=account, direction="inbound").exclude(kind="visit")
    newest = said.filter(received_at__gte=account.created_at).order_by("-occurred_at")
    pairs = newest.values_list("occurred_at", "received_at")[:LAG_OF]
    seconds = [max(0.0, (received - occurred).total_seconds()) for occurred, received in pairs]
    return median(seconds) if seconds else None


def token_of(account: ChannelAccount, link: Connector | None) -> Token | None:
    """The life of its access token; None for one that does not end."""
    ends, begun = account.token_expires_at, account.token_renewed_at
    if ends is None:
        return None
    share = None
    if begun is not None and ends > begun:
        share = max(0.0, min(1.0, (ends - timezone.now()) / (ends - begun)))
    return Token(ends, share, bool(link and link.refreshes))


def missing_scopes(account: ChannelAccount, link: Connector | None) -> list[str]:
    """Permissions that are needed and were not granted, where the platform says what it granted."""
    if link is None or not account.scopes:
        return []
    return [scope for scope in link.scopes if scope not in account.scopes]


def out_of(account: ChannelAccount) -> Out:
    """What waits to be sent, and what did not end well."""
    recent = Q(updated_at__gte=timezone.now() - LOOKED_BACK)
    found = Delivery.objects.filter(account=account).aggregate(
        waiting=Count("pk", filter=Q(state__in=OPEN_STATES)),
        failed=Count("pk", filter=recent & Q(state=DeliveryState.FAILED)),
        uncertain=Count("pk", filter=recent & Q(state=DeliveryState.UNCERTAIN)),
        twice=Count("pk", filter=recent & Q(may_be_twice=True)),
    )
    return Out(**found)


def refused_of(account: ChannelAccount) -> Refused:
    """Refused webhooks of its own address, and of the address that it shares with others."""
    since = timezone.now().date() - LOOKED_BACK
    rows = RefusedHook.objects.filter(connector=account.connector, day__gte=since)
    found = rows.filter(Q(account=account) | Q(account=None)).aggregate(n=Sum("n"), last=Max("at"))
    return Refused(found["n"] or 0, found["last"])


def parked_of(account: ChannelAccount) -> QuerySet[RawEvent]:
    """What is parked for this account; of its own alone where its connector is not installed."""
    if account.connector in paths():
        return raw_events.parked_of(account)
    return RawEvent.objects.filter(account=account, state=RawState.PARKED)


def limits_left(account: ChannelAccount) -> list[Left]:
    """What is left of each allowance of the platform."""
    return rates.left(account)


def job_of(account: ChannelAccount) -> Job | None:
    """The newest comparison or removal that somebody began for this account, while it is worth showing."""
    rows = Job.objects.filter(kind__in=(COMPARISON, REMOVAL), exclusive=f"account {account.pk}")
    recent = rows.filter(created_at__gte=timezone.now() - timedelta(days=1))
    return recent.order_by("-created_at").first()
