"""Habits measured of many customers, each drawn towards everybody's where little is known of it.

A share of one event is 0 or 1 and says little, so every habit is shrunk towards everybody's mean by the
evidence for it (empirical Bayes): value = mean + n / (n + s) * (own - mean), where n counts the events behind
it and s is the noise of one event over the spread between customers, estimated from the data themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from personas.features import FEATURES, Feature

if TYPE_CHECKING:
    from personas.features import Frame

Floats = np.ndarray[Any, np.dtype[Any]]
Singles = np.ndarray[Any, np.dtype[np.float32]]

STRONGEST_PRIOR = 30.0
"""Most events a customer's own value may be held against."""
WEIGHTIEST = 8.0
"""Events beyond which a customer counts no more in estimating a prior."""


@dataclass(frozen=True)
class Prior:
    """Everybody's mean of a habit, and how many events outweigh it."""

    mean: float
    strength: float


def home_country(frame: Frame) -> str:
    """The country most customers live in, '' when none is known; ties go to the first by alphabet."""
    counts = frame["country"].value_counts().items() if "country" in frame else ()
    known = {str(name): int(count) for name, count in counts if name and count}
    return min(known, key=lambda name: (-known[name], name)) if known else ""


class _Columns(dict[str, Any]):
    """Traits as float columns, converted when a habit asks for one and not kept: frames are large."""

    def __init__(self, frame: Frame, home: str) -> None:
        super().__init__()
        self.frame, self.home = frame, home

    def __getitem__(self, name: str) -> Any:
        import pandas as pd

        if name == "at_home":
            return self._at_home()
        if name not in self.frame:
            return pd.Series(np.nan, index=self.frame.index)
        if name == "first_seen_at":
            return pd.to_datetime(self.frame[name], utc=True)
        numbers = pd.to_numeric(self.frame[name], errors="coerce").astype(float)
        return numbers.fillna(0.0) if name in ("inbound_total", "orders_total") else numbers

    def _at_home(self) -> Any:
        import pandas as pd

        if not self.home or "country" not in self.frame:
            return pd.Series(np.nan, index=self.frame.index)
        country = self.frame["country"]
        known = country.notna() & (country != "")
        return (country == self.home).astype(float).where(known)


def measure(frame: Frame, *, home: str, features: Sequence[Feature] = FEATURES) -> tuple[Singles, Singles]:
    """Features of every row: (own values, NaN where unknown; how many events stand behind each)."""
    columns: Any = _Columns(frame, home)
    shape = (len(frame), len(features))
    values, evidence = np.full(shape, np.nan, np.float32), np.zeros(shape, np.float32)
    for place, feature in enumerate(features):
        own = np.asarray(feature.value(columns), dtype=float)
        count = np.asarray(feature.evidence(columns), dtype=float)
        known = np.isfinite(own) & (count > 0)
        values[known, place], evidence[known, place] = own[known], count[known]
    return values, evidence


def estimate_prior(values: Floats, evidence: Floats) -> Prior:
    """Mean and strength of one habit from the customers whose value is known.

    The squared distance of a customer's value from the mean is spread + noise / n; both are found by
    least squares that knows them to be positive, and strength is noise / spread.
    """
    from scipy.optimize import nnls

    known = evidence > 0
    own, count = values[known].astype(float), evidence[known].astype(float)
    if not len(own):
        return Prior(0.0, 0.0)
    weight = np.minimum(count, WEIGHTIEST)
    mean = float(np.average(own, weights=weight))
    if count.max() <= 1.0:
        return Prior(mean, 0.0)
    root = np.sqrt(weight)
    sides = np.column_stack([np.ones(len(own)), 1 / count]) * root[:, None]
    (spread, noise), _residual = nnls(sides, (own - mean) ** 2 * root)
    if spread <= 0:
        return Prior(mean, STRONGEST_PRIOR)
    return Prior(mean, float(min(noise / spread, STRONGEST_PRIOR)))


def shrink(values: Floats, evidence: Floats, prior: Prior) -> Floats:
    """One habit drawn to its mean by the evidence; the mean itself where nothing is known."""
    count = evidence.astype(float)
    weight = np.divide(count, count + prior.strength, out=np.zeros_like(count), where=count > 0)
    own = np.where(count > 0, values, prior.mean).astype(float)
    return prior.mean + weight * (own - prior.mean)
