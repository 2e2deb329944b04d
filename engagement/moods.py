"""What people say of a message's mood: corrections in its thread, messages drawn at random, imported labels.

A person's word counts at once for that message, and no reader changes it. Corrections train a model but never
judge one: they are made where the reader was wrong, so that every reader would look bad against them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from secrets import randbelow

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Max, Min, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core import sql
from core.events import emit
from core.models import Workspace
from core.text import clean_text
from crm.models import CustomerTouch
from engagement.channels.base import Direction
from engagement.models import Interaction, LabelSource, Mood, MoodLabel
from engagement.reading import read_texts, spoken_language
from engagement.reading.cleaning import READ_CHARACTERS, clean
from engagement.reading.language import detector_for
from engagement.reading.trained import TYPICAL
from engagement.text_models import sentiment_models

MOOD_VALUE = TYPICAL

MOST_IMPORTED = 50_000
MOODS = {"happy": 1, "neutral": 0, "unhappy": -1}
NAMES = {**MOODS, "positive": 1, "negative": -1, "1": 1, "0": 0, "-1": -1}
"""How a file may write a mood."""


@transaction.atomic
def set_mood(
    *, interaction: Interaction, mood: int, by: User, source: LabelSource = LabelSource.THREAD
) -> MoodLabel:
    """A person says how somebody felt who wrote this. Raises ValidationError where no customer did.

    Whoever says so last is believed; what the reader had found is kept, so that it can be taken back. A label
    of a message drawn at random stays one of those.
    """
    check(by, "reading.correct")
    line = Interaction.objects.select_for_update(of=("self",)).get(pk=interaction.pk)
    if line.direction != Direction.INBOUND or line.deleted_at or not line.text.strip():
        raise ValidationError(_("Only what a customer wrote has a mood."))
    known = MoodLabel.objects.filter(interaction=line).first()
    label = known or MoodLabel(
        interaction=line, source=source, was=line.sentiment, was_reader=line.reader, language=_language(line)
    )
    label.mood, label.by, label.at = Mood(mood), by, timezone.now()
    label.save()
    _write(line, MOOD_VALUE * mood, by_staff=True)
    detail = {"mood": Mood(mood).name.lower()}
    record_audit(by=by, verb="interaction.mood_set", target=line, name="", detail=detail)
    return label


@transaction.atomic
def take_back(*, label: MoodLabel, by: User) -> None:
    """Forget a label; its message is read again by the reader of today."""
    check(by, "reading.correct")
    if label.interaction_id is not None:
        line = Interaction.objects.select_for_update(of=("self",)).get(pk=label.interaction_id)
        if not line.deleted_at:
            workspace = Workspace.current()
            (reading,) = read_texts([line.text], languages=workspace.languages, models=sentiment_models())
            line.reader = reading.version
            _write(line, reading.sentiment, by_staff=False)
        record_audit(by=by, verb="interaction.mood_taken_back", target=line, name="")
    label.delete()


def _write(line: Interaction, sentiment: float | None, *, by_staff: bool) -> None:
    """The line, and what follows from it: the conversation's mood, traits, rollups, whoever looks at it."""
    line.sentiment, line.mood_by_staff = sentiment, by_staff
    line.save(update_fields=["sentiment", "mood_by_staff", "reader"])
    sql.run("engagement", "refresh_snippets", {"ids": [line.conversation_id]})
    if line.customer_id:
        CustomerTouch.objects.create(customer_id=line.customer_id)
    sql.run(
        "engagement",
        "mark_dirty_days",
        {"account": line.account_id, "moments": [line.occurred_at], "zone": Workspace.current().zone},
    )
    emit(
        "interaction.changed",
        channels=[f"team:{line.team_id}", f"conversation:{line.conversation_id}"],
        interaction=line.pk,
        conversation=line.conversation_id,
    )


def _language(line: Interaction) -> str:
    return spoken_language(line.language, detector_for(tuple(Workspace.current().languages)))


# Drawing


def drawn(by: User) -> Interaction | None:
    """A message by chance, of those this person's teams see and nobody judged; None where there is none."""
    open_ones = (
        Interaction.objects.visible_to(by)
        .filter(direction=Direction.INBOUND, deleted_at=None, mood_label=None)
        .exclude(text="")
        .exclude(kind="visit")
    )
    ends = Interaction.objects.aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is None:
        return None
    place = ends["first"] + randbelow(ends["last"] - ends["first"] + 1)
    shown: QuerySet[Interaction] = open_ones.select_related("account").order_by("pk")
    return shown.filter(pk__gte=place).first() or shown.first()


# Importing


@dataclass
class Imported:
    """How an import of labels went."""

    taken: int = 0
    repeated: int = 0
    refused: list[str] = field(default_factory=list)


@transaction.atomic
def import_labels(*, rows: Iterable[tuple[str, str]], by: User) -> Imported:
    """Keep texts with their moods, as somebody else judged them. Texts that are known are not taken twice."""
    check(by, "reading.manage")
    found, detector = Imported(), detector_for(tuple(Workspace.current().languages))
    known = set(MoodLabel.objects.filter(source=LabelSource.IMPORT).values_list("text", flat=True))
    labels = []
    for number, (text, name) in enumerate(rows, 2):
        words = clean(clean_text(text, limit=READ_CHARACTERS))[0]
        mood = NAMES.get(name.strip().lower())
        if mood is None or not words:
            found.refused.append(_refusal(number, words))
        elif words in known:
            found.repeated += 1
        elif len(known) >= MOST_IMPORTED:
            found.refused.append(_("Line %(n)s: there are %(most)s labels already.") % _full(number))
        else:
            known.add(words)
            language = spoken_language(detector.detect(words), detector)
            labels.append(MoodLabel(text=words, mood=mood, language=language, source="import", by=by))
    MoodLabel.objects.bulk_create(labels, batch_size=1_000)
    found.taken = len(labels)
    if labels:
        detail = {"labels": len(labels)}
        record_audit(by=by, verb="moodlabel.imported", name="", detail=detail)
    return found


def _full(number: int) -> dict[str, int]:
    return {"n": number, "most": MOST_IMPORTED}


def _refusal(number: int, words: str) -> str:
    if not words:
        return _("Line %(n)s has no text.") % {"n": number}
    return _("Line %(n)s: the label is not happy, neutral or unhappy.") % {"n": number}


# Counting


def counts() -> dict[str, dict[str, int]]:
    """How many labels by language and source."""
    rows = MoodLabel.objects.values_list("language", "source").annotate(n=Count("pk")).order_by("language")
    found: dict[str, dict[str, int]] = {}
    for language, source, n in rows:
        found.setdefault(language, {})[source] = n
    return found
