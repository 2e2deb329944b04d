"""Sentiment by VADER's rules (Hutto and Gilbert, 2014), for English."""

from __future__ import annotations

from functools import cache
from typing import Any


def compound(text: str) -> float:
    """VADER's compound score, -1 (bad) to 1 (good)."""
    return float(_analyzer().polarity_scores(text)["compound"])


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
