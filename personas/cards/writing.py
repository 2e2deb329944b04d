"""The step of the rebuild that writes cards, and a row a day of each persona."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from core.sql import rows
from personas.cards.gathering import Gathered
from personas.cards.holding import hold_cards
from personas.cards.making import make_card, rounded
from personas.models import Persona, PersonaDay

WRITTEN = ("members", "share", "fit", "border_share", "card", "card_at")
"""The only columns this step writes: what people wrote is never among them."""
_OF_A_DAY = ("members", "share", "value_365", "active", "sentiment", "came", "left")


@transaction.atomic
def refresh_cards(*, today: date, zone: str, now: datetime, everything: bool) -> dict[str, int]:
    """Write the cards that differ; only missing ones unless `everything` may have changed."""
    hold_cards()
    personas = list(Persona.objects.filter(is_active=True).order_by("rank", "id"))
    written = 0
    if personas and (everything or any(persona.card_at is None for persona in personas)):
        gathered = Gathered(today, zone)
        for persona in personas:
            written += _write(persona, gathered, now)
    _note_day(personas, today, zone)
    return {"personas": len(personas), "written": written}


def _write(persona: Persona, gathered: Gathered, now: datetime) -> bool:
    numbers, everybody = gathered.numbers.get(persona.pk), gathered.everybody
    members = int(numbers["customers"]) if numbers else 0
    before = (persona.members, persona.share, persona.fit, persona.border_share, persona.card)
    persona.members = members
    persona.share = members / everybody["customers"] if everybody else 0.0
    persona.fit = rounded(gathered.spread.get(persona.pk, {}).get("fit"), 3)
    persona.border_share = rounded(numbers["border_share"], 3) if numbers else None
    persona.card = make_card(gathered, persona.pk) if numbers else {}
    after = (persona.members, persona.share, persona.fit, persona.border_share, persona.card)
    if before == after and persona.card_at is not None:
        return False
    persona.card_at = now
    persona.save(update_fields=list(WRITTEN))
    return True


def _note_day(personas: Sequence[Persona], today: date, zone: str) -> None:
    """What each persona is on this local day; a later rebuild of the day writes over it."""
    start = datetime.combine(today, time.min, tzinfo=ZoneInfo(zone))
    until = datetime.combine(today + timedelta(days=1), time.min, tzinfo=ZoneInfo(zone))
    moved = {
        row["persona_id"]: row for row in rows("personas", "card_moved", {"since": start, "until": until})
    }
    PersonaDay.objects.bulk_create(
        [_day(persona, today, moved.get(persona.pk, {})) for persona in personas],
        update_conflicts=True,
        unique_fields=["persona", "day"],
        update_fields=list(_OF_A_DAY),
    )


def _day(persona: Persona, today: date, moved: dict[str, Any]) -> PersonaDay:
    value = persona.card.get("value", {})
    figures = {name: value.get(name, {}).get("here") for name in ("value_365", "active", "sentiment")}
    return PersonaDay(
        persona=persona,
        day=today,
        members=persona.members,
        share=persona.share,
        came=int(moved.get("came", 0)),
        left=int(moved.get("gone", 0)),
        **figures,
    )
