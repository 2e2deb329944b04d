"""What a persona is called before somebody names it, and which habits gave the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personas.features import BY_NAME, show
from personas.measuring import Floats

Word = dict[str, str]
"""{word, feature, text}: a word of a name, the habit it comes from, and that habit in figures."""
PLAIN = 9


@dataclass(frozen=True)
class Named:
    """A suggested name and where its words come from."""

    name: str
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Units:
    """By what standardized features turn back into the habits' own units."""

    mean: Floats
    scale: Floats


def explain_names(features: Sequence[str], centers: Floats, units: Units) -> tuple[Named, ...]:
    """A name for each center from what sets it apart, such as "Evening bargain hunters"; all different.

    `centers` are in standardized features.
    """
    taken: set[str] = set()
    named = []
    for index, center in enumerate(centers):
        others = np.delete(centers, index, axis=0)
        apart = center - others.mean(axis=0) if len(others) else center
        name, used = next(one for one in _candidates(features, apart) if one[0] not in taken)
        taken.add(name)
        words = tuple(
            _word(features[place], word, float(center[place]), units, place) for word, place in used
        )
        named.append(Named(name, words))
    return tuple(named)


def _word(name: str, word: str, apart: float, units: Units, place: int) -> Word:
    feature, mean = BY_NAME[name], float(units.mean[place])
    high = apart > 0
    words = feature.more if high else feature.less
    if feature.shown != "country":
        own = float(apart * units.scale[place] + mean)
        words = f"{words}: {show(feature, own, high=high)}, all customers {show(feature, mean, high=high)}"
    return {"word": word, "feature": feature.name, "text": words}


def _candidates(features: Sequence[str], apart: Floats) -> list[tuple[str, list[tuple[str, int]]]]:
    """Names with (word, place of its feature), those that set apart most first: what they are, then how."""
    nouns: list[tuple[str, int]] = []
    adjectives: list[tuple[str, int]] = []
    for place in (int(one) for one in np.argsort(-np.abs(apart), kind="stable")):
        feature, side = BY_NAME[features[place]], 0 if apart[place] > 0 else 1
        if feature.nouns[side]:
            nouns.append((feature.nouns[side], place))
        if feature.adjectives[side]:
            adjectives.append((feature.adjectives[side], place))
    nouns = nouns or [("customers", -1)]
    adjectives = adjectives or [("", -1)]
    pairs = sorted((one + two, one, two) for one in range(len(adjectives)) for two in range(len(nouns)))
    found = [_put_together(adjectives[one], nouns[two]) for _sum, one, two in pairs]
    plain: list[tuple[str, list[tuple[str, int]]]] = [
        (f"Customers {number}", []) for number in range(1, PLAIN + 1)
    ]
    return found + plain


def _put_together(adjective: tuple[str, int], noun: tuple[str, int]) -> tuple[str, list[tuple[str, int]]]:
    name = f"{adjective[0]} {noun[0]}".strip()
    return name[0].upper() + name[1:], [one for one in (adjective, noun) if one[1] >= 0]
