"""Days and hours for a number of posts: the hours at which people are here, spread over the days of a plan.

Pure. Each choice takes the best hour left, worth the square root of the touches it holds (as in
`personas.reach.allocation`), and makes its day, and the days beside it, less worth for what comes after:
one more on the same day is worth half, one more of the same network there a quarter, and of the same network
on the day before or after six tenths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from math import sqrt

EARLIEST, LATEST = 7, 21
"""Hours of the day, both included: nobody is written to at night, however many are awake."""
SAME_DAY, SAME_NETWORK, BESIDE = 0.5, 0.25, 0.6
SMOOTH = 0.5
Grid = Sequence[Sequence[float]]
Slot = tuple[date, int]


def empty_grid() -> list[list[float]]:
    """Seven days (Monday first) of 24 hours."""
    return [[0.0] * 24 for _day in range(7)]


def blended(own: Grid, prior: Grid, strength: float) -> list[list[float]]:
    """Share of each hour of the week: own counts drawn towards the prior's shares by `strength` touches."""
    base = sum(map(sum, own))
    before = sum(map(sum, prior))
    even = 1 / (7 * 24)
    return [
        [
            (own[day][hour] + strength * (prior[day][hour] / before if before else even)) / (base + strength)
            for hour in range(24)
        ]
        for day in range(7)
    ]


def smoothed(grid: Grid) -> list[list[float]]:
    """Each hour with half of what its neighbours hold: a post is read over more than one hour."""
    return [
        [
            day[hour] + SMOOTH * ((day[hour - 1] if hour else 0) + (day[hour + 1] if hour < 23 else 0))
            for hour in range(24)
        ]
        for day in grid
    ]


def choose_slots(
    first: date, last: date, grid: Grid, count: int, *, taken: Counter[date], own: Counter[date]
) -> list[Slot]:
    """`count` slots in order of time; `taken` and `own` count what stands on each day, and go on counting.

    The best hour of a day is the fullest of its weekday; a second one of the same network on one day takes
    the next fullest that lies two hours away.
    """
    weights = smoothed(grid)
    days = [first + timedelta(days=place) for place in range((last - first).days + 1)]
    chosen: list[Slot] = []
    for _one in range(count):
        best = max(
            ((_worth(day, weights, chosen, taken, own), day) for day in days),
            key=lambda found: (round(found[0][0], 12), -found[1].toordinal()),
        )
        (_value, hour), day = best
        chosen.append((day, hour))
        taken[day] += 1
        own[day] += 1
    return sorted(chosen)


def _worth(
    day: date, weights: Grid, chosen: Sequence[Slot], taken: Counter[date], own: Counter[date]
) -> tuple[float, int]:
    """What one more is worth on this day, and at which hour."""
    used = [hour for other, hour in chosen if other == day]
    hours = [
        hour for hour in range(EARLIEST, LATEST + 1) if all(abs(hour - other) >= 2 for other in used)
    ] or list(range(EARLIEST, LATEST + 1))
    row = weights[day.weekday()]
    hour = max(hours, key=lambda one: (round(row[one], 12), -one))
    beside = own[day - timedelta(days=1)] + own[day + timedelta(days=1)]
    others = taken[day] - own[day]
    return sqrt(row[hour]) * SAME_DAY**others * SAME_NETWORK ** own[day] * BESIDE**beside, hour
