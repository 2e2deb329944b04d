"""What the staff of the demo shop have written on its personas."""

from __future__ import annotations

import pytest
from django.utils import timezone

from analytics.demo.personas import BY_WORD, PLAIN, write_on_personas
from core.models import Workspace
from personas.features import FEATURES
from personas.models import Persona

pytestmark = pytest.mark.django_db


def persona(*words, **values):
    return Persona.objects.create(
        name=" ".join(words) or "Group", name_explained=[{"word": word} for word in words], **values
    )


@pytest.fixture
def demo():
    workspace = Workspace.current()
    workspace.demo_since = timezone.now()
    workspace.save()


def test_the_noun_speaks_before_the_adjective(demo):
    one = persona("critical", "conversationalists")
    write_on_personas(None)
    one.refresh_from_db()
    assert one.summary == f"{BY_WORD['conversationalists'].about} {BY_WORD['critical'].about}"
    assert one.how_to_speak.splitlines()[-1].startswith("- ")
    assert one.notes.count() == 1


def test_a_name_without_words_gets_plain_ones(demo):
    one = persona("inscrutable")
    write_on_personas(None)
    one.refresh_from_db()
    assert one.summary == PLAIN.about


def test_what_somebody_wrote_or_emptied_later_stays(demo):
    written, emptied = persona("fans", summary="Ours."), persona("fans", card_at=timezone.now())
    write_on_personas(None)
    for one, summary in ((written, "Ours."), (emptied, "")):
        one.refresh_from_db()
        assert one.summary == summary


def test_nothing_is_written_outside_a_demo(db):
    one = persona("fans")
    assert write_on_personas(None) == {"written": 0}
    one.refresh_from_db()
    assert one.summary == ""


def test_every_word_is_one_that_personas_are_named_with():
    known = {word for feature in FEATURES for word in (*feature.adjectives, *feature.nouns)}
    assert set(BY_WORD) <= known
