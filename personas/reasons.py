"""Why somebody belongs to a persona: the three habits that carry it, as sentences, for many rows at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from personas.features import BY_NAME, Feature, show
from personas.measuring import Floats, Prior, Singles

MOST = 3
Texts = np.ndarray[Any, np.dtype[np.object_]]


@dataclass(frozen=True)
class Known:
    """What is known of each row: standardized features, own values, evidence."""

    rows: Singles
    values: Singles
    evidence: Singles


def reasons(
    known: Known, own: Floats, other: Floats, features: Sequence[str], priors: Sequence[Prior]
) -> Texts:
    """Up to three sentences a row, as the text of a JSON list.

    They tell the features that draw a customer most to the own center and not to the second nearest, where
    the customer is on the same side of everybody as that center. `own` and `other` are the two centers of
    each row.
    """
    rows = known.rows
    pull = (rows - other) ** 2 - (rows - own) ** 2
    apart = known.values - np.array([prior.mean for prior in priors])
    typical = (np.sign(rows) == np.sign(own)) & (np.sign(rows) == np.sign(apart))
    score = np.where(typical, pull, -np.inf)
    best = np.argsort(-score, axis=1, kind="stable")[:, :MOST]
    told = np.take_along_axis(score, best, axis=1) > 0
    sentences = np.full(best.shape, "", dtype=object)
    for one, name in enumerate(features):
        row, slot = np.nonzero((best == one) & told)
        if len(row):
            sentences[row, slot] = _sentences(known, row, one, BY_NAME[name], priors[one])
    return _joined(sentences, told)


def _sentences(known: Known, row: Floats, one: int, feature: Feature, prior: Prior) -> Texts:
    """The sentence of one habit for these rows; each different one is put together once."""
    high = known.rows[row, one] > 0
    shown = _shown(feature, known.values[row, one], known.evidence[row, one])
    keys, back = np.unique(np.column_stack([high, shown]), axis=0, return_inverse=True)
    told = [json.dumps(_sentence(feature, bool(key[0]), key[1], key[2], prior)) for key in keys]
    return np.array(told, dtype=object)[back.reshape(-1)]


def _shown(feature: Feature, values: Singles, evidence: Singles) -> Floats:
    """(value as far as it is shown, events), so that equal sentences have equal keys."""
    own = values.astype(float)
    count = np.zeros(len(own))
    match feature.shown:
        case "share":
            own, count = np.round(own, 2), np.maximum(1, np.round(evidence.astype(float)))
        case "characters" | "days":
            own = np.log(np.maximum(1.0, np.round(np.exp(own))))
        case "money" | "log":
            own = np.log(np.maximum(0.05, np.round(np.exp(own), 1)))
        case "signed":
            own = np.round(own, 2)
        case "country":
            own = np.zeros(len(own))
        case "date" | "year":
            own = np.floor(own)
        case _:
            own = np.round(own, 1)
    return np.column_stack([own, count])


def _sentence(feature: Feature, high: bool, value: float, count: float, prior: Prior) -> str:
    words = feature.more if high else feature.less
    if feature.shown == "country":
        return words
    own, typical = show(feature, float(value), high=high), show(feature, prior.mean, high=high)
    if feature.shown == "share":
        own = f"{own} of {int(count)}"
    return f"{words} ({own}, typical {typical})"


def _joined(sentences: Texts, told: np.ndarray[Any, np.dtype[np.bool_]]) -> Texts:
    """The JSON list of each row; sentences are JSON texts, those told stand first."""
    first, second, third = (sentences[:, slot] for slot in range(MOST))
    count = told.sum(axis=1)
    joined = np.full(len(sentences), "[]", dtype=object)
    for number, parts in ((1, (first,)), (2, (first, second)), (3, (first, second, third))):
        rows = np.nonzero(count == number)[0]
        text = parts[0][rows]
        for part in parts[1:]:
            text = text + ", " + part[rows]
        joined[rows] = "[" + text + "]" if len(rows) else text
    return joined
