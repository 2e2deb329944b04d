"""The journey on the customer's page: its steps, what moved somebody, and setting it by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError
from django.urls import reverse

from accounts.models import AuditEntry, Team
from core.models import Event
from crm.journey import is_by_hand
from crm.merging import merge_customers
from crm.models import Customer, CustomerTouch, Stage, StageChange
from crm.orders import OrderIn, store_orders
from crm.services import update_customer
from engagement.channels.base import Author
from engagement.channels.base import Event as Said
from engagement.ingest import ingest
from engagement.models import ChannelAccount, Conversation, Interaction
from personas.stages import compute_at_once
from tests.api import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def bo(db: None) -> Customer:
    """A customer who wrote a mail and then ordered."""
    mail = ChannelAccount.objects.create(
        connector="api", network="email", external_id="shop@example.com", name="Mail", team=Team.general()
    )
    at = datetime(2026, 3, 1, 9, tzinfo=UTC)
    said = Said(
        external_id="m1", kind="message", direction="inbound", occurred_at=at, text="Do you ship?",
        thread_keys=("m1",), author=Author("bo@example.org", name="Bo Berg"),
    )  # fmt: skip
    ingest(mail, [said])
    order = OrderIn(
        external_id="o1", number="#1042", customer_id="bo@example.org", network="email",
        placed_at=datetime(2026, 3, 3, 9, tzinfo=UTC), total=Decimal(20), currency="USD",
    )  # fmt: skip
    store_orders("shop", [order])
    return Customer.objects.get(name="Bo Berg")


def shown(browser: Any, customer: Customer) -> Any:
    return browser.get(customer.get_absolute_url()).context["journey"]


def test_steps_say_when_they_were_reached_and_by_what(bo: Customer, ada: Any, signed_in: Any) -> None:
    ada.teams.add(Team.general())
    journey = shown(signed_in(ada), bo)
    assert [step.state for step in journey.steps] == ["done", "done", "now", "", ""]
    asked, bought = journey.steps[1].line, journey.steps[2].line
    assert (asked.why, asked.cause.label) == ("Asked a question", "E-mail")
    assert asked.cause.url.startswith(
        reverse("engagement:conversation", args=[Conversation.objects.get().pk])
    )
    assert (bought.why, bought.cause.label) == ("First order", "order #1042")
    assert journey.steps[0].line is None and journey.steps[3].line is None


def test_a_cause_of_another_team_is_not_named(bo: Customer, vic: Any, signed_in: Any) -> None:
    Interaction.objects.update(team=Team.objects.create(name="Other"))
    asked = shown(signed_in(vic), bo).steps[1].line
    assert (asked.why, asked.cause) == ("Asked a question", None)


def test_staff_set_a_stage_and_let_it_follow_again(bo: Customer, amy: Any, signed_in: Any) -> None:
    browser, url = signed_in(amy), reverse("crm:stage-set", args=[bo.pk])
    assert "Follow what happens again" not in browser.get(bo.get_absolute_url()).content.decode()
    CustomerTouch.objects.all().delete()
    assert browser.post(url, {"stage": "advocacy"}).status_code == 302
    page = browser.get(bo.get_absolute_url())
    journey = page.context["journey"]
    assert (journey.is_by_hand, journey.set_by.by) == (True, amy)
    assert "Follow what happens again" in page.content.decode()
    assert journey.steps[4].line.why == "Set by hand"
    assert CustomerTouch.objects.filter(customer=bo).exists()
    assert Event.objects.filter(type="customer.stage_changed", ids__after="advocacy").count() == 1
    assert AuditEntry.objects.filter(verb="customer.stage_by_hand", actor=amy).count() == 1
    compute_at_once([bo.pk])
    bo.refresh_from_db()
    assert bo.stage == "advocacy"
    browser.post(url, {"stage": ""})
    bo.refresh_from_db()
    assert (bo.stage, bo.origins["stage"]["source"]) == ("purchase", "journey")
    assert shown(browser, bo).is_by_hand is False


@pytest.mark.parametrize("given", ["fan", "AWARENESS"])
def test_no_such_stage_changes_nothing(bo: Customer, amy: Any, signed_in: Any, given: str) -> None:
    signed_in(amy).post(reverse("crm:stage-set", args=[bo.pk]), {"stage": given})
    bo.refresh_from_db()
    assert bo.stage == "purchase"


def test_viewers_and_strangers_set_nothing(bo: Customer, vic: Any, signed_in: Any, anonymous: Any) -> None:
    url = reverse("crm:stage-set", args=[bo.pk])
    assert signed_in(vic).post(url, {"stage": "advocacy"}).status_code == 403
    assert anonymous.post(url, {"stage": "advocacy"}).status_code == 302
    assert signed_in(vic).get(url).status_code in (403, 405)
    assert "Set by hand" not in signed_in(vic).get(bo.get_absolute_url()).content.decode()
    bo.refresh_from_db()
    assert bo.stage == "purchase"


def test_a_customer_without_a_past_says_so(ada: Any, signed_in: Any) -> None:
    new = Customer.objects.create(name="New")
    page = signed_in(ada).get(new.get_absolute_url())
    assert [step.state for step in page.context["journey"].steps] == ["now", "", "", "", ""]
    assert "Nothing has moved them yet" in page.content.decode()


def test_a_step_is_written_once(bo: Customer) -> None:
    step = StageChange.objects.filter(customer=bo).exclude(cause="").first()
    step.pk = None
    with pytest.raises(IntegrityError):
        step.save(force_insert=True)


def test_every_stage_of_the_journey_has_its_rank_in_the_statement() -> None:
    from core.sql import statement

    named = ", ".join(f"'{stage}'" for stage in Stage.values)
    assert f"ARRAY[{named}]" in statement("personas", "journey")


# Told by others


def test_a_stage_in_the_profile_is_by_hand_and_from_a_key_it_is_told(
    bo: Customer, amy: Any, ada: Any
) -> None:
    update_customer(customer=bo, values={"stage": "retention"}, by=amy)
    bo.refresh_from_db()
    assert (is_by_hand(bo), bo.stage) == (True, "retention")
    new = Customer.objects.create(name="New")
    assert Caller(ada).patch(f"customers/{new.pk}/", {"stage": "advocacy"}).status_code == 200
    new.refresh_from_db()
    assert (is_by_hand(new), new.stage) == (False, "advocacy")
    told = StageChange.objects.filter(cause="").order_by("id").values_list("customer", "why", "by")
    assert list(told) == [(bo.pk, "by_hand", amy.pk), (new.pk, "told", None)]


def test_whoever_referred_somebody_before_is_looked_at_again(bo: Customer, amy: Any) -> None:
    new = Customer.objects.create(name="New", referred_by=bo, home_referred_by=bo)
    CustomerTouch.objects.all().delete()
    update_customer(customer=new, values={"referred_by": None}, by=amy)
    assert set(CustomerTouch.objects.values_list("customer_id", flat=True)) == {bo.pk, new.pk}


def test_the_journey_over_the_api(bo: Customer, ada: Any) -> None:
    found = Caller(ada).get(f"customers/{bo.pk}/journey/").json()
    assert (found["stage"], found["by_hand"]) == ("purchase", False)
    assert [change["why"] for change in found["changes"]] == ["first_order", "question"]
    order = found["changes"][0]
    assert (order["at"], order["cause"], order["by"]) == ("2026-03-03T09:00:00Z", "order", None)
    assert Caller(ada, ["segment.read"]).get(f"customers/{bo.pk}/journey/").status_code == 403
    kept = Customer.objects.create(name="Kept")
    merge_customers(keep=kept, drop=bo, by=ada)
    moved = Caller(ada).get(f"customers/{bo.pk}/journey/")
    assert (moved.status_code, moved.json()["merged_into"]) == (301, kept.pk)
