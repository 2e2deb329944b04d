"""First-response times kept as counts between bounds, so that a median over any days is read from sums."""

from __future__ import annotations

from collections.abc import Sequence

BOUNDS: tuple[float, ...] = (
    1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 75, 90, 120, 150, 180, 240, 300, 360, 480, 600,
    720, 960, 1200, 1440, 2160, 2880, 4320, 7200, 10080,
)  # fmt: skip
"""Upper bounds in minutes; a last bucket holds what took longer than a week."""


def median_minutes(buckets: Sequence[int]) -> float | None:
    """The median in minutes, read within its bucket by straight line; None without an answer.

    `buckets` has one count more than there are bounds. What took longer than the last bound is given as that.
    """
    total = sum(buckets)
    if not total:
        return None
    wanted, below = total / 2, 0
    for slot, count in enumerate(buckets):
        if count and below + count >= wanted:
            low = BOUNDS[slot - 1] if slot else 0.0
            high = BOUNDS[slot] if slot < len(BOUNDS) else BOUNDS[-1]
            return low + (high - low) * (wanted - below) / count
        below += count
    return BOUNDS[-1]
