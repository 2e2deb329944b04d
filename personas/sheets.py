"""One card as a sheet to read, for staff and for whoever holds a link: what the template needs, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from core.models import Workspace
from crm.models import Customer
from personas.models import NotePart, Persona, PersonaDay, PersonaMembership, PersonaNote, Segment
from personas.sharing import LEAST_TOLD, shared_card, shared_notes

TREND_DAYS = 84
SAMPLE = 6
Row = dict[str, Any]


def sheet_for_staff(persona: Persona) -> Row:
    """The whole card: numbers, words, notes, customers, segments and organizations."""
    card = persona.card
    sample = PersonaMembership.objects.filter(persona=persona).select_related("customer")
    return {
        **_common(persona, card, persona.notes.select_related("by").order_by("at", "pk")),
        "shared": False,
        "sample": sample.order_by("-confidence", "-customer_id")[:SAMPLE],
        "segments": _named_segments(card.get("segments", ())),
        "organizations": _named_organizations(card.get("organizations", ())),
        "glad": next(iter(card.get("glad", ())), None),
    }


def sheet_for_strangers(persona: Persona) -> Row:
    """What a link shows: figures and words about the group, and notes that name a source."""
    sheet = _common(persona, shared_card(persona.card), shared_notes(persona))
    # The mean of a day on which the group was small could be the figure of one member.
    days = [day for day in sheet["days"] if day.members >= LEAST_TOLD]
    for name in {"value_365", "sentiment"} - sheet["card"].get("value", {}).keys():
        for day in days:
            setattr(day, name, None)  # a line ends in the figure that the card leaves out
    return {**sheet, "days": days, "shared": True}


def _common(persona: Persona, card: Mapping[str, Any], notes: Iterable[PersonaNote]) -> Row:
    return {
        "persona": persona,
        "card": card,
        "answers_best": _answers_best(card.get("answers", ())),
        "notes": notes_by_part(notes),
        "goals": _lines(persona.goals),
        "motivations": _lines(persona.motivations),
        "pains": _lines(persona.pains),
        "days": days_of(persona),
        "weekdays": [_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun")],
        "printed": timezone.now(),
    }


def notes_by_part(notes: Iterable[PersonaNote]) -> dict[str, list[PersonaNote]]:
    """Notes under each part of the card, the oldest first; every part is there."""
    found: dict[str, list[PersonaNote]] = {part: [] for part in NotePart.values}
    for note in notes:
        found[note.part].append(note)
    return found


def days_of(persona: Persona) -> list[PersonaDay]:
    """The rows of the last twelve weeks, the oldest first."""
    since = Workspace.current().today() - timedelta(days=TREND_DAYS)
    return list(persona.days.filter(day__gt=since).order_by("day"))


def _answers_best(answers: Sequence[Row]) -> list[Row]:
    """The two networks on which they answer most; none where they never do."""
    return [row for row in answers[:2] if row["rate"]]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _named_segments(found: Sequence[Row]) -> list[Row]:
    names = dict(Segment.objects.filter(pk__in=[row["segment"] for row in found]).values_list("pk", "name"))
    return [{**row, "name": names[row["segment"]]} for row in found if row["segment"] in names]


def _named_organizations(found: Sequence[Row]) -> list[Row]:
    rows = Customer.objects.filter(pk__in=[row["organization"] for row in found], merged_into=None)
    named = {one.pk: one for one in rows}
    return [{**row, "customer": named[row["organization"]]} for row in found if row["organization"] in named]
