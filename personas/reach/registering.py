"""What this package makes known to the rest: a kind of file, and steps of the rebuild."""

from __future__ import annotations

from typing import Any

from personas.nightly import Run, register_step
from personas.reach.spend_files import register_spend_files

STEP = "lookalikes"
SUMS = "advertising"


def register() -> None:
    """Called once, when the app is ready."""
    register_spend_files()
    register_step(STEP, find_lookalikes, 45, weight=1)
    register_step(SUMS, sum_advertising, 56, weight=0.5)


def find_lookalikes(run: Run) -> dict[str, Any]:
    """Prospects who are like a persona, where anybody changed."""
    if not run.anybody_changed:
        return {"customers": 0, "near": 0, "written": 0}

    from personas.reach.lookalikes import refresh_lookalikes

    return refresh_lookalikes(run.moment.now)


def sum_advertising(run: Run) -> dict[str, Any]:
    """What orders brought by day and first touch, where anybody changed or a day is over."""
    from personas.reach.summing import sum_brought

    return sum_brought(run)
