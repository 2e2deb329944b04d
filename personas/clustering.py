"""Personas from habits: how many there are, where their centers lie, and who belongs to which, and why.

The method, with its sources, stands in `docs/personas.md`. Pure functions of a DataFrame of traits: no
database, no clock, and nothing that depends on ids or on the order of rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from personas.features import FEATURES, Feature, chosen, touches
from personas.measuring import Floats, Prior, Singles, estimate_prior, home_country, measure, shrink
from personas.naming import Units, Word, explain_names
from personas.reasons import Known, reasons

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
STARTS = 30
"""Starts of a fit, of which the best counts; half as many on resampled customers. With three, two fits of the
same customers often end in different places, and no grouping seems to hold still."""
LARGEST_SEARCH = 4_000
"""Rows the search for k is done on; the model itself is fitted on all."""
LARGEST_STARTS = 50_000
"""Rows up to which a model is fitted from all starts. More are fitted from where the starts on so many end:
centers of fifty thousand rows are those of a million but for the third digit."""
SETTLED = 1e-4
"""Part of the rows that may still change place when rounds over more than `LARGEST_STARTS` end."""
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
    explained: tuple[tuple[Word, ...], ...] = ()

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


def fit(
    frame: pd.DataFrame, *, names: Sequence[str] = (), finest: bool = False
) -> FittedModel | NotEnoughData:
    """Fit a model on traits, one row a customer, indexed by customer id.

    `names` are the features it may use, none for the default ones. k is the largest number of clusters that
    all hold still under the bootstrap and lie apart. Where none lie apart, customers are a continuum: the
    largest division that holds still is taken, and figures say so. `finest` does not ask whether they lie
    apart.
    """
    # Only what is loaded before the limit is held to it.
    import sklearn.cluster  # noqa: F401
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    shaping = frame[touches(frame) >= LEAST_TOUCHES] if len(frame) else frame
    if len(shaping) < LEAST_CUSTOMERS:
        return NotEnoughData(
            len(shaping),
            f"{len(shaping)} customers have {LEAST_TOUCHES} interactions or orders; "
            f"personas need {LEAST_CUSTOMERS}.",
        )
    with threadpool_limits(THREADS):
        return _fit(shaping, chosen(names), finest)


def _fit(frame: pd.DataFrame, offered: Sequence[Feature], finest: bool) -> FittedModel | NotEnoughData:
    home = home_country(frame)
    values, evidence = measure(frame, home=home, features=offered)
    known = {one.name: int(count) for one, count in zip(offered, (evidence > 0).sum(axis=0), strict=True)}
    used = [offered[index] for index in _usable(values, evidence)]
    if len(used) < 2:
        return NotEnoughData(len(frame), "Customers differ in fewer than two habits.")
    places = [offered.index(one) for one in used]
    scaler, rows = Scaler.fit(values, evidence, places)
    del values, evidence
    tries = _search(rows)
    best = _best(tries, finest)
    if best is None:
        return NotEnoughData(len(frame), "No grouping of these customers holds still.")
    found = _Found(rows, *_cluster(rows, best.k, starts=STARTS), best)
    model = _model(found, [one.name for one in used], scaler, home)
    return replace(model, figures={**model.figures, **_told(tries), "known": known, "finest": finest})


def _best(tries: Sequence[_Try], finest: bool) -> _Try | None:
    """The largest division that holds still and, unless the finest is asked for, lies apart if one does."""
    stable = [found for found in tries if found.is_stable]
    return max(stable, key=lambda found: (not finest and found.gap > GAP, found.k), default=None)


@dataclass(frozen=True)
class _Found:
    """The rows a model is fitted on, their clusters, and the try of the search that chose k."""

    rows: Singles
    labels: Labels
    turn: Floats
    best: _Try


def _model(found: _Found, names: list[str], scaler: Scaler, home: str) -> FittedModel:
    """The model of these clusters, the largest first."""
    rows, labels, best = found.rows, found.labels, found.best
    sizes = np.bincount(labels, minlength=best.k)
    order = np.argsort(-sizes, kind="stable")
    centers = _centers(rows, labels, best.k)[order]
    named = explain_names(names, centers, Units(scaler.mean, scaler.scale))
    return FittedModel(
        features=tuple(names),
        home=home,
        priors=tuple(scaler.priors),
        low=_floats(scaler.low),
        high=_floats(scaler.high),
        mean=_floats(scaler.mean),
        scale=_floats(scaler.scale),
        turn=tuple(_floats(row) for row in found.turn),
        centers=tuple(_floats(row) for row in centers),
        shares=_floats(sizes[order] / sizes.sum()),
        reliability=_matched(best, centers),
        names=tuple(one.name for one in named),
        explained=tuple(one.words for one in named),
        customers=len(rows),
        figures={
            "searched_on": min(len(rows), LARGEST_SEARCH),
            "bootstraps": BOOTSTRAPS,
            "distance": _mean_distance(rows, centers, found.turn),
            "is_continuum": best.gap <= GAP,
        },
    )


def _told(tries: Sequence[_Try]) -> dict[str, Any]:
    """What was found for every number tried."""
    return {
        "k": {str(one.k): _rounded(one.jaccards) for one in tries},
        "smallest": {str(one.k): round(one.smallest, 4) for one in tries},
        "gap": {str(one.k): one.gap for one in tries},
    }


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _rounded(values: Floats) -> list[float]:
    return [round(float(value), 3) for value in values]


def _order(values: Singles, evidence: Singles) -> Labels:
    """An order of rows by what they hold, so that neither ids nor the order of loading can matter.

    It is that of a hash of each row: whoever takes the first thousand takes a random sample.
    """
    mixed = np.full(len(values), SEED, np.uint64)
    for matrix in (values, evidence):
        for place in range(matrix.shape[1]):
            column = np.where(np.isnan(matrix[:, place]), np.float32(-1e12), matrix[:, place]) + np.float32(0)
            mixed ^= column.astype(np.float32).view(np.uint32).astype(np.uint64) + np.uint64(place + 1)
            mixed *= np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(29)
    return np.argsort(mixed, kind="stable")


def _usable(values: Singles, evidence: Singles) -> list[int]:
    """Features that are known of enough customers, and differ between them."""
    known = (evidence > 0).mean(axis=0)
    return [
        index
        for index in range(values.shape[1])
        if known[index] >= LEAST_KNOWN and np.nanstd(values[:, index].astype(float)) > 1e-6
    ]


@dataclass(frozen=True)
class Scaler:
    """Shrinks, cuts off at the first and last percentile, and standardizes."""

    priors: Sequence[Prior]
    low: Floats
    high: Floats
    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, values: Singles, evidence: Singles, places: Sequence[int]) -> tuple[Scaler, Singles]:
        """The scaler of these columns, and the rows it gives, in an order of their own."""
        order = _order(values, evidence)
        rows = np.empty((len(values), len(places)), np.float32)
        found: list[tuple[Prior, float, float, float, float]] = []
        for at, place in enumerate(places):
            own, count = values[order, place], evidence[order, place]
            prior = estimate_prior(own, count)
            shrunk = shrink(own, count, prior)
            low, high = np.percentile(shrunk, [1, 99])
            cut = np.clip(shrunk, low, high)
            spread = float(cut.std())
            found.append((prior, low, high, float(cut.mean()), spread if spread > 1e-12 else 1.0))
            rows[:, at] = (cut - found[-1][3]) / found[-1][4]
        priors, *bounds = zip(*found, strict=True)
        return cls(list(priors), *(np.array(one) for one in bounds)), rows

    def transform(self, values: Singles, evidence: Singles) -> Singles:
        """Standardized features of the same columns."""
        rows = np.empty(values.shape, np.float32)
        for at, prior in enumerate(self.priors):
            cut = np.clip(shrink(values[:, at], evidence[:, at], prior), self.low[at], self.high[at])
            rows[:, at] = (cut - self.mean[at]) / self.scale[at]
        return rows


# Finding clusters


def _cluster(rows: Singles, k: int, *, starts: int, seed: int = SEED) -> tuple[Labels, Floats]:
    """KMeans on standardized features, then again where correlated ones count once, until it stands.

    Habits that go together (who joins one thing joins another) would otherwise pull the clusters along
    their common direction. The second metric is the inverse of the covariance within clusters; the pair of
    steps lowers its determinant (Friedman and Rubin 1967).
    """
    if len(rows) > LARGEST_STARTS:
        return _cluster_many(rows, k, starts=starts, seed=seed)
    return _turned(rows, _plain(rows, k, starts=starts, seed=seed), k)


def _plain(rows: Singles, k: int, *, starts: int, seed: int) -> Labels:
    from sklearn.cluster import KMeans

    labels: Labels = KMeans(k, n_init=starts, tol=0, random_state=seed).fit(rows).labels_
    return labels


def _turned(rows: Singles, labels: Labels, k: int, *, settled: float = 0.0) -> tuple[Labels, Floats]:
    """Rounds in the metric within clusters, until no more than `settled` of the rows change place."""
    from sklearn.cluster import KMeans

    turn = np.eye(rows.shape[1])
    for _round in range(8):
        turn = _turn(rows, labels, k)
        turned = (rows @ turn).astype(np.float32)
        begin = _centers(turned, labels, k).astype(np.float32)
        tolerance = 0.0 if not settled else 1e-6
        found: Labels = KMeans(k, init=begin, n_init=1, tol=tolerance).fit(turned).labels_
        if len(np.unique(found)) < k:
            break
        moved = float((found != labels).mean())
        labels = found
        if moved <= settled:
            break
    return labels, turn


def _cluster_many(rows: Singles, k: int, *, starts: int, seed: int) -> tuple[Labels, Floats]:
    """As `_cluster`, from where the first rows end; rows are in an order of chance."""
    some, turn = _turned(first := rows[:LARGEST_STARTS], _plain(first, k, starts=starts, seed=seed), k)
    centers = _centers(first, some, k)
    labels = np.concatenate(
        [_distances(part, centers, turn).argmin(axis=1) for part in np.array_split(rows, _parts(rows))]
    )
    return _turned(rows, labels, k, settled=SETTLED)


def _parts(rows: Singles) -> int:
    return -(-len(rows) // LARGEST_STARTS)


def _centers(rows: Singles, labels: Labels, k: int) -> Floats:
    return np.array([rows[labels == index].mean(axis=0, dtype=float) for index in range(k)])


def _turn(rows: Singles, labels: Labels, k: int) -> Floats:
    """What whitens the covariance within clusters, summed in parts: rows may be many."""
    centers, width = _centers(rows, labels, k), rows.shape[1]
    within = np.zeros((width, width))
    for part, of in zip(
        np.array_split(rows, _parts(rows)), np.array_split(labels, _parts(rows)), strict=True
    ):
        apart = part - centers[of]
        within += apart.T @ apart
    within = (1 - RIDGE) * within / len(rows) + RIDGE * np.eye(width)
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


def _search(rows: Singles) -> list[_Try]:
    """Every k, each judged by fitting anew on resampled customers."""
    sample = rows[:LARGEST_SEARCH]
    most = min(MOST_CLUSTERS, len(sample) // 20)
    return [_try(sample, k) for k in range(2, most + 1)]


def _try(rows: Singles, k: int) -> _Try:
    labels, turn = _cluster(rows, k, starts=STARTS)
    smallest = float(np.bincount(labels, minlength=k).min() / len(rows))
    draws = BOOTSTRAPS if smallest >= LEAST_IN_CLUSTER else 0
    chance = np.random.default_rng(SEED)
    found: list[Floats] = []
    for index in range(draws):
        drawn = chance.integers(0, len(rows), len(rows))
        again, _ = _cluster(rows[drawn], k, starts=STARTS // 2, seed=SEED + index)
        found.append(_jaccards(labels[drawn], again, k))
        if not _can_hold(found):
            break
    jaccards = np.mean(found, axis=0) if found else np.zeros(k)
    centers = _centers(rows, labels, k)
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


def _distances(rows: Singles, centers: Floats, turn: Floats) -> Floats:
    """Squared distances (n, k), in standard deviations within clusters."""
    turned, places = rows @ turn, centers @ turn
    return np.maximum(
        (turned**2).sum(axis=1)[:, None] - 2 * turned @ places.T + (places**2).sum(axis=1)[None], 0.0
    )


def _mean_distance(rows: Singles, centers: Floats, turn: Floats) -> float:
    parts = np.array_split(rows, _parts(rows))
    return sum(float(_distances(part, centers, turn).min(axis=1).sum()) for part in parts) / len(rows)


def standardize(frame: pd.DataFrame, model: FittedModel) -> Known:
    """What is known of each row, in the model's features."""
    used = [feature for feature in FEATURES if feature.name in model.features]
    values, evidence = measure(frame, home=model.home, features=used)
    scaler = Scaler(
        model.priors, np.array(model.low), np.array(model.high), np.array(model.mean), np.array(model.scale)
    )
    return Known(scaler.transform(values, evidence), values, evidence)


def nearest(frame: pd.DataFrame, model: FittedModel) -> pd.Series[int]:
    """The cluster of every customer with at least one touch, indexed by customer id."""
    import pandas as pd
    from threadpoolctl import threadpool_limits

    known = frame[touches(frame) > 0] if len(frame) else frame
    with threadpool_limits(THREADS):
        rows = standardize(known, model).rows
        distances = _distances(rows, np.array(model.centers), np.array(model.turn))
    return pd.Series(distances.argmin(axis=1), index=known.index, dtype="int64")


def assign(frame: pd.DataFrame, model: FittedModel) -> pd.DataFrame:
    """The nearest center for every customer with at least one touch, indexed by customer id.

    Columns: cluster, confidence, distance, reasons (up to three sentences, as a JSON list). Confidence is
    the chance of this cluster among all, were customers spread around the centers as in the fit: exp(-d²/2)
    over its sum. With little evidence habits lie near everybody's mean, so it is low by itself.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(THREADS):
        return _assign(frame, model)


def _assign(frame: pd.DataFrame, model: FittedModel) -> pd.DataFrame:
    import pandas as pd

    columns = ["cluster", "confidence", "distance", "reasons"]
    touched = frame[touches(frame) > 0] if len(frame) else frame
    if not len(touched):
        return pd.DataFrame(columns=columns, index=touched.index)
    known = standardize(touched, model)
    centers = np.array(model.centers)
    distances = _distances(known.rows, centers, np.array(model.turn))
    order = np.argsort(distances, axis=1, kind="stable")
    first, second = order[:, 0], order[:, min(1, model.k - 1)]
    nearness = np.exp(-(distances - distances.min(axis=1, keepdims=True)) / 2)
    place = np.arange(len(known.rows))
    return pd.DataFrame(
        {
            "cluster": first,
            "confidence": (nearness / nearness.sum(axis=1, keepdims=True))[place, first],
            "distance": np.sqrt(distances[place, first]),
            "reasons": reasons(known, centers[first], centers[second], model.features, model.priors),
        },
        index=touched.index,
    )[columns]


def drift(frame: pd.DataFrame, model: FittedModel) -> float:
    """How far today's customers are from those the model was fitted on, 0 for not at all.

    The larger of: the part of customers by which the personas' shares have shifted, and the growth of the
    mean squared distance to the nearest center. `DRIFT_LIMIT` calls for a new fit.
    """
    now = frame[touches(frame) >= LEAST_TOUCHES] if len(frame) else frame
    if len(now) < LEAST_CUSTOMERS:
        return 0.0
    rows = standardize(now, model).rows
    distances = _distances(rows, np.array(model.centers), np.array(model.turn))
    shares = np.bincount(distances.argmin(axis=1), minlength=model.k) / len(rows)
    shifted = float(np.abs(shares - np.array(model.shares)).sum() / 2)
    grown = float(distances.min(axis=1).mean() / max(model.figures["distance"], 1e-12) - 1)
    return max(shifted, grown, 0.0)
