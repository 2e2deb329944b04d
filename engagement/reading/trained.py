"""Models that were trained on the workspace's own labels, as plain numbers, and how they score a text.

A linear model over TF-IDF weights: a gram that is there counts its inverse document frequency, however often
it is there, and a text's grams have length one together, as scikit-learn's TfidfVectorizer has them.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

from engagement.reading.grams import grams

NEUTRAL = 0.05
"""Sentiments nearer to 0 are neutral wherever they are counted."""


@dataclass(frozen=True)
class Grams:
    """Weights of grams for one or several questions: gram to its inverse document frequency and weights."""

    idf: dict[str, float]
    weights: dict[str, list[float]]
    """Of each gram, one a question."""
    intercepts: list[float]

    def score(self, text: str) -> list[float]:
        """Each question's sum of weights over the text's grams, with its intercept."""
        get = self._rows.get
        rows = [row for gram in dict.fromkeys(grams(text)) if (row := get(gram)) is not None]
        length = math.sqrt(sum([row[0] for row in rows])) or 1.0
        return [
            sum([row[question] for row in rows]) / length + base
            for question, base in enumerate(self.intercepts, 1)
        ]

    @cached_property
    def _rows(self) -> dict[str, tuple[float, ...]]:
        """Of each gram what it adds to the square of the length, and to each question."""
        return {
            gram: (idf * idf, *(idf * weight for weight in self.weights[gram]))
            for gram, idf in self.idf.items()
        }


@dataclass(frozen=True)
class SentimentModel:
    """Grams and signs to a sentiment, by the scores of a text that is typically unhappy and happy (`places`,
    the outer two) and those at which it stops being neutral (the inner two)."""

    version: int
    language: str
    grams: Grams
    signs: list[float]
    places: list[float]

    def score(self, text: str, signs: Sequence[float]) -> float:
        """The mood as the labels measure it, before it is brought to the scale of sentiments."""
        known = self.grams.score(text)[0]
        return known + sum(value * weight for value, weight in zip(signs, self.signs, strict=True))

    def sentiment(self, text: str, signs: Sequence[float]) -> float:
        """-1 to 1, with its borders of neutral where everything else has them."""
        return round(on_scale(self.score(text, signs), self.places), 4)


TYPICAL = 0.6
"""What a typically happy text is worth as a sentiment (-1 to 1); a typically unhappy one as much below 0."""


def on_scale(score: float, places: Sequence[float]) -> float:
    """Straight lines through the four places, which are worth -0.6, -0.05, 0.05 and 0.6; within -1 and 1."""
    unhappy, low, high, happy = places
    if score <= low:
        return max(-1.0, -NEUTRAL - (low - score) * (TYPICAL - NEUTRAL) / (low - unhappy))
    if score >= high:
        return min(1.0, NEUTRAL + (score - high) * (TYPICAL - NEUTRAL) / (happy - high))
    middle = -NEUTRAL + (score - low) * 2 * NEUTRAL / (high - low)
    # What lies between the borders is neutral also after it was rounded.
    return max(-NEUTRAL + 1e-4, min(NEUTRAL - 1e-4, middle))


@dataclass(frozen=True)
class ReasonModel:
    """Grams to one score a tag. The tag that is furthest above its border is told, if it is one of `told`."""

    version: int
    grams: Grams
    tags: list[str]
    borders: list[float]
    told: list[bool]

    def reason(self, text: str) -> str:
        """The name of the tag, '' where none is sure enough."""
        above = [score - border for score, border in zip(self.grams.score(text), self.borders, strict=True)]
        best = max(range(len(above)), key=above.__getitem__, default=None)
        return "" if best is None or above[best] < 0 or not self.told[best] else self.tags[best]


class Models:
    """The sentiment models in use by language; `key` differs where one of them does."""

    def __init__(self, sentiment: Mapping[str, SentimentModel] | None = None) -> None:
        self.sentiment = dict(sentiment or {})
        named = sorted((name, model.version) for name, model in self.sentiment.items())
        self.key = blake2b(json.dumps(named).encode(), digest_size=16).digest() if named else b""


NO_MODELS = Models()


def packed(model: SentimentModel | ReasonModel) -> bytes:
    """As a database keeps it: compressed JSON."""
    return zlib.compress(json.dumps(asdict(model), ensure_ascii=False, separators=(",", ":")).encode(), 6)


def unpacked_sentiment(content: bytes) -> SentimentModel:
    """The model that `packed` wrote."""
    return SentimentModel(**_fields(content))


def unpacked_reason(content: bytes) -> ReasonModel:
    """The model that `packed` wrote."""
    return ReasonModel(**_fields(content))


def _fields(content: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(zlib.decompress(content))
    return {**fields, "grams": Grams(**fields["grams"])}
