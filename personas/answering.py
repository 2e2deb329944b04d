"""Where and when somebody answers: counts drawn towards those of others, as strongly as the data asks for.

A rate known from two messages says little. It is shrunk towards the rate of one's persona on that network,
that one towards the network's, and that one towards everybody's; how strongly at each level is itself found
from the data (empirical Bayes). Pure arithmetic over arrays: nothing here knows the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from personas.buying import alike

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
HOURS = 24
# Pseudo-counts that are tried; the last one means that people hardly differ.
STRENGTHS = np.array([1.0, 2, 3, 5, 8, 12, 20, 35, 60, 100, 200, 500, 1000])
NOBODY = 0
"""The persona of who is in none."""


@dataclass(frozen=True)
class Rates:
    """Rates by group and by persona within a group, and how many messages of one's own weigh as much.

    `cells` is {persona: {group: rate}}; it is empty where personas are not to be used.
    """

    whole: float
    group: dict[str, float]
    cells: dict[str, dict[str, float]]
    strength: float

    @classmethod
    def fit(cls, groups: Any, sent: Floats, answered: Floats, personas: Codes | None = None) -> Rates:
        """From counts of one person in one group a row, and their personas where these are to be used."""
        code, names = pd.factorize(np.asarray(groups, dtype=object), sort=True)
        whole = float((answered.sum() + 1) / (sent.sum() + 2))
        rates = _shrunk(code, len(names), np.full(len(names), whole), sent, answered)
        strength = _strength(rates[code], sent, answered)
        cells: dict[str, dict[str, float]] = {}
        if personas is not None and len(sent):
            cell, pairs = _pairs(np.asarray(personas), code)
            found = _shrunk(cell, len(pairs), rates[pairs[:, 1]], sent, answered)
            strength = _strength(found[cell], sent, answered)
            for (persona, name), rate in zip(pairs, found, strict=True):
                if persona != NOBODY:
                    cells.setdefault(str(persona), {})[str(names[name])] = float(rate)
        named = {str(name): float(rate) for name, rate in zip(names, rates, strict=True)}
        return cls(whole, named, cells, strength)

    def expected(self, groups: Any, sent: Floats, answered: Floats, personas: Codes | None = None) -> Floats:
        """The rate to be expected of each row; a group never seen has everybody's."""
        prior = self.prior(groups, personas)
        return (answered + self.strength * prior) / (sent + self.strength)

    def prior(self, groups: Any, personas: Codes | None = None) -> Floats:
        """The rate of somebody of whom nothing is known but the persona."""
        code, names = pd.factorize(np.asarray(groups, dtype=object))
        plain = np.array([self.group.get(str(name), self.whole) for name in names], dtype=float)
        if personas is None or not self.cells or not len(code):
            return plain[code] if len(code) else np.zeros(0)
        cell, pairs = _pairs(np.asarray(personas), code)
        found = [
            self.cells.get(str(persona), {}).get(str(names[name]), plain[name]) for persona, name in pairs
        ]
        return np.array(found, dtype=float)[cell]

    def kept(self) -> dict[str, Any]:
        """As a model card keeps it."""
        return {"whole": self.whole, "rates": self.group, "cells": self.cells, "strength": self.strength}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Rates:
        """From a model card."""
        return cls(kept["whole"], kept["rates"], kept["cells"], kept["strength"])


def _pairs(personas: Codes, code: Codes) -> tuple[Codes, Codes]:
    """Which pair of a persona and a group each row is, and the pairs."""
    seen, place = np.unique(personas, return_inverse=True)
    width = int(code.max()) + 1
    kinds, cell = np.unique(place * width + code, return_inverse=True)
    return cell, np.column_stack([seen[kinds // width], kinds % width])


def _strength(prior: Floats, sent: Floats, answered: Floats) -> float:
    """How many messages weigh as much as the prior: beta-binomial likelihood over the grid."""
    if not len(sent):
        return float(STRENGTHS[-1])
    rows, _which, counts = alike(prior, sent, answered)
    prior, sent, answered = rows.T
    likelihoods = [counts @ _beta_binomial(prior * s, (1 - prior) * s, sent, answered) for s in STRENGTHS]
    return float(STRENGTHS[int(np.argmax(likelihoods))])


def _shrunk(code: Codes, count: int, prior: Floats, sent: Floats, answered: Floats) -> Floats:
    """Rates of groups of people, drawn towards their priors as strongly as the groups differ.

    The messages of one person are much alike, so that a group counts for less than its messages: somebody
    with n of them weighs as n * (s + 1) / (s + n) messages of different people, the design effect of a
    beta-binomial (Williams 1982).
    """
    raw = (np.bincount(code, answered, count) + prior) / (np.bincount(code, sent, count) + 1)
    alike = _strength(raw[code], sent, answered)
    weight = (alike + 1) / (alike + sent)
    n, a = (np.bincount(code, one * weight, count).astype(float) for one in (sent, answered))
    strength = _strength(prior, n, a)
    return (a + strength * prior) / (n + strength)


def _beta_binomial(a: Floats, b: Floats, sent: Floats, answered: Floats) -> Floats:
    found: Floats = betaln(answered + a, sent - answered + b) - betaln(a, b)
    return found


@dataclass(frozen=True)
class Hours:
    """Shares of the local hours, everybody's and each persona's, and how many own touches weigh as much."""

    share: tuple[float, ...]
    strength: float
    cells: dict[str, Sequence[float]] = field(default_factory=dict)

    @classmethod
    def fit(cls, counts: Floats, personas: Codes | None = None) -> Hours:
        """From touches by local hour, one row a person: Dirichlet-multinomial likelihood over a grid."""
        share = (counts.sum(axis=0) + 1) / (counts.sum() + HOURS)
        strength = _best(np.broadcast_to(share, counts.shape), counts)
        cells: dict[str, Sequence[float]] = {}
        if personas is not None and len(counts):
            names, cell = np.unique(np.asarray(personas), return_inverse=True)
            weight = (strength + 1) / (strength + counts.sum(axis=1, keepdims=True))
            sums = np.zeros((len(names), HOURS))
            np.add.at(sums, cell, counts * weight)
            drawn = _best(np.broadcast_to(share, sums.shape), sums)
            found = (sums + drawn * share) / (sums.sum(axis=1, keepdims=True) + drawn)
            strength = _best(found[cell], counts)
            cells = {
                str(name): row.tolist() for name, row in zip(names, found, strict=True) if name != NOBODY
            }
        return cls(tuple(float(one) for one in share), strength, cells)

    def prior(self, count: int, personas: Codes | None = None) -> Floats:
        """The shares of somebody of whom nothing is known but the persona, one row each."""
        whole = np.broadcast_to(np.asarray(self.share), (count, HOURS))
        if personas is None or not self.cells:
            return whole
        names, cell = np.unique(np.asarray(personas), return_inverse=True)
        return np.array([self.cells.get(str(name), self.share) for name in names]).reshape(-1, HOURS)[cell]

    def expected(self, counts: Floats, personas: Codes | None = None) -> Floats:
        """The share of each hour to be expected of each row."""
        prior = self.prior(len(counts), personas) * self.strength
        return (counts + prior) / (counts.sum(axis=1, keepdims=True) + self.strength)

    def best(self, counts: Floats, personas: Codes | None = None) -> Codes:
        """The hour to write at: the fullest, with half of what its neighbours hold; the earlier of equals."""
        share = self.expected(counts, personas)
        smooth = share + 0.5 * (np.roll(share, 1, axis=1) + np.roll(share, -1, axis=1))
        return np.argmax(np.round(smooth, 9), axis=1)

    def kept(self) -> dict[str, Any]:
        """As a model card keeps it."""
        return {"share": list(self.share), "strength": self.strength, "cells": self.cells}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Hours:
        """From a model card."""
        return cls(tuple(kept["share"]), kept["strength"], kept["cells"])


def _best(prior: Floats, counts: Floats) -> float:
    """The strength of a prior under which the counts are likeliest."""
    row, hour = np.nonzero(counts)
    some, where = counts[row, hour], prior[row, hour]
    total = counts.sum(axis=1)

    def likelihood(s: float) -> float:
        parts = np.sum(gammaln(some + s * where) - gammaln(s * where))
        return float(parts + np.sum(gammaln(s) - gammaln(total + s)))

    return float(STRENGTHS[int(np.argmax([likelihood(s) for s in STRENGTHS]))])


def brier(expected: Floats, sent: Floats, answered: Floats) -> Floats:
    """Squared errors of a rate against each single message, summed by row."""
    return answered * (1 - expected) ** 2 + (sent - answered) * expected**2


def surprise(expected: Floats, counts: Floats) -> Floats:
    """Bits that the touches needed, given the expected shares of hours, summed by row."""
    return -np.sum(counts * np.log2(expected), axis=1)
