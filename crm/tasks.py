"""Doors for workers: the nightly purge."""

from __future__ import annotations

from celery import shared_task

from crm.privacy import retention


@shared_task(queue="nightly")
def sweep_retention() -> None:
    """Start the purge of this date when it is due."""
    retention.sweep()
