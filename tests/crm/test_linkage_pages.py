"""The queue of possible duplicates: who may see and answer it, on pages and over the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.models import Job
from crm.linkage.jobs import KIND
from crm.models import Customer, Identity, Suspect
from tests.api import Caller, assert_pinned, errors

pytestmark = pytest.mark.django_db
PINNED = json.loads((Path(__file__).parent.parent / "query_counts.json").read_text())
EVERYBODY = {"ada", "max", "amy", "mia", "vic"}
SERVICE = {"ada", "max", "amy"}
EVIDENCE = [
    {"field": "phones", "left": "+46701", "right": "+46710", "level": "typo", "weight": 14.0},
    {"field": "name", "left": "Eva Lind", "right": "Lind, Eva", "level": "same", "weight": 9.0},
    {"field": "city", "left": "Lund", "right": "Malmö", "level": "other", "weight": -3.0},
]


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery.app.base.Celery.send_task", lambda app, *told, **how: None)


@pytest.fixture
def cast(ada: Any, max: Any, amy: Any, mia: Any, vic: Any) -> dict[str, Any]:
    return {"ada": ada, "max": max, "amy": amy, "mia": mia, "vic": vic}


def suspect(probability: float = 0.99, *, city: str = "") -> Suspect:
    low = Customer.objects.create(name="Eva Lind", city="Lund")
    high = Customer.objects.create(name="Eva Lind", city=city)
    for one in (low, high):
        Identity.objects.create(
            network="email", external_id=f"{one.pk}@example.org", customer=one, home_customer=one
        )
    return Suspect.objects.create(low=low, high=high, probability=probability, evidence=EVIDENCE)


def press(client: Any, verb: str, one: Suspect, *, htmx: bool = True) -> Any:
    headers = {"HX-Request": "true"} if htmx else {}
    return client.post(reverse(f"crm:suspect-{verb}", args=[one.pk]), headers=headers)


def test_all_staff_see_the_queue(cast: dict[str, Any], signed_in: Any, anonymous: Any) -> None:
    suspect()
    for user in cast.values():
        answer = signed_in(user).get(reverse("crm:suspect-list"))
        assert answer.status_code == 200
        said = "Phone numbers one digit apart and the same name; the cities differ."
        assert said in answer.content.decode()
    assert anonymous.get(reverse("crm:suspect-list")).status_code == 302


@pytest.mark.parametrize("verb", ["reject", "later", "confirm"])
def test_only_those_who_merge_may_answer(
    verb: str, cast: dict[str, Any], signed_in: Any, anonymous: Any
) -> None:
    for name, user in cast.items():
        one = suspect()
        assert press(signed_in(user), verb, one).status_code == (200 if name in SERVICE else 403)
        one.refresh_from_db()
        assert (one.state == "open") is (name not in SERVICE)
    one = suspect()
    assert press(anonymous, verb, one, htmx=False).status_code == 302
    one.refresh_from_db()
    assert one.state == "open"


def test_who_may_not_merge_sees_no_buttons(vic: Any, signed_in: Any) -> None:
    suspect()
    html = signed_in(vic).get(reverse("crm:suspect-list")).content.decode()
    assert "Not the same" not in html and "Search for duplicates now" not in html


def test_the_likeliest_pair_stands_first_and_pages_follow(ada: Any, signed_in: Any) -> None:
    made = [suspect(0.8 + number / 200) for number in range(25)]
    first = signed_in(ada).get(reverse("crm:suspect-list"))
    shown = [pair.suspect.pk for pair in first.context["pairs"]]
    assert shown == [one.pk for one in reversed(made)][:20]
    second = signed_in(ada).get(reverse("crm:suspect-list") + f"?{first.context['page'].next_query}")
    assert [pair.suspect.pk for pair in second.context["pairs"]] == [one.pk for one in reversed(made)][20:]


def test_the_list_takes_the_same_statements_whatever_its_length(ada: Any, signed_in: Any) -> None:
    client = signed_in(ada)
    client.get(reverse("crm:suspect-list"))
    for _turn in range(3):
        suspect()
        with CaptureQueriesContext(
            connection,
        ) as caught:
            client.get(reverse("crm:suspect-list"))
        assert len(caught) == PINNED["crm:suspect-list"], [one["sql"] for one in caught.captured_queries]


def test_an_answer_can_be_taken_back_where_it_was_given(amy: Any, signed_in: Any) -> None:
    one, client = suspect(), signed_in(amy)
    assert "stay two customers" in press(client, "reject", one).content.decode()
    assert "Not the same" in press(client, "reopen", one).content.decode()
    one.refresh_from_db()
    assert (one.state, one.decided_by) == ("open", None)


def test_a_merge_at_once_is_offered_where_nothing_conflicts(amy: Any, signed_in: Any) -> None:
    plain, differing = suspect(), suspect(city="Malmö")
    client = signed_in(amy)
    html = client.get(reverse("crm:suspect-list")).content.decode()
    assert reverse("crm:suspect-confirm", args=[plain.pk]) in html
    assert reverse("crm:suspect-confirm", args=[differing.pk]) not in html
    assert f"{reverse('crm:customer-merge')}?ids={differing.low_id},{differing.high_id}" in html
    assert "choose what to keep" in press(client, "confirm", differing).content.decode()
    assert "Merged into" in press(client, "confirm", plain).content.decode()
    assert Customer.objects.get(pk=plain.high_id).merged_into_id == plain.low_id


def test_an_empty_queue_says_what_happens(ada: Any, signed_in: Any) -> None:
    html = signed_in(ada).get(reverse("crm:suspect-list")).content.decode()
    assert "No pairs yet" in html and "Search for duplicates now" in html


def test_a_search_can_be_started_by_those_who_merge(cast: dict[str, Any], signed_in: Any) -> None:
    url = reverse("crm:suspect-search")
    assert signed_in(cast["mia"]).post(url).status_code == 403
    assert not Job.objects.filter(kind=KIND).exists()
    for name in SERVICE:
        assert signed_in(cast[name]).post(url).status_code == 302
    job = Job.objects.get(kind=KIND)
    assert job.input == {"everybody": True}
    html = signed_in(cast["ada"]).get(reverse("crm:suspect-list")).content.decode()
    assert reverse("core:job-progress", args=[job.pk]) in html


def test_the_badge_counts_what_waits(ada: Any, amy: Any, signed_in: Any) -> None:
    one = suspect()
    suspect()
    press(signed_in(amy), "reject", one)
    assert ">1<" in signed_in(ada).get(reverse("crm:suspect-count")).content.decode()


def test_a_customers_page_says_who_they_may_also_be(ada: Any, signed_in: Any) -> None:
    one = suspect()
    html = signed_in(ada).get(reverse("crm:customer", args=[one.low_id])).content.decode()
    assert "May also be" in html and reverse("crm:customer", args=[one.high_id]) in html
    press(signed_in(ada), "reject", one)
    assert (
        "May also be" not in signed_in(ada).get(reverse("crm:customer", args=[one.low_id])).content.decode()
    )


# API


def test_the_api_lists_pairs_with_their_evidence(ada: Any) -> None:
    one, weaker = suspect(0.99), suspect(0.9)
    found = Caller(ada).get("suspects/").json()["results"]
    assert [row["id"] for row in found] == [one.pk, weaker.pk]
    assert found[0]["evidence"] == EVIDENCE
    assert found[0]["sentence"].startswith("Phone numbers one digit apart")
    assert_pinned("api:suspect-list", Caller(ada), "suspects/")


def test_the_api_answers_a_pair_once(ada: Any) -> None:
    one, api = suspect(), Caller(ada)
    assert api.post(f"suspects/{one.pk}/later/").json()["state"] == "later"
    assert api.post(f"suspects/{one.pk}/reject/").json()["state"] == "rejected"
    again = api.post(f"suspects/{one.pk}/reject/")
    assert (again.status_code, errors(again)) == (409, [("answered", None)])


def test_the_api_merges_only_what_does_not_conflict(ada: Any) -> None:
    plain, differing, api = suspect(), suspect(city="Malmö"), Caller(ada)
    assert api.post(f"suspects/{plain.pk}/confirm/").json()["state"] == "confirmed"
    refused = api.post(f"suspects/{differing.pk}/confirm/")
    assert (refused.status_code, errors(refused)) == (409, [("conflicting", None)])


def test_a_key_without_the_right_may_only_read(ada: Any) -> None:
    one, api = suspect(), Caller(ada, ["customer.read"])
    assert api.get(f"suspects/{one.pk}/").status_code == 200
    assert api.post(f"suspects/{one.pk}/reject/").status_code == 403
    one.refresh_from_db()
    assert one.state == "open"
