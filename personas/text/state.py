"""What the page about reading shows: how texts were read, by what, and how good the trained models are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.translation import get_language_info
from django.utils.translation import gettext as _

from core import sql
from engagement.contact_reasons import TagInUse, tags_in_use
from engagement.models import LabelSource, TextModel
from engagement.moods import counts
from engagement.reading import MODEL_STEP, READER_VERSION
from personas.text.reasons import LEAST_JUDGED, TagFigures
from personas.text.training import NEEDED

SAMPLED = 100_000
"""Interactions that the counts of languages and readers are made of; a larger table is sampled."""


@dataclass(frozen=True)
class Counted:
    """A language or a reader: how many texts, of how many."""

    key: str
    name: str
    n: int
    base: int
    moods: int = 0
    stale: int = 0
    """Those that another reader would read today."""


@dataclass(frozen=True)
class ReadSoFar:
    """How texts were read; `is_sample` where they were not all counted."""

    languages: list[Counted]
    readers: list[Counted]
    base: int
    by_staff: int
    is_sample: bool

    @property
    def stale(self) -> int:
        """Texts that another reader would read today."""
        return sum(one.stale for one in self.readers)


def read_so_far() -> ReadSoFar:
    """Counts by language and by reader."""
    rows, is_sample = _rows()
    languages: Counter[str] = Counter()
    moods: Counter[str] = Counter()
    readers: Counter[int] = Counter()
    stale: Counter[int] = Counter()
    of_today = _readers_of_today()
    for row in rows:
        languages[row["language"]] += row["n"]
        moods[row["language"]] += row["moods"]
        readers[row["reader"]] += row["n"]
        if row["reader"] != of_today.get(row["language"], READER_VERSION):
            stale[row["reader"]] += row["n"]
    base = sum(languages.values())
    return ReadSoFar(
        languages=[
            Counted(key, language_name(key), n, base, moods[key]) for key, n in languages.most_common()
        ],
        readers=[
            Counted(str(key), _reader_name(key), n, base, stale=stale[key])
            for key, n in readers.most_common()
        ],
        base=base,
        by_staff=sum(row["by_staff"] for row in rows),
        is_sample=is_sample,
    )


def _rows() -> tuple[list[dict[str, Any]], bool]:
    """The counts, and whether they are of a sample."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'engagement_interaction'::regclass")
        (about,) = cursor.fetchone()
    percent = min(100.0, 100.0 * SAMPLED / max(about, 1.0))
    return sql.rows("personas", "readings", {"percent": percent}), percent < 100


def _readers_of_today() -> dict[str, int]:
    """The version with which texts of a language are read where a model is in use."""
    used = TextModel.objects.filter(kind="sentiment", is_used=True).values_list("language", "version")
    return {language: READER_VERSION + MODEL_STEP * version for language, version in used}


def language_name(code: str) -> str:
    """German for "de"; what cannot be told is said so."""
    if code in ("", "und"):
        return _("no text") if code == "" else _("cannot be told")
    try:
        return str(get_language_info(code)["name_translated"])
    except KeyError:
        return code


def _reader_name(reader: int) -> str:
    if reader == 0:
        return _("not read")
    model, code = divmod(reader, MODEL_STEP)
    said = {"code": code, "model": model}
    return _("rules %(code)s, model %(model)s") % said if model else _("rules %(code)s") % said


# Moods


@dataclass(frozen=True)
class MoodState:
    """Labels of one language and what came of them."""

    language: str
    name: str
    drawn: int
    imported: int
    corrected: int
    trial: TextModel | None

    @property
    def judging(self) -> int:
        return self.drawn + self.imported

    @property
    def needed(self) -> int:
        return NEEDED

    @property
    def missing(self) -> int:
        return max(NEEDED - self.judging, 0)

    @property
    def folds(self) -> list[tuple[float, float]]:
        """The model's and VADER's r in each fold."""
        if self.trial is None:
            return []
        figures = self.trial.figures
        return list(zip(figures["r_folds"], figures["rules_r_folds"], strict=True))

    @property
    def has_rules(self) -> bool:
        """Whether VADER knows the language at all."""
        return self.language == "en"


def mood_states() -> list[MoodState]:
    """Each language with labels, the most first."""
    found = []
    trials = {one.language: one for one in TextModel.objects.filter(kind="sentiment").order_by("trained_at")}
    for language, by_source in counts().items():
        if language in ("", "und"):
            continue
        found.append(
            MoodState(
                language,
                language_name(language),
                by_source.get(LabelSource.SAMPLE, 0),
                by_source.get(LabelSource.IMPORT, 0),
                by_source.get(LabelSource.THREAD, 0),
                trials.get(language),
            )
        )
    return sorted(found, key=lambda one: (-one.judging, one.language))


# Reasons


@dataclass(frozen=True)
class TagState:
    """A tag, and how well it is told where it was learned."""

    tag: TagInUse
    figures: TagFigures | None

    @property
    def is_weak(self) -> bool:
        return self.figures is not None and self.figures.n < LEAST_JUDGED


@dataclass(frozen=True)
class ReasonState:
    """The newest try to learn reasons, and every tag."""

    trial: TextModel | None
    tags: list[TagState]

    @property
    def told(self) -> int:
        return sum(1 for one in self.tags if one.figures and one.figures.is_told)


def reason_state(most: int = 30) -> ReasonState:
    """The tags in use, the most used first, with the figures of the newest try."""
    trial = TextModel.objects.filter(kind="reason").order_by("-trained_at").first()
    learned = {one["tag"]: TagFigures(**one) for one in trial.figures["tags"]} if trial else {}
    return ReasonState(trial, [TagState(tag, learned.get(tag.name)) for tag in tags_in_use()[:most]])
