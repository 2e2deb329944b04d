"""The last step of the night: a search for customers who are there twice, which then runs by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.jobs import JobIsOpen
from crm.linkage.jobs import start_search
from personas.nightly import Run, register_step


def search_duplicates(run: Run) -> Mapping[str, Any]:
    """Queue the search, which compares whoever changed since the last one; not after a rebuild by hand."""
    if run.rebuild.by_hand:
        return {"started": 0}
    try:
        start_search()
    except JobIsOpen:
        return {"started": 0}
    return {"started": 1}


def register() -> None:
    """Called once, when the app is ready."""
    register_step("duplicates", search_duplicates, 90, weight=0.1)
