"""What a customer will bring, as a distribution: the number of orders to come and the money in them.

Everything is exact. Given a history, the rate of who is still active is gamma (r + x, alpha + age) and the
chance to stop beta (a, b + x), so the number of orders in the time ahead has a closed form (Fader, Hardie and
Lee 2005, equation 8, mixed over both posteriors). The money of n orders is `V * beta prime(p * n, Q)` with
V = v + what the n known purchases brought and Q = q + p * n (Fader and Hardie 2013): in units of V it depends
on the history alone, so that equal histories are worked out once.
Pure arithmetic over arrays: nothing here knows the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, gammaln, ndtri

from personas.buying import BgNbd, Floats, GammaGamma, History, alike

LOW, HIGH = 0.1, 0.9
# Ages up to here are taken by the day and later ones by the week, which moves no interval by a percent.
BY_DAY_WEEKS = 8.0
# Points at which the distribution of money is worked out, in units of its mean: four points a doubling.
GRID = np.logspace(-3.0, 1.8, 64)
MOST = 1500
# Cells of one table that are worked out at a time; they bound the memory.
CELLS = 400_000


@dataclass(frozen=True)
class Interval:
    """A tenth lies below `low` and a tenth above `high`, as far as one can cut there.

    Bringing nothing at all is one point, which cannot be cut: where it is likelier than a tenth, `low` is 0
    and more than 80 % fall inside. `claimed` is the chance to fall inside, both ends included.
    """

    low: Floats
    high: Floats
    claimed: Floats


def orders_to_come(model: BgNbd, repeats: Floats, age: Floats, weeks: float, most: int) -> Floats:
    """Chances of 0 to `most` orders in the weeks ahead of customers who are still active, one row each.

    The last column holds the chance of `most` or more.
    """
    n = np.arange(most + 1.0)
    rate, ahead = (model.r + repeats)[:, None], (weeks / (model.alpha + age + weeks))[:, None]
    stays = (model.b + repeats)[:, None]
    come = gammaln(rate + n) - gammaln(rate) - gammaln(n + 1) + rate * np.log1p(-ahead) + n * np.log(ahead)
    found = np.exp(come + betaln(model.a, stays + n) - betaln(model.a, stays))
    # The n-th order was the last, and more would have come.
    stops = np.exp(betaln(model.a + 1, stays + n[1:] - 1) - betaln(model.a, stays))
    found[:, 1:] += stops * betainc(n[1:], rate, ahead)
    found[:, -1] = np.maximum(1 - found[:, :-1].sum(axis=1), 0.0)
    return found


def value_interval(
    model: BgNbd, history: History, weeks: float, money: GammaGamma | None, spent: tuple[Floats, Floats]
) -> Interval:
    """Ends of the interval of 80 % of the revenue in the weeks ahead.

    `spent` is how many purchases are known and their mean; without a model of money, every order is taken
    to bring that mean.
    """
    known, mean = spent
    known = np.where(mean > 0, known, 0.0) if money else np.zeros(len(mean))
    kinds, which, _counts = alike(history.repeats, _coarse(history.age), known)
    alive, levels = model.alive(history), np.array([LOW, HIGH])
    # The chance to be below a level splits into having stopped, and being active and below.
    wanted = (levels - (1 - alive)[:, None]) / np.maximum(alive, 1e-12)[:, None]
    ends, nothing = np.zeros((len(alive), 2)), np.zeros(len(kinds))
    rows = _rows_of(which, len(kinds))
    for some, chances in _tables(model, kinds, weeks):
        nothing[some] = chances[:, 0]
        points, below = _orders_below(chances) if money is None else _money_below(money, chances, kinds[some])
        for at, kind in enumerate(some):
            ours = rows[kind]
            if money is None:
                ends[ours] = np.interp(wanted[ours], below[at], points[at], left=0.0)
            else:
                ends[ours] = _smooth(wanted[ours], below[at], points[at])
    ends *= (mean if money is None else money.v + known * mean)[:, None]
    if money is None:
        ends = np.round(ends, 9)
    stopped = (1 - alive) + alive * nothing[which]
    claimed = np.where(ends[:, 1] <= 0, stopped, np.where(ends[:, 0] <= 0, HIGH, HIGH - LOW))
    return Interval(ends[:, 0], ends[:, 1], claimed)


def _smooth(wanted: Floats, below: Floats, points: Floats) -> Floats:
    """Between two points, as if the logarithm of money were normal, which it nearly is."""
    deviates = [ndtri(np.clip(one, 1e-12, 1 - 1e-12)) for one in (wanted, below)]
    found: Floats = np.exp(np.interp(deviates[0], deviates[1], np.log(points)))
    return np.where(wanted > below[0], found, 0.0)


def _coarse(age: Floats) -> Floats:
    return np.where(age < BY_DAY_WEEKS, age, np.round(age))


def _rows_of(which: NDArray[np.int64], kinds: int) -> list[NDArray[np.int64]]:
    """The rows of each kind."""
    order = np.argsort(which, kind="stable")
    return np.split(order, np.searchsorted(which[order], np.arange(1, kinds)))


def _tables(model: BgNbd, kinds: Floats, weeks: float) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Kinds with the chances of their orders to come, some at a time, equally long tails together."""
    tails = _tails(model, kinds, weeks)
    for most in np.unique(tails):
        alike_ones = np.flatnonzero(tails == most)
        size = max(1, int(CELLS / len(GRID) / (most + 1)))
        for start in range(0, len(alike_ones), size):
            some = alike_ones[start : start + size]
            yield some, orders_to_come(model, kinds[some, 0], kinds[some, 1], weeks, int(most))


def _tails(model: BgNbd, kinds: Floats, weeks: float) -> NDArray[np.int64]:
    """A number of orders that hardly anybody of a kind exceeds: a power of two, whoever else is scored."""
    odds = weeks / (model.alpha + kinds[:, 1])
    mean = (model.r + kinds[:, 0]) * odds
    most = np.minimum(mean + 6 * np.sqrt(mean * (1 + odds)) + 8, MOST)
    return (2 ** np.ceil(np.log2(most))).astype(np.int64)


def _orders_below(chances: Floats) -> tuple[list[Floats], list[Floats]]:
    """Numbers of orders, and the chance to stay below or at each, as stairs."""
    n = np.repeat(np.arange(chances.shape[1], dtype=float), 2)
    stairs = np.repeat(np.cumsum(chances, axis=1), 2, axis=1)
    return [n] * len(chances), [np.concatenate([[0.0], row[:-1] + 1e-12]) for row in stairs]


def _money_below(money: GammaGamma, chances: Floats, kinds: Floats) -> tuple[Floats, Floats]:
    """Amounts in units of V, and the chance to bring no more than each, of who is still active."""
    n = np.arange(1.0, chances.shape[1])
    sure = (money.q + money.p * kinds[:, 2])[:, None]
    mean = (chances[:, 1:] @ n)[:, None] * money.p / np.maximum(sure - 1, 0.2)
    points = mean * GRID
    below = betainc((money.p * n)[None, None, :], sure[:, :, None], (points / (1 + points))[:, :, None])
    return points, chances[:, :1] + (below @ chances[:, 1:, None])[:, :, 0]
