"""What people write on a persona: who may, two at once, notes with sources, and that a rebuild keeps it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from core.jobs import run_job
from core.models import Workspace
from crm.models import Customer
from crm.orders import store_orders
from personas.authoring import ChangedMeanwhile, add_note, delete_note, edit_note, edit_persona, note_state
from personas.cards import refresh_cards
from personas.models import Persona, PersonaDay, PersonaMembership, PersonaNote, Traits
from personas.nightly import start_rebuild
from tests.crm.orders import order

pytestmark = pytest.mark.django_db
WORDS = {
    "name": "Ritual pourers", "icon": "ti-droplet", "summary": "They weigh.", "goals": "One cup\nTwo cups",
    "motivations": "Quiet", "pains": "Form letters", "how_to_speak": "Degrees\n- Hurry", "rank": 3,
}  # fmt: skip


@pytest.fixture
def persona(db: None) -> Persona:
    Workspace.current()
    return Persona.objects.create(name="A", members=40)


def form(**more: Any) -> dict[str, Any]:
    return {**WORDS, "seen": 0, **more}


def test_words_are_written_with_who_and_when(persona: Persona, mia: Any) -> None:
    held = edit_persona(persona=persona, words=WORDS, seen=0, by=mia)
    assert {name: getattr(held, name) for name in WORDS} == WORDS
    assert (held.named_by_hand, held.edits, held.edited_by) == (True, 1, mia)
    entry = AuditEntry.objects.get(verb="persona.edited")
    assert (entry.actor, set(entry.detail["fields"])) == (mia, set(WORDS))
    again = edit_persona(persona=persona, words=WORDS, seen=1, by=mia)
    assert again.edits == 1, "nothing differs, so nothing is written"


@pytest.mark.parametrize("who", ["amy", "vic"])
def test_those_who_may_not_write_nothing(who: str, persona: Persona, request: Any, mia: Any) -> None:
    by = request.getfixturevalue(who)
    note = add_note(persona=persona, part="who", text="Flats", by=mia)
    with pytest.raises(PermissionDenied):
        edit_persona(persona=persona, words=WORDS, seen=0, by=by)
    with pytest.raises(PermissionDenied):
        add_note(persona=persona, part="who", text="Houses", by=by)
    with pytest.raises(PermissionDenied):
        edit_note(note=note, text="Houses", by=by)
    with pytest.raises(PermissionDenied):
        delete_note(note=note, by=by)
    assert PersonaNote.objects.get().text == "Flats"


def test_who_saves_second_is_told_and_loses_nothing(
    persona: Persona, mia: Any, max: Any, signed_in: Any
) -> None:
    url = reverse("personas:persona-edit", args=[persona.pk])
    assert signed_in(max).post(url, form(goals="Of Max")).status_code == 302
    second = signed_in(mia).post(url, form(goals="Of Mia"))
    page = second.content.decode()
    assert second.status_code == 422
    assert f"{max.display_name} changed this card" in page
    assert "Of Mia" in page and "Of Max" in page
    persona.refresh_from_db()
    assert (persona.goals, persona.edits) == ("Of Max", 1)
    assert 'name="seen" value="1"' in page
    assert signed_in(mia).post(url, form(goals="Of Mia", seen=1)).status_code == 302
    persona.refresh_from_db()
    assert (persona.goals, persona.edits, persona.edited_by) == ("Of Mia", 2, mia)


def test_the_door_refuses_an_earlier_state(persona: Persona, mia: Any, max: Any) -> None:
    edit_persona(persona=persona, words={"goals": "Of Max"}, seen=0, by=max)
    with pytest.raises(ChangedMeanwhile) as found:
        edit_persona(persona=persona, words={"goals": "Of Mia"}, seen=0, by=mia)
    assert found.value.persona.goals == "Of Max"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("goals", "\n".join(f"goal {n}" for n in range(9))),
        ("pains", "x" * 121),
        ("summary", "x" * 601),
        ("icon", 'ti-user" onload="x'),
        ("rank", "-1"),
        ("seen", "x"),
    ],
)
def test_what_does_not_fit_is_refused(
    field: str, value: str, persona: Persona, mia: Any, signed_in: Any
) -> None:
    answer = signed_in(mia).post(reverse("personas:persona-edit", args=[persona.pk]), form(**{field: value}))
    assert answer.status_code == 422
    persona.refresh_from_db()
    assert (persona.name, persona.edits) == ("A", 0)


def test_no_two_personas_have_one_name(persona: Persona, mia: Any, signed_in: Any) -> None:
    Persona.objects.create(name="Taken")
    answer = signed_in(mia).post(reverse("personas:persona-edit", args=[persona.pk]), form(name="taken"))
    assert answer.status_code == 422
    assert "Another persona has this name." in answer.content.decode()
    persona.refresh_from_db()
    assert (persona.name, persona.edits) == ("A", 0)


# Notes


def test_a_note_without_a_source_is_assumed_and_shown_so(
    persona: Persona, mia: Any, vic: Any, signed_in: Any
) -> None:
    add_note(persona=persona, part="who", text="Flats with one window", by=mia)
    url = "https://example.org/fair?a=1&b=2"
    add_note(
        persona=persona,
        part="value",
        text="They give presents",
        source="Survey, n = 84",
        source_url=url,
        by=mia,
    )
    page = signed_in(vic).get(reverse("personas:persona-detail", args=[persona.pk])).content.decode()
    before, _mid, after = page.partition("Flats with one window")
    assert 'data-from="assumed"' in before[-400:]
    assert mia.display_name in after[:200]
    before, _mid, after = page.partition("They give presents")
    assert 'data-from="research"' in before[-400:]
    assert 'href="https://example.org/fair?a=1&amp;b=2"' in after and "Survey, n = 84" in after


def test_notes_are_written_changed_and_deleted_in_place(
    persona: Persona, mia: Any, max: Any, signed_in: Any
) -> None:
    window = signed_in(mia)
    headers = {"HX-Request": "true"}
    made = window.post(
        reverse("personas:note-add", args=[persona.pk, "hurts"]), {"text": "Form letters"}, headers=headers
    )
    assert made.status_code == 200 and "Form letters" in made.content.decode()
    note = PersonaNote.objects.get()
    assert (note.part, note.by, note.is_assumed) == ("hurts", mia, True)
    url = reverse("personas:note-edit", args=[note.pk])
    given = {"text": "Form letters hurt", "source": "Six interviews"}
    assert "Six interviews" in signed_in(max).post(url, given, headers=headers).content.decode()
    note.refresh_from_db()
    assert (note.text, note.by, note.is_assumed) == ("Form letters hurt", max, False)
    wrong = window.post(url, {"text": "", "source_url": "javascript:alert(1)"}, headers=headers)
    assert wrong.status_code == 422
    note.refresh_from_db()
    assert note.text == "Form letters hurt"
    gone = window.post(reverse("personas:note-delete", args=[note.pk]), headers=headers)
    assert "Form letters" not in gone.content.decode()
    assert not PersonaNote.objects.exists()
    verbs = list(AuditEntry.objects.filter(verb__startswith="persona.note").values_list("verb", flat=True))
    assert sorted(verbs) == ["persona.note_added", "persona.note_changed", "persona.note_deleted"]


def test_who_changes_a_note_second_is_told(persona: Persona, mia: Any, max: Any, signed_in: Any) -> None:
    note = add_note(persona=persona, part="who", text="Flats", by=mia)
    opened = note_state(note)
    edit_note(note=note, text="Flats of Max", seen=opened, by=max)
    url, headers = reverse("personas:note-edit", args=[note.pk]), {"HX-Request": "true"}
    second = signed_in(mia).post(url, {"text": "Flats of Mia", "seen": opened}, headers=headers)
    page = second.content.decode()
    assert second.status_code == 422
    assert f"{max.display_name} changed this note" in page and "Flats of Mia" in page
    note.refresh_from_db()
    assert note.text == "Flats of Max"
    assert f'value="{note_state(note)}"' in page
    given = {"text": "Flats of Mia", "seen": note_state(note)}
    assert signed_in(mia).post(url, given, headers=headers).status_code == 200
    note.refresh_from_db()
    assert (note.text, note.by) == ("Flats of Mia", mia)


def test_a_note_needs_words_and_a_part(persona: Persona, mia: Any, signed_in: Any) -> None:
    for wrong in ({"text": "   "}, {"text": "x" * 501}, {"text": "ok", "source_url": "ftp://x.example"}):
        with pytest.raises(ValidationError):
            add_note(persona=persona, part="who", by=mia, **wrong)
    with pytest.raises(ValidationError):
        add_note(persona=persona, part="shoes", text="Big", by=mia)
    assert (
        signed_in(mia).post(reverse("personas:note-add", args=[persona.pk, "shoes"]), {}).status_code == 404
    )
    assert not PersonaNote.objects.exists()


def test_those_who_may_not_reach_no_page_that_writes(
    persona: Persona, amy: Any, mia: Any, signed_in: Any, anonymous: Any
) -> None:
    note = add_note(persona=persona, part="who", text="Flats", by=mia)
    urls = [
        reverse("personas:persona-edit", args=[persona.pk]),
        reverse("personas:note-add", args=[persona.pk, "who"]),
        reverse("personas:note-edit", args=[note.pk]),
        reverse("personas:note-delete", args=[note.pk]),
    ]
    for url in urls:
        assert signed_in(amy).post(url, {"text": "x"}).status_code == 403
        assert anonymous.post(url, {"text": "x"}).status_code == 302
    assert PersonaNote.objects.get().text == "Flats"


# Rebuilds


def test_what_people_wrote_stays_through_a_full_rebuild_and_refit(mia: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("core.jobs._enqueue", lambda pk, kind: None)
    store_orders(
        "shop",
        [order(f"{n}-{turn}", buyer=f"b{n}") for n in range(12) for turn in range(3 if n < 4 else 1)],
    )
    run_job(start_rebuild(by=mia, enqueue=False).pk)
    persona = Persona.objects.filter(is_active=True, members__gt=0).first()
    assert persona is not None
    words = {**WORDS, "rank": persona.rank}
    edit_persona(persona=persona, words=words, seen=0, by=mia)
    note = add_note(persona=persona, part="speak", text="Long answers", source="Calls of May", by=mia)
    run_job(start_rebuild(full=True, refit=True, by=mia, enqueue=False).pk)
    persona.refresh_from_db()
    assert {name: getattr(persona, name) for name in words} == words
    assert (persona.edits, persona.edited_by, persona.notes.get()) == (1, mia, note)
    assert persona.days.count() == 1


def test_a_rebuild_that_began_before_an_edit_does_not_write_over_it(persona: Persona, mia: Any) -> None:
    made = Customer.objects.create(name="Some Body")
    Traits.objects.create(customer=made, computed_at=timezone.now())
    PersonaMembership.objects.create(customer=made, persona=persona, confidence=0.9, since=timezone.now())
    from personas.cards import writing
    from personas.cards.gathering import Gathered

    old = Persona.objects.get(pk=persona.pk)
    edit_persona(persona=persona, words=WORDS, seen=0, by=mia)
    assert writing._write(old, Gathered(date(2026, 3, 1), "UTC"), timezone.now())
    persona.refresh_from_db()
    assert {name: getattr(persona, name) for name in WORDS} == WORDS
    assert persona.members == 1


def test_each_day_has_one_row_and_keeps_its_last_figures(persona: Persona) -> None:
    for turn, day in enumerate((date(2026, 3, 1), date(2026, 3, 1), date(2026, 3, 2))):
        made = Customer.objects.create(name=f"C{turn}")
        Traits.objects.create(customer=made, computed_at=timezone.now())
        PersonaMembership.objects.create(customer=made, persona=persona, confidence=0.9, since=timezone.now())
        refresh_cards(today=day, zone="UTC", now=timezone.now(), everything=True)
    assert list(PersonaDay.objects.order_by("day").values_list("members", flat=True)) == [2, 3]
    refresh_cards(today=date(2026, 3, 3), zone="UTC", now=timezone.now(), everything=False)
    assert PersonaDay.objects.get(day=date(2026, 3, 3)).members == 3, "a night without changes has a row too"
