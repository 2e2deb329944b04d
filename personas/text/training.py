"""Trains the reading of texts on the workspace's own labels and tags, judges it, and uses it or not.

What does not beat the rules on the workspace's own texts is not used, and its figures say so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Coalesce

from core.jobs import Progress
from core.models import Workspace
from crm.models import Erasure
from engagement.contact_reasons import follow_tags, tell_next
from engagement.models import Interaction, LabelSource, MoodLabel, TextModel
from engagement.moods import MOOD_VALUE
from engagement.reading.cleaning import clean
from engagement.reading.sentiment import compound
from engagement.reading.trained import NEUTRAL, packed
from engagement.text_models import reason_model
from personas.text import reasons
from personas.text import sentiment as moods

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEEDED = 300
"""Labels of one language that can judge (drawn at random or imported), before a model is tried."""

LEAST_R = 0.5
"""A model that follows the labels less than this is not used, whatever VADER does."""

MOST_VERSIONS = 320
"""Then versions begin again, so that a reading's version stays a small number."""

GAP = timedelta(days=7)
"""A model is tried again after so long; sooner with a tenth more labels, or when somebody was erased."""

ERASING = timedelta(minutes=30)
"""An erasure that was begun so long before a training may have ended after its texts were read."""


@dataclass(frozen=True)
class Labels:
    """The labels of one language: cleaned texts, moods (-1, 0, 1), and which may judge."""

    language: str
    texts: list[str]
    moods: list[int]
    judged: list[bool]


def load_labels(language: str) -> Labels:
    """Every label of a language whose text is still there."""
    rows = MoodLabel.objects.filter(language=language).order_by("pk")
    said = rows.annotate(said=Coalesce("interaction__text", "text")).values_list("said", "mood", "source")
    known = [(clean(text)[0], mood, source != LabelSource.THREAD) for text, mood, source in said]
    known = [row for row in known if row[0]]
    return Labels(language, [row[0] for row in known], [row[1] for row in known], [row[2] for row in known])


def train_moods(*, now: datetime, again: bool = False) -> dict[str, int]:
    """Try a model for each language with enough labels; how many were tried, and how many are used."""
    tried = used = 0
    for language in MoodLabel.objects.order_by("language").values_list("language", flat=True).distinct():
        labels = load_labels(language)
        if sum(labels.judged) < NEEDED or not (
            again or _is_due("sentiment", language, len(labels.texts), now)
        ):
            continue
        tried += 1
        used += _try_moods(labels, now)
    return {"tried": tried, "used": used}


def _is_due(kind: str, language: str, labels: int, now: datetime) -> bool:
    last = TextModel.objects.filter(kind=kind, language=language).order_by("-trained_at").first()
    if last is None or last.labels * 1.1 < labels or last.trained_at <= now - GAP:
        return True
    erased = _last_erased()
    return erased is not None and last.trained_at <= erased + ERASING


def _last_erased() -> datetime | None:
    """When somebody who had said something was erased last."""
    said = Erasure.objects.filter(counts__has_key=Interaction._meta.db_table)
    return said.order_by("-at").values_list("at", flat=True).first()


def forget_erased(now: datetime) -> int:
    """Take models out of use that may know words of an erased person and could not be trained anew `now`."""
    erased = _last_erased()
    if erased is None:
        return 0
    used = TextModel.objects.filter(is_used=True, trained_at__lte=erased + ERASING, trained_at__lt=now)
    return used.update(is_used=False, parameters=None)


def _try_moods(labels: Labels, now: datetime) -> bool:
    """Judge a model on texts it had not seen, and take it into use where it beats VADER."""
    import numpy as np

    english = labels.language == "en"
    seen = moods.all_signs(labels.texts, english=english)
    values = np.array(labels.moods) * MOOD_VALUE
    rules = np.array([compound(text) if english else 0.0 for text in labels.texts])
    judged = moods.cross_validate(labels.texts, seen, values, rules=rules, judged=labels.judged)
    counts = np.array(labels.judged)
    scores, truth = judged.scores[counts], np.array(labels.moods)[counts]
    ours = _three_moods(scores, truth)
    places = moods.places_of(scores, truth)
    theirs = moods.macro_f1(truth, moods.moods_of(rules[counts], -NEUTRAL, NEUTRAL))
    r = float(np.mean(judged.model))
    beats = judged.beats and r >= LEAST_R and ours > theirs
    figures = {
        "folds": moods.FOLDS,
        "judged": int(counts.sum()),
        "r": r,
        "r_folds": judged.model,
        "rules_r": float(np.mean(judged.rules)),
        "rules_r_folds": judged.rules,
        "f1": ours,
        "rules_f1": theirs,
        "moods": {str(mood): int(np.sum(truth == mood)) for mood in (-1, 0, 1)},
    }
    trial = TextModel(
        kind="sentiment",
        language=labels.language,
        trained_at=now,
        labels=len(labels.texts),
        figures=figures,
    )

    def pack(version: int) -> bytes:
        found = moods.fit(labels.texts, seen, values)
        return packed(moods.exported(found, version=version, language=labels.language, places=places))

    keep(trial, pack if beats else None)
    return beats


def _three_moods(scores: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """F1 of three moods, by borders of neutral that were chosen on the other half."""
    import numpy as np

    told = np.zeros(len(scores), dtype=int)
    even = np.arange(len(scores)) % 2 == 0
    for half in (even, ~even):
        low, high = moods.borders_of(scores[~half], truth[~half])
        told[half] = moods.moods_of(scores[half], low, high)
    return moods.macro_f1(truth, told)


@transaction.atomic
def keep(trial: TextModel, pack: Callable[[int], bytes] | None) -> TextModel:
    """Keep a trial with its figures. With parameters it takes the place of the one in use; else none is."""
    same = TextModel.objects.filter(kind=trial.kind, language=trial.language)
    before = same.filter(is_used=True).first()
    trial.read_up_to = before.read_up_to if before else 0
    trial.version, trial.is_used, trial.parameters = 0, pack is not None, None
    if pack is not None:
        last = TextModel.objects.filter(kind=trial.kind, version__gt=0).order_by("pk").last()
        trial.version = last.version % MOST_VERSIONS + 1 if last else 1
        trial.parameters = pack(trial.version)
    same.filter(is_used=True).update(is_used=False, parameters=None)
    trial.save()
    return trial


# Reasons


def train_reasons(*, now: datetime, again: bool = False) -> dict[str, int]:
    """Learn from the tags of conversations; how many there are, and how many tags are told."""
    talks = reasons.load_talks()
    n = len(talks.texts)
    if not n or not (again or _is_due("reason", "", n, now)):
        return {"talks": n, "told": 0}
    # The version is known once it is kept; nobody reads it before.
    found = reasons.learn(talks, version=0, languages=Workspace.current().languages)
    if not found.figures:
        return {"talks": n, "told": 0}
    trial = TextModel(
        kind="reason",
        trained_at=now,
        labels=n,
        figures={"parts": reasons.PARTS, "tags": [asdict(one) for one in found.figures]},
    )
    model = found.model
    keep(trial, (lambda version: packed(replace(model, version=version))) if model else None)
    return {"talks": n, "told": sum(one.is_told for one in found.figures)}


def tell_reasons(tick: Callable[[], None] = lambda: None) -> dict[str, int]:
    """Bring lines in step with the tags, then tell the rest by the model in use; each step is kept."""
    followed = follow_tags()
    found = {"followed": followed["told"] + followed["taken"], "told": 0}
    model = reason_model()
    if model is None:
        return found
    row = TextModel.objects.get(kind="reason", is_used=True)
    while True:
        with transaction.atomic():
            step = tell_next(model, after=row.read_up_to)
            if step.last is None:
                return found
            row.read_up_to = step.last
            row.save(update_fields=["read_up_to"])
        found["told"] += step.written
        tick()


def tell_again(progress: Progress) -> dict[str, int]:
    """After every text was read again: the reasons of all conversations by the model of today."""
    if not progress.job.cursor.get("telling"):
        with transaction.atomic():
            TextModel.objects.filter(kind="reason", is_used=True).update(read_up_to=0)
            progress.save_cursor({**progress.job.cursor, "telling": True})
    progress.beat(phase="reasons for contact")
    found = tell_reasons(tick=progress.beat)
    return {"reasons": found["followed"] + found["told"]}
