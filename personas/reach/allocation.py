"""How a number of posts or messages is split: pure arithmetic, the same for networks, kinds and topics.

The rule: shares go by the square root of the expected results. Suppose what is still missed at a place with
expected results v shrinks as 1 / n with the n posts it gets (the second post to the same people brings less
than the first); then the whole that is missed, the sum of v / n, is least where n is proportional to the
square root of v. So four times the expected results gets twice the posts. Nothing that was found worth
planning gets less than `FLOOR` of the whole, so that it goes on telling how it does; and numbers are rounded
by largest remainders, so that they add up exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, sqrt
from typing import TypeVar

FLOOR = 0.05
K = TypeVar("K")


def square_root_shares(expected: Mapping[K, float], least: float = FLOOR) -> dict[K, float]:
    """Shares of one by the square root of expected results, none below `least` (or an even share)."""
    if not expected:
        return {}
    least = min(least, 1 / len(expected))
    roots = {key: sqrt(max(value, 0.0)) for key, value in expected.items()}
    if not sum(roots.values()):
        return dict.fromkeys(expected, 1 / len(expected))
    raised: set[K] = set()
    while True:
        left = 1 - least * len(raised)
        whole = sum(root for key, root in roots.items() if key not in raised)
        shares = {
            key: least if key in raised else left * root / whole if whole else least
            for key, root in roots.items()
        }
        low = {key for key, share in shares.items() if key not in raised and share < least - 1e-12}
        if not low:
            return shares
        raised |= low


def largest_remainder(shares: Mapping[K, float], total: int) -> dict[K, int]:
    """Whole numbers that add up to `total`; what is left goes by the largest remainders, first of equals."""
    whole = sum(shares.values())
    if not shares or whole <= 0:
        return dict.fromkeys(shares, 0)
    exact = {key: total * share / whole for key, share in shares.items()}
    found = {key: floor(value + 1e-9) for key, value in exact.items()}
    order = {key: place for place, key in enumerate(shares)}
    by_rest = sorted(shares, key=lambda key: (-(round(exact[key] - found[key], 9)), order[key]))
    for key in by_rest[: total - sum(found.values())]:
        found[key] += 1
    return found


def capped(shares: Mapping[K, float], total: int, caps: Mapping[K, int]) -> dict[K, int]:
    """The same, none above its cap; what a cap cuts off goes to the others by their shares."""
    found = dict.fromkeys(shares, 0)
    open_keys = [key for key in shares if caps[key] > 0]
    left = min(total, sum(caps[key] for key in shares))
    while left and open_keys:
        weights = {key: shares[key] or 1e-9 for key in open_keys}
        given = largest_remainder(weights, left)
        full = [key for key in open_keys if found[key] + given[key] >= caps[key]]
        if not any(found[key] + given[key] > caps[key] for key in open_keys):
            return {key: found[key] + given.get(key, 0) for key in shares}
        for key in full:
            left -= caps[key] - found[key]
            found[key] = caps[key]
        open_keys = [key for key in open_keys if key not in full]
    return found


def interleave(counts: Mapping[K, int]) -> list[K]:
    """Each key as often as it counts, as evenly spread as can be: a b a c a b a."""
    total = sum(counts.values())
    found: list[K] = []
    given = dict.fromkeys(counts, 0)
    order: Sequence[K] = list(counts)
    for place in range(1, total + 1):
        key = max(
            (one for one in order if given[one] < counts[one]),
            key=lambda one: (counts[one] * place / total - given[one], counts[one], -order.index(one)),
        )
        given[key] += 1
        found.append(key)
    return found
