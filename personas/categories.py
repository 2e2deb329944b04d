"""What somebody buys next: one's own habit, drawn towards what others bought after the same categories.

Item-based co-purchase (Linden, Smith and York 2003) as chances that can be checked: of those who had bought
b, how many had c in their next purchase, shrunk towards how often c is bought at all; the mean of that over
what somebody has bought is the prior of one's own share of purchases with c. How strongly to shrink is found
from the data. Pure arithmetic over arrays: nothing here knows the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
STRENGTHS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
DRAWN = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
TRIED = 20_000
"""Purchases on which the strengths are tried."""
PORTION = 20_000
"""Purchases that stand in memory as a table at a time."""
SURE = 1e-6


@dataclass(frozen=True)
class Purchases:
    """One row for each category of each purchase, in the order of customers and of time."""

    customer: Codes
    day: Codes
    category: Codes

    def until(self, day: int) -> Purchases:
        """Those up to the end of a day."""
        return self._where(self.day <= day)

    def _where(self, rows: NDArray[np.bool_]) -> Purchases:
        return Purchases(self.customer[rows], self.day[rows], self.category[rows])

    def portions(self) -> Iterator[Purchases]:
        """Whole customers, some at a time."""
        if not len(self.customer):
            return
        begins = np.flatnonzero(np.concatenate([[True], np.diff(self.customer) != 0]))
        places = np.searchsorted(begins, np.arange(0, len(self.customer), PORTION))
        edges = [*np.unique(begins[places[places < len(begins)]]), len(self.customer)]
        for start, stop in pairwise(edges):
            yield Purchases(*(one[start:stop] for one in (self.customer, self.day, self.category)))


@dataclass(frozen=True)
class Baskets:
    """Purchases as tables with a column a category: what was in each, and in how many of those before it."""

    customer: Codes
    day: Codes
    number: Codes
    """How many purchases the same customer made before."""
    inside: Floats
    before: Floats

    @classmethod
    def of(cls, bought: Purchases, width: int) -> Baskets:
        """From some customers' purchases."""
        is_new = np.ones(len(bought.customer), dtype=bool)
        is_new[1:] = (np.diff(bought.customer) != 0) | (np.diff(bought.day) != 0)
        customer, day = bought.customer[is_new], bought.day[is_new]
        inside = np.zeros((len(customer), width))
        inside[np.cumsum(is_new) - 1, bought.category] = 1
        begins = np.flatnonzero(np.concatenate([[True], np.diff(customer) != 0]))
        first = np.repeat(begins, np.diff(np.append(begins, len(customer))))
        so_far = np.cumsum(inside, axis=0) - inside
        number = np.arange(len(customer)) - first
        return cls(customer, day, number, inside, so_far - so_far[first])

    def only(self, rows: Codes | NDArray[np.bool_]) -> Baskets:
        """Some of them."""
        return Baskets(
            self.customer[rows], self.day[rows], self.number[rows], self.inside[rows], self.before[rows]
        )

    def after_last(self) -> Baskets:
        """What every customer would do next: one empty basket each, with all purchases before it."""
        last = self.only(np.append(self.customer[1:] != self.customer[:-1], True))
        return Baskets(last.customer, last.day, last.number + 1, 0 * last.inside, last.before + last.inside)


def joined(parts: list[Baskets]) -> Baskets:
    """All of them as one."""
    names = ("customer", "day", "number", "inside", "before")
    return Baskets(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class NextCategory:
    """How often each category is bought, how often after each other one, and what one's own habit weighs."""

    popular: Floats
    after: Floats
    """Row b: the chances of each category in the next purchase of somebody who bought b."""
    strength: float

    @classmethod
    def fit(cls, bought: Purchases, width: int) -> NextCategory:
        """From what everybody bought after what."""
        pairs, seen, n = np.zeros((width, width)), np.zeros(width), 0
        popular, tried = np.zeros(width), []
        step = max(1, len(bought.customer) // TRIED)
        for part in bought.portions():
            every = Baskets.of(part, width)
            popular += every.inside.sum(axis=0)
            n += len(every.customer)
            later = every.only(every.number > 0)
            had = (later.before > 0).astype(float)
            pairs += had.T @ later.inside
            seen += had.sum(axis=0)
            tried.append(later.only(np.arange(0, len(later.customer), step)))
        usual = (popular + 0.5) / (n + 1)
        drawn, strength = (
            _strengths(joined(tried), pairs, seen, usual) if tried else (DRAWN[-1], STRENGTHS[-1])
        )
        after = (pairs + drawn * usual) / (seen + drawn)[:, None]
        return cls(usual, after, strength)

    def expected(self, baskets: Baskets) -> Floats:
        """The chance of each category to be in each purchase, by those before it."""
        prior = _mix(baskets.before) @ self.after
        return (baskets.before + self.strength * prior) / (baskets.number[:, None] + self.strength)

    def kept(self) -> dict[str, Any]:
        """As a model card keeps it."""
        return {
            "popular": np.round(self.popular, 6).tolist(),
            "after": np.round(self.after, 6).tolist(),
            "strength": self.strength,
        }

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> NextCategory:
        """From a model card."""
        return cls(np.array(kept["popular"]), np.array(kept["after"]), kept["strength"])


def _mix(before: Floats) -> Floats:
    return before / np.maximum(before.sum(axis=1, keepdims=True), 1)


def _strengths(tried: Baskets, pairs: Floats, seen: Floats, usual: Floats) -> tuple[float, float]:
    """How strongly pairs are drawn to what is usual, and habits to pairs: the likeliest of a grid.

    Each purchase is taken out of the pairs that judge it, or the weakest shrinking would always win.
    """
    had, mix = (tried.before > 0).astype(float), _mix(tried.before)
    best, found = -np.inf, (DRAWN[-1], STRENGTHS[-1])
    for drawn in DRAWN:
        share = mix / (seen - had + drawn)
        prior = share @ pairs + share.sum(axis=1, keepdims=True) * drawn * usual
        prior -= (share * had).sum(axis=1, keepdims=True) * tried.inside
        for strength in STRENGTHS:
            chance = (tried.before + strength * prior) / (tried.number[:, None] + strength)
            chance = np.clip(chance, SURE, 1 - SURE)
            value = float(np.sum(np.log(np.where(tried.inside > 0, chance, 1 - chance))))
            if value > best:
                best, found = value, (drawn, strength)
    return found


def hits(rank: Floats, baskets: Baskets, first: int) -> NDArray[np.bool_]:
    """Whether one of the `first` highest ranked categories was in the purchase; the earlier of equals."""
    top = np.argsort(-np.round(rank, 9), axis=1, kind="stable")[:, :first]
    found: NDArray[np.bool_] = np.take_along_axis(baskets.inside, top, axis=1).max(axis=1) > 0
    return found
