"""The card over REST: typed, what people write, notes, links."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.models import Workspace
from crm.models import Customer
from personas.authoring import edit_persona
from personas.card_serializers import CardOut
from personas.cards import refresh_cards
from personas.models import Persona, PersonaMembership, PersonaNote, PersonaShare, Traits
from tests.api import Caller, errors

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(ada: Any) -> Caller:
    return Caller(ada)


@pytest.fixture
def persona(db: None) -> Persona:
    """Twelve members, and a card that a rebuild wrote."""
    Workspace.current()
    made = Persona.objects.create(name="Loyal")
    for n in range(12):
        who = Customer.objects.create(name=f"C{n}", city="Lund")
        Traits.objects.create(customer=who, computed_at=timezone.now(), orders_total=n)
        PersonaMembership.objects.create(customer=who, persona=made, confidence=0.9, since=timezone.now())
    refresh_cards(today=date(2026, 3, 1), zone="UTC", now=timezone.now(), everything=True)
    made.refresh_from_db()
    return made


def test_the_whole_card_is_typed(api: Caller, persona: Persona) -> None:
    card = api.get(f"personas/{persona.pk}/").json()["card"]
    assert set(card) == set(CardOut().fields) == set(persona.card)
    assert card["base"]["customers"] == 12
    assert card["who"]["city"] == [{"value": "Lund", "n": 12, "share": 1.0, "base": 12}]
    assert set(card["value"]) == set(persona.card["value"])


def test_words_are_changed_with_the_state_that_was_read(api: Caller, persona: Persona, max: Any) -> None:
    read = api.get(f"personas/{persona.pk}/").json()
    assert read["edits"] == 0
    changed = api.patch(f"personas/{persona.pk}/", {"goals": " One \n\nTwo", "edits": 0})
    assert (changed.status_code, changed.json()["goals"], changed.json()["edits"]) == (200, "One\nTwo", 1)
    edit_persona(persona=persona, words={"goals": "Of Max"}, seen=1, by=max)
    late = api.patch(f"personas/{persona.pk}/", {"goals": "Late", "edits": 1})
    assert (late.status_code, errors(late)) == (409, [("changed_meanwhile", None)])
    persona.refresh_from_db()
    assert (persona.goals, persona.named_by_hand) == ("Of Max", False)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"goals": "x"}, ("required", "edits")),
        ({"edits": 0, "members": 9}, ("unknown_field", "members")),
        ({"edits": 0, "card": {}}, ("unknown_field", "card")),
        ({"edits": 0, "name": " "}, ("blank", "name")),
        ({"edits": 0, "icon": 'ti-x" onload='}, ("invalid", "icon")),
        ({"edits": 0, "pains": "x\n" * 9}, ("invalid", "pains")),
    ],
)
def test_wrong_words_are_refused(api: Caller, persona: Persona, body: Any, wrong: Any) -> None:
    answer = api.patch(f"personas/{persona.pk}/", body)
    assert (answer.status_code, errors(answer)) == (400, [wrong])
    persona.refresh_from_db()
    assert persona.edits == 0


def test_no_name_is_given_twice(api: Caller, persona: Persona) -> None:
    Persona.objects.create(name="Taken")
    answer = api.patch(f"personas/{persona.pk}/", {"edits": 0, "name": "taken"})
    assert (answer.status_code, errors(answer)) == (400, [("invalid", "name")])


def test_notes_are_written_read_changed_and_deleted(api: Caller, persona: Persona) -> None:
    place = f"personas/{persona.pk}/notes/"
    made = api.post(place, {"part": "who", "text": "Flats", "source": "Visits"})
    assert (made.status_code, made.json()["is_assumed"]) == (201, False)
    one = f"persona-notes/{made.json()['id']}/"
    assert [note["text"] for note in api.get(place).json()["results"]] == ["Flats"]
    assert api.get(f"personas/{persona.pk}/").json()["notes"][0]["source"] == "Visits"
    changed = api.patch(one, {"text": "Small flats"}).json()
    assert (changed["text"], changed["is_assumed"]) == ("Small flats", True)
    assert errors(api.patch(one, {"text": "x", "source_url": "javascript:alert(1)"}))[0][1] == "source_url"
    assert errors(api.patch(one, {"text": "x", "source_url": "ftp://x.example/"}))[0][1] == "source_url"
    assert errors(api.post(place, {"part": "shoes", "text": "x"})) == [("invalid_choice", "part")]
    assert api.delete(one).status_code == 204
    assert not PersonaNote.objects.exists()


def test_links_are_made_listed_and_revoked(api: Caller, persona: Persona) -> None:
    place = f"personas/{persona.pk}/shares/"
    made = api.post(place, {"label": "Agency", "days": 7})
    assert made.status_code == 201
    url = made.json()["url"]
    path = url[url.index("/shared/") :]
    assert Client().get(path).status_code == 200
    assert [(one["seen"], one["is_open"]) for one in api.get(place).json()["results"]] == [(1, True)]
    ended = api.post(f"persona-shares/{made.json()['id']}/revoke/").json()
    assert (ended["is_open"], ended["url"]) == (False, "")
    assert Client().get(path).status_code == 404
    assert errors(api.post(place, {"days": 365})) == [("invalid_choice", "days")]
    Persona.objects.update(members=9)
    assert errors(api.post(place, {"days": 7})) == [("too_few", None)]
    assert PersonaShare.objects.count() == 1


def test_each_call_needs_its_right(ada: Any, vic: Any, persona: Persona) -> None:
    reader, viewer = Caller(ada, ["persona.read"]), Caller(vic, maker=ada)
    for caller in (reader, viewer):
        answers = [
            caller.patch(f"personas/{persona.pk}/", {"edits": 0, "goals": "x"}),
            caller.post(f"personas/{persona.pk}/notes/", {"part": "who", "text": "x"}),
            caller.get(f"personas/{persona.pk}/shares/"),
            caller.post(f"personas/{persona.pk}/shares/", {"days": 7}),
        ]
        assert [answer.status_code for answer in answers] == [403] * 4
        assert caller.get(f"personas/{persona.pk}/notes/").status_code == 200
    assert Client().get(f"/api/v1/personas/{persona.pk}/").status_code == 401
    assert not PersonaShare.objects.exists() and not PersonaNote.objects.exists()


def test_a_card_takes_a_fixed_number_of_statements(
    persona: Persona, vic: Any, signed_in: Any, django_assert_max_num_queries: Any
) -> None:
    window, url = signed_in(vic), reverse("personas:persona-detail", args=[persona.pk])
    window.get(url)
    with django_assert_max_num_queries(16):
        assert window.get(url).status_code == 200
