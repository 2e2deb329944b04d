"""Trains the reading of moods on the workspace's own labels, over VADER, and holds it against VADER.

Ridge regression (Hoerl and Kennard, 1970) over TF-IDF of words, pairs and pieces of words, and over what
VADER says. Its figures are of texts that it had not seen: five folds, each judged by a model of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engagement.reading.grams import grams, no_signs, signs
from engagement.reading.sentiment import lexicon, polarity
from engagement.reading.trained import Grams, SentimentModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

MOST_GRAMS = 20_000
LEAST_TEXTS = 3
"""A gram of fewer texts is left out: it says little, and could give somebody away."""

RIDGE = 2.0
FOLDS = 5


@dataclass(frozen=True)
class Fit:
    """A model of one set of texts, still with its vectorizer."""

    vectorizer: Any
    ridge: Any

    def scores(self, texts: Sequence[str], seen: Numbers) -> Numbers:
        found: Numbers = self.ridge.predict(_matrix(self.vectorizer.transform(texts), seen))
        return found


@dataclass(frozen=True)
class Judged:
    """How the model and VADER did on each fold of texts that the model had not seen."""

    model: list[float]
    rules: list[float]
    scores: Numbers
    """Of every text, by a model that had not seen it."""

    @property
    def beats(self) -> bool:
        """Whether it is above VADER in every fold."""
        return all(ours > theirs for ours, theirs in zip(self.model, self.rules, strict=True))


def all_signs(texts: Sequence[str], *, english: bool) -> Numbers:
    """What VADER says of each text; zeros where it does not know the language."""
    import numpy as np

    if not english:
        return np.array([no_signs() for _text in texts], dtype=np.float64)
    words = lexicon()
    return np.array([signs(text, polarity(text), words) for text in texts], dtype=np.float64)


def fit(texts: Sequence[str], seen: Numbers, values: Numbers) -> Fit:
    """Learn the values (-1 to 1) of cleaned texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge

    least = LEAST_TEXTS if len(texts) >= 30 else 1
    vectorizer = TfidfVectorizer(analyzer=grams, min_df=least, max_features=MOST_GRAMS, binary=True)
    known = vectorizer.fit_transform(texts)
    ridge = Ridge(RIDGE, solver="sparse_cg", tol=1e-5).fit(_matrix(known, seen), values)
    return Fit(vectorizer, ridge)


def _matrix(known: Any, seen: Numbers) -> Any:
    from scipy import sparse

    return sparse.hstack([known, sparse.csr_matrix(seen)]).tocsr()


def cross_validate(
    texts: Sequence[str],
    seen: Numbers,
    values: Numbers,
    *,
    rules: Numbers,
    judged: Sequence[bool] | None = None,
    seed: int = 0,
) -> Judged:
    """Judge each text by a model that was trained without it.

    `rules` are the scores to beat. Only texts that are `judged` count in the figures; the others are trained
    on only.
    """
    import numpy as np
    from sklearn.model_selection import KFold

    counts = np.ones(len(texts), bool) if judged is None else np.array(judged, dtype=bool)
    held, others = np.flatnonzero(counts), np.flatnonzero(~counts)
    scores = np.full(len(texts), np.nan)
    ours, theirs = [], []
    for learned, unseen in KFold(FOLDS, shuffle=True, random_state=seed).split(held):
        known = np.concatenate([held[learned], others])
        test = held[unseen]
        model = fit([texts[place] for place in known], seen[known], values[known])
        scores[test] = model.scores([texts[place] for place in test], seen[test])
        ours.append(correlation(scores[test], values[test]))
        theirs.append(correlation(rules[test], values[test]))
    return Judged(ours, theirs, scores)


def correlation(one: Numbers, other: Numbers) -> float:
    """Pearson's r; 0 where one of them never changes."""
    import numpy as np

    if np.std(one) == 0 or np.std(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def exported(found: Fit, *, version: int, language: str, places: Sequence[float]) -> SentimentModel:
    """The model as plain numbers."""
    coefficients = found.ridge.coef_
    names = found.vectorizer.get_feature_names_out()
    idf = found.vectorizer.idf_
    return SentimentModel(
        version=version,
        language=language,
        grams=Grams(
            idf={str(name): round(float(each), 5) for name, each in zip(names, idf, strict=True)},
            weights={str(name): [round(float(coefficients[n]), 6)] for n, name in enumerate(names)},
            intercepts=[float(found.ridge.intercept_)],
        ),
        signs=[float(each) for each in coefficients[len(names) :]],
        places=[float(place) for place in places],
    )


def borders_of(scores: Numbers, moods: Any) -> tuple[float, float]:
    """The scores at which a text stops being neutral: where the three moods are told apart best.

    `scores` are of texts that the model had not seen. Best is the highest mean F1 of the three moods, over a
    grid of twenty places on each side.
    """
    import numpy as np

    truth, grid = np.array(moods), np.linspace(0.02, 0.4, 20)
    pairs = [(-below, above) for below in grid for above in grid]
    low, high = max(pairs, key=lambda pair: macro_f1(truth, moods_of(scores, *pair)))
    return float(low), float(high)


LEAST_APART = 0.05


def places_of(scores: Numbers, moods: Any) -> list[float]:
    """What `SentimentModel.places` holds, of unseen texts: the middle scores of the unhappy and the happy,
    and between them the borders of neutral."""
    import numpy as np

    low, high = borders_of(scores, moods)
    unhappy = float(np.median(scores[moods == -1])) if np.any(moods == -1) else -1.0
    happy = float(np.median(scores[moods == 1])) if np.any(moods == 1) else 1.0
    return [min(unhappy, low - LEAST_APART), low, high, max(happy, high + LEAST_APART)]


def moods_of(scores: Numbers, low: float, high: float) -> Any:
    """-1, 0 or 1 of each score."""
    import numpy as np

    return np.where(scores >= high, 1, np.where(scores <= low, -1, 0))


def macro_f1(truth: Any, told: Any) -> float:
    """The mean F1 of the moods that occur."""
    import numpy as np

    found = []
    for mood in np.unique(truth):
        right = np.sum((truth == mood) & (told == mood))
        found.append(2 * right / max(np.sum(truth == mood) + np.sum(told == mood), 1))
    return float(np.mean(found)) if found else 0.0
