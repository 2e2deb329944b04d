"""What advertising cost: entered, pushed and imported once each, and joined to orders by first touch."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Team
from core.import_runs import start_check, start_run, start_undo
from core.jobs import run_job
from core.models import ImportState, Workspace
from crm.imports import preparing
from crm.models import Customer, ExchangeRate, Identity, Order
from engagement.models import ChannelAccount, Interaction, VisitContent
from personas.models import AdSpend, Persona, PersonaMembership
from personas.reach.results import WITHIN, Behind, Span, customers_behind, results
from personas.reach.spend import (
    API,
    MANUAL,
    SpendIn,
    SpendOutcome,
    change_spend,
    delete_spend,
    enter_spend,
    spread,
    store_spend,
)
from personas.reach.spend_files import KIND
from tests.api import Caller

pytestmark = pytest.mark.django_db
MARCH = Span(date(2026, 3, 1), date(2026, 3, 31))
DAY = date(2026, 3, 10)


@pytest.fixture(autouse=True)
def _euros(db: None) -> None:
    workspace = Workspace.current()
    workspace.currency, workspace.zone = "EUR", "UTC"
    workspace.save()


def row(amount: str = "10", campaign: str = "Spring", day: date = DAY, currency: str = "EUR") -> SpendIn:
    return SpendIn("instagram", day, Decimal(amount), currency, campaign)


# Taking it in


@given(st.decimals(0, 10_000, places=2), st.integers(1, 366))
def test_a_spread_adds_up_and_its_days_differ_by_a_cent(amount: Decimal, days: int) -> None:
    parts = spread(amount, days)
    assert len(parts) == days
    assert sum(parts) == amount
    assert max(parts) - min(parts) <= Decimal("0.01")


def test_a_day_is_stored_once_and_changed_by_another_amount(mia: Any) -> None:
    assert store_spend([row()], source=API, by=mia).outcomes == [SpendOutcome.STORED]
    assert store_spend([row()], source=API, by=mia).outcomes == [SpendOutcome.REPEATED]
    assert store_spend([row("12.345")], source=API, by=mia).outcomes == [SpendOutcome.CHANGED]
    assert AdSpend.objects.get().amount == Decimal("12.35")


def test_of_two_rows_of_one_day_the_last_counts(mia: Any) -> None:
    store_spend([row("1"), row("2")], source=API, by=mia)
    assert AdSpend.objects.get().amount == 2


@pytest.mark.parametrize(
    "bad",
    [
        row("-1"),
        row("NaN"),
        row("1e20"),
        row(currency="EURO"),
        row(day=date(1999, 1, 1)),
        row(day=date(2099, 1, 1)),
        row(campaign="x" * 161),
        SpendIn("in sta", DAY, Decimal(1), "EUR"),
        SpendIn("", DAY, Decimal(1), "EUR"),
    ],
)
def test_a_row_that_cannot_be_is_refused_and_the_others_stored(mia: Any, bad: SpendIn) -> None:
    result = store_spend([bad, row(campaign="Other")], source=API, by=mia)
    assert result.outcomes == [SpendOutcome.REJECTED, SpendOutcome.STORED]
    assert result.reasons[0]
    assert AdSpend.objects.get().campaign == "Other"


def test_money_takes_the_days_rate_and_none_stays_unknown(mia: Any) -> None:
    ExchangeRate.objects.create(currency="USD", day=DAY - timedelta(days=3), rate=Decimal("0.5"))
    store_spend(
        [row("10", "a", currency="usd"), row("10", "b", currency="GBP"), row("10", "c")], source=API, by=mia
    )
    found = dict(AdSpend.objects.values_list("campaign", "base_amount"))
    assert found == {"a": Decimal("5.00"), "b": None, "c": Decimal("10.00")}


def test_a_span_is_entered_day_by_day(mia: Any) -> None:
    given = {"network": "x", "campaign": "", "amount": Decimal(10), "currency": "EUR"}
    enter_spend(**given, first_day=DAY, last_day=DAY + timedelta(days=2), by=mia)
    assert list(AdSpend.objects.order_by("day").values_list("amount", flat=True)) == [
        Decimal("3.34"), Decimal("3.33"), Decimal("3.33"),
    ]  # fmt: skip
    with pytest.raises(ValidationError):
        enter_spend(**given, first_day=DAY, last_day=DAY - timedelta(days=1), by=mia)


def test_only_who_may_enters_changes_and_deletes(amy: Any, vic: Any, mia: Any) -> None:
    store_spend([row()], source=MANUAL, by=mia)
    spend = AdSpend.objects.get()
    for by in (amy, vic):
        with pytest.raises(PermissionDenied):
            store_spend([row("5")], source=MANUAL, by=by)
        with pytest.raises(PermissionDenied):
            change_spend(spend=spend, amount=Decimal(1), currency="EUR", by=by)
        with pytest.raises(PermissionDenied):
            delete_spend(spend=spend, by=by)
    change_spend(spend=spend, amount=Decimal(1), currency="EUR", by=mia)
    assert AdSpend.objects.get().amount == 1
    delete_spend(spend=spend, by=mia)
    assert not AdSpend.objects.exists()


def test_the_database_keeps_a_day_once_and_no_negative_amount(mia: Any) -> None:
    store_spend([row()], source=MANUAL, by=mia)
    same = {"network": "instagram", "campaign": "Spring", "day": DAY, "currency": "EUR"}
    with pytest.raises(IntegrityError):
        AdSpend.objects.create(**same, amount=1)


# Over the API


def test_the_api_answers_each_day_by_itself(mia: Any, ada: Any) -> None:
    caller = Caller(mia, maker=ada)
    good = {
        "network": "instagram",
        "campaign": "Spring",
        "day": "2026-03-10",
        "amount": "10",
        "currency": "EUR",
    }
    answer = caller.post("ad-spend/", [good, {**good, "amount": "-1"}])
    assert [one["status"] for one in answer.json()["results"]] == ["stored", "rejected"]
    assert answer.json()["results"][0]["id"] == AdSpend.objects.get().pk
    assert caller.post("ad-spend/", good).json()["status"] == "repeated"
    pk = AdSpend.objects.get().pk
    assert caller.patch(f"ad-spend/{pk}/", {"amount": "11"}).json()["amount"] == "11.00"
    found = caller.get("ad-spend/", network="instagram", day_from="2026-03-01")
    assert [one["campaign"] for one in found.json()["results"]] == ["Spring"]
    assert caller.client.delete(f"/api/v1/ad-spend/{pk}/").status_code == 204


def test_the_api_needs_the_right(vic: Any, ada: Any) -> None:
    caller = Caller(vic, maker=ada)
    assert caller.get("ad-spend/").status_code == 200
    assert caller.post("ad-spend/", []).status_code == 403


def test_the_demo_takes_no_real_costs(mia: Any, ada: Any) -> None:
    workspace = Workspace.current()
    workspace.demo_since = at(DAY)
    workspace.save()
    assert Caller(mia, maker=ada).post("ad-spend/", []).status_code == 409


# From a file


FILE = """Platform,Campaign name,Date,Amount spent,Currency
instagram,Spring,2026-03-10,10.00,EUR
instagram,Spring,2026-03-11,12.50,EUR
instagram,Spring,11.03.2026,12.50,EUR
facebook,,2026-03-10,many,EUR
facebook,,2026-03-12,3.00,
"""


def upload(by: Any, text: str = FILE) -> Any:
    return preparing.keep_file(
        file=SimpleUploadedFile("spend.csv", text.encode(), "text/csv"), kind=KIND, by=by
    )


def work(run: Any) -> Any:
    run_job(run.job_id)
    run.refresh_from_db()
    return run


def test_a_file_is_tried_taken_in_and_taken_back(mia: Any) -> None:
    run = upload(mia)
    assert run.mapping["Platform"] == "network"
    assert run.mapping["Amount spent"] == "amount"
    run = work(start_check(run, by=mia, enqueue=False))
    assert not AdSpend.objects.exists()
    assert (run.check_counts["new"], run.check_counts["bad"]) == (3, 2)
    run = work(start_run(run, by=mia, enqueue=False))
    assert run.state == ImportState.DONE
    assert run.counts == run.check_counts
    assert dict(AdSpend.objects.values_list("network", "amount"))["facebook"] == Decimal("3.00")
    again = work(start_run(upload(mia), by=mia, enqueue=False))
    assert (again.counts.get("new", 0), again.counts["unchanged"]) == (0, 3)
    work(start_undo(run, by=mia, enqueue=False))
    assert not AdSpend.objects.exists()


# What it brought


class Shop:
    """Customers with touches and orders on given days."""

    def __init__(self) -> None:
        self.accounts = {
            name: ChannelAccount.objects.create(
                connector="demo", network=name, external_id=name, name=name, team=Team.general()
            )
            for name in ("instagram", "email", "chat")
        }

    def customer(self, *touches: tuple[str, date, str], orders: dict[date, str], **more: str) -> Customer:
        """`touches` are (network, day, url); a url makes a visit."""
        customer = Customer.objects.create(name=f"C{Customer.objects.count()}")
        identity = Identity.objects.create(
            network="chat", issuer="", external_id=str(uuid4()), customer=customer, home_customer=customer
        )
        for network, day, url in touches:
            self.touch(customer, identity, network, day, url)
        for day, total in orders.items():
            Order.objects.create(
                source="shop", external_id=str(uuid4()), placed_at=at(day), total=total, base_total=total,
                currency="EUR", customer=customer, home_customer=customer,
                **more,
            )  # fmt: skip
        return customer

    def touch(self, customer: Customer, identity: Identity, network: str, day: date, url: str) -> None:
        made = Interaction.objects.create(
            account=self.accounts[network], external_id=str(uuid4()), team=Team.general(), identity=identity,
            customer=customer, home_customer=customer, kind="visit" if url else "message",
            direction="inbound", occurred_at=at(day),
        )  # fmt: skip
        if url:
            VisitContent.objects.create(interaction=made, event="page_view", url=url)


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


@pytest.fixture
def shop(db: None) -> Shop:
    return Shop()


def spring(amount: str, mia: Any, network: str = "instagram", campaign: str = "Spring ferns") -> None:
    store_spend([SpendIn(network, DAY, Decimal(amount), "EUR", campaign)], source=API, by=mia)


def test_the_first_touch_counts_however_much_came_after(shop: Shop, mia: Any) -> None:
    spring("30", mia)
    shop.customer(
        ("instagram", DAY - timedelta(days=20), ""), ("email", DAY - timedelta(days=1), ""),
        orders={DAY: "50", DAY + timedelta(days=5): "70"},
    )  # fmt: skip
    found = results(MARCH)
    [one] = [each for each in found.networks if each.orders]
    assert (one.network, one.new_customers, one.orders, one.revenue) == ("instagram", 1, 2, 120)
    assert one.a_new_customer == 30
    assert one.an_order == 15
    assert one.returned == 4


def test_a_visit_counts_for_the_campaign_of_its_marks_whatever_network_it_came_by(
    shop: Shop, mia: Any
) -> None:
    spring("30", mia)
    shop.customer(
        ("chat", DAY, "https://shop.example/?utm_source=Instagram&utm_campaign=spring+ferns"),
        orders={DAY + timedelta(days=1): "50"},
    )
    shop.customer(
        ("chat", DAY, "https://shop.example/?utm_campaign=Something+else"),
        orders={DAY + timedelta(days=1): "9"},
    )
    found = results(MARCH)
    [campaign] = found.campaigns
    assert (campaign.network, campaign.campaign, campaign.new_customers) == ("instagram", "Spring ferns", 1)
    assert campaign.a_new_customer == 30
    assert {one.network: one.new_customers for one in found.networks} == {"instagram": 1, "chat": 1}


def test_one_name_on_two_networks_goes_where_the_visit_came_from(shop: Shop, mia: Any) -> None:
    spring("30", mia)
    spring("10", mia, network="email")
    shop.customer(
        ("chat", DAY, "https://s.example/?utm_source=instagram&utm_campaign=Spring%20ferns"),
        orders={DAY: "5"},
    )
    brought = {one.network: one.new_customers for one in results(MARCH).campaigns}
    assert brought == {"instagram": 1, "email": 0}


def test_orders_without_a_first_touch_are_said_to_be_so(shop: Shop) -> None:
    shop.customer(orders={DAY: "5"})
    shop.customer(("email", DAY + timedelta(days=1), ""), orders={DAY: "5"})
    shop.customer(("email", DAY - timedelta(days=WITHIN + 1), ""), orders={DAY: "5", date(2026, 3, 30): "1"})
    found = results(MARCH)
    assert (found.total.orders, found.unknown.orders, found.older.orders, found.known) == (4, 2, 2, 0)
    assert found.networks == []


def test_who_bought_before_is_not_new_and_refunds_are_taken_off(shop: Shop) -> None:
    shop.customer(("email", date(2025, 12, 1), ""), orders={date(2026, 1, 5): "10", DAY: "40"}, refunded="10")
    [one] = results(MARCH).networks
    assert (one.new_customers, one.orders, one.revenue) == (0, 1, 30)
    assert one.cost is None
    assert one.a_new_customer is None


def test_a_persona_bears_a_network_s_cost_by_the_customers_it_brought(shop: Shop, mia: Any) -> None:
    spring("40", mia, campaign="")
    persona = Persona.objects.create(name="Fans")
    buyers = [shop.customer(("instagram", DAY, ""), orders={DAY: "10"}) for _each in range(4)]
    for one in buyers[:3]:
        PersonaMembership.objects.create(customer=one, persona=persona, confidence=1, since=at(DAY))
    found = {one.persona: one for one in results(MARCH).personas}
    assert (found[persona.pk].new_customers, found[persona.pk].cost) == (3, 30)
    assert found[None].cost == 10


def test_a_persona_s_cost_is_held_against_those_alone_whom_money_brought(shop: Shop, mia: Any) -> None:
    spring("40", mia, campaign="")
    shop.customer(("instagram", DAY, ""), orders={DAY: "10"})
    shop.customer(("email", DAY, ""), orders={DAY: "10"})
    [one] = results(MARCH).personas
    assert (one.new_customers, one.a_new_customer, one.an_order) == (2, 40, 40)


def test_the_customers_behind_a_figure_are_as_many_as_it_says(shop: Shop, mia: Any) -> None:
    spring("40", mia)
    known = shop.customer(("instagram", DAY, ""), orders={DAY: "10"})
    old = shop.customer(("instagram", date(2025, 12, 20), ""), orders={date(2026, 1, 1): "1", DAY: "10"})
    unknown = shop.customer(orders={DAY: "10"})
    seen = lambda **asked: set(customers_behind(MARCH, Behind(**asked), by=mia))  # noqa: E731
    assert seen(network="instagram") == {known, old}
    assert seen(network="instagram", new=True) == {known}
    assert seen(how="none") == {unknown}
    assert seen(network="it's % odd") == set()


# Pages


@pytest.mark.parametrize("name", ["personas:spend", "personas:spend-list"])
def test_everybody_reads_what_advertising_cost(name: str, client: Client, vic: Any, mia: Any) -> None:
    store_spend([row()], source=MANUAL, by=mia)
    assert client.get(reverse(name)).status_code == 302
    client.force_login(vic)
    assert client.get(reverse(name)).status_code == 200


def test_entering_takes_the_right_and_says_what_is_wrong(client: Client, vic: Any, mia: Any) -> None:
    url = reverse("personas:spend-new")
    client.force_login(vic)
    assert client.get(url).status_code == 403
    client.force_login(mia)
    good = {"network": "instagram", "campaign": "A", "first_day": "2026-03-01", "last_day": "2026-03-10",
            "amount": "10", "currency": "EUR"}  # fmt: skip
    assert client.post(url, {**good, "last_day": "2026-02-01"}).status_code == 422
    assert client.post(url, {**good, "currency": "E1R"}).status_code == 422
    assert client.post(url, good).status_code == 302
    assert AdSpend.objects.count() == 10
    pk = AdSpend.objects.first().pk  # type: ignore[union-attr]
    edit = reverse("personas:spend-edit", args=[pk])
    assert client.post(edit, {"amount": "7", "currency": "EUR"}).status_code == 302
    assert AdSpend.objects.get(pk=pk).amount == 7
    assert client.post(reverse("personas:spend-delete", args=[pk])).status_code == 302
    assert AdSpend.objects.count() == 9


def test_an_export_is_what_the_importer_takes(client: Client, mia: Any) -> None:
    store_spend([row(), row("3", "=danger")], source=MANUAL, by=mia)
    client.force_login(mia)
    answer = client.get(reverse("personas:spend-export"), {"format": "csv"})
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert "'=danger" in text
    assert io.StringIO(text).readline().startswith("network,campaign,day,amount,currency")
    run = work(start_run(upload(mia, text), by=mia, enqueue=False))
    assert run.counts["unchanged"] == 1


def test_a_drill_down_shows_them_and_refuses_nonsense(client: Client, shop: Shop, vic: Any) -> None:
    buyer = shop.customer(("instagram", DAY, ""), orders={DAY: "10"})
    client.force_login(vic)
    url = reverse("personas:spend-customers")
    asked = {"first": "2026-03-01", "last": "2026-03-31", "network": "instagram", "new": "1"}
    assert buyer.name in client.get(url, asked).content.decode()
    assert client.get(url, {"how": "magic"}).status_code == 400
    assert client.get(url, {"persona": "x"}).status_code == 400
    for first, last in (("0001-01-01", "0001-02-01"), ("9999-12-01", "9999-12-31"), ("", "0001-01-01")):
        assert client.get(url, {"first": first, "last": last}).status_code == 200
        page = client.get(reverse("personas:spend"), {"first": first, "last": last})
        assert page.status_code == 422, "a day at the end of the calendar has no neighbors"
    assert (
        client.get(reverse("personas:spend"), {"first": "2026-03-31", "last": "2026-03-01"}).status_code
        == 422
    )
