"""A card is written while somebody whose words it gathered is taken off all cards."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from core.models import Workspace
from personas.cards import writing
from personas.models import Persona
from personas.privacy import drop_quotes
from tests.personas.card_world import NOW, member, refresh, say

pytestmark = pytest.mark.django_db(transaction=True)
WORDS = "The lid cracked on the very first morning"


def test_words_gathered_before_are_not_written_after(monkeypatch: pytest.MonkeyPatch) -> None:
    Workspace.current()
    persona = Persona.objects.create(name="First")
    gone = member(persona, inbound_total=1)
    say(gone, NOW - timedelta(days=2), WORDS, sentiment=-0.8, reason="complaint", topics=["lids"])
    gathered, make_card = threading.Event(), writing.make_card

    def slow(*given: Any) -> Any:
        card = make_card(*given)
        gathered.set()
        threading.Event().wait(0.5)
        return card

    def write() -> None:
        try:
            refresh()
        finally:
            connections.close_all()

    monkeypatch.setattr(writing, "make_card", slow)
    rebuild = threading.Thread(target=write, daemon=True)
    rebuild.start()
    assert gathered.wait(20)
    assert drop_quotes([gone.pk]) == 1
    rebuild.join(20)
    persona.refresh_from_db()
    assert persona.card, "the rebuild wrote it"
    assert "lid cracked" not in str(persona.card)
