"""Rollups follow within a minute of what happened."""

from celery import shared_task

from analytics import rollups


@shared_task
def sweep_rollups() -> None:
    """Compute a few batches of stale days; what is left waits for the next turn."""
    rollups.refresh(batches=5)
