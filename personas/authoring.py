"""What people write on a persona: its words, and notes of research with their sources.

A rebuild never writes any of it. Two people at once: whoever saves second is told, and nothing is lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.holding import held
from personas.models import Persona, PersonaNote

WORDS = ("name", "icon", "summary", "goals", "motivations", "pains", "rank", "how_to_speak")
LINES = ("goals", "motivations", "pains", "how_to_speak")
LONGEST_LINE, MOST_LINES, LONGEST_SUMMARY = 120, 8, 600
MOST_NOTES = 60
_ICON = re.compile(r"ti-[a-z0-9-]{1,36}")


class ChangedMeanwhile(ValidationError):
    """Somebody else saved since the form was opened; `persona` is what stands there now."""

    def __init__(self, persona: Persona) -> None:
        self.persona = persona
        who = persona.edited_by.display_name if persona.edited_by else _("Somebody")
        super().__init__(
            _("%(who)s changed this card while you were writing. Nothing of yours is saved yet.")
            % {"who": who},
            code="changed_meanwhile",
        )


def checked_words(words: Mapping[str, Any]) -> dict[str, Any]:
    """Words as they are kept: trimmed, and short enough for one sheet of paper. Raises ValidationError."""
    unknown = set(words) - set(WORDS)
    if unknown:
        raise KeyError(*unknown)
    told = {name: text.strip() if isinstance(text, str) else text for name, text in words.items()}
    told |= {name: one_a_line(name, told[name]) for name in LINES if name in told}
    if "name" in told and not told["name"]:
        raise ValidationError({"name": _("A persona needs a name.")})
    if len(told.get("summary", "")) > LONGEST_SUMMARY:
        raise ValidationError({"summary": _("Keep it under 600 letters: the card is one sheet of paper.")})
    if "icon" in told and not _ICON.fullmatch(told["icon"]):
        raise ValidationError({"icon": _("Choose one of the pictures.")})
    return told


def one_a_line(name: str, text: str) -> str:
    """A list as it is kept, without empty lines. Raises ValidationError."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > MOST_LINES:
        raise ValidationError({name: _("Keep it to 8 lines: the card is one sheet of paper.")})
    if any(len(line) > LONGEST_LINE for line in lines):
        raise ValidationError({name: _("Keep each line under 120 letters.")})
    return "\n".join(lines)


def check_name(name: str, *, but: Persona | None = None) -> None:
    """Raises ValidationError where an active persona has this name."""
    others = Persona.objects.filter(is_active=True, name__iexact=name)
    if but is not None:
        others = others.exclude(pk=but.pk)
    if others.exists():
        raise ValidationError({"name": _("Another persona has this name.")})


@transaction.atomic
def edit_persona(*, persona: Persona, words: Mapping[str, Any], seen: int, by: User) -> Persona:
    """Write what people wrote. `seen` is the count of edits that the form was opened with.

    Raises ChangedMeanwhile where the card was changed since, ValidationError by field.
    """
    check(by, "persona.edit")
    words = checked_words(words)
    rows = Persona.objects.select_for_update(of=("self",)).select_related("edited_by")
    held: Persona = rows.get(pk=persona.pk)
    if held.edits != seen:
        raise ChangedMeanwhile(held)
    changed = [name for name in WORDS if name in words and getattr(held, name) != words[name]]
    if not changed:
        return held
    if "name" in changed:
        check_name(words["name"], but=held)
    for name in changed:
        setattr(held, name, words[name])
    if "name" in changed:
        held.named_by_hand = True
    held.edits += 1
    held.edited_by, held.edited_at = by, timezone.now()
    held.save(update_fields=[*changed, "named_by_hand", "edits", "edited_by", "edited_at"])
    record_audit(by=by, verb="persona.edited", target=held, detail={"fields": changed})
    return held


# Notes


def checked_address(url: str) -> str:
    """The address of a source, where a browser opens it as a page. Raises ValidationError."""
    if url and not url.startswith(("https://", "http://")):
        raise ValidationError({"source_url": _("Type an address that begins with https://")})
    return url


@transaction.atomic
def add_note(
    *, persona: Persona, part: str, text: str, source: str = "", source_url: str = "", by: User
) -> PersonaNote:
    """Write down what research found or somebody assumes. Raises ValidationError."""
    check(by, "persona.edit")
    Persona.objects.select_for_update().get(pk=persona.pk)
    if persona.notes.count() >= MOST_NOTES:
        raise ValidationError(_("A card holds 60 notes at most. Delete one that is out of date."))
    address = checked_address(source_url)
    note = PersonaNote(
        persona=persona, part=part, text=text.strip(), source=source.strip(), source_url=address, by=by
    )
    note.full_clean()
    note.save()
    record_audit(by=by, verb="persona.note_added", target=persona, detail={"note": note.pk, "part": part})
    return note


@transaction.atomic
def edit_note(
    *, note: PersonaNote, text: str, source: str = "", source_url: str = "", seen: str = "", by: User
) -> PersonaNote:
    """Write a note anew: it is then by whoever wrote it last. Raises ValidationError.

    `seen` is `note_state` of the note as it was opened; '' asks nothing.
    """
    check(by, "persona.edit")
    note = held(PersonaNote.objects.select_related("persona", "by"), note.pk, _gone())
    if seen and seen != note_state(note):
        who = note.by.display_name if note.by else _("Somebody")
        words = _("%(who)s changed this note while you were writing. It says now: %(text)s")
        raise ValidationError(words % {"who": who, "text": note.text}, code="changed_meanwhile")
    note.text, note.source, note.source_url = text.strip(), source.strip(), checked_address(source_url)
    note.by, note.at = by, timezone.now()
    note.full_clean()
    note.save(update_fields=["text", "source", "source_url", "by", "at"])
    record_audit(by=by, verb="persona.note_changed", target=note.persona, detail={"note": note.pk})
    return note


def _gone() -> str:
    return _("Somebody deleted this note meanwhile.")


def note_state(note: PersonaNote) -> str:
    """By what a form knows whether a note is still the one that was opened."""
    return note.at.isoformat()


@transaction.atomic
def delete_note(*, note: PersonaNote, by: User) -> None:
    """Take a note off the card. Raises Gone where somebody else did."""
    check(by, "persona.edit")
    note = held(PersonaNote.objects.select_related("persona"), note.pk, _gone())
    record_audit(
        by=by, verb="persona.note_deleted", target=note.persona, detail={"note": note.pk, "part": note.part}
    )
    note.delete()
