"""Stages of the journey: held against plain Python, the same by night and at once, after merges and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.jobs import run_job
from core.models import Event, JobState
from crm import facts, journey
from crm.merging import merge_customers, undo_merge
from crm.models import Affiliation, Customer, CustomerTouch, Order, StageChange
from crm.orders import OrderIn, store_orders
from engagement.models import Interaction, VisitContent
from personas import stages
from personas.nightly import start_rebuild
from tests.personas.journey_in_python import journey as in_python
from tests.personas.world import ZONE, World

pytestmark = pytest.mark.django_db
TODAY = date(2026, 9, 20)
HERE = ZoneInfo(ZONE)


def ago(days: float) -> datetime:
    return datetime(2026, 9, 20, 15, tzinfo=UTC) - timedelta(days=days)


def compute(*customers: Customer, today: date = TODAY, told: bool = True) -> journey.Written:
    return stages.compute([one.pk for one in customers], today=today, zone=ZONE, told=told)


def steps(customer: Customer) -> list[tuple[Any, ...]]:
    rows = StageChange.objects.filter(customer=customer).exclude(cause="").order_by("at", "id")
    return list(rows.values_list("at", "before", "after", "why", "cause", "cause_id"))


def path(customer: Customer) -> list[tuple[str, str]]:
    return [(step[2], step[3]) for step in steps(customer)]


def stage(customer: Customer) -> str:
    return Customer.objects.values_list("stage", flat=True).get(pk=customer.pk)


def oracle(customer: Customer, today: date = TODAY) -> list[tuple[Any, ...]]:
    people = [
        customer.pk,
        *Affiliation.objects.filter(organization=customer).values_list("person", flat=True),
    ]
    intents = dict(VisitContent.objects.values_list("interaction_id", "intent"))
    said = [
        {**row, "intent": intents.get(row["id"], "")}
        for row in Interaction.objects.filter(customer__in=people, direction="inbound").values()
    ]
    orders = list(Order.objects.filter(customer__in=people).values())
    referred = list(Customer.objects.filter(referred_by__in=people).values())
    return in_python(said, orders, referred, today=today, zone=HERE)


class Life(World):
    """One customer after another, told by the test."""

    def person(self, **fields: Any) -> Customer:
        self.number += 1
        one = Customer.objects.create(name=f"Person {self.number}", created_at=ago(900), **fields)
        self._identity(one, "email")
        return one

    def says(self, customer: Customer, days: float, kind: str = "message", **fields: Any) -> Interaction:
        self.number += 1
        intent = fields.pop("intent", None)
        made = Interaction.objects.create(
            account=self.accounts[0], team=self.team, external_id=f"told {self.number}", kind=kind,
            direction="inbound", occurred_at=ago(days), identity=customer.identities.first(),
            home_customer=customer, customer=customer, **fields,
        )  # fmt: skip
        if intent is not None:
            VisitContent.objects.create(interaction=made, event="page_view", intent=intent)
        return made

    def buys(self, customer: Customer, days: float, status: str = "paid") -> Order:
        self.number += 1
        return Order.objects.create(
            source="shop", external_id=f"told {self.number}", status=status, placed_at=ago(days),
            total=Decimal(10), currency="USD", base_total=Decimal(10), identity=customer.identities.first(),
            home_customer=customer, customer=customer,
        )  # fmt: skip


@pytest.fixture
def life(db: None) -> Life:
    return Life(1, today=TODAY, customers=0)


# The rules


def test_each_stage_is_reached_by_what_happened(life: Life) -> None:
    one = life.person()
    life.says(one, 300, "comment", is_public=True)
    question = life.says(one, 290, "comment", is_public=True, reason="question")
    life.says(one, 289)
    order = life.buys(one, 280)
    life.buys(one, 280)
    life.buys(one, 200)
    life.says(one, 100, "review", is_public=True, rating=5)
    compute(one)
    assert path(one) == [
        ("awareness", "comment"),
        ("consideration", "question"),
        ("purchase", "first_order"),
        ("retention", "order_again"),
        ("advocacy", "good_review"),
    ]
    assert steps(one)[1][4:] == ("interaction", question.pk)
    assert steps(one)[2][4:] == ("order", order.pk)
    assert (stage(one), steps(one)) == ("advocacy", oracle(one))
    one.refresh_from_db()
    told = one.origins["stage"]
    assert (told["source"], datetime.fromisoformat(told["at"])) == (journey.SOURCE, ago(100))


@pytest.mark.parametrize(
    ("fields", "reached"),
    [
        ({"kind": "mention", "is_public": True}, "awareness"),
        ({"kind": "message", "is_public": True}, "awareness"),
        ({"kind": "visit", "intent": "product"}, "awareness"),
        ({"kind": "survey"}, "awareness"),
        ({"kind": "review", "is_public": True, "rating": 5}, "awareness"),
        ({"kind": "comment", "is_public": True, "reason": "praise"}, "awareness"),
        ({"kind": "comment", "is_public": True, "reason": "question"}, "consideration"),
        ({"kind": "message"}, "consideration"),
        ({"kind": "call"}, "consideration"),
        ({"kind": "visit", "intent": "cart"}, "consideration"),
    ],
)
def test_what_moves_somebody_who_bought_nothing(life: Life, fields: dict[str, Any], reached: str) -> None:
    one = life.person()
    life.says(one, 5, **fields)
    compute(one)
    assert stage(one) == reached


def test_a_second_look_at_products_is_consideration(life: Life) -> None:
    one = life.person()
    life.says(one, 5, "visit", intent="product")
    life.says(one, 4, "visit", intent="")
    second = life.says(one, 3, "visit", intent="product")
    compute(one)
    assert [(step[3], step[5]) for step in steps(one)][1] == ("products", second.pk)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "review", "is_public": True, "rating": 3},
        {"kind": "message", "reason": "praise"},
        {"kind": "review", "is_public": True, "rating": 5, "deleted_at": ago(1)},
        {"kind": "comment", "is_public": True, "reason": "praise", "is_automatic": True},
    ],
)
def test_what_is_no_recommendation(life: Life, fields: dict[str, Any]) -> None:
    one = life.person()
    life.buys(one, 50)
    life.says(one, 5, **fields)
    compute(one)
    assert stage(one) == "purchase"


def test_an_order_that_was_never_paid_is_no_purchase(life: Life) -> None:
    one = life.person()
    life.buys(one, 9, "cancelled")
    life.buys(one, 8, "pending")
    compute(one)
    assert (stage(one), steps(one)) == ("awareness", [])
    life.buys(one, 7, "refunded")
    compute(one)
    assert stage(one) == "purchase"


def test_whoever_refers_somebody_after_buying_recommends_us(life: Life) -> None:
    one = life.person()
    life.buys(one, 90)
    new = life.person()
    Customer.objects.filter(pk=new.pk).update(referred_by=one, home_referred_by=one, created_at=ago(30))
    compute(one)
    assert steps(one)[-1] == (ago(30), "purchase", "advocacy", "referral", "customer", new.pk)


def test_a_year_of_silence_leads_back_and_what_happens_then_counts_again(life: Life) -> None:
    one = life.person()
    life.buys(one, 1200)
    last = life.buys(one, 1100)
    life.says(one, 400)
    again = life.buys(one, 20)
    compute(one)
    assert path(one) == [
        ("purchase", "first_order"),
        ("retention", "order_again"),
        ("purchase", "silence"),
        ("retention", "order_again"),
    ]
    quiet = steps(one)[2]
    assert quiet[0] == datetime.combine(ago(1100 - 365).astimezone(HERE).date(), datetime.min.time(), HERE)
    assert (quiet[5], steps(one)[3][5]) == (last.pk, again.pk)
    assert steps(one) == oracle(one)


def test_silence_begins_on_the_day_the_last_sign_of_life_is_a_year_old(life: Life) -> None:
    one = life.person()
    life.says(one, 364)
    compute(one)
    assert stage(one) == "consideration"
    compute(one, today=TODAY + timedelta(days=1))
    assert (stage(one), path(one)[-1]) == ("awareness", ("awareness", "silence"))


def test_the_journey_of_an_organization_is_that_of_its_people_too(life: Life) -> None:
    house = life.person(kind="organization")
    bo = life.person()
    Affiliation.objects.create(home_person=bo, person=bo, home_organization=house, organization=house)
    life.says(house, 50)
    life.buys(bo, 20)
    compute(house, bo)
    assert path(house) == [("consideration", "private"), ("purchase", "first_order")]
    assert path(bo) == [("purchase", "first_order")]
    assert steps(house) == oracle(house)


@pytest.mark.parametrize("seed", range(6))
def test_journeys_of_random_lives_are_those_of_plain_python(seed: int) -> None:
    world, random = World(seed, today=TODAY, customers=40), Random(seed)
    for row in Interaction.objects.filter(direction="inbound"):
        row.rating = random.choice([None, 1, 4, 5]) if row.kind == "review" else None
        row.occurred_at -= timedelta(days=random.choice([0, 0, 300, 700]))
        row.is_automatic = random.random() < 0.1
        row.save()
        if row.kind == "visit":
            VisitContent.objects.create(
                interaction=row, event="page_view", intent=random.choice(["", "product", "product", "cart"])
            )
    people = world.customers()
    for one in random.sample(people, 8):
        other = random.choice(people)
        if other.pk != one.pk:
            Customer.objects.filter(pk=one.pk).update(referred_by=other, created_at=world.instant())
    compute(*people)
    for one in people:
        expected = oracle(one)
        assert steps(one) == expected
        if expected:
            assert stage(one) == expected[-1][2]
    again = compute(*people)
    assert (again.steps, again.records, again.moved) == (0, 0, [])


# Whose word counts


def test_what_staff_chose_stays_until_they_let_it_follow_again(life: Life, amy: Any) -> None:
    one = life.person()
    life.says(one, 50)
    compute(one)
    journey.set_stage(customer=one, stage="advocacy", by=amy)
    life.buys(one, 20)
    found = compute(one)
    assert (stage(one), found.records, found.steps) == ("advocacy", 0, 1)
    assert path(one)[-1] == ("purchase", "first_order")
    with time_machine.travel(ago(0)):
        journey.release_stage(customer=one, by=amy)
    assert stage(one) == "purchase"
    by_hand = StageChange.objects.filter(customer=one, cause="").order_by("id")
    assert list(by_hand.values_list("before", "after", "why", "by")) == [
        ("consideration", "advocacy", "by_hand", amy.pk),
        ("advocacy", "purchase", "released", amy.pk),
    ]


def test_what_a_machine_told_holds_until_something_happens_after_it(life: Life) -> None:
    one = life.person()
    life.says(one, 50)
    facts.take(one, {"stage": "retention"}, source="shop", at=ago(20))
    one.save()
    compute(one)
    assert stage(one) == "retention"
    life.says(one, 10, "comment", is_public=True)
    compute(one)
    assert stage(one) == "retention"
    life.buys(one, 5)
    compute(one)
    assert stage(one) == "purchase"


def test_somebody_of_whom_nothing_is_left_is_at_the_beginning(life: Life) -> None:
    one = life.person()
    said = life.says(one, 5)
    compute(one)
    said.delete()
    compute(one)
    one.refresh_from_db()
    assert (one.stage, one.origins, steps(one)) == ("awareness", {}, [])


# Merging


def test_a_merged_customer_has_the_journey_of_both_and_gives_it_back(life: Life, ada: Any) -> None:
    one, two = life.person(), life.person()
    life.buys(one, 100)
    life.says(two, 300)
    life.buys(two, 20)
    compute(one, two)
    journey.set_stage(customer=two, stage="advocacy", by=ada)
    own, other = steps(one), steps(two)
    record = merge_customers(keep=one, drop=two, by=ada)
    compute(one)
    assert path(one) == [
        ("consideration", "private"),
        ("purchase", "first_order"),
        ("retention", "order_again"),
    ]
    assert steps(one) == oracle(one)
    assert StageChange.objects.filter(customer=one, why="by_hand").count() == 1
    undo_merge(record=record, by=ada)
    compute(one, two)
    assert (steps(one), steps(two)) == (own, other)
    assert StageChange.objects.get(why="by_hand").customer_id == two.pk


# At once, and by night


def an_order(number: int, days: float = 0) -> OrderIn:
    return OrderIn(
        external_id=f"o{number}", customer_id="bo@example.org", network="email", placed_at=ago(days),
        total=Decimal(20), currency="USD",
    )  # fmt: skip


def test_a_live_order_moves_its_buyer_at_once_and_tells(life: Life) -> None:
    store_orders("shop", [an_order(1, 9)])
    bo = Customer.objects.get(identities__external_id="bo@example.org")
    assert path(bo) == [("purchase", "first_order")]
    told = Event.objects.get(type="customer.stage_changed")
    assert told.ids == {"before": "awareness", "after": "purchase", "customers": [bo.pk]}
    store_orders("shop", [an_order(2, 1)], live=False)
    assert stage(bo) == "purchase"
    store_orders("shop", [an_order(3)])
    assert stage(bo) == "retention"


def test_a_page_of_journeys_is_one_statement(life: Life) -> None:
    few, many = [life.person() for _ in range(2)], [life.person() for _ in range(12)]
    for one in [*few, *many]:
        life.says(one, 3)
    counted = []
    for page in (few, many):
        with CaptureQueriesContext(connection) as queries:
            compute(*page)
        counted.append(len(queries))
    assert counted[0] == counted[1]


def rebuild(day: date = TODAY, **options: Any) -> dict[str, Any]:
    with time_machine.travel(datetime(day.year, day.month, day.day, 15, tzinfo=UTC), tick=True):
        done = run_job(start_rebuild(enqueue=False, **options).pk)
    assert done is not None
    assert done.state == JobState.DONE, done.error
    return next(step for step in done.steps if step["name"] == "stages")


def test_the_first_rebuild_tells_nobody_and_the_next_one_who_moved(life: Life) -> None:
    one, other = life.person(), life.person()
    life.says(one, 5)
    assert rebuild()["written"] == 2
    assert not Event.objects.filter(type="customer.stage_changed").exists()
    life.says(other, 4)
    CustomerTouch.objects.create(customer=other)
    assert rebuild()["moved"] == 1
    assert Event.objects.get(type="customer.stage_changed").ids["customers"] == [other.pk]
    assert (rebuild()["customers"], rebuild(full=True)["written"]) == (0, 0)


def test_a_rebuild_looks_again_at_whom_silence_reached(life: Life) -> None:
    one = life.person()
    life.says(one, 364)
    rebuild()
    assert rebuild(TODAY + timedelta(days=1))["moved"] == 1
    assert stage(one) == "awareness"


def test_a_rebuild_looks_at_who_referred_and_at_the_house_of_whoever_changed(life: Life) -> None:
    one, house, bo = life.person(), life.person(kind="organization"), life.person()
    life.buys(one, 90)
    Affiliation.objects.create(home_person=bo, person=bo, home_organization=house, organization=house)
    rebuild()
    Customer.objects.filter(pk=bo.pk).update(referred_by=one, created_at=ago(300))
    Customer.objects.filter(pk=bo.pk).update(created_at=ago(60))
    life.buys(bo, 50)
    CustomerTouch.objects.create(customer=bo)
    rebuild()
    assert (stage(one), stage(house), stage(bo)) == ("advocacy", "purchase", "purchase")
    assert rebuild(full=True)["written"] == 0
    a_year = TODAY + timedelta(days=305)
    rebuild(a_year)
    assert rebuild(a_year, full=True)["written"] == 0
    assert stage(one) == "purchase"


def test_those_who_may_not_edit_customers_set_no_stage(life: Life, vic: Any, amy: Any) -> None:
    from django.core.exceptions import PermissionDenied, ValidationError

    one = life.person()
    with pytest.raises(PermissionDenied):
        journey.set_stage(customer=one, stage="advocacy", by=vic)
    with pytest.raises(PermissionDenied):
        journey.release_stage(customer=one, by=vic)
    with pytest.raises(ValidationError):
        journey.set_stage(customer=one, stage="fan", by=amy)
    assert stage(one) == "awareness"


@pytest.mark.django_db(transaction=True)
def test_many_who_compute_one_journey_at_once_write_it_once(transactional_db: None) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    life = Life(1, today=TODAY, customers=0)
    people = [life.person() for _each in range(5)]
    for one in people:
        life.says(one, 300)
        life.buys(one, 200)
        life.buys(one, 100)

    def once(_number: int) -> None:
        try:
            compute(*people)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(once, range(24)))
    for one in people:
        assert steps(one) == oracle(one)
        assert stage(one) == "retention"
