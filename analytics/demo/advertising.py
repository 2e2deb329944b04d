"""What the demo shop's advertising cost, and some visits by which customers came from it.

From a stream of random numbers of its own: whatever else is generated stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final
from urllib.parse import urlencode

from analytics.demo import shop
from analytics.demo.generator import Demo, Order, Person
from engagement.channels.base import Author
from engagement.models import ChannelAccount
from engagement.visits.keeping import Agreement, keep_visits
from engagement.visits.reading import VisitIn, event_of
from personas.reach.spend import SpendIn, write_spend

SOURCE: Final = "demo"
DAYS: Final = 120
SINCE: Final = 85
"""Days within which a first order may come from an advertisement."""
CAME: Final = 0.4
"""Part of the customers without an earlier touch who came by a campaign."""


@dataclass(frozen=True)
class Campaign:
    """One campaign: where, from how many days ago to how many, and about how much a day."""

    network: str
    name: str
    began: int
    ended: int
    daily: float
    weight: int


CAMPAIGNS: Final = (
    Campaign("instagram", "Autumn houseplants", 110, 40, 14.0, 5),
    Campaign("instagram", "Winter amaryllis", 38, 0, 19.0, 4),
    Campaign("facebook", "Balcony in forty minutes", 120, 15, 9.0, 2),
    Campaign("x", "Rare shelf on Friday", 60, 20, 6.5, 1),
    Campaign("email", "", 120, 0, 1.2, 0),
)


def load_advertising(demo: Demo, accounts: Mapping[str, ChannelAccount], seed: int, now: datetime) -> int:
    """Enter what the campaigns cost and keep the visits they brought; how many visits."""
    chance = Random(f"{seed}:advertising")
    write_spend(list(_costs(chance, now.date())), source=SOURCE, by=None)
    visits = 0
    for person, order in _newcomers(demo, now):
        if chance.random() < CAME:
            visits += _visit(chance, person, order, accounts["chat"], now)
    return visits


def _costs(chance: Random, today: date) -> Iterator[SpendIn]:
    for campaign in CAMPAIGNS:
        for ago in range(campaign.began, campaign.ended - 1, -1):
            amount = campaign.daily * math.exp(chance.gauss(0, 0.25))
            day = today - timedelta(days=ago)
            yield SpendIn(campaign.network, day, Decimal(f"{amount:.2f}"), shop.CURRENCY, campaign.name)


def _newcomers(demo: Demo, now: datetime) -> Iterator[tuple[Person, Order]]:
    """Who bought for the first time of late, with nothing said before."""
    orders: dict[int, Order] = {}
    for order in demo.orders:
        orders.setdefault(order.person, order)
    spoke: dict[int, datetime] = {}
    for row in demo.interactions:
        if row.direction == "inbound":
            spoke.setdefault(row.person, row.occurred_at)
    for person in demo.people:
        first = orders.get(person.number)
        if first is None or first.placed_at < now - timedelta(days=SINCE):
            continue
        if person.number not in spoke or spoke[person.number] > first.placed_at:
            yield person, first


def _visit(chance: Random, person: Person, order: Order, account: ChannelAccount, now: datetime) -> int:
    """One look at the shop before the first order, by a campaign that ran then."""
    address = next((one.external_id for one in person.identities if one.network == "email"), "")
    at = order.placed_at - timedelta(hours=chance.uniform(0.2, 70))
    campaign = _running(chance, CAMPAIGNS, (now.date() - at.date()).days)
    if not address or campaign is None:
        return 0
    marks = urlencode({"utm_source": campaign.network, "utm_campaign": campaign.name})
    author = Author(address, address, person.name, network="email")
    visit = VisitIn(
        id=f"ad-{person.number}",
        at=at,
        url=f"https://juniperandloam.example/products/{order.lines[0].product.lower()}?{marks}",
        title=order.lines[0].name,
    )
    event = event_of(visit, author, now=now, any_age=True)
    keep_visits(account, author, [event], Agreement(at, "demo"), source=SOURCE)
    return 1


def _running(chance: Random, campaigns: Sequence[Campaign], ago: int) -> Campaign | None:
    found = [one for one in campaigns if one.ended <= ago <= one.began and one.weight]
    return chance.choices(found, [one.weight for one in found])[0] if found else None
