"""The reading of moods against the ratings that VADER's authors collected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.sentiment import read_tweets, source_package
from engagement.reading.cleaning import clean
from engagement.reading.sentiment import compound
from personas.text.sentiment import all_signs, cross_validate

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def tweets(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[float], list[str]]:
    folder: Path = tmp_path_factory.mktemp("vader")
    return read_tweets(source_package(folder))


def test_vader_follows_its_authors_ratings_as_published(tweets: tuple[list[float], list[str]]) -> None:
    ratings, texts = tweets
    assert len(texts) == 4200
    told = np.array([compound(text) for text in texts])
    assert round(float(np.corrcoef(told, ratings)[0, 1]), 3) == 0.872


def test_the_model_is_above_vader_in_every_fold(tweets: tuple[list[float], list[str]]) -> None:
    ratings, texts = tweets
    cleaned = [clean(text)[0] for text in texts]
    rules = np.array([compound(text) for text in texts])
    seen = all_signs(cleaned, english=True)
    judged = cross_validate(cleaned, seen, np.array(ratings) / 4, rules=rules)
    assert judged.beats and float(np.mean(judged.model)) >= 0.89
