"""Doors for workers: the search for duplicates, and the nightly purge."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from core import jobs
from crm.privacy import retention


@shared_task(queue="nightly", time_limit=4 * settings.LONG_TASK_TIME_LIMIT)
def run_linkage_task(job_id: str) -> None:
    """Run one search for duplicates, or begin again with one whose worker died."""
    jobs.run_job(job_id)


@shared_task(queue="nightly")
def sweep_retention() -> None:
    """Start the purge of this date when it is due."""
    retention.sweep()
