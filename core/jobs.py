"""Long work as rows: a lease with a heartbeat, progress, steps, and a place to go on after a crash.

A job is run by whoever holds its lease. The runner saves its cursor with its work, so that a killed one is
taken up where it stood; one that died three times is parked with what is known.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from core.events import emit
from core.models import Job, JobState

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=settings.JOB_LEASE_SECONDS)
RENEW_SECONDS = settings.JOB_LEASE_SECONDS / 4.5
BEAT_SECONDS = 1.0
MAX_DEATHS = 3
Runner = Callable[["Progress"], dict[str, Any] | None]
_runners: dict[str, Runner] = {}
_routes: dict[str, dict[str, Any]] = {}


class JobIsOpen(Exception):
    """Another job of this kind is open; `job` is that one."""

    def __init__(self, job: Job) -> None:
        super().__init__(_since(job))
        self.job = job


def _since(job: Job) -> str:
    at = timezone.localtime(job.created_at if job.is_waiting else job.started_at or job.created_at)
    said = {"title": job.title, "at": f"{at:%H:%M %Z}"}
    if job.is_waiting:
        return _("%(title)s has been waiting for its turn since %(at)s") % said
    return _("%(title)s has been running since %(at)s") % said


class JobFailed(Exception):
    """Ends a job with a message for people; nothing is tried again."""


class LeaseLost(Exception):
    """Another process took the job over; this one stops at once."""


def register_runner(
    kind: str,
    runner: Runner,
    *,
    queue: str = "default",
    time_limit: int = settings.LONG_TASK_TIME_LIMIT,
) -> None:
    """`runner(progress)` does the work of jobs of this kind and returns their result.

    `queue` says which workers take them, `time_limit` after how many seconds a worker's child is ended.
    """
    _runners[kind] = runner
    _routes[kind] = {"queue": queue, "time_limit": time_limit}


def start_job(
    kind: str,
    title: str,
    *,
    input: dict[str, Any] | None = None,
    by: Any = None,
    exclusive: str = "",
    enqueue: bool = True,
) -> Job:
    """Write a queued job and hand it to a worker on commit. Raises JobIsOpen where `exclusive` is taken."""
    try:
        with transaction.atomic():
            job = Job.objects.create(
                kind=kind, title=title, input=input or {}, created_by=by, exclusive=exclusive
            )
    except IntegrityError as error:
        open_jobs = Job.objects.filter(kind=kind, exclusive=exclusive, state__in=["queued", "running"])
        found = open_jobs.first()
        if found is None:
            raise
        raise JobIsOpen(found) from error
    if enqueue:
        transaction.on_commit(lambda: _enqueue(job.pk, job.kind), robust=True)
    return job


def _enqueue(job_id: UUID, kind: str) -> None:
    """Hand the job to a worker of its kind; with the broker away the sweep finds it within ten seconds."""
    from core.tasks import run_job_task

    run_job_task.apply_async((str(job_id),), **_routes.get(kind, {}))


def owner_name() -> str:
    """A name for one lease: machine, process and moment."""
    return f"{socket.gethostname()}:{os.getpid()}:{time.monotonic_ns()}"


def claim(job_id: UUID | str) -> tuple[Job, str] | None:
    """Take the lease of an open job that nobody holds; None when it is taken, ended or parked."""
    owner = owner_name()
    with transaction.atomic():
        free = Q(lease_until__isnull=True) | Q(lease_until__lt=timezone.now())
        job = (
            Job.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(free, pk=job_id, state__in=[JobState.QUEUED, JobState.RUNNING])
            .first()
        )
        if job is None:
            return None
        job.deaths += job.state == JobState.RUNNING
        if job.deaths >= MAX_DEATHS:
            job.state, job.finished_at = JobState.PARKED, timezone.now()
            job.error = job.error or "The process that ran it died three times."
            job.save(update_fields=["state", "deaths", "error", "finished_at"])
            return None
        job.state, job.lease_owner, job.lease_until = JobState.RUNNING, owner, timezone.now() + LEASE
        job.started_at = job.started_at or timezone.now()
        job.save(update_fields=["state", "deaths", "lease_owner", "lease_until", "started_at"])
    return job, owner


def run_job(job_id: UUID | str) -> Job | None:
    """Run one job to its end in this process; None when somebody else has it."""
    claimed = claim(job_id)
    if claimed is None:
        return None
    job, owner = claimed
    progress = Progress(job, owner)
    try:
        with _kept_lease(job, owner):
            result = _runners[job.kind](progress)
    except LeaseLost:
        return None
    except JobFailed as error:
        _finish(job, owner, JobState.FAILED, error=str(error))
    except Exception as error:
        log.exception("job failed", kind=job.kind, job=str(job.pk))
        last = "".join(traceback.format_exception_only(error)).strip()
        _finish(job, owner, JobState.FAILED, error=last[:4000])
    else:
        _finish(job, owner, JobState.DONE, result=result or {})
    return Job.objects.get(pk=job.pk)


@contextmanager
def _kept_lease(job: Job, owner: str) -> Iterator[None]:
    """Renew the lease from a thread, so that one long computation does not look like a death."""
    ended = threading.Event()

    def renew() -> None:
        try:
            while not ended.wait(RENEW_SECONDS):
                held = Job.objects.filter(pk=job.pk, lease_owner=owner, state=JobState.RUNNING)
                held.update(lease_until=timezone.now() + LEASE)
        except DatabaseError as error:
            log.warning("lease not renewed", job=str(job.pk), error=type(error).__name__)
        finally:
            connection.close()

    thread = threading.Thread(target=renew, daemon=True, name=f"lease of {job.pk}")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _finish(
    job: Job, owner: str, state: str, *, error: str = "", result: dict[str, Any] | None = None
) -> None:
    with transaction.atomic():
        Job.objects.filter(pk=job.pk, lease_owner=owner).update(
            state=state, error=error, result=result or {}, finished_at=timezone.now(), lease_until=None
        )
        tell(job.pk, job.created_by_id)


def tell(job_id: UUID, created_by: int | None) -> None:
    """Whoever watches the job sees it move."""
    emit("job.changed", channels=["staff", *([f"user:{created_by}"] if created_by else [])], job=str(job_id))


class Progress:
    """What a runner writes its progress with. Every write renews the lease; a lost lease ends the run."""

    def __init__(self, job: Job, owner: str) -> None:
        self.job = job
        self.owner = owner
        self._beaten = 0.0

    def beat(self, done: int | None = None, total: int | None = None, *, phase: str | None = None) -> None:
        """Renew the lease and say how far the work is; at most once a second, unless the phase changes."""
        now = time.monotonic()
        if phase is None and now - self._beaten < BEAT_SECONDS:
            return
        self._beaten = now
        changes: dict[str, Any] = {"lease_until": timezone.now() + LEASE}
        if done is not None:
            changes["done"] = done
        if total is not None:
            changes["total"] = total
        if phase is not None:
            changes["phase"] = phase
        self._write(**changes)

    def save_cursor(self, cursor: dict[str, Any], **counts: int) -> None:
        """Where to go on, and counters (done, total); called in the transaction of the work it stands for.

        Work that moves on has not died for good: the count of deaths begins again.
        """
        self.job.cursor = cursor
        self._write(cursor=cursor, deaths=0, lease_until=timezone.now() + LEASE, **counts)

    def _write(self, **changes: Any) -> None:
        held = Job.objects.filter(pk=self.job.pk, lease_owner=self.owner, state=JobState.RUNNING)
        written = held.update(**changes)
        if not written:
            raise LeaseLost

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Time one step; the body puts its counts into the yielded dict."""
        self.beat(phase=name)
        counts: dict[str, Any] = {}
        began = time.monotonic()
        yield counts
        self.job.steps = [
            *self.job.steps,
            {"name": name, "seconds": round(time.monotonic() - began, 3), **counts},
        ]
        self._write(steps=self.job.steps, lease_until=timezone.now() + LEASE)


def sweep() -> int:
    """Hand abandoned and never-taken jobs to workers again; how many."""
    before = timezone.now() - timedelta(seconds=10)
    stale = Job.objects.filter(
        Q(state=JobState.QUEUED, created_at__lt=before)
        | Q(state=JobState.RUNNING, lease_until__lt=timezone.now())
    ).order_by("created_at")[:20]
    found = list(stale.values_list("pk", "kind"))
    for job_id, kind in found:
        _enqueue(job_id, kind)
    return len(found)
