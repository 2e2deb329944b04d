"""Personas from habits: how many there are, where their centers lie, and who belongs to which, and why.

The method, with its sources, stands in `docs/personas.md`. Pure functions of a DataFrame of traits: no
database, no clock, and nothing that depends on ids or on the order of rows.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from personas.features import (
    BY_NAME,
    FEATURES,
    Floats,
    Prior,
    estimate_prior,
    home_country,
    measure,
    show,
    shrink,
    touches,
)

if TYPE_CHECKING:
    import pandas as pd

Labels = np.ndarray[Any, np.dtype[np.int64]]

LEAST_TOUCHES = 3
"""Customers with fewer say too little to shape a model; they are assigned all the same."""
LEAST_CUSTOMERS = 60
"""With fewer to fit on there are no personas, only plain rules."""
LEAST_KNOWN = 0.3
"""A habit known of a smaller part of them is left out of the model."""
LEAST_IN_CLUSTER = 0.04
MOST_CLUSTERS = 8
STABLE = 0.75
"""Mean bootstrap Jaccard from which a cluster counts as holding still (Hennig 2007)."""
GAP = 12**0.5
"""How far apart the two nearest centers must lie, in standard deviations within clusters: two halves of one
evenly spread habit lie the root of 12 apart (two halves of a normal one 2.65), so more says they are two."""
RIDGE = 0.1
"""Part of the identity in the covariance within clusters, so that no habit comes to rule alone."""
BOOTSTRAPS = 20
LARGEST_SEARCH = 4_000
"""Rows the search for k is done on; the model itself is fitted on all."""
DRIFT_LIMIT = 0.2
"""Drift from which a model is fitted again."""
THREADS = 1
"""Threads of the linear algebra. Matrices are small, and workers share their machine: on a busy one two
threads that wait for each other take a hundred times as long as one."""
SEED = 20_240_229


@dataclass(frozen=True)
class NotEnoughData:
    """Why there is no model; plain rules stand in."""

    customers: int
    reason: str


@dataclass(frozen=True)
class FittedModel:
    """Everything that assigning needs. Centers are in standardized features; `turn` is the p x p matrix
    after which a distance counts correlated habits once."""

    features: tuple[str, ...]
    home: str
    priors: tuple[Prior, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    turn: tuple[tuple[float, ...], ...]
    centers: tuple[tuple[float, ...], ...]
    shares: tuple[float, ...]
    reliability: tuple[float, ...]
    names: tuple[str, ...]
    customers: int
    figures: dict[str, Any]

    @property
    def k(self) -> int:
        """How many personas."""
        return len(self.centers)

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` gives an equal model."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> FittedModel:
        """The model that `to_json` wrote."""
        fields = {name: _tuples(value) if name != "figures" else value for name, value in data.items()}
        fields["priors"] = tuple(Prior(**prior) for prior in data["priors"])
        return cls(**fields)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def fit(frame: pd.DataFrame) -> FittedModel | NotEnoughData:
    """Fit a model on traits, one row a customer, indexed by customer id.

    k is the largest number of clusters that all hold still under the bootstrap and lie apart. Where none lie
    apart, customers are a continuum: the largest division that holds still is taken, and figures say so.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    chosen = frame[touches(frame) >= LEAST_TOUCHES] if len(frame) else frame
    if len(chosen) < LEAST_CUSTOMERS:
        return NotEnoughData(
            len(chosen),
            f"{len(chosen)} customers have {LEAST_TOUCHES} interactions or orders; "
            f"personas need {LEAST_CUSTOMERS}.",
        )
    with threadpool_limits(THREADS):
        return _fit(chosen)


def _fit(frame: pd.DataFrame) -> FittedModel | NotEnoughData:
    home = home_country(frame)
    values, evidence = _sorted(*measure(frame, home=home))
    used = _usable(values, evidence)
    if len(used) < 2:
        return NotEnoughData(len(frame), "Customers differ in fewer than two habits.")
    scaler = _Scaler.fit(values[:, used], evidence[:, used])
    rows = scaler.transform(values[:, used], evidence[:, used])
    tries = _search(rows)
    stable = [found for found in tries if found.is_stable]
    if not stable:
        return NotEnoughData(len(frame), "No grouping of these customers holds still.")
    best = max(stable, key=lambda found: (found.gap > GAP, found.k))
    labels, turn = _cluster(rows, best.k, starts=10)
    order = np.argsort(-np.bincount(labels, minlength=best.k), kind="stable")
    centers = np.array([rows[labels == index].mean(axis=0) for index in order])
    reliability = _matched(best, centers)
    names = [FEATURES[index].name for index in used]
    counts = np.bincount(labels, minlength=best.k)[order]
    distances = _distances(rows, centers, turn)
    return FittedModel(
        features=tuple(names),
        home=home,
        priors=tuple(scaler.priors),
        low=_floats(scaler.low),
        high=_floats(scaler.high),
        mean=_floats(scaler.mean),
        scale=_floats(scaler.scale),
        turn=tuple(_floats(row) for row in turn),
        centers=tuple(_floats(row) for row in centers),
        shares=_floats(counts / counts.sum()),
        reliability=reliability,
        names=suggest_names(names, centers),
        customers=len(frame),
        figures={
            "k": {str(found.k): _rounded(found.jaccards) for found in tries},
            "searched_on": min(len(rows), LARGEST_SEARCH),
            "bootstraps": BOOTSTRAPS,
            "distance": float(distances.min(axis=1).mean()),
            "gap": {str(found.k): found.gap for found in tries},
            "is_continuum": best.gap <= GAP,
        },
    )


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _rounded(values: Floats) -> list[float]:
    return [round(float(value), 3) for value in values]


def _sorted(values: Floats, evidence: Floats) -> tuple[Floats, Floats]:
    """Rows ordered by what they hold, so that neither ids nor the order of loading can matter."""
    keys = np.nan_to_num(np.round(np.hstack([values, evidence]), 9), nan=-1e12)
    order = np.lexsort(keys.T[::-1])
    return values[order], evidence[order]


def _usable(values: Floats, evidence: Floats) -> list[int]:
    """Features that are known of enough customers, and differ between them."""
    known = (evidence > 0).mean(axis=0)
    return [
        index
        for index in range(values.shape[1])
        if known[index] >= LEAST_KNOWN and np.nanstd(values[:, index]) > 1e-9
    ]


@dataclass(frozen=True)
class _Scaler:
    """Shrinks, cuts off at the first and last percentile, and standardizes."""

    priors: list[Prior]
    low: Floats
    high: Floats
    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, values: Floats, evidence: Floats) -> _Scaler:
        priors = [estimate_prior(values[:, one], evidence[:, one]) for one in range(values.shape[1])]
        shrunk = shrink(values, evidence, priors)
        low, high = np.percentile(shrunk, [1, 99], axis=0)
        cut = np.clip(shrunk, low, high)
        spread = cut.std(axis=0)
        return cls(priors, low, high, cut.mean(axis=0), np.where(spread > 1e-12, spread, 1.0))

    def transform(self, values: Floats, evidence: Floats) -> Floats:
        cut = np.clip(shrink(values, evidence, self.priors), self.low, self.high)
        return (cut - self.mean) / self.scale


# Finding clusters


def _cluster(rows: Floats, k: int, *, starts: int, seed: int = SEED) -> tuple[Labels, Floats]:
    """KMeans on standardized features, then again where correlated ones count once, until it stands.

    Habits that go together (who joins one thing joins another) would otherwise pull the clusters along
    their common direction. The second metric is the inverse of the covariance within clusters; the pair of
    steps lowers its determinant (Friedman and Rubin 1967).
    """
    from sklearn.cluster import KMeans

    labels: Labels = KMeans(k, n_init=starts, tol=0, random_state=seed).fit(rows).labels_
    turn = np.eye(rows.shape[1])
    for _round in range(8):
        turn = _turn(rows, labels, k)
        turned = rows @ turn
        begin = np.array([turned[labels == index].mean(axis=0) for index in range(k)])
        found: Labels = KMeans(k, init=begin, n_init=1, tol=0).fit(turned).labels_
        if len(np.unique(found)) < k or (found == labels).all():
            break
        labels = found
    return labels, turn


def _turn(rows: Floats, labels: Labels, k: int) -> Floats:
    centers = np.array([rows[labels == index].mean(axis=0) for index in range(k)])
    apart = rows - centers[labels]
    within = (1 - RIDGE) * apart.T @ apart / len(rows) + RIDGE * np.eye(rows.shape[1])
    return np.linalg.cholesky(np.linalg.inv(within))


@dataclass(frozen=True)
class _Try:
    """One number of clusters: its centers, and how still each held."""

    k: int
    centers: Floats
    jaccards: Floats
    smallest: float
    gap: float

    @property
    def is_stable(self) -> bool:
        return self.smallest >= LEAST_IN_CLUSTER and bool((self.jaccards >= STABLE).all())


def _search(rows: Floats) -> list[_Try]:
    """Every k, each judged by fitting anew on resampled customers."""
    step = max(1, -(-len(rows) // LARGEST_SEARCH))
    sample = rows[::step]
    most = min(MOST_CLUSTERS, len(sample) // 20)
    return [_try(sample, k) for k in range(2, most + 1)]


def _try(rows: Floats, k: int) -> _Try:
    labels, turn = _cluster(rows, k, starts=10)
    smallest = float(np.bincount(labels, minlength=k).min() / len(rows))
    draws = BOOTSTRAPS if smallest >= LEAST_IN_CLUSTER else 0
    chance = np.random.default_rng(SEED)
    found: list[Floats] = []
    for index in range(draws):
        drawn = chance.integers(0, len(rows), len(rows))
        again, _ = _cluster(rows[drawn], k, starts=3, seed=SEED + index)
        found.append(_jaccards(labels[drawn], again, k))
        if not _can_hold(found):
            break
    jaccards = np.mean(found, axis=0) if found else np.zeros(k)
    centers = np.array([rows[labels == index].mean(axis=0) for index in range(k)])
    return _Try(k, centers, jaccards, smallest, _separation(centers, turn))


def _can_hold(found: list[Floats]) -> bool:
    """Whether every cluster could still reach the bar if the draws to come were all perfect."""
    left = BOOTSTRAPS - len(found)
    return bool((np.sum(found, axis=0) + left >= STABLE * BOOTSTRAPS).all())


def _jaccards(labels: Labels, again: Labels, k: int) -> Floats:
    """For each cluster the Jaccard of the new cluster that is most like it, over the same customers."""
    both = np.zeros((k, k))
    np.add.at(both, (labels, again), 1)
    either = both.sum(axis=1)[:, None] + both.sum(axis=0)[None, :] - both
    shared = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return shared.max(axis=1)


def _matched(found: _Try, centers: Floats) -> tuple[float, ...]:
    """Jaccards of the search in the order of the final centers."""
    from scipy.optimize import linear_sum_assignment

    gaps = ((centers[:, None] - found.centers[None]) ** 2).sum(axis=2)
    _new, old = linear_sum_assignment(gaps)
    return _floats(found.jaccards[old])


def _separation(centers: Floats, turn: Floats) -> float:
    """Smallest distance between two centers, in standard deviations within clusters."""
    turned = centers @ turn
    gaps = np.sqrt(((turned[:, None] - turned[None]) ** 2).sum(axis=2))
    return round(float(gaps[~np.eye(len(centers), dtype=bool)].min()), 3)


# Who belongs


def _distances(rows: Floats, centers: Floats, turn: Floats) -> Floats:
    """Squared distances (n, k), in standard deviations within clusters."""
    turned, places = rows @ turn, centers @ turn
    return np.maximum(
        (turned**2).sum(axis=1)[:, None] - 2 * turned @ places.T + (places**2).sum(axis=1)[None], 0.0
    )


def standardize(frame: pd.DataFrame, model: FittedModel) -> tuple[Floats, Floats, Floats]:
    """(standardized features, own values, evidence) of each row, in the model's features."""
    values, evidence = measure(frame, home=model.home)
    used = [index for index, feature in enumerate(FEATURES) if feature.name in model.features]
    scaler = _Scaler(
        list(model.priors),
        np.array(model.low),
        np.array(model.high),
        np.array(model.mean),
        np.array(model.scale),
    )
    values, evidence = values[:, used], evidence[:, used]
    return scaler.transform(values, evidence), values, evidence


def assign(frame: pd.DataFrame, model: FittedModel) -> pd.DataFrame:
    """The nearest center for every customer with at least one touch, indexed by customer id.

    Columns: cluster, confidence, distance, reasons (three sentences, fewer where less is known). Confidence
    is the chance of this cluster among all, were customers spread around the centers as in the fit:
    exp(-d²/2) over its sum. With little evidence habits lie near everybody's mean, so it is low by itself.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(THREADS):
        return _assign(frame, model)


def _assign(frame: pd.DataFrame, model: FittedModel) -> pd.DataFrame:
    import pandas as pd

    columns = ["cluster", "confidence", "distance", "reasons"]
    known = frame[touches(frame) > 0] if len(frame) else frame
    if not len(known):
        return pd.DataFrame(columns=columns, index=known.index)
    rows, values, evidence = standardize(known, model)
    centers = np.array(model.centers)
    distances = _distances(rows, centers, np.array(model.turn))
    order = np.argsort(distances, axis=1, kind="stable")
    first, second = order[:, 0], order[:, min(1, model.k - 1)]
    nearness = np.exp(-(distances - distances.min(axis=1, keepdims=True)) / 2)
    place = np.arange(len(rows))
    return pd.DataFrame(
        {
            "cluster": first,
            "confidence": (nearness / nearness.sum(axis=1, keepdims=True))[place, first],
            "distance": np.sqrt(distances[place, first]),
            "reasons": _reasons(_Known(rows, values, evidence), centers[first], centers[second], model),
        },
        index=known.index,
    )[columns]


@dataclass(frozen=True)
class _Known:
    """What is known of each row: standardized features, own values, evidence."""

    rows: Floats
    values: Floats
    evidence: Floats


def _reasons(known: _Known, own: Floats, other: Floats, model: FittedModel) -> list[list[str]]:
    """The features that draw a customer most to the own center and not to the second, in words."""
    rows = known.rows
    pull = (rows - other) ** 2 - (rows - own) ** 2
    apart = known.values - np.array([prior.mean for prior in model.priors])
    typical = (np.sign(rows) == np.sign(own)) & (np.sign(rows) == np.sign(apart))
    score = np.where(typical, pull, -np.inf)
    best = np.argsort(-score, axis=1, kind="stable")[:, :3]
    return [
        [_sentence(known, row, int(one), model) for one in best[row] if score[row, one] > 0]
        for row in range(len(rows))
    ]


def _sentence(known: _Known, row: int, one: int, model: FittedModel) -> str:
    feature = BY_NAME[model.features[one]]
    words = feature.more if known.rows[row, one] > 0 else feature.less
    if feature.shown == "country":
        return words
    own, typical = show(feature, float(known.values[row, one])), show(feature, model.priors[one].mean)
    if feature.shown == "share":
        own = f"{own} of {max(1, round(float(known.evidence[row, one])))}"
    return f"{words} ({own}, typical {typical})"


def drift(frame: pd.DataFrame, model: FittedModel) -> float:
    """How far today's customers are from those the model was fitted on, 0 for not at all.

    The larger of: the part of customers by which the personas' shares have shifted, and the growth of the
    mean squared distance to the nearest center. `DRIFT_LIMIT` calls for a new fit.
    """
    now = frame[touches(frame) >= LEAST_TOUCHES] if len(frame) else frame
    if len(now) < LEAST_CUSTOMERS:
        return 0.0
    rows, _values, _evidence = standardize(now, model)
    distances = _distances(rows, np.array(model.centers), np.array(model.turn))
    shares = np.bincount(distances.argmin(axis=1), minlength=model.k) / len(rows)
    shifted = float(np.abs(shares - np.array(model.shares)).sum() / 2)
    grown = float(distances.min(axis=1).mean() / max(model.figures["distance"], 1e-12) - 1)
    return max(shifted, grown, 0.0)


# Keeping personas over refits


def match_personas(old: FittedModel, new: FittedModel) -> dict[int, int]:
    """New cluster to the old one it continues, by optimal assignment of centers.

    Compared in the features both have, in units of the new model. A new cluster further from the old one
    than new clusters lie from each other on average continues nothing and is left out.
    """
    from scipy.optimize import linear_sum_assignment

    shared = [name for name in new.features if name in old.features]
    if not shared:
        return {}
    before = _natural(old, shared)
    after = _natural(new, shared)
    scale = np.array([new.scale[new.features.index(name)] for name in shared])
    gaps = np.sqrt((((after[:, None] - before[None]) / scale) ** 2).sum(axis=2))
    among = np.sqrt((((after[:, None] - after[None]) / scale) ** 2).sum(axis=2))
    limit = among.sum() / max(1, new.k * (new.k - 1))
    return {
        int(one): int(other)
        for one, other in zip(*linear_sum_assignment(gaps), strict=True)
        if gaps[one, other] < limit
    }


def _natural(model: FittedModel, names: list[str]) -> Floats:
    """Centers in the features' own units."""
    used = [model.features.index(name) for name in names]
    centers = np.array(model.centers) * np.array(model.scale) + np.array(model.mean)
    return centers[:, used]


def suggest_names(features: list[str], centers: Floats) -> tuple[str, ...]:
    """A name for each center from what sets it apart, such as "Evening bargain hunters"; all different."""
    taken: set[str] = set()
    names = []
    for index, center in enumerate(centers):
        others = np.delete(centers, index, axis=0)
        apart = center - others.mean(axis=0) if len(others) else center
        name = next(name for name in _candidates(features, apart) if name not in taken)
        taken.add(name)
        names.append(name)
    return tuple(names)


def _candidates(features: list[str], apart: Floats) -> list[str]:
    """Names by how much they set apart: what they are first, then how they are."""
    order = np.argsort(-np.abs(apart), kind="stable")
    nouns, adjectives = [], []
    for one in order:
        feature, side = BY_NAME[features[one]], 0 if apart[one] > 0 else 1
        if feature.nouns[side]:
            nouns.append(feature.nouns[side])
        if feature.adjectives[side]:
            adjectives.append(feature.adjectives[side])
    nouns = nouns or ["customers"]
    adjectives = adjectives or [""]
    pairs = [(place + other, place, other) for place in range(len(adjectives)) for other in range(len(nouns))]
    found = [f"{adjectives[place]} {nouns[other]}".strip() for _sum, place, other in sorted(pairs)]
    plain = [f"customers {number}" for number in range(1, MOST_CLUSTERS + 2)]
    return [name[0].upper() + name[1:] for name in (*found, *plain)]
