"""The timeline of a customer: narrowed by kind, network, text and visibility, by an address, page by page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Team
from core import timeline
from core.timeline import Entry, Filter
from crm import journey
from crm.models import Customer, Identity, Order, OrderLine
from crm.timeline import by_day
from engagement.channels.base import Author, Event
from engagement.ingest import ingest
from engagement.models import ChannelAccount, Interaction

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def account(network: str) -> ChannelAccount:
    return ChannelAccount.objects.create(
        connector="api", network=network, external_id=network, name=network, team=Team.general()
    )


@pytest.fixture
def eva(ada: Any) -> Customer:
    """A mail, a public comment about kettles, a call, an order of a kettle, and a stage set by hand."""
    ada.teams.add(Team.general())
    eva = Customer.objects.create(name="Eva")
    told = [
        ("email", "message", "Where is my order?", False, "Order 17"),
        ("instagram", "comment", "Lovely kettle", True, ""),
        ("email", "call", "", False, "Called about cups"),
    ]
    accounts = {name: account(name) for name in ("email", "instagram")}
    for number, (network, kind, text, public, subject) in enumerate(told):
        name = "eva@example.org" if network == "email" else "eva"
        Identity.objects.get_or_create(
            network=network, external_id=name, defaults={"customer": eva, "home_customer": eva}
        )
        event = Event(
            external_id=f"e{number}", kind=kind, direction="inbound",
            occurred_at=NOON + timedelta(hours=number),
            text=text, subject=subject, thread_keys=(f"t{number}",), author=Author(name), public=public,
        )  # fmt: skip
        ingest(accounts[network], [event])
    bought = Order.objects.create(
        source="shop", external_id="o1", number="1042", placed_at=NOON, total=Decimal(30), currency="USD",
        identity=Identity.objects.get(network="email"), customer=eva, home_customer=eva,
    )  # fmt: skip
    OrderLine.objects.create(order=bought, position=0, title="Kettle", price=Decimal(30))
    journey.set_stage(customer=eva, stage="advocacy", by=ada)
    return eva


@pytest.fixture
def kinds(eva: Customer, ada: Any) -> Callable[..., list[str]]:
    """What a filter leaves, newest first."""

    def read(**wanted: Any) -> list[str]:
        found, _older = timeline.page([eva.pk], ada, wanted=Filter(**wanted))
        return [entry.kind for entry in found]

    return read


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        ({}, ["stage", "call", "comment", "order", "message"]),
        ({"kinds": frozenset({"order", "call"})}, ["call", "order"]),
        ({"kinds": frozenset({"stage"})}, ["stage"]),
        ({"network": "instagram"}, ["comment"]),
        ({"network": "email"}, ["call", "order", "message"]),
        ({"text": "kettle"}, ["comment", "order"]),
        ({"text": "1042"}, ["order"]),
        ({"text": "cups"}, ["call"]),
        ({"visibility": "public"}, ["comment"]),
        ({"visibility": "private"}, ["call", "message"]),
        ({"visibility": "private", "text": "order", "network": "email"}, ["message"]),
        ({"kinds": frozenset({"comment"}), "network": "email"}, []),
    ],
)
def test_filters_narrow_alone_and_together(kinds: Any, wanted: dict[str, Any], left: list[str]) -> None:
    found = kinds(**wanted)
    # an order and a message of the same moment come by the name of their source
    assert sorted(found) == sorted(left)
    assert [kind for kind in found if kind not in ("order", "message")] == [
        kind for kind in left if kind not in ("order", "message")
    ]


def test_the_address_of_a_filter_opens_the_page_with_it(eva: Customer, ada: Any, signed_in: Any) -> None:
    browser = signed_in(ada)
    page = browser.get(eva.get_absolute_url(), {"kind": ["order", "call"], "network": "email"})
    assert [entry.kind for entry in page.context["entries"]] == ["call", "order"]
    fragment = browser.get(
        reverse("crm:customer-timeline", args=[eva.pk]), {"visibility": "public", "text": "a & b"}
    )
    assert fragment["HX-Replace-Url"] == f"{eva.get_absolute_url()}?visibility=public&text=a+%26+b"
    assert "Nothing fits these filters" in fragment.content.decode()


@pytest.mark.parametrize("query", [{"kind": "wish"}, {"visibility": "some"}])
def test_a_filter_that_means_nothing_is_refused(eva: Customer, ada: Any, signed_in: Any, query: Any) -> None:
    assert signed_in(ada).get(eva.get_absolute_url(), query).status_code == 400


def test_pages_of_a_filter_follow_each_other_without_gap(eva: Customer, ada: Any, signed_in: Any) -> None:
    mail = ChannelAccount.objects.get(network="email")
    events = [
        Event(
            external_id=f"m{number}", kind="message", direction="inbound", occurred_at=NOON,
            text=f"line {number}", thread_keys=(f"m{number}",), author=Author("eva@example.org"),
        )
        for number in range(70)
    ]  # fmt: skip
    ingest(mail, events)
    browser, url = signed_in(ada), reverse("crm:customer-timeline", args=[eva.pk])
    seen: list[int] = []
    query: dict[str, Any] = {"kind": "message", "text": "line"}
    while True:
        with CaptureQueriesContext(connection) as queries:
            answer = browser.get(url, query)
        assert len(queries) <= 40
        seen += [entry.id for entry in answer.context["entries"]]
        if not answer.context["older"]:
            break
        query["before"] = answer.context["older"]
    assert len(seen) == len(set(seen)) == 70


def test_the_number_of_statements_does_not_grow_with_a_filter(
    eva: Customer, ada: Any, signed_in: Any
) -> None:
    browser, url = signed_in(ada), reverse("crm:customer-timeline", args=[eva.pk])
    counted = []
    for query in ({}, {"text": "kettle"}, {"network": "email"}, {"visibility": "private"}):
        browser.get(url, query)
        with CaptureQueriesContext(connection) as queries:
            browser.get(url, query)
        counted.append(len(queries))
    assert max(counted) == counted[0]


def test_what_other_teams_said_is_not_shown(eva: Customer, vic: Any, signed_in: Any) -> None:
    other = Team.objects.create(name="Other")
    Interaction.objects.update(team=other)
    page = signed_in(vic).get(eva.get_absolute_url())
    assert [entry.kind for entry in page.context["entries"]] == ["stage", "order"]


def test_entries_that_fold_are_shown_as_one_within_their_day() -> None:
    at = [NOON - timedelta(minutes=number) for number in range(4)] + [NOON - timedelta(days=1)]
    entries = [Entry(when, "interaction", n, "visit", "", None, folds="visit:1") for n, when in enumerate(at)]
    entries.insert(2, Entry(NOON, "order", 9, "order", "", None))
    shown = by_day(entries)
    assert [(one.entry.id, len(one.more)) for one in shown] == [(0, 1), (9, 0), (2, 1), (4, 0)]
