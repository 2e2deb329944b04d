"""Pages of analytics and customers' lists behind them: who may, and whose rows a reader sees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team
from analytics import rollups
from analytics.exports import TABLES
from engagement.channels.base import Author, Event
from engagement.ingest import ingest
from engagement.models import ChannelAccount

pytestmark = pytest.mark.django_db
PINNED = json.loads((Path(__file__).parent.parent / "query_counts.json").read_text())
READERS = ("ada", "max", "amy", "mia", "vic")
PAGES = [
    "analytics:overview",
    "analytics:interaction-list",
    "analytics:conversation-list",
    "analytics:order-list",
]


@pytest.fixture
def world(db: None) -> Team:
    """A message to General and two to a team in which nobody is but those who see all."""
    workshop = Team.objects.create(name="Workshop")
    for team, said in ((Team.general(), ["Hello kettle"]), (workshop, ["Hidden burr", "Hidden lid"])):
        account = ChannelAccount.objects.create(
            connector="api", network="email", external_id=team.name, name=team.name, team=team
        )
        ingest(
            account,
            [
                Event(
                    external_id=text, kind="message", direction="inbound", occurred_at=timezone.now(),
                    text=text, thread_keys=(text,), author=Author(f"{text[-3:]}@example.com"),
                )
                for text in said
            ],
        )  # fmt: skip
    rollups.refresh()
    return workshop


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("reader", READERS)
def test_all_staff_read_figures_and_strangers_sign_in(name, reader, request, signed_in) -> None:
    user = request.getfixturevalue(reader)
    assert signed_in(user).get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", PAGES)
def test_strangers_are_sent_to_sign_in(name, anonymous) -> None:
    assert anonymous.get(reverse(name)).status_code == 302


def test_figures_and_rows_are_those_of_the_readers_teams(amy, world, signed_in) -> None:
    amy.teams.set([Team.general()])
    browser = signed_in(amy)
    before = browser.get(reverse("analytics:overview")).context["interactions"].now
    assert before == 1
    rows = browser.get(reverse("analytics:interaction-list")).content.decode()
    assert "Hello kettle" in rows and "Hidden" not in rows
    csv = b"".join(browser.get(reverse("analytics:export", args=["volume"])).streaming_content)
    assert csv.decode("utf-8-sig").splitlines() == ["network,interactions,interactions before", "email,1,0"]
    amy.teams.add(world)
    assert browser.get(reverse("analytics:overview")).context["interactions"].now == 3


@pytest.mark.parametrize("figure", TABLES)
def test_every_figure_is_a_file(figure, vic, world, signed_in) -> None:
    answer = signed_in(vic).get(reverse("analytics:export", args=[figure]))
    assert answer["Content-Type"].startswith("text/csv")
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert all(line.count(",") == lines[0].count(",") for line in lines)


def test_a_figure_nobody_knows_is_not_found(vic, signed_in) -> None:
    assert signed_in(vic).get(reverse("analytics:export", args=["nonsense"])).status_code == 404


@pytest.mark.parametrize("query", ["days=nonsense", "until=2026-99-99", "network=%00", "persona=99999"])
def test_filters_that_mean_nothing_show_everything(query, vic, world, signed_in) -> None:
    assert signed_in(vic).get(f"{reverse('analytics:overview')}?{query}").status_code == 200


def test_days_in_the_wrong_order_are_refused(vic, signed_in) -> None:
    url = reverse("analytics:interaction-list")
    assert signed_in(vic).get(url, {"first": "2026-03-02", "last": "2026-03-01"}).status_code == 400


@pytest.mark.parametrize("name", PAGES)
def test_pages_take_a_fixed_number_of_statements(name, ada, world, signed_in) -> None:
    browser = signed_in(ada)
    browser.get(reverse(name))
    with CaptureQueriesContext(connection) as found:
        browser.get(reverse(name))
    told = "\n".join(query["sql"][:160] for query in found.captured_queries)
    assert len(found) == PINNED[name], told
