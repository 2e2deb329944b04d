"""Sentiment: VADER on the 4,200 tweets that its authors had rated, and the trained model above it.

The tweets come from the source package of vaderSentiment 3.3.2 on PyPI, each with the mean of twenty people's
ratings from -4 to 4 (Hutto and Gilbert, 2014). F1 is of three moods, weighted by how many have each: the sign
of the rating is the truth, and VADER's is told at its authors' borders, 0.05 to both sides. The model is the
one that the nightly rebuild trains, by the same code; features and strength were fixed before these folds.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks._figures import Figures, is_small, say_machine

PACKAGE = "vaderSentiment==3.3.2"
INNER = "additional_resources/hutto_ICWSM_2014.tar.gz"
TWEETS = "hutto_ICWSM_2014/tweets_GroundTruth.txt"
SEEDS = 5
R, F1 = 0.872, 0.948
BOUND = 0.89


def main() -> int:
    """Measure and return the exit code."""
    figures = Figures()
    say_machine(figures)
    with tempfile.TemporaryDirectory() as folder:
        ratings, tweets = read_tweets(source_package(Path(folder)))
    figures.equal("tweets", len(tweets), 4200)
    _tell_rules(figures, ratings, tweets)
    _tell_model(figures, ratings, tweets, seeds=1 if is_small() else SEEDS)
    return figures.exit_code()


def source_package(folder: Path) -> Path:
    """Fetch the package as its authors published it."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run(
        [*pip, "--no-binary", ":all:", "--dest", str(folder), PACKAGE], check=True, stderr=subprocess.PIPE
    )
    return next(folder.glob("*.tar.gz"))


def read_tweets(package: Path) -> tuple[list[float], list[str]]:
    """Mean rating (-4 to 4) and words of each tweet."""
    with tarfile.open(package) as outer:
        name = next(name for name in outer.getnames() if name.endswith(INNER))
        inner = outer.extractfile(name)
        assert inner is not None
        with tarfile.open(fileobj=io.BytesIO(inner.read())) as data:
            found = data.extractfile(TWEETS)
            assert found is not None
            lines = found.read().decode("utf-8", "replace").splitlines()
    rows = [line.split("\t", 2) for line in lines if line.strip()]
    return [float(rating) for _number, rating, _words in rows], [words for _number, _rating, words in rows]


def _tell_rules(figures: Figures, ratings: list[float], tweets: list[str]) -> None:
    import numpy as np
    from sklearn.metrics import f1_score

    from engagement.reading.sentiment import compound

    truth, told = np.array(ratings), np.array([compound(text) for text in tweets])
    r = float(np.corrcoef(told, truth)[0, 1])
    moods = np.where(told >= 0.05, 1, np.where(told <= -0.05, -1, 0))
    f1 = float(f1_score(np.sign(truth), moods, average="weighted", zero_division=0))
    figures.equal("VADER, r (3 digits)", round(r, 3), R)
    figures.equal("VADER, weighted F1 of three moods (3 digits)", round(f1, 3), F1)


def _tell_model(figures: Figures, ratings: list[float], tweets: list[str], *, seeds: int) -> None:
    import numpy as np

    from engagement.reading.cleaning import clean
    from engagement.reading.sentiment import compound
    from personas.text.sentiment import FOLDS, all_signs, cross_validate

    texts = [clean(text)[0] for text in tweets]
    values, rules = np.array(ratings) / 4, np.array([compound(text) for text in tweets])
    seen = all_signs(texts, english=True)
    figures.say("folds and seeds", f"{FOLDS} and {seeds}")
    model: list[float] = []
    vader: list[float] = []
    began = time.perf_counter()
    for seed in range(seeds):
        judged = cross_validate(texts, seen, values, rules=rules, seed=seed)
        model += judged.model
        vader += judged.rules
    figures.say("trained model, seconds a fold", (time.perf_counter() - began) / len(model))
    figures.at_least("trained model, mean r of unseen tweets", float(np.mean(model)), BOUND)
    figures.say("trained model, least and most r of a fold", f"{min(model):.3f} and {max(model):.3f}")
    figures.say("VADER, mean r of the same folds", float(np.mean(vader)))
    gains = [ours - theirs for ours, theirs in zip(model, vader, strict=True)]
    figures.at_least("trained model, least gain over VADER in a fold", min(gains), 0.001)
    _tell_speed(figures, texts, seen, values)


def _tell_speed(figures: Figures, texts: list[str], seen: Any, values: Any) -> None:
    """The model as it is stored reads as it was trained, and how long a text takes."""
    import numpy as np

    from engagement.reading.sentiment import polarity
    from engagement.reading.trained import packed, unpacked_sentiment
    from personas.text.sentiment import exported, fit

    found = fit(texts, seen, values)
    content = packed(exported(found, version=1, language="en", places=(-0.5, -0.1, 0.1, 0.5)))
    model = unpacked_sentiment(content)
    figures.say("stored model, bytes", len(content))
    began = time.perf_counter()
    plain = [model.score(text, row) for text, row in zip(texts, seen.tolist(), strict=True)]
    each = (time.perf_counter() - began) / len(texts)
    figures.at_most("stored against trained, most difference", _apart(np, plain, found, texts, seen), 0.001)
    began = time.perf_counter()
    for text in texts:
        polarity(text)
    rules = (time.perf_counter() - began) / len(texts)
    figures.say("VADER, microseconds a tweet", 1e6 * rules)
    figures.say("stored model, microseconds a tweet", 1e6 * each)


def _apart(np: Any, plain: list[float], found: Any, texts: list[str], seen: Any) -> float:
    return float(np.max(np.abs(np.array(plain) - found.scores(texts, seen))))


if __name__ == "__main__":
    sys.exit(main())
