"""Pages: how personas are found, the gallery, two side by side, one by hand; who may, and what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from core.jobs import run_job
from core.models import Job, Workspace
from personas import handmade
from personas.models import Persona, PersonaDay, PersonaMembership, PersonaModel, PersonaSettings
from personas.segments import create_segment
from tests.personas.test_assigning import NOW, TODAY

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_fits")]
PINNED = json.loads((Path(__file__).parent.parent / "query_counts.json").read_text())
EVERYBODY, MARKETING = {"ada", "max", "amy", "mia", "vic"}, {"ada", "max", "mia"}
RULE = {"all": [{"field": "customer.name", "op": "contains", "value": "0 1"}]}


@pytest.fixture
def cast(ada: Any, max: Any, amy: Any, mia: Any, vic: Any) -> dict[str, Any]:
    return {"ada": ada, "max": max, "amy": amy, "mia": mia, "vic": vic}


@pytest.mark.parametrize("name", ["persona-list", "persona-compare", "model"])
def test_pages_open_to_staff_with_and_without_data(name, cast, signed_in, anonymous) -> None:
    url = reverse(f"personas:{name}")
    for user in cast.values():
        assert signed_in(user).get(url).status_code == 200
    assert anonymous.get(url).status_code == 302


@pytest.mark.parametrize("name", ["persona-list", "persona-compare", "model"])
def test_pages_open_with_a_proposal(name, waiting, cast, signed_in) -> None:
    for user in cast.values():
        assert signed_in(user).get(reverse(f"personas:{name}")).status_code == 200


def test_making_a_persona_is_for_marketing(cast, signed_in, anonymous) -> None:
    segment = create_segment(name="French", rule=RULE, by=None)
    url = f"{reverse('personas:persona-make')}?segment={segment.pk}"
    for name, user in cast.items():
        assert signed_in(user).get(url).status_code == (200 if name in MARKETING else 403)
    assert anonymous.get(url).status_code == 302
    assert signed_in(cast["mia"]).get(reverse("personas:persona-make")).status_code == 400
    assert signed_in(cast["mia"]).get(f"{reverse('personas:persona-make')}?segment=999999").status_code == 404


@pytest.mark.parametrize(
    ("name", "given"),
    [("model-fit", []), ("model-features", []), ("model-act", ["take"]), ("model-act", ["dismiss"]),
     ("model-act", ["return"]), ("persona-act", ["retire"]), ("persona-act", ["up"])],
)  # fmt: skip
def test_deciding_is_for_marketing(name, given, waiting, cast, signed_in) -> None:
    about = {"model-act": waiting.pk, "persona-act": Persona.objects.first().pk}.get(name)
    url = reverse(f"personas:{name}", args=[*([about] if about else []), *given])
    for who in ("amy", "vic"):
        assert signed_in(cast[who]).post(url).status_code == 403
    assert Client().post(url).status_code == 302
    assert signed_in(cast["mia"]).get(url).status_code == 405
    assert not Job.objects.exists()
    assert PersonaModel.objects.count() == 2


def test_a_marketer_makes_orders_and_retires_a_persona(three, mia, signed_in) -> None:
    browser = signed_in(mia)
    first = create_segment(name="First", rule=RULE, by=None)
    second = create_segment(name="Second", rule=RULE, by=None)
    for segment, place in ((first, "last"), (second, "first")):
        url = f"{reverse('personas:persona-make')}?segment={segment.pk}"
        given = {"name": f"Of {segment.name}", "icon": "ti-star", "tone": 2, "place": place}
        answer = browser.post(url, given)
        assert answer.status_code == 302, answer.content.decode()[-2000:]
    assert [one.name for one in Persona.objects.shown()][:2] == ["Of Second", "Of First"]
    made = Persona.objects.get(name="Of First")
    browser.post(reverse("personas:persona-act", args=[made.pk, "up"]))
    assert [one.name for one in Persona.objects.shown()][:2] == ["Of First", "Of Second"]
    text = browser.get(reverse("personas:persona-list")).content.decode()
    assert text.index("Of First") < text.index("Of Second")
    assert "made by hand" in text
    browser.post(reverse("personas:persona-act", args=[made.pk, "retire"]))
    assert not Persona.objects.get(pk=made.pk).is_active


def test_a_persona_that_cannot_be_made_says_why(three, mia, signed_in) -> None:
    taken = Persona.objects.filter(is_active=True).first()
    segment = create_segment(name="French", rule=RULE, by=None)
    url = f"{reverse('personas:persona-make')}?segment={segment.pk}"
    given = {"name": taken.name, "icon": "ti-star", "tone": 1, "place": "last"}
    answer = signed_in(mia).post(url, given)
    assert answer.status_code == 422
    assert "Another persona has this name" in answer.content.decode()
    asks = {"all": [{"field": "persona", "op": "in", "value": [taken.pk]}]}
    circular = create_segment(name="Circular", rule=asks, by=None)
    said = signed_in(mia).get(f"{reverse('personas:persona-make')}?segment={circular.pk}").content.decode()
    assert "asks about personas" in said


def test_the_page_tells_features_search_and_drift(three, mia, signed_in) -> None:
    said = signed_in(mia).get(reverse("personas:model")).content.decode()
    assert "Evenings" in said and "120 of 120 customers" in said
    assert "Where somebody lives can stand for where they come from" in said
    assert "trade union membership" in said
    assert "bar 0.75" in said and "r-lines" in said


def test_a_proposal_is_shown_taken_and_taken_back(waiting, mia, signed_in) -> None:
    browser = signed_in(mia)
    first = PersonaModel.objects.get(is_current=True)
    said = browser.get(reverse("personas:model")).content.decode()
    assert "A new model waits" in said and "Of 120 customers 120 would stay" in said
    assert "wait" in browser.get(reverse("personas:persona-list")).content.decode()
    browser.post(reverse("personas:model-act", args=[waiting.pk, "take"]))
    job = Job.objects.get()
    assert job.input["take"] == waiting.pk
    Workspace.current()
    assert run_job(job.pk).state == "done"
    waiting.refresh_from_db()
    assert waiting.is_current
    said = browser.get(reverse("personas:model")).content.decode()
    assert "Take back" in said
    browser.post(reverse("personas:model-act", args=[first.pk, "return"]))
    assert run_job(Job.objects.exclude(pk=job.pk).get().pk).state == "done"
    first.refresh_from_db()
    assert first.is_current


def test_choosing_habits_starts_a_fit(three, mia, signed_in) -> None:
    browser = signed_in(mia)
    url = reverse("personas:model-features")
    browser.post(url, {"feature": ["evening_share"]})
    assert not Job.objects.exists() and not PersonaSettings.objects.filter(features__len__gt=0).exists()
    browser.post(url, {"feature": ["evening_share", "public_share"]})
    assert PersonaSettings.objects.get().features == ["public_share", "evening_share"]
    assert Job.objects.get().input == {"reason": "habits"}


def test_the_finest_division_is_asked_for_on_the_page(three, mia, ada, signed_in) -> None:
    browser = signed_in(mia)
    url = reverse("personas:model-fit")
    assert browser.post(url, {"number": "many"}).status_code == 400
    browser.post(url, {"number": "finest"})
    assert PersonaSettings.objects.get().is_finest
    assert AuditEntry.objects.get(verb="personas.number_chosen").detail == {"finest": True}
    Workspace.current()
    assert run_job(Job.objects.get().pk).state == "done"
    waiting = PersonaModel.objects.get(is_current=False)
    still = [int(k) for k, weakest in waiting.figures["k"].items() if min(weakest) >= 0.75]
    assert waiting.figures["finest"] and waiting.k == max(still)
    browser.post(url)
    assert PersonaSettings.objects.get().is_finest, "who only asks for a fit changes nothing"


def test_two_personas_side_by_side_show_what_differs_with_its_base(three, vic, signed_in) -> None:
    one, other = list(Persona.objects.shown())[:2]
    url = reverse("personas:persona-compare")
    said = signed_in(vic).get(url, {"one": other.pk, "other": one.pk}).content.decode()
    assert "of 40" in said and "Evening" in said
    for odd in ({"one": one.pk, "other": one.pk}, {"one": "x", "other": "9" * 30}):
        assert signed_in(vic).get(url, odd).status_code == 200


def test_the_gallery_shows_how_sizes_moved(three, vic, signed_in) -> None:
    persona = Persona.objects.filter(is_active=True).first()
    for day, members in ((TODAY, 30), (NOW.date(), 30)):
        PersonaDay.objects.get_or_create(persona=persona, day=day, defaults={"members": members})
    PersonaDay.objects.create(persona=persona, day=TODAY.replace(day=9), members=41)
    Persona.objects.filter(pk=persona.pk).update(members=41)
    assert "+11" in signed_in(vic).get(reverse("personas:persona-list")).content.decode()


@pytest.mark.parametrize("name", ["persona-list", "persona-members"])
def test_lists_take_as_many_statements_as_are_pinned(name, three, vic, signed_in) -> None:
    browser = signed_in(vic)
    persona = Persona.objects.filter(is_active=True).first()
    for n in range(3):
        segment = create_segment(name=f"S{n}", rule=RULE, by=None)
        handmade.make_persona(segment=segment, name=f"P{n}")
    url = reverse(f"personas:{name}", args=[persona.pk] if name == "persona-members" else [])
    browser.get(url)
    with CaptureQueriesContext(
        connection,
    ) as found:
        browser.get(url)
    # the gallery also asks for the rules of segments where personas are made by hand
    more = name == "persona-list"
    assert len(found) == PINNED[f"personas:{name}"] + more, [row["sql"] for row in found]


def test_a_member_by_hand_is_shown_with_what_lies_beneath(three, vic, signed_in) -> None:
    computed = Persona.objects.filter(is_active=True).first()
    persona = handmade.make_persona(segment=create_segment(name="S", rule=RULE, by=None), name="Ambassadors")
    PersonaMembership.objects.filter(customer=three[0][0]).update(
        persona=persona, computed=computed, reasons=["In the segment S"], since=timezone.now()
    )
    said = signed_in(vic).get(reverse("personas:persona-members", args=[persona.pk])).content.decode()
    assert "In the segment S" in said and computed.name in said
