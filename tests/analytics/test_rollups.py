"""Rollups against a recount of every row in plain Python, after changes in any order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from accounts.models import Team
from analytics import rollups
from analytics.models import (
    DailyInteractions,
    DailyPersonas,
    DailyRevenue,
    DailyService,
    DailyTopics,
)
from analytics.service import BOUNDS, median_minutes
from core.models import Workspace
from crm.models import Customer, Order
from crm.orders import store_orders
from engagement.channels.base import Author, Change, Event
from engagement.conversations import move_to_team
from engagement.ingest import ingest
from engagement.models import ChannelAccount, Conversation, Interaction
from personas.models import Persona, PersonaChange, PersonaMembership
from tests.crm.orders import order

pytestmark = pytest.mark.django_db
ZONE = ZoneInfo("America/Santiago")
FIRST = datetime(2026, 3, 30, tzinfo=UTC)
"""Its clocks go back on the first Sunday of April: one of these days has 25 hours."""
WORDS = [
    "I love it, thank you",
    "This is terrible and broken",
    "Where is my order?",
    "The refund is late",
    "",
]


class Desk:
    """Two teams with an account each, and what happens to them, drawn from one seed."""

    def __init__(self, seed: int, by: Any) -> None:
        Workspace.current()
        Workspace.objects.update(zone="America/Santiago", currency="USD")
        self.random, self.by, self.number = Random(seed), by, 0
        self.teams = [Team.general(), Team.objects.create(name="Workshop")]
        self.accounts = [
            ChannelAccount.objects.create(
                connector="api", network=network, external_id=network, name=network, team=team,
                reply_goal_minutes=90,
            )
            for network, team in zip(("instagram", "email"), self.teams, strict=True)
        ]  # fmt: skip
        self.personas = [Persona.objects.create(name=name, tone=1) for name in ("Makers", "Givers")]

    def moment(self) -> datetime:
        return FIRST + timedelta(minutes=self.random.randrange(9 * 24 * 60))

    def speak(self) -> None:
        """A page of touches of both directions, older ones among them."""
        self.number += 1
        events = []
        for place in range(self.random.randrange(1, 12)):
            who, ours = f"p{self.random.randrange(6)}", self.random.random() < 0.35
            events.append(
                Event(
                    external_id=f"m{self.number}-{place}",
                    kind=self.random.choice(["message", "comment"]),
                    direction="outbound" if ours else "inbound",
                    occurred_at=self.moment(),
                    text=self.random.choice(WORDS),
                    thread_keys=(f"dm:{who}",),
                    author=None if ours else Author(who, handle=who),
                    public=self.random.random() < 0.5,
                )
            )
        ingest(self.random.choice(self.accounts), events)

    def erase(self) -> None:
        """The network takes one back."""
        row = self._one(Interaction.objects.filter(deleted_at=None))
        if row is not None:
            ingest(row.account, [Change(row.external_id, "delete", self.moment())])

    def hand_over(self) -> None:
        row = self._one(Conversation.objects.all())
        if row is not None:
            move_to_team(conversation=row, team=self.random.choice(self.teams), by=self.by)

    def buy(self) -> None:
        self.number += 1
        more = {"refunded": Decimal("5.00")} if self.random.random() < 0.3 else {}
        currency = self.random.choice(["USD", "USD", "XTS"])
        status = self.random.choice(["paid", "paid", "cancelled"])
        buyer = f"b{self.random.randrange(4)}"
        # An order that comes again with other values takes the place of the first.
        key = f"o{self.random.randrange(self.number)}"
        bought = order(
            key, buyer=buyer, placed_at=self.moment(), currency=currency, status=status,
            total=str(self.random.randrange(10, 90)), **more,
        )  # fmt: skip
        store_orders("shop", [bought])

    def _one(self, rows: Any) -> Any:
        found = list(rows.order_by("pk"))
        return self.random.choice(found) if found else None

    def act(self) -> None:
        self.random.choice([self.speak, self.speak, self.erase, self.hand_over, self.buy])()

    def settle_personas(self) -> None:
        """Some belong since ever, some moved in the middle."""
        for customer in Customer.objects.order_by("pk"):
            before, after = self.random.choice(self.personas), self.random.choice([*self.personas, None])
            if self.random.random() < 0.5:
                PersonaChange.objects.create(customer=customer, before=before, after=after, at=self.moment())
            else:
                after = before
            if after is not None:
                PersonaMembership.objects.create(
                    customer=customer, persona=after, confidence=0.9, since=FIRST
                )


# The oracle


def day_of(moment: datetime) -> Any:
    return moment.astimezone(ZONE).date()


def persona_of(customer: int | None, moment: datetime) -> int:
    """Whom a customer belonged to when that local day ended."""
    ends = datetime.combine(day_of(moment) + timedelta(days=1), datetime.min.time(), ZONE)
    changes = sorted(PersonaChange.objects.filter(customer_id=customer), key=lambda one: one.at)
    earlier = [one for one in changes if one.at < ends]
    later = [one for one in changes if one.at >= ends]
    if earlier:
        return earlier[-1].after_id or 0
    if later:
        return later[0].before_id or later[0].after_id or 0
    belongs = PersonaMembership.objects.filter(customer_id=customer).first()
    return belongs.persona_id if belongs else 0


def counted_interactions() -> dict[Any, list[float]]:
    found: dict[Any, list[float]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    for row in Interaction.objects.select_related("conversation"):
        if row.direction == "internal" or row.deleted_at:
            continue
        owner = row.customer_id or (row.conversation.customer_id if row.conversation else None)
        where = (day_of(row.occurred_at), row.account_id, row.team_id, row.kind, row.direction, row.is_public)
        sums = found[(*where, persona_of(owner, row.occurred_at))]
        sums[0] += 1
        if row.sentiment is not None:
            sums[1] += row.sentiment
            sums[2] += 1
            sums[3] += row.sentiment >= 0.05
            sums[4] += row.sentiment <= -0.05
    return found


def counted_topics() -> dict[Any, list[int]]:
    found: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
    for row in Interaction.objects.filter(direction="inbound", deleted_at=None):
        for topic in row.topics:
            where = (day_of(row.occurred_at), row.account_id, row.team_id, topic)
            sums = found[(*where, persona_of(row.customer_id, row.occurred_at))]
            sums[0] += 1
            sums[1] += row.sentiment is not None and row.sentiment <= -0.05
    return found


def answer_minutes() -> dict[Any, list[float | None]]:
    """Minutes to the first answer of each conversation, None while there is none."""
    found = defaultdict(list)
    for row in Conversation.objects.exclude(first_inbound_at=None):
        took = row.first_answered_at and (row.first_answered_at - row.first_inbound_at).total_seconds() / 60
        where = (day_of(row.first_inbound_at), row.account_id, row.team_id)
        found[(*where, persona_of(row.customer_id, row.first_inbound_at))].append(took)
    return found


def bucket_of(minutes: float) -> int:
    return sum(minutes >= bound for bound in BOUNDS)


def counted_revenue() -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(lambda: [0, 0.0, 0])
    for row in Order.objects.filter(status__in=["paid", "refunded"]):
        sums = found[(day_of(row.placed_at), row.source, persona_of(row.customer_id, row.placed_at))]
        sums[0] += 1
        if row.base_total is None:
            sums[2] += 1
        else:
            sums[1] += float(row.base_total * (1 - min(row.refunded, row.total) / row.total))
    return found


def assert_equal_to_a_recount() -> None:
    kept = {
        (row.day, row.account_id, row.team_id, row.kind, row.direction, row.is_public, row.persona_id): row
        for row in DailyInteractions.objects.all()
    }
    counted = counted_interactions()
    assert kept.keys() == counted.keys()
    for key, (n, sentiment, known, positive, negative) in counted.items():
        row = kept[key]
        assert (row.n, row.sentiment_n, row.positive_n, row.negative_n) == (n, known, positive, negative)
        assert row.sentiment_sum == pytest.approx(sentiment, abs=1e-4)
    topics = {
        (row.day, row.account_id, row.team_id, row.topic, row.persona_id): row
        for row in DailyTopics.objects.all()
    }
    assert {key: [row.n, row.negative_n] for key, row in topics.items()} == counted_topics()
    assert_service_is_counted()
    revenue = {(row.day, row.source, row.persona_id): row for row in DailyRevenue.objects.all()}
    expected = counted_revenue()
    assert revenue.keys() == expected.keys()
    for key, (orders, amount, unrated) in expected.items():
        assert (revenue[key].orders, revenue[key].without_rate) == (orders, unrated)
        assert float(revenue[key].revenue) == pytest.approx(amount, abs=0.005 * orders)


def assert_service_is_counted() -> None:
    kept = {(row.day, row.account_id, row.team_id, row.persona_id): row for row in DailyService.objects.all()}
    counted = answer_minutes()
    assert kept.keys() == counted.keys()
    for key, took in counted.items():
        row, answered = kept[key], [minutes for minutes in took if minutes is not None]
        assert (row.conversations, row.answered) == (len(took), len(answered))
        assert row.in_time == sum(minutes <= 90 for minutes in answered)
        spread = Counter(bucket_of(minutes) for minutes in answered)
        assert row.buckets == [spread[slot] for slot in range(len(BOUNDS) + 1)]


@pytest.mark.parametrize("seed", range(4))
def test_rollups_equal_a_recount_after_any_changes(seed: int, ada: Any) -> None:
    desk = Desk(seed, ada)
    desk.speak()
    desk.settle_personas()
    for _round in range(4):
        for _each in range(8):
            desk.act()
        rollups.refresh()
        assert_equal_to_a_recount()


def test_all_computed_again_is_the_same(ada: Any) -> None:
    desk = Desk(99, ada)
    for _each in range(20):
        desk.act()
    desk.settle_personas()
    rollups.mark_everything()
    assert not DailyInteractions.objects.exists()
    rollups.refresh()
    assert_equal_to_a_recount()


def test_a_line_that_comes_days_late_changes_its_own_day(ada: Any) -> None:
    desk = Desk(1, ada)
    told = Event(
        external_id="1", kind="message", direction="inbound", occurred_at=FIRST, text="First",
        thread_keys=("dm:eva",), author=Author("eva"),
    )  # fmt: skip
    ingest(desk.accounts[0], [told])
    rollups.refresh()
    late = Event(
        external_id="2", kind="message", direction="outbound", occurred_at=FIRST + timedelta(days=3),
        text="An answer", thread_keys=("dm:eva",),
    )  # fmt: skip
    ingest(desk.accounts[0], [late])
    assert rollups.refresh() == 1
    assert_equal_to_a_recount()
    assert DailyService.objects.get().answered == 1


def test_a_clean_queue_costs_nothing_to_refresh(ada: Any) -> None:
    desk = Desk(2, ada)
    desk.speak()
    assert rollups.refresh() > 0
    assert rollups.refresh() == 0


def test_batches_end_where_they_were_told(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "BATCH", 1)
    desk = Desk(3, ada)
    for _each in range(4):
        desk.speak()
    assert rollups.refresh(batches=1) <= 2
    rollups.refresh()
    assert_equal_to_a_recount()


def test_sizes_of_personas_are_those_of_the_last_run_of_a_day(ada: Any) -> None:
    persona = Persona.objects.create(name="Makers", tone=1, members=4)
    Persona.objects.create(name="Gone", tone=2, members=9, is_active=False)
    rollups.snapshot_personas()
    Persona.objects.filter(pk=persona.pk).update(members=5)
    rollups.snapshot_personas()
    assert [(row.persona_id, row.members) for row in DailyPersonas.objects.all()] == [(persona.pk, 5)]


@pytest.mark.parametrize("draw", [Random.random, lambda random: random.expovariate(1 / 300) / 10_080])
@pytest.mark.parametrize("seed", range(8))
def test_the_median_from_buckets_lies_in_the_bucket_of_the_exact_one(
    seed: int, draw: Callable[[Random], float]
) -> None:
    random = Random(seed)
    minutes = [draw(random) * 9_000 for _each in range(random.choice([1, 3, 51, 501]))]
    spread = Counter(bucket_of(one) for one in minutes)
    found = median_minutes([spread[slot] for slot in range(len(BOUNDS) + 1)])
    exact = bucket_of(median(minutes))
    assert found is not None
    assert (BOUNDS[exact - 1] if exact else 0) <= found <= BOUNDS[exact]


def test_no_answer_has_no_median() -> None:
    assert median_minutes([]) is None
    assert median_minutes([0] * (len(BOUNDS) + 1)) is None


def test_an_answer_after_more_than_a_week_counts_as_a_week() -> None:
    assert median_minutes([0] * len(BOUNDS) + [3]) == BOUNDS[-1]
