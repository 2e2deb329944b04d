"""Doors for workers: the search for duplicates."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from core import jobs


@shared_task(queue="nightly", time_limit=4 * settings.LONG_TASK_TIME_LIMIT)
def run_linkage_task(job_id: str) -> None:
    """Run one search for duplicates, or begin again with one whose worker died."""
    jobs.run_job(job_id)
