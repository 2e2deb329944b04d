"""Doors for workers: the rebuild, and the sweep that finds it due."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from core import jobs
from personas import nightly


@shared_task
def sweep_nightly() -> None:
    """Start the rebuild of this local date, when it is due."""
    nightly.sweep()


@shared_task(queue="nightly", time_limit=settings.LONG_TASK_TIME_LIMIT)
def run_rebuild_task(job_id: str) -> None:
    """Run one rebuild, or go on with one whose worker died."""
    jobs.run_job(job_id)
