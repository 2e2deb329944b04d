"""What advertising cost comes in here, by hand, from a file or over the API: set-based and idempotent.

A row is known by (network, campaign, day): the same again is `repeated`, another amount `changed`. Money in
the workspace's currency takes the day's rate, as orders do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core import sql
from core.holding import held
from core.models import Workspace
from core.text import clean_text
from personas.models import AdSpend

CENT = Decimal("0.01")
LARGEST = Decimal("999999999999.99")
EARLIEST = date(2000, 1, 1)
MOST_DAYS = 366
"""Days that one amount may be spread over, and how far ahead a day may lie."""
MANUAL, FILE, API = "manual", "file", "api"
Key = tuple[str, str, date]


@dataclass(frozen=True)
class SpendIn:
    """What one campaign on one network cost on one day; `campaign` '' is the network as a whole."""

    network: str
    day: date
    amount: Decimal
    currency: str
    campaign: str = ""

    @property
    def key(self) -> Key:
        """By which it is known."""
        return (self.network, self.campaign, self.day)


class SpendOutcome(StrEnum):
    """What became of one row."""

    STORED = "stored"
    CHANGED = "changed"
    REPEATED = "repeated"
    REJECTED = "rejected"


@dataclass
class SpendResult:
    """What became of each row in the order given; reasons by position; ids by key."""

    outcomes: list[SpendOutcome]
    reasons: dict[int, str] = field(default_factory=dict)
    ids: dict[Key, int] = field(default_factory=dict)

    def count(self, outcome: SpendOutcome) -> int:
        """How many rows ended so."""
        return self.outcomes.count(outcome)


class BadSpend(ValueError):
    """A row that cannot be stored, with the reason for whoever sent it."""


def store_spend(rows: Sequence[SpendIn], *, source: str, by: User) -> SpendResult:
    """Store a page of rows by one statement; of two rows with one key the last counts."""
    check(by, "spend.edit")
    return write_spend(rows, source=source, by=by)


def write_spend(rows: Sequence[SpendIn], *, source: str, by: User | None) -> SpendResult:
    """The same for an importer, whose own door has asked who may."""
    workspace = Workspace.current()
    result = SpendResult([SpendOutcome.REPEATED] * len(rows))
    good: dict[Key, tuple[int, dict[str, Any]]] = {}
    for position, row in enumerate(rows):
        try:
            checked = _checked(row, workspace.today())
        except BadSpend as error:
            result.outcomes[position] = SpendOutcome.REJECTED
            result.reasons[position] = str(error)
            continue
        good[checked.key] = (position, _plain(checked))
    if not good:
        return result
    written = sql.rows(
        "personas",
        "store_ad_spend",
        {
            "rows": json.dumps([row for _position, row in good.values()]),
            "currency": workspace.currency,
            "source": source,
            "by": by.pk if by else None,
        },
    )
    for one in written:
        position = good[one["network"], one["campaign"], one["day"]][0]
        result.outcomes[position] = SpendOutcome.STORED if one["inserted"] else SpendOutcome.CHANGED
    result.ids = _ids(list(good))
    return result


def _plain(row: SpendIn) -> dict[str, Any]:
    return {
        "network": row.network,
        "campaign": row.campaign,
        "day": row.day.isoformat(),
        "amount": str(row.amount),
        "currency": row.currency,
    }


def _ids(keys: Sequence[Key]) -> dict[Key, int]:
    networks, campaigns, days = ({key[place] for key in keys} for place in range(3))
    found = AdSpend.objects.filter(network__in=networks, campaign__in=campaigns, day__in=days)
    wanted = set(keys)
    return {
        (network, campaign, day): pk
        for pk, network, campaign, day in found.values_list("pk", "network", "campaign", "day")
        if (network, campaign, day) in wanted
    }


def _checked(row: SpendIn, today: date) -> SpendIn:
    """The row as it is stored: names trimmed, the amount in cents. Raises BadSpend."""
    network = clean_text(row.network, limit=31).strip().lower()
    if not network or len(network) > 30 or not _is_name(network):
        raise BadSpend(f"network {row.network[:40]!r} is not a name such as instagram")
    campaign = clean_text(row.campaign, limit=400).strip().replace("\n", " ")
    if len(campaign) > 160:
        raise BadSpend("campaign has more than 160 characters")
    if not EARLIEST <= row.day <= today + timedelta(days=MOST_DAYS):
        raise BadSpend(f"day {row.day.isoformat()} is before 2000 or more than a year ahead")
    if not row.amount.is_finite() or not 0 <= row.amount <= LARGEST:
        raise BadSpend(f"amount {row.amount} is not an amount from 0 to {LARGEST}")
    currency = row.currency.strip().upper()
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
        raise BadSpend(f"currency {row.currency[:10]!r} is not a three-letter code")
    return SpendIn(network, row.day, row.amount.quantize(CENT, ROUND_HALF_UP), currency, campaign)


def _is_name(network: str) -> bool:
    return network.isascii() and network.replace("_", "").replace("-", "").isalnum()


def spread(amount: Decimal, days: int) -> list[Decimal]:
    """An amount over days, evenly in cents; what does not divide falls on the first days."""
    cents = int(amount.quantize(CENT, ROUND_HALF_UP) * 100)
    each, left = divmod(cents, days)
    return [Decimal(each + (place < left)) / 100 for place in range(days)]


def enter_spend(
    *,
    network: str,
    campaign: str,
    first_day: date,
    last_day: date,
    amount: Decimal,
    currency: str,
    by: User,
) -> SpendResult:
    """What somebody typed: an amount for a day, or for a span over which it is spread evenly.

    A day that had an amount gets the new one. Raises ValidationError.
    """
    days = (last_day - first_day).days + 1
    if not 1 <= days <= MOST_DAYS:
        words = _("A span has 1 to %(most)s days.") % {"most": MOST_DAYS}
        raise ValidationError({"last_day": words})
    parts = spread(amount, days)
    rows = [
        SpendIn(network, first_day + timedelta(days=place), part, currency, campaign)
        for place, part in enumerate(parts)
    ]
    with transaction.atomic():
        result = store_spend(rows, source=MANUAL, by=by)
        if result.reasons:
            raise ValidationError(next(iter(result.reasons.values())))
        detail = {"network": network, "campaign": campaign, "days": days, "amount": str(amount)}
        record_audit(by=by, verb="ad_spend.entered", detail=detail)
    return result


@transaction.atomic
def change_spend(*, spend: AdSpend, amount: Decimal, currency: str, by: User) -> AdSpend:
    """Another amount for the day of a row. Raises ValidationError, and Gone where it was deleted."""
    check(by, "spend.edit")
    spend = _held(spend)
    row = SpendIn(spend.network, spend.day, amount, currency, spend.campaign)
    result = store_spend([row], source=MANUAL, by=by)
    if result.reasons:
        raise ValidationError({"amount": result.reasons[0]})
    spend.refresh_from_db()
    if result.outcomes == [SpendOutcome.CHANGED]:
        detail = {"day": spend.day.isoformat(), "amount": str(spend.amount)}
        record_audit(by=by, verb="ad_spend.changed", target=spend, detail=detail)
    return spend


def _held(spend: AdSpend) -> AdSpend:
    return held(AdSpend.objects.all(), spend.pk, _("Somebody deleted this day meanwhile."))


@transaction.atomic
def delete_spend(*, spend: AdSpend, by: User) -> None:
    """Take a row away, as if nobody had ever entered it. Raises Gone where somebody else did."""
    check(by, "spend.edit")
    spend = _held(spend)
    detail = {"day": spend.day.isoformat(), "amount": str(spend.amount), "currency": spend.currency}
    record_audit(by=by, verb="ad_spend.deleted", target=spend, detail=detail)
    spend.delete()
