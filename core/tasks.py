"""Work of the shared ground that runs in workers."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.conf import settings

from core import health, import_files, jobs, shards


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


@shared_task(time_limit=settings.LONG_TASK_TIME_LIMIT)
def help_with_job(job_id: str, step: str, turn: int) -> None:
    """Do shards of a job that another process runs, for some minutes, and come again while there are more."""
    if shards.help_out(UUID(job_id), step, turn):
        help_with_job.apply_async((job_id, step, turn), queue=shards.queue_of(step))
