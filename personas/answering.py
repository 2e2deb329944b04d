"""Where and when somebody answers: counts drawn towards everybody's, as strongly as the data asks for.

A rate known from two messages says little; it is shrunk towards the rate of its network. How strongly is
itself found from the data. Pure arithmetic over arrays: nothing here knows the database.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

Floats = NDArray[np.float64]
HOURS = 24
# Pseudo-counts that are tried; the last one means that people hardly differ.
STRENGTHS = np.array([1.0, 2, 3, 5, 8, 12, 20, 35, 60, 100, 200, 500, 1000])


@dataclass(frozen=True)
class Rates:
    """A rate for each group, and how many messages of one's own weigh as much as it."""

    group: dict[str, float]
    strength: float

    @classmethod
    def fit(cls, groups: NDArray[np.object_], sent: Floats, answered: Floats) -> Rates:
        """From counts of one person in one group a row: beta-binomial likelihood over a grid of strengths."""
        rates = {
            str(name): float((answered[groups == name].sum() + 1) / (sent[groups == name].sum() + 2))
            for name in np.unique(groups.astype(str))
        }
        prior = np.array([rates[str(name)] for name in groups])
        likelihoods = [_beta_binomial(prior * s, (1 - prior) * s, sent, answered) for s in STRENGTHS]
        return cls(rates, float(STRENGTHS[int(np.argmax(likelihoods))]))

    def expected(self, groups: NDArray[np.object_], sent: Floats, answered: Floats) -> Floats:
        """The rate to be expected of each row; a group never seen has an even chance."""
        prior = np.array([self.group.get(str(name), 0.5) for name in groups], dtype=float)
        return (answered + self.strength * prior) / (sent + self.strength)


def _beta_binomial(a: Floats, b: Floats, sent: Floats, answered: Floats) -> float:
    return float(np.sum(betaln(answered + a, sent - answered + b) - betaln(a, b)))


@dataclass(frozen=True)
class Hours:
    """Everybody's share of each local hour, and how many touches of one's own weigh as much as it."""

    share: tuple[float, ...]
    strength: float

    @classmethod
    def fit(cls, counts: Floats) -> Hours:
        """From touches by local hour, one row a person: Dirichlet-multinomial likelihood over a grid."""
        share = (counts.sum(axis=0) + 1) / (counts.sum() + HOURS)
        likelihoods = [_dirichlet(share * strength, counts) for strength in STRENGTHS]
        return cls(tuple(float(one) for one in share), float(STRENGTHS[int(np.argmax(likelihoods))]))

    def expected(self, counts: Floats) -> Floats:
        """The share of each hour to be expected of each row."""
        prior = np.asarray(self.share) * self.strength
        return (counts + prior) / (counts.sum(axis=1, keepdims=True) + self.strength)

    def best(self, counts: Floats) -> NDArray[np.int64]:
        """The hour to write at: the fullest, with half of what its neighbours hold; the earlier of equals."""
        share = self.expected(counts)
        smooth = share + 0.5 * (np.roll(share, 1, axis=1) + np.roll(share, -1, axis=1))
        return np.argmax(np.round(smooth, 9), axis=1)


def _dirichlet(prior: Floats, counts: Floats) -> float:
    total, weight = counts.sum(axis=1), prior.sum()
    return float(
        np.sum(gammaln(weight) - gammaln(total + weight)) + np.sum(gammaln(counts + prior) - gammaln(prior))
    )


def brier(expected: Floats, sent: Floats, answered: Floats) -> float:
    """Mean squared error of a rate against each single message."""
    return float(np.sum(answered * (1 - expected) ** 2 + (sent - answered) * expected**2) / np.sum(sent))


def surprise(expected: Floats, counts: Floats) -> float:
    """Mean bits that each touch needed, given the expected shares of hours."""
    return float(-np.sum(counts * np.log2(expected)) / np.sum(counts))
