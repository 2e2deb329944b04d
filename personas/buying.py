"""How often somebody buys, whether they still do, and how much they spend: BG/NBD and Gamma-Gamma.

Fader, Hardie and Lee, "Counting your customers the easy way" (2005); Fader and Hardie, "The Gamma-Gamma
model of monetary value" (2013). Times are in weeks, as in the papers; a purchase is a day with an order.
Pure arithmetic over arrays: nothing here knows the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, gammaln, hyp2f1

Floats = NDArray[np.float64]
WEEK = 7.0
# Keeps a parameter from running away where the data cannot tell it; in units of its own size.
PENALTY = 1e-4
# Logarithms of r, alpha, a and b. Where nobody differs in dropping out, a and b would grow without end, which
# changes no expectation and overflows its series.
BOUNDS = [(-9.0, 9.0), (-9.0, 9.0), (-7.0, 5.0), (-7.0, 5.0)]


@dataclass(frozen=True)
class History:
    """Purchases of some customers: repeat purchases, and weeks from the first to the last and to today."""

    repeats: Floats
    recency: Floats
    age: Floats

    def grouped(self) -> tuple[History, Floats]:
        """Equal histories once, with how many there are of each."""
        unique, _which, counts = alike(self.repeats, self.recency, self.age)
        return History(unique[:, 0], unique[:, 1], unique[:, 2]), counts.astype(float)


def alike(*columns: Floats) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Each different row once, in order; which of them every row is; and how many rows each one stands for.

    As `np.unique` by rows, ten times as fast where columns hold few different values.
    """
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values, place = np.unique(column, return_inverse=True)
        code = np.unique(code, return_inverse=True)[1] * len(values) + place
    _codes, first, which, counts = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
    return np.column_stack(columns)[first], which, counts


@dataclass(frozen=True)
class BgNbd:
    """Purchases come at a personal rate (gamma r, alpha); after each one somebody may stop (beta a, b)."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float = float("nan")

    @classmethod
    def fit(cls, history: History) -> BgNbd:
        """Maximum likelihood over equal histories counted once. Raises ValueError where none is found."""
        groups, counts = history.grouped()
        total = counts.sum()

        def loss(logs: Floats) -> tuple[float, Floats]:
            value, slope = _log_likelihood(np.exp(logs), groups)
            penalty = PENALTY / total * float(logs @ logs)
            return (
                -float(counts @ value) / total + penalty,
                -(slope @ counts) * np.exp(logs) / total + 2 * PENALTY / total * logs,
            )

        start = np.log(np.array([0.5, max(1.0, float(np.median(history.age)) / 8), 1.0, 2.0]))
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=BOUNDS, options={"ftol": 1e-12})
        if not np.isfinite(found.fun):
            raise ValueError("BG/NBD has no maximum on this data")
        r, alpha, a, b = (float(value) for value in np.exp(found.x))
        value, _slope = _log_likelihood(np.array([r, alpha, a, b]), groups)
        return cls(r, alpha, a, b, float(counts @ value))

    def alive(self, history: History) -> Floats:
        """The chance that somebody has not stopped."""
        return 1 / (1 + self._dropout(history))

    def _dropout(self, history: History) -> Floats:
        """Odds of having stopped: nobody stops before a repeat purchase."""
        x = history.repeats
        logs = (self.r + x) * (np.log(self.alpha + history.age) - np.log(self.alpha + history.recency))
        odds = self.a / (self.b + np.maximum(x, 1) - 1) * np.exp(np.minimum(logs, 500))
        return np.where(x > 0, odds, 0.0)

    def expected(self, history: History, weeks: float) -> Floats:
        """Purchases to be expected in the next weeks.

        The paper's formula; where its hypergeometric series overflows (many purchases), the series after
        Euler's transformation.
        """
        a = self.a if abs(self.a - 1) > 1e-6 else self.a + 1e-6
        x, ahead = history.repeats, weeks / (self.alpha + history.age + weeks)
        with np.errstate(over="ignore", invalid="ignore"):
            printed = hyp2f1(self.r + x, self.b + x, a + self.b + x - 1, ahead)
            printed = np.exp((self.r + x) * np.log1p(-ahead)) * printed
            turned = hyp2f1(a + self.b - 1 - self.r, a - 1, a + self.b + x - 1, ahead)
            turned = (1 - ahead) ** (a - 1) * turned
        left = np.where(np.isfinite(printed) & (printed > 0), printed, turned)
        made = (a + self.b + x - 1) / (a - 1) * (1 - left) / (1 + self._dropout(history))
        return np.maximum(np.nan_to_num(made), 0.0)


def _log_likelihood(parameters: Floats, history: History) -> tuple[Floats, Floats]:
    """Log likelihood of each history, and its slope by (r, alpha, a, b)."""
    r, alpha, a, b = parameters
    x, age, recency = history.repeats, history.age, history.recency
    more = np.maximum(x, 1) - 1
    repeated = x > 0
    base = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    base += gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    stays = -(r + x) * np.log(alpha + age)
    stopped = np.where(repeated, np.log(a) - np.log(b + more) - (r + x) * np.log(alpha + recency), -np.inf)
    both = np.logaddexp(stays, stopped)
    is_alive, is_gone = np.exp(stays - both), np.exp(stopped - both)
    slope = np.array(
        [
            digamma(r + x) - digamma(r) + np.log(alpha)
            - is_alive * np.log(alpha + age) - is_gone * np.log(alpha + recency),
            r / alpha - (r + x) * (is_alive / (alpha + age) + is_gone / (alpha + recency)),
            digamma(a + b) - digamma(a + b + x) + is_gone / a,
            digamma(a + b) + digamma(b + x) - digamma(b) - digamma(a + b + x) - is_gone / (b + more),
        ]
    )  # fmt: skip
    return base + both, slope


@dataclass(frozen=True)
class GammaGamma:
    """Spending of a purchase varies around a personal mean, and those means around everybody's."""

    p: float
    q: float
    v: float
    log_likelihood: float = float("nan")

    @classmethod
    def fit(cls, purchases: Floats, mean: Floats) -> GammaGamma:
        """Maximum likelihood over customers with purchases of more than nothing."""
        ours = (purchases > 0) & (mean > 0)
        x, m = purchases[ours], mean[ours]

        def loss(logs: Floats) -> float:
            p, q, v = np.exp(logs)
            return -float(np.mean(_spending_likelihood(p, q, v, x, m))) + PENALTY / len(x) * float(
                logs @ logs
            )

        start = np.log(np.array([2.0, 3.0, max(1e-3, float(np.median(m)))]))
        found = minimize(loss, start, method="L-BFGS-B", bounds=[(-9, 12)] * 3, options={"ftol": 1e-12})
        p, q, v = (float(value) for value in np.exp(found.x))
        return cls(p, q, v, float(np.sum(_spending_likelihood(p, q, v, x, m))))

    def expected(self, purchases: Floats, mean: Floats) -> Floats:
        """Mean spending to be expected of each, drawn towards everybody's mean."""
        below = self.p * purchases + self.q - 1
        usual = self.p * self.v / max(self.q - 1, 1e-3)
        known = self.p * (self.v + purchases * mean) / np.maximum(below, 1e-3)
        return np.where((purchases > 0) & (mean > 0), known, usual)


def _spending_likelihood(p: float, q: float, v: float, x: Floats, m: Floats) -> Floats:
    found: Any = (
        gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(v)
        + (p * x - 1) * np.log(m) + p * x * np.log(x) - (p * x + q) * np.log(x * m + v)
    )  # fmt: skip
    return np.asarray(found, dtype=float)
