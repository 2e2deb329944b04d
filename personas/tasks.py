"""Doors for workers: the sweep that finds the rebuild due."""

from __future__ import annotations

from celery import shared_task

from personas import nightly


@shared_task
def sweep_nightly() -> None:
    """Start the rebuild of this local date, when it is due."""
    nightly.sweep()
