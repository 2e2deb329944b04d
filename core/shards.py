"""One step of a job, cut into shards that any number of processes work on at once.

A step is cut once (`cut`), and then worked off by the process that runs the job (`work_off`) and by workers
of its queue that are asked to help. A shard is claimed under a lease that a heartbeat renews; its work and
its "done" are one transaction, so a shard of a dead process is done again by another and nothing is done
twice. What a step finds must not depend on who did which shard: results are the same with one process or ten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from core.jobs import LEASE, MAX_DEATHS, RENEW_SECONDS, JobFailed, LeaseLost, Progress, owner_name
from core.models import JobShard, JobState

log = structlog.get_logger(__name__)
WAIT_SECONDS = 0.2
HELP_SECONDS = 240
Work = Callable[[UUID, Mapping[str, Any]], Mapping[str, Any]]
_work: dict[str, tuple[Work, str]] = {}


def register_work(step: str, work: Work, *, queue: str = "default") -> None:
    """`work(job_id, input)` does one shard of steps of this name, in the transaction that notes it as done.

    It must be safe to repeat, and its result small. `queue` says which workers help.
    """
    _work[step] = (work, queue)


def queue_of(step: str) -> str:
    """Which workers help with a step."""
    return _work[step][1]


def cut(job_id: UUID, step: str, inputs: Sequence[Mapping[str, Any]], *, turn: int = 0) -> None:
    """Write the shards of a step, in the transaction of whatever else is decided with them.

    A step may have several turns, one after the other: all shards of a turn are done before the next is cut.
    """
    JobShard.objects.bulk_create(
        [
            JobShard(job_id=job_id, step=step, turn=turn, number=number, input=dict(given))
            for number, given in enumerate(inputs)
        ]
    )


def is_cut(job_id: UUID, step: str, *, turn: int = 0) -> bool:
    """Whether a step has shards already: a run before this one died after it had cut them."""
    return JobShard.objects.filter(job_id=job_id, step=step, turn=turn).exists()


def work_off(
    progress: Progress, step: str, *, turn: int = 0, tick: Callable[[float], None] = lambda share: None
) -> list[dict[str, Any]]:
    """Do the shards of a step until none is left, with whoever helps; their results, by number.

    Where others hold the last ones, waits for them, and takes over those whose lease ran out.
    """
    job_id = progress.job.pk
    shards = JobShard.objects.filter(job_id=job_id, step=step, turn=turn)
    total = shards.count()
    if total > 1:
        _ask_for_help(job_id, step, turn, total - 1)
    while True:
        progress.beat()
        if not _do_next(job_id, step, turn):
            if not shards.exclude(state=JobState.DONE).exists():
                return list(shards.order_by("number").values_list("result", flat=True))
            time.sleep(WAIT_SECONDS)
        tick(shards.filter(state=JobState.DONE).count() / max(total, 1))


def help_out(job_id: UUID, step: str, turn: int) -> bool:
    """Do free shards of somebody else's job for some minutes; whether there may be more.

    One that fails is left to the process that runs the job, which tells why.
    """
    until = time.monotonic() + HELP_SECONDS
    try:
        while time.monotonic() < until:
            if not _do_next(job_id, step, turn, helping=True):
                return False
    except Exception:
        log.exception("a shard failed", job=str(job_id), step=step)
        return False
    return True


def forget(job_id: UUID) -> None:
    """Remove the shards of a job that has ended."""
    JobShard.objects.filter(job_id=job_id).delete()


def _ask_for_help(job_id: UUID, step: str, turn: int, useful: int) -> None:
    """Tell workers of the step's queue, as many as could be of use; without a broker one does it alone."""
    from core.tasks import help_with_job

    def tell() -> None:
        for _helper in range(min(useful, settings.JOB_HELPERS)):
            help_with_job.apply_async((str(job_id), step, turn), queue=queue_of(step))

    transaction.on_commit(tell, robust=True)


def _do_next(job_id: UUID, step: str, turn: int, *, helping: bool = False) -> bool:
    """Claim the next free shard and do it; False where none is free."""
    claimed = _claim(job_id, step, turn, helping=helping)
    if claimed is None:
        return False
    shard, owner = claimed
    try:
        with _kept_lease(shard, owner), transaction.atomic():
            result = dict(_work[step][0](job_id, shard.input))
            _end(shard, owner, result)
    except LeaseLost:
        log.warning("a shard was taken over", shard=shard.pk)
    except Exception as error:
        again = _is_deadlock(error)
        JobShard.objects.filter(pk=shard.pk, lease_owner=owner).update(
            state=JobState.QUEUED, lease_until=None, deaths=shard.deaths + again
        )
        if not again:
            raise
    return True


def _is_deadlock(error: Exception) -> bool:
    """Whether somebody else's transaction was in the way, so that the shard is worth another try."""
    code = getattr(error.__cause__, "pgcode", None)
    return isinstance(error, OperationalError) and code in ("40P01", "40001")


def _claim(job_id: UUID, step: str, turn: int, *, helping: bool) -> tuple[JobShard, str] | None:
    """Take the lease of a shard that is free, or whose holder gives no sign of life.

    Raises JobFailed for one that ended three processes.
    """
    free = Q(state=JobState.QUEUED) | Q(state=JobState.RUNNING, lease_until__lt=timezone.now())
    if helping:
        # Whom it killed twice already is left to the process that can say so.
        free &= Q(deaths__lt=MAX_DEATHS - 1)
    with transaction.atomic():
        shard = (
            JobShard.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(free, job_id=job_id, job__state=JobState.RUNNING, step=step, turn=turn)
            .order_by("number")
            .first()
        )
        if shard is None:
            return None
        shard.deaths += shard.state == JobState.RUNNING
        if shard.deaths >= MAX_DEATHS:
            raise JobFailed(f"Part {shard.number + 1} of {step} ended three processes.")
        owner = owner_name()
        JobShard.objects.filter(pk=shard.pk).update(
            state=JobState.RUNNING, deaths=shard.deaths, lease_owner=owner, lease_until=timezone.now() + LEASE
        )
    return shard, owner


def _end(shard: JobShard, owner: str, result: Mapping[str, Any]) -> None:
    """Note a shard as done, in the transaction of its work. Raises LeaseLost where another took it over."""
    held = JobShard.objects.filter(pk=shard.pk, lease_owner=owner, state=JobState.RUNNING)
    if not held.update(state=JobState.DONE, result=result, lease_until=None):
        raise LeaseLost


@contextmanager
def _kept_lease(shard: JobShard, owner: str) -> Iterator[None]:
    """Renew the lease from a thread, so that one long statement does not look like a death."""
    ended = Event()

    def renew() -> None:
        try:
            while not ended.wait(RENEW_SECONDS):
                held = JobShard.objects.filter(pk=shard.pk, lease_owner=owner, state=JobState.RUNNING)
                held.update(lease_until=timezone.now() + LEASE)
        except DatabaseError as error:
            log.warning("lease not renewed", shard=shard.pk, error=type(error).__name__)
        finally:
            connection.close()

    thread = Thread(target=renew, daemon=True, name=f"lease of shard {shard.pk}")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
