"""Pages of segments and personas: who may, what is shown, and what is refused with a reason."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from core.models import Job, Workspace
from crm.models import Customer
from personas.models import Persona, PersonaMembership, Rebuild, Segment, SegmentMembership
from personas.segment_history import last_sizes
from personas.segment_views import spark
from personas.segments import create_segment
from tests.api import Caller, errors

pytestmark = pytest.mark.django_db
PINNED = json.loads((Path(__file__).parent.parent / "query_counts.json").read_text())
EVERYBODY = {"ada", "max", "amy", "mia", "vic"}
MARKETING = {"ada", "max", "mia"}
RULE = {"all": [{"field": "customer.name", "op": "contains", "value": "Eva"}]}
FRENCH = json.dumps(RULE)


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.tasks.run_job_task.apply_async", lambda *given, **options: None)


@pytest.fixture
def cast(ada: Any, max: Any, amy: Any, mia: Any, vic: Any) -> dict[str, Any]:
    return {"ada": ada, "max": max, "amy": amy, "mia": mia, "vic": vic}


@pytest.fixture
def world(db: None) -> dict[str, Any]:
    """A segment and a persona with three members each."""
    customers = [Customer.objects.create(name=f"Eva {n}", country="FR") for n in range(3)]
    segment = create_segment(name="French", rule=RULE, by=None)
    persona = Persona.objects.create(name="Ritual pourers", tone=1, members=3, goals="Taste\nTime")
    for customer in customers:
        given = {"version": segment.version, "since": timezone.now()}
        SegmentMembership.objects.create(segment=segment, customer=customer, **given)
        PersonaMembership.objects.create(
            persona=persona, customer=customer, confidence=0.8, reasons=["Buys <beans>"], since=timezone.now()
        )
    Segment.objects.filter(pk=segment.pk).update(size=3)
    return {"segment": segment, "persona": persona, "customer": customers[0]}


PAGES = {
    "personas:segment-list": (None, EVERYBODY),
    "personas:segment": ("segment", EVERYBODY),
    "personas:segment-members": ("segment", EVERYBODY),
    "personas:segment-history": ("segment", EVERYBODY),
    "personas:segment-why-page": ("segment", EVERYBODY),
    "personas:segment-use": ("segment", EVERYBODY),
    "personas:segment-find": ("segment", EVERYBODY),
    "personas:segment-stale": ("segment", EVERYBODY),
    "personas:stale": (None, EVERYBODY),
    "personas:segment-picker": (None, EVERYBODY),
    "personas:segment-changes-export": ("segment", MARKETING),
    "personas:segment-new-list": (None, MARKETING),
    "personas:segment-new": (None, MARKETING),
    "personas:segment-edit": ("segment", MARKETING),
    "personas:segment-export": ("segment", MARKETING),
    "personas:rebuild-bar": (None, EVERYBODY),
    "personas:persona-list": (None, EVERYBODY),
    "personas:persona-detail": ("persona", EVERYBODY),
    "personas:persona-members": ("persona", EVERYBODY),
    "personas:persona-edit": ("persona", MARKETING),
    "personas:share-list": ("persona", MARKETING),
    "personas:model-cards": (None, EVERYBODY),
    "personas:customer-panel": ("customer", EVERYBODY),
}


def path(name: str, world: dict[str, Any], about: str | None) -> str:
    return reverse(name, args=[world[about].pk] if about else [])


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_to_those_who_may(name, cast, world, signed_in, anonymous) -> None:
    about, allowed = PAGES[name]
    url = path(name, world, about)
    for person, user in cast.items():
        status = signed_in(user).get(url).status_code
        assert status == (200 if person in allowed else 403), person
    assert anonymous.get(url).status_code == 302


@pytest.mark.parametrize("what", ["freeze", "copy", "build", "delete"])
def test_who_may_not_edit_changes_no_segment(what, cast, world, signed_in, anonymous) -> None:
    url = reverse("personas:segment-act", args=[world["segment"].pk, what])
    for name in ("amy", "vic"):
        assert signed_in(cast[name]).post(url).status_code == 403
    assert anonymous.post(url).status_code == 302
    kept = Segment.objects.get()
    assert (kept.is_frozen, Job.objects.count()) == (False, 0)


def test_who_may_not_start_a_rebuild_starts_none(amy, vic, signed_in, anonymous) -> None:
    for user in (amy, vic):
        assert signed_in(user).post(reverse("personas:rebuild-start")).status_code == 403
    assert anonymous.post(reverse("personas:rebuild-start")).status_code == 302
    assert not Job.objects.exists()


def test_a_second_rebuild_leads_to_the_one_that_runs(mia, signed_in) -> None:
    browser = signed_in(mia)
    first = browser.post(reverse("personas:rebuild-start"))
    second = browser.post(reverse("personas:rebuild-start"))
    job = Job.objects.get()
    assert first["Location"] == second["Location"] == reverse("core:job-detail", args=[job.pk])
    assert Rebuild.objects.count() == 1


def test_a_new_segment_is_written_and_counted_by_a_job(mia, signed_in) -> None:
    url = reverse("personas:segment-new")
    answer = signed_in(mia).post(url, {"name": "From France", "rule": FRENCH})
    segment = Segment.objects.get()
    assert answer["Location"] == reverse("personas:segment", args=[segment.pk])
    assert (segment.name, segment.created_by) == ("From France", mia)
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("", FRENCH), "name"),
        (("A", "{"), "did not arrive whole"),
        (("A", '{"not":' * 30_000 + "1" + "}" * 30_000), "did not arrive whole"),
        (("A", "[]"), "Not saved yet"),
        (("A", '{"all": [{"field": "nonsense", "op": "is", "value": 1}]}'), "Not saved yet"),
        (("French", FRENCH), "Not saved yet"),
    ],
)
def test_a_segment_that_cannot_be_saved_says_why(given, said, mia, world, signed_in) -> None:
    name, rule = given
    answer = signed_in(mia).post(reverse("personas:segment-new"), {"name": name, "rule": rule})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert Segment.objects.count() == 1


def test_the_builder_counts_whom_a_rule_finds(vic, world, signed_in) -> None:
    answer = signed_in(vic).post(reverse("personas:segment-preview"), {"rule": FRENCH, "segment": ""})
    assert "<span data-count>3</span>" in answer.content.decode()
    given = {"rule": FRENCH, "segment": "", "stage": "details"}
    answer = signed_in(vic).post(reverse("personas:segment-preview"), given)
    assert "Eva 0" in answer.content.decode()


def test_a_count_too_many_is_told_at_every_door(ada, vic, world, signed_in, monkeypatch) -> None:
    monkeypatch.setattr("personas.quick_counts.MOST_AT_ONCE", 0)
    for stage in ("first", "exact", "details", "sample"):
        given = {"rule": FRENCH, "stage": stage}
        answer = signed_in(vic).post(reverse("personas:segment-preview"), given)
        assert "counts of yours are under way" in answer.content.decode(), stage
    refused = Caller(vic, maker=ada).post("segments/preview/", {"rule": json.loads(FRENCH)})
    assert errors(refused) == [("too_slow", "rule")]


@pytest.mark.parametrize("segment", ["abc", "9" * 40, "-1", "²"])
def test_a_nonsense_number_counts_like_a_new_segment(segment, vic, world, signed_in) -> None:
    given = {"rule": FRENCH, "segment": segment}
    answer = signed_in(vic).post(reverse("personas:segment-preview"), given)
    assert answer.status_code == 200
    assert "<span data-count>3</span>" in answer.content.decode()


def test_why_somebody_is_in_a_segment_is_told(vic, world, signed_in) -> None:
    url = reverse("personas:segment-why-page", args=[world["segment"].pk])
    told = signed_in(vic).get(url, {"customer": world["customer"].pk}).content.decode()
    assert "In by the rule, because" in told
    far = Customer.objects.create(name="Tomasz", country="PL")
    assert "Out by the rule, because" in signed_in(vic).get(url, {"customer": far.pk}).content.decode()
    assert "no such customer" in signed_in(vic).get(url, {"customer": 10**9}).content.decode()
    assert signed_in(vic).get(url, {"customer": "9" * 40}).status_code == 400


def test_a_segment_that_others_ask_about_stays(mia, world, signed_in) -> None:
    asked = world["segment"]
    rule = {"all": [{"field": "segment", "op": "in", "value": [asked.pk]}]}
    create_segment(name="Both", rule=rule, by=None)
    url = reverse("personas:segment-act", args=[asked.pk, "delete"])
    assert "Used by Both" in signed_in(mia).post(url, follow=True).content.decode()
    assert Segment.objects.filter(pk=asked.pk).exists()


def test_members_as_csv_run_no_formula(mia, world, signed_in) -> None:
    Customer.objects.filter(pk=world["customer"].pk).update(name='=HYPERLINK("http://x.example")')
    answer = signed_in(mia).get(reverse("personas:segment-export", args=[world["segment"].pk]))
    assert "'=HYPERLINK" in b"".join(answer.streaming_content).decode()


def test_what_people_wrote_on_a_persona_is_kept(mia, world, signed_in) -> None:
    persona = world["persona"]
    given = {
        "name": "Slow mornings",
        "summary": "They weigh.",
        "goals": "",
        "how_to_speak": "-hurry",
        "rank": 1,
        "icon": "ti-leaf",
        "seen": 0,
    }
    url = reverse("personas:persona-edit", args=[persona.pk])
    assert signed_in(mia).post(url, given).status_code == 302
    persona.refresh_from_db()
    assert (persona.name, persona.named_by_hand) == ("Slow mornings", True)
    page = signed_in(mia).get(reverse("personas:persona-detail", args=[persona.pk])).content.decode()
    assert "They weigh." in page and 'aria-label="Do not"' in page


def test_reasons_of_members_are_escaped(vic, world, signed_in) -> None:
    page = (
        signed_in(vic).get(reverse("personas:persona-members", args=[world["persona"].pk])).content.decode()
    )
    assert "Buys &lt;beans&gt;" in page


def test_the_trend_is_drawn_in_the_order_of_days(vic, world, signed_in) -> None:
    segment, today = world["segment"], Workspace.current().today()
    segment.sizes.all().delete()
    for ago, size in ((0, 90), (40, 7), (1, 50), (2, 10)):
        segment.sizes.create(day=today - timedelta(days=ago), size=size)
    assert last_sizes([segment], 3) == {segment.pk: [10, 50, 90]}
    page = signed_in(vic).get(reverse("personas:segment-list")).content.decode()
    assert spark([7, 10, 50, 90]) in page


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("personas:segment-list", None),
        ("personas:segment", "segment"),
        ("personas:segment-members", "segment"),
        ("personas:segment-history", "segment"),
        ("personas:persona-list", None),
        ("personas:persona-members", "persona"),
    ],
)
def test_lists_take_a_fixed_number_of_statements(name, about, ada, world, signed_in) -> None:
    browser, url = signed_in(ada), path(name, world, about)
    browser.get(url)
    with CaptureQueriesContext(connection) as found:
        browser.get(url)
    told = "\n".join(query["sql"][:160] for query in found.captured_queries)
    assert len(found) == PINNED[name], told
