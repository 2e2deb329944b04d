"""The reach planner: what it counts, what it leaves out and why, and what became of a plan."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from icalendar import Calendar

from accounts.models import Team
from core.models import Workspace
from crm.consents import ConsentIn, record_consents
from crm.models import Customer, Identity
from engagement.models import (
    ChannelAccount,
    ContactLedger,
    Health,
    Interaction,
    Post,
)
from personas.models import CustomerDay, Persona, PersonaMembership, ReachPlan, Segment, SegmentMembership
from personas.reach import evidence
from personas.reach.evidence import Audience, Reader
from personas.reach.keeping import delete_plan, keep_plan, outcome
from personas.reach.planning import Ask, make_plan, next_month
from personas.reach.telling import REASONS, left_out, post_evidence
from tests.api import Caller

pytestmark = pytest.mark.django_db
MARKETING = {"ada", "max", "mia"}


class World:
    """Members of one persona, who speak on networks, react to posts, and allow what they allow."""

    def __init__(self) -> None:
        workspace = Workspace.current()
        workspace.zone, workspace.currency = "UTC", "EUR"
        workspace.save()
        self.today = workspace.today()
        self.persona = Persona.objects.create(name="Fans", is_active=True)
        self.accounts: dict[str, ChannelAccount] = {}
        self.people: list[Customer] = []

    def account(self, network: str, connector: str = "demo", **more: Any) -> ChannelAccount:
        made = ChannelAccount.objects.create(
            connector=connector,
            network=network,
            external_id=network,
            name=network,
            team=Team.general(),
            **more,
        )
        self.accounts[network] = made
        return made

    def member(self, *networks: str, zone: str = "", country: str = "") -> Customer:
        """Somebody of the persona with a handle on each network."""
        customer = Customer.objects.create(name=f"M{len(self.people)}", zone=zone, country=country)
        PersonaMembership.objects.create(
            customer=customer, persona=self.persona, confidence=1, since=timezone.now()
        )
        for network in networks:
            name = f"m{customer.pk}@example.org" if network == "email" else f"m{customer.pk}"
            Identity.objects.create(
                network=network, external_id=name, customer=customer, home_customer=customer
            )
        self.people.append(customer)
        return customer

    def says(self, customer: Customer, network: str, at: datetime, *, post: Post | None = None,
             reason: str = "", topics: tuple[str, ...] = ()) -> None:  # fmt: skip
        Interaction.objects.create(
            account=self.accounts[network], external_id=str(uuid4()), team=Team.general(),
            identity=customer.identities.filter(network=network).first(), customer=customer,
            home_customer=customer, kind="comment" if post else "message", direction="inbound",
            occurred_at=at, post=post, reason=reason, topics=list(topics),
        )  # fmt: skip
        day, made = CustomerDay.objects.get_or_create(
            customer=customer, day=at.date(), network=network, kind="message", direction="inbound",
            defaults={"n": 1},
        )  # fmt: skip
        if not made:
            day.n += 1
            day.save()

    def post(self, network: str, media: str, days_ago: int = 20) -> Post:
        return Post.objects.create(
            account=self.accounts[network], external_id=str(uuid4()), media=media,
            published_at=timezone.now() - timedelta(days=days_ago),
        )  # fmt: skip

    def allows(self, customer: Customer, network: str, *, given: bool = True, whole: bool = False) -> None:
        identity = customer.identities.get(network=network)
        record_consents([ConsentIn(identity.pk, "marketing", given, whole_person=whole)], source="test")

    def ask(self, **more: Any) -> Ask:
        first, last = next_month(self.today)
        values = {"first": first, "last": last, **more}
        return Ask(Audience.of_persona(self.persona), **values)


@pytest.fixture
def world(db: None) -> World:
    return World()


def evening(day: date, hour: int = 19) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


@pytest.fixture
def busy(world: World) -> World:
    """Sixty people: four times the reactions on Instagram as on Facebook, to videos, on Sundays at seven."""
    for network in ("instagram", "facebook"):
        world.account(network)
    sunday = world.today - timedelta(days=world.today.isoweekday() % 7 or 7)
    posts = {
        (network, media): world.post(network, media)
        for network in ("instagram", "facebook")
        for media in ("image", "video")
    }
    said, days = [], []
    for n in range(60):
        one = world.member("instagram", "facebook")
        at = evening(sunday - timedelta(days=7 * (n % 4)))
        for network, turns in (("instagram", 4), ("facebook", 1)):
            days.append(CustomerDay(
                customer=one, day=at.date(), network=network, kind="comment", direction="inbound", n=turns
            ))  # fmt: skip
            said += [
                Interaction(
                    account=world.accounts[network], external_id=str(uuid4()), team=Team.general(),
                    customer=one, home_customer=one, kind="comment", direction="inbound", occurred_at=at,
                    post=posts[network, "video" if turn % 4 != 3 else "image"], reason="question",
                    topics=["delivery"],
                )
                for turn in range(turns)
            ]  # fmt: skip
    Interaction.objects.bulk_create(said)
    CustomerDay.objects.bulk_create(days)
    return world


def test_the_month_after_this_one() -> None:
    assert next_month(date(2026, 12, 31)) == (date(2027, 1, 1), date(2027, 1, 31))
    assert next_month(date(2028, 1, 30)) == (date(2028, 2, 1), date(2028, 2, 29))


def test_numbers_add_up_in_every_view_of_a_plan(busy: World) -> None:
    plan = make_plan(busy.ask(posts=17))
    assert plan["planned"] == {"posts": 17, "messages": 0}
    assert sum(row["n"] for row in plan["posts"]) == 17
    assert sum(row["n"] for row in plan["contents"]) == 17
    assert len(plan["entries"]) == 17
    assert sum(map(sum, plan["hours"]["planned"])) == 17
    for row in plan["posts"]:
        assert sum(kind["n"] for kind in row["contents"]) == row["n"]
        assert sum(entry["network"] == row["network"] for entry in plan["entries"]) == row["n"]
    assert json.loads(json.dumps(plan)) == plan


def test_a_sample_of_everybody_is_read_once_a_day(busy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few are read each time; of many the rebuild remembers, and plans go by that."""
    reader = Reader()

    def touches(**asked: bool) -> int:
        return reader.everybody(**asked).habits.touches

    assert touches() == 300
    CustomerDay.objects.filter(network="facebook").delete()
    assert touches() == 240
    monkeypatch.setattr(evidence, "MOST", 60)
    assert touches() == 240, "no more than are read: no sample"
    busy.member("instagram")
    CustomerDay.objects.update(n=1)
    read = touches()
    assert read in (59, 60), "whoever of the 61 is not drawn said something, or nothing"
    assert reader.everybody().scale == pytest.approx(61 / 60)
    CustomerDay.objects.all().delete()
    assert (touches(), touches(anew=True), touches()) == (read, 0, 0)


def test_four_times_the_reactions_get_about_twice_the_posts(busy: World) -> None:
    by_network = {row["network"]: row for row in make_plan(busy.ask(posts=30))["posts"]}
    insta, face = by_network["instagram"], by_network["facebook"]
    assert (insta["reactions"], face["reactions"]) == (240, 60)
    assert (insta["posts_before"], insta["people"], insta["touches"]) == (2, 60, 240)
    assert insta["share"] / face["share"] == pytest.approx(2, abs=0.05)
    assert not insta["weak"]


def test_what_they_react_to_and_when_they_are_here_leads(busy: World) -> None:
    plan = make_plan(busy.ask(posts=4))
    kinds = {row["media"]: row["share"] for row in plan["contents"]}
    assert kinds["video"] > kinds["image"]
    assert {date.fromisoformat(entry["day"]).isoweekday() for entry in plan["entries"]} == {7}
    assert {entry["hour"] for entry in plan["entries"]} == {19}
    assert plan["hours"]["counts"][6][19] == 300
    assert plan["topics"][0]["topic"] == "delivery"
    assert plan["topics"][0]["reasons"] == {"question": 300}
    assert all(entry["topic"] == "delivery" for entry in plan["entries"])


def test_few_events_fall_back_to_everybody_and_say_so(busy: World) -> None:
    quiet = Segment.objects.create(name="Quiet")
    stranger = Customer.objects.create(name="Quiet one")
    SegmentMembership.objects.create(segment=quiet, customer=stranger, version=1, since=timezone.now())
    first, last = next_month(busy.today)
    plan = make_plan(Ask(Audience.of_segment(quiet), first, last, posts=6))
    assert sum(row["n"] for row in plan["posts"]) == 6
    assert all(row["weak"] for row in plan["posts"])
    assert plan["hours"]["weak"]
    assert plan["topics"][0]["weak"]
    assert all(entry["weak"] for entry in plan["entries"])
    assert any("Weak" in line for line in post_evidence(plan["posts"][0]))


def test_networks_are_left_out_with_the_reason(busy: World) -> None:
    busy.account("email")
    busy.account("x", health=Health.NEEDS_LOGIN)
    busy.account("tiktok")
    for network in ("email", "x", "tiktok"):
        busy.says(busy.member(network), network, evening(busy.today - timedelta(days=3)))
    busy.accounts["tiktok"].is_active = False
    busy.accounts["tiktok"].save()
    plan = make_plan(busy.ask(posts=4))
    told = {row["network"]: row["reason"] for row in plan["left_out"]}
    assert told == {"email": "no_posts", "x": "closed", "tiktok": "no_account"}
    assert set(told.values()) <= set(REASONS)
    assert all(left_out(row) for row in plan["left_out"])


def test_hours_are_counted_on_their_clocks_and_shown_on_ours(world: World) -> None:
    world.account("instagram")
    tokyo = world.member("instagram", zone="Asia/Tokyo")
    broken = world.member("instagram", zone="Nowhere/None")
    day = world.today - timedelta(days=10)
    world.says(tokyo, "instagram", evening(day, 12))
    world.says(broken, "instagram", evening(day, 12))
    hours = make_plan(world.ask(posts=1))["hours"]
    assert hours["counts"][day.weekday()][12] == 2
    assert hours["elsewhere"] == 0.5


@pytest.mark.parametrize(
    ("known", "said", "theirs"),
    [
        pytest.param({"country": "JP"}, 2, 11, id="the clock of the country where no zone is known"),
        pytest.param({"zone": "localtime"}, 12, 12, id="ours where the database does not know the zone"),
    ],
)
def test_hours_go_by_a_clock_that_is_known(
    world: World, known: dict[str, str], said: int, theirs: int
) -> None:
    world.account("instagram")
    day = world.today - timedelta(days=10)
    world.says(world.member("instagram", **known), "instagram", evening(day, said))
    habits = Reader().habits(Audience.of_persona(world.persona).members)
    assert habits.theirs["instagram"][day.weekday()][theirs] == 1


# Messages


def mailable(world: World, count: int, *, yes: int) -> None:
    world.account("email", connector="email")
    for n in range(count):
        one = world.member("email")
        if n < yes:
            world.allows(one, "email")


def test_only_those_who_said_yes_are_written_to_and_never_above_the_limit(world: World) -> None:
    mailable(world, 10, yes=6)
    world.allows(world.people[5], "email", given=False, whole=True)
    for _turn in range(2):
        ContactLedger.objects.create(
            customer=world.people[0], home_customer=world.people[0], origin="reply", at=timezone.now()
        )
    ContactLedger.objects.create(
        customer=world.people[1], home_customer=world.people[1], origin="started", at=timezone.now()
    )
    plan = make_plan(world.ask(messages=100, per_person=2))
    [row] = plan["messages"]
    assert (row["handles"], row["yes"], row["refused"], row["never_asked"], row["at_limit"]) == (
        10,
        5,
        1,
        4,
        1,
    )
    assert plan["may_be_written_to"] == {"people": 4, "of": 10}
    assert row["n"] == row["most"] == 1 + 3 * 2
    assert sum(entry["people"] for entry in plan["entries"]) == 7


def test_what_forbids_writing_first_is_named(world: World) -> None:
    mailable(world, 3, yes=0)
    world.account("instagram")
    world.says(world.member("instagram"), "instagram", evening(world.today - timedelta(days=2)))
    plan = make_plan(world.ask(messages=5))
    assert plan["planned"]["messages"] == 0
    told = {row["network"]: row for row in plan["left_out"] if row["what"] == "message"}
    assert told["instagram"]["reason"] == "cannot_start"
    assert (told["email"]["reason"], told["email"]["never_asked"]) == ("no_consent", 3)


def test_a_person_on_two_networks_counts_once(world: World) -> None:
    world.account("email", connector="email")
    world.account("sms", connector="twilio")
    one = world.member("email", "sms")
    world.allows(one, "email")
    world.allows(one, "sms")
    plan = make_plan(world.ask(messages=10, per_person=1))
    assert plan["may_be_written_to"]["people"] == 1
    assert sum(row["n"] for row in plan["messages"]) == 1


# Kept


def test_a_plan_is_kept_as_it_was_and_held_against_what_happened(busy: World, mia: Any) -> None:
    day = busy.today - timedelta(days=1)
    ask = busy.ask(posts=4, first=busy.today - timedelta(days=6), last=busy.today + timedelta(days=6))
    plan = keep_plan(ask=ask, name="", by=mia)
    assert plan.name.startswith("Fans, ")
    before = ReachPlan.objects.get(pk=plan.pk).result
    made = busy.post("instagram", "image", days_ago=1)
    busy.says(busy.people[0], "instagram", evening(day, 23), post=made)
    stranger = Customer.objects.create(name="No fan")
    Interaction.objects.create(
        account=busy.accounts["instagram"], external_id="other", team=Team.general(), customer=stranger,
        home_customer=stranger, kind="comment", direction="inbound", occurred_at=evening(day), post=made,
    )  # fmt: skip
    found = outcome(plan)
    [row] = [one for one in found.rows if one["network"] == "instagram"]
    assert (row["made"], row["reactions"]) == (1, 1)
    assert found.planned == sum(date.fromisoformat(entry["day"]) <= busy.today for entry in before["entries"])
    assert ReachPlan.objects.get(pk=plan.pk).result == before


def test_a_plan_of_the_future_says_that_nothing_began(busy: World, mia: Any) -> None:
    plan = keep_plan(ask=busy.ask(posts=2), name="Later", by=mia)
    assert not outcome(plan).is_begun


def test_only_marketing_keeps_and_deletes_plans(busy: World, vic: Any, amy: Any, mia: Any) -> None:
    for by in (vic, amy):
        with pytest.raises(PermissionDenied):
            keep_plan(ask=busy.ask(posts=1), name="", by=by)
    plan = keep_plan(ask=busy.ask(posts=1), name="", by=mia)
    with pytest.raises(PermissionDenied):
        delete_plan(plan=plan, by=vic)
    delete_plan(plan=plan, by=mia)
    assert not ReachPlan.objects.exists()


# Pages and files


def test_pages_are_open_to_those_who_may(busy: World, client: Client, request: pytest.FixtureRequest) -> None:
    cast = {name: request.getfixturevalue(name) for name in ("ada", "max", "amy", "mia", "vic")}
    plan = keep_plan(ask=busy.ask(posts=2), name="Ours", by=cast["mia"])
    pages = {
        reverse("personas:plan-list"): set(cast),
        reverse("personas:plan-new"): set(cast),
        reverse("personas:plan", args=[plan.pk]): set(cast),
        reverse("personas:plan-export", args=[plan.pk]): MARKETING,
        reverse("personas:plan-calendar", args=[plan.pk]): MARKETING,
    }
    for url, allowed in pages.items():
        client.logout()
        assert client.get(url).status_code == 302
        for name, user in cast.items():
            client.force_login(user)
            assert client.get(url).status_code == (200 if name in allowed else 403), (url, name)


def test_a_plan_is_tried_kept_and_deleted_on_its_page(busy: World, client: Client, mia: Any) -> None:
    client.force_login(mia)
    url = reverse("personas:plan-new")
    asked = {"audience": f"persona-{busy.persona.pk}", "posts": "5"}
    page = client.get(url, asked)
    assert page.status_code == 200
    assert not ReachPlan.objects.exists()
    kept = client.post(url, {**page.context["form"].data, "name": "December"})
    plan = ReachPlan.objects.get()
    assert (kept.status_code, plan.name, plan.posts) == (302, "December", 5)
    assert client.get(url, {"audience": "persona-2000000000"}).status_code == 422
    assert client.get(url, {**asked, "first": "2026-02-01", "last": "2026-01-01"}).status_code == 422
    far = {"first": "9999-12-30", "last": "9999-12-31"}
    assert client.get(url, {**asked, **far}).status_code == 422
    assert client.get(url, {**asked, "posts": "0"}).status_code == 422
    assert client.get(url, {**asked, "posts": "100000"}).status_code == 422
    assert client.post(reverse("personas:plan-delete", args=[plan.pk])).status_code == 302
    assert not ReachPlan.objects.exists()


def test_a_plan_can_be_taken_along_as_a_table_and_a_calendar(busy: World, client: Client, mia: Any) -> None:
    plan = keep_plan(ask=busy.ask(posts=3), name="=HYPERLINK", by=mia)
    client.force_login(mia)
    table = client.get(reverse("personas:plan-export", args=[plan.pk]), {"format": "csv"})
    lines = b"".join(table.streaming_content).decode("utf-8-sig").strip().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "day,time,zone,network,what,kind,people,topic,why"
    assert len(lines) == 4
    answer = client.get(reverse("personas:plan-calendar", args=[plan.pk]))
    assert answer["Content-Type"].startswith("text/calendar")
    events = Calendar.from_ical(answer.content).walk("VEVENT")
    starts = [event.decoded("dtstart").isoformat() for event in events]
    wanted = [
        datetime.fromisoformat(entry["at"]).astimezone(UTC).isoformat() for entry in plan.result["entries"]
    ]
    assert starts == wanted
    assert len({str(event["uid"]) for event in events}) == 3


def test_a_name_begins_no_line_of_a_calendar(busy: World, client: Client, mia: Any) -> None:
    plan = keep_plan(ask=busy.ask(posts=1), name="May\nATTACH:https://evil.example", by=mia)
    client.force_login(mia)
    answer = client.get(reverse("personas:plan-calendar", args=[plan.pk]))
    assert answer.status_code == 200
    assert not [line for line in answer.content.splitlines() if line.startswith(b"ATTACH")]


# Over the API


def test_the_api_makes_reads_and_deletes_plans(busy: World, mia: Any, vic: Any, ada: Any) -> None:
    caller = Caller(mia, maker=ada)
    body = {"persona": busy.persona.pk, "first_day": "2026-12-01", "last_day": "2026-12-31", "posts": 3}
    made = caller.post("reach-plans/", body)
    assert made.status_code == 201
    assert made["Location"].endswith(f"/reach-plans/{made.json()['id']}/")
    assert len(made.json()["result"]["entries"]) == 3
    listed = caller.get("reach-plans/", persona=str(busy.persona.pk)).json()["results"]
    assert [("result" in one, one["posts"]) for one in listed] == [(False, 3)]
    pk = made.json()["id"]
    assert caller.get(f"reach-plans/{pk}/outcome/").json()["is_begun"] in (True, False)
    far = {**body, "first_day": "9999-12-01", "last_day": "9999-12-31"}
    for wrong in ({**body, "segment": 1}, {**body, "posts": 0}, {**body, "last_day": "2026-11-01"}, far, {}):
        assert caller.post("reach-plans/", wrong).status_code == 400
    reader = Caller(vic, maker=ada)
    assert reader.get(f"reach-plans/{pk}/").status_code == 200
    assert reader.post("reach-plans/", body).status_code == 403
    assert caller.client.delete(f"/api/v1/reach-plans/{pk}/").status_code == 204


def test_a_dear_network_expects_less_and_a_cheap_one_more(
    busy: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = {"cost": 100.0, "new_customers": 20, "days": 90}
    costs = {
        "instagram": {**cost, "a_new_customer": 40.0},
        "facebook": {**cost, "a_new_customer": 10.0},
    }
    monkeypatch.setattr("personas.reach.planning._costs", lambda today: costs)
    by_network = {row["network"]: row for row in make_plan(busy.ask(posts=10))["posts"]}
    assert by_network["instagram"]["sway"] == pytest.approx(0.625)
    assert by_network["facebook"]["sway"] == 2.0
