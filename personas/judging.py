"""Whether a model is better than its baseline or was only lucky, and how its promises compare with what came.

Pure arithmetic over arrays: nothing here knows the database.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# One-sided 95 %: the lower end of a two-sided interval of 90 %.
NORMAL_95 = 1.6448536269514722
LEAST_GAIN = 0.005
TENTHS = 10


@dataclass(frozen=True)
class Contest:
    """The part of a baseline's loss that a model saves, with an interval of 90 % around it."""

    gain: float
    low: float
    high: float
    rest: float
    """The gain without the customer who speaks most for the model."""

    @property
    def is_won(self) -> bool:
        """Whether the model saves half a percent or more, and neither by chance nor by one customer alone."""
        return self.gain >= LEAST_GAIN and self.low > 0 and self.rest > 0

    def figures(self) -> dict[str, float]:
        """As a model card keeps them."""
        return {"gain": self.gain, "gain_low": self.low, "gain_high": self.high}


LOST = Contest(0.0, 0.0, 0.0, 0.0)


def contest(loss: Floats, baseline: Floats) -> Contest:
    """Compare the losses of a model and of its baseline on the same customers, one row each.

    The gain is a ratio of sums, `1 - sum(loss) / sum(baseline)`; its error is that of the linearized ratio
    over customers (Cochran, "Sampling Techniques", 1977, section 6.4), so that many messages of one customer
    are not taken for many proofs.
    """
    whole = float(np.sum(baseline))
    if len(loss) < 2 or whole <= 0:
        return LOST
    ratio = float(np.sum(loss)) / whole
    left = loss - ratio * baseline
    error = float(np.sqrt(np.sum(left**2) * len(loss) / (len(loss) - 1))) / whole
    best = int(np.argmax(baseline - loss))
    others = whole - float(baseline[best])
    rest = 1 - (float(np.sum(loss)) - float(loss[best])) / others if others > 0 else 0.0
    return Contest(1 - ratio, 1 - ratio - NORMAL_95 * error, 1 - ratio + NORMAL_95 * error, rest)


def tenths(expected: Floats, actual: Floats, weight: Floats | None = None) -> list[dict[str, float]]:
    """Means of what was expected and of what came, by tenths of what was expected; `n` is their weight.

    Rows that were expected to be equal stay together, so that there may be fewer than ten.
    """
    weights = np.ones(len(expected)) if weight is None else np.asarray(weight, dtype=float)
    if not len(expected) or weights.sum() <= 0:
        return []
    order = np.argsort(expected, kind="stable")
    place = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    edges = np.interp(np.arange(1, TENTHS) / TENTHS, place, np.asarray(expected, float)[order])
    part = np.searchsorted(np.unique(edges), expected, side="left")
    n = np.bincount(part, weights)
    told, came = (np.bincount(part, np.asarray(one, float) * weights) for one in (expected, actual))
    return [
        {"expected": float(told[at] / n[at]), "actual": float(came[at] / n[at]), "n": round(float(n[at]))}
        for at in np.flatnonzero(n)
    ]
