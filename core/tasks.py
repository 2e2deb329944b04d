"""Work of the shared ground that runs in workers."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from core import health, import_files, jobs


@shared_task
def worker_heartbeat() -> None:
    """A worker shows that it works."""
    health.note_worker()


@shared_task
def sweep_jobs() -> None:
    """Jobs whose runner died, or whose message was lost, go to a worker again; old uploads go."""
    jobs.sweep()
    import_files.clear_old()


@shared_task(time_limit=settings.LONG_TASK_TIME_LIMIT)
def run_job_task(job_id: str) -> None:
    """Run one job, or do nothing when somebody else does."""
    jobs.run_job(job_id)
