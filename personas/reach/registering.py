"""What this package makes known to the rest: a kind of file, and steps of the rebuild."""

from __future__ import annotations

from typing import Any

from personas.nightly import Run, register_step
from personas.reach.spend_files import register_spend_files

STEP = "lookalikes"
SUMS = "advertising"
CROWD = "everybody"


def register() -> None:
    """Called once, when the app is ready."""
    register_spend_files()
    register_step(STEP, find_lookalikes, 45, weight=1)
    register_step(SUMS, sum_advertising, 56, weight=0.5)
    register_step(CROWD, remember_everybody, 57, weight=0.1)


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


def remember_everybody(run: Run) -> dict[str, Any]:
    """What everybody does, for the plans of the day, where they are so many that a sample is read."""
    from personas.reach.evidence import Reader

    return {"networks": len(Reader(run.moment.today).everybody(anew=run.anybody_changed).habits.networks)}
