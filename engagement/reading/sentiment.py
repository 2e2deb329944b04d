"""Sentiment by VADER's rules (Hutto and Gilbert, 2014), for English."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any


def compound(text: str) -> float:
    """VADER's compound score, -1 (bad) to 1 (good)."""
    return polarity(text)["compound"]


def polarity(text: str) -> dict[str, float]:
    """All that VADER says of a text: compound, and the shares of good, bad and neither (pos, neg, neu)."""
    found: dict[str, float] = _analyzer().polarity_scores(text)
    return found


def lexicon() -> Mapping[str, float]:
    """VADER's words and what each is worth, -4 to 4."""
    words: dict[str, float] = _analyzer().lexicon
    return words


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
