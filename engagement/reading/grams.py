"""What a trained model sees of a text: its words, pairs of words, pieces of words, and what VADER says of it.

Training and reading call the same functions, so that a text weighs the same in both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

WORD = re.compile(
    r"[^\W_]+(?:['’-][^\W_]+)*"  # words
    r"|[:;=8][-'o^]?[()\[\]DdPpOo/\\|*]|<3"  # faces and hearts of letters
    r"|[!?]+|[\U0001f300-\U0001faff\u2600-\u27bf]"  # outcries and pictures
)
PIECE = 4
"""Letters of a piece; those of other lengths tell hardly more and cost as much again."""
LONGEST_WORD = 24
"""Pieces are taken of the beginning of a longer one, which is an id or a row of one letter."""


def grams(text: str) -> list[str]:
    """Every word, pair of neighbors and piece of a word, as often as it stands there.

    Words begin with "=", pairs hold a blank, and pieces mark where a word begins and ends with "_".
    """
    words = WORD.findall(text.lower().replace("’", "'"))
    found = [f"={word}" for word in words]
    found += [f"{first} {second}" for first, second in pairwise(words)]
    for word in words:
        found += _pieces(word[:LONGEST_WORD])
    return found


@lru_cache(maxsize=16_384)
def _pieces(word: str) -> list[str]:
    """Cut once: most words come again and again."""
    edged = f"_{word}_"
    return [edged[at : at + PIECE] for at in range(len(edged) - PIECE + 1)]


SIGNS = (
    "compound",
    "compound squared",
    "sum of valences, steep",
    "sum of valences, flat",
    "share of good",
    "share of bad",
    "share of neither",
    "best word",
    "worst word",
    "good words",
    "bad words",
    "mean word",
    "last word",
    "length",
    "exclamation marks",
    "question marks",
    "nothing known",
    "good and bad",
)
"""The names of what `signs` gives, in its order."""


def signs(text: str, polarity: Mapping[str, float], lexicon: Mapping[str, float]) -> list[float]:
    """What VADER's scores and the words of its lexicon say, each about -1 to 1."""
    compound = max(-0.9995, min(0.9995, polarity["compound"]))
    # VADER squeezes the sum of valences by x / sqrt(x² + 15); this is the sum again.
    total = compound * math.sqrt(15 / (1 - compound * compound))
    words = text.lower().split()
    valences = [lexicon.get(word.strip(".,!?;:\"'()"), 0.0) for word in words]
    good = [value for value in valences if value > 0]
    bad = [value for value in valences if value < 0]
    return [
        compound,
        math.copysign(compound * compound, compound),
        math.tanh(total / 2),
        math.tanh(total / 8),
        polarity["pos"],
        polarity["neg"],
        polarity["neu"],
        max(good, default=0.0) / 4,
        min(bad, default=0.0) / 4,
        math.log1p(sum(good)) / 3,
        math.log1p(-sum(bad)) / 3,
        (sum(good) + sum(bad)) / 4 / math.sqrt(len(words) + 1),
        (valences[-1] if valences else 0.0) / 4,
        math.log1p(len(words)) / 4,
        min(text.count("!"), 4) / 4,
        min(text.count("?"), 3) / 3,
        float(compound == 0),
        float(bool(good and bad)),
    ]


def no_signs() -> Sequence[float]:
    """What stands for a language that VADER's lexicon does not know."""
    return [0.0] * len(SIGNS)
