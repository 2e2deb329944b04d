"""Shards of a job: whoever is free does the next one, and nothing is done twice or left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from core import jobs, shards
from core.models import Job, JobShard, JobState

pytestmark = pytest.mark.django_db
STEP = "counting.numbers"


class Killed(BaseException):
    """Stands for SIGKILL: nothing that catches exceptions sees it."""


@pytest.fixture
def seen() -> Iterator[list[int]]:
    """A kind of job whose one step squares numbers, in shards of one each."""
    seen: list[int] = []

    def work(_job: UUID, given: Mapping[str, Any]) -> dict[str, int]:
        seen.append(given["number"])
        if given.get("kills", 0) >= seen.count(given["number"]):
            raise Killed
        if given.get("fails"):
            raise ValueError("no square of this one")
        return {"square": given["number"] ** 2}

    def run(progress: jobs.Progress) -> dict[str, Any]:
        if not shards.is_cut(progress.job.pk, STEP):
            shards.cut(progress.job.pk, STEP, progress.job.input["numbers"])
        return {"squares": [one["square"] for one in shards.work_off(progress, STEP)]}

    shards.register_work(STEP, work)
    jobs.register_runner("counting", run)
    yield seen
    shards._work.pop(STEP)
    jobs._runners.pop("counting")


def start(*numbers: Mapping[str, Any]) -> Job:
    return jobs.start_job("counting", "Count", input={"numbers": list(numbers)}, enqueue=False)


def expire() -> None:
    long_ago = timezone.now() - timedelta(seconds=1)
    Job.objects.update(lease_until=long_ago)
    JobShard.objects.filter(state=JobState.RUNNING).update(lease_until=long_ago)


def test_one_process_does_all_shards_and_results_come_in_their_order(seen: list[int]) -> None:
    job = jobs.run_job(start({"number": 3}, {"number": 1}, {"number": 2}).pk)
    assert job is not None
    assert (job.state, job.result) == (JobState.DONE, {"squares": [9, 1, 4]})
    assert seen == [3, 1, 2]


def test_a_helper_does_what_is_free_and_the_runner_does_not_repeat_it(seen: list[int]) -> None:
    job = start({"number": 1}, {"number": 2})
    jobs.claim(job.pk)
    shards.cut(job.pk, STEP, job.input["numbers"])
    assert shards.help_out(job.pk, STEP, 0) is False
    expire()
    done = jobs.run_job(job.pk)
    assert done is not None
    assert done.result == {"squares": [1, 4]}
    assert seen == [1, 2]


def test_nobody_helps_with_a_job_that_does_not_run(seen: list[int]) -> None:
    job = start({"number": 1})
    shards.cut(job.pk, STEP, job.input["numbers"])
    shards.help_out(job.pk, STEP, 0)
    assert seen == []


def test_a_shard_of_a_dead_process_is_taken_over_when_its_lease_has_run_out(seen: list[int]) -> None:
    job = start({"number": 1}, {"number": 2, "kills": 1}, {"number": 3})
    with pytest.raises(Killed):
        jobs.run_job(job.pk)
    assert shards.help_out(job.pk, STEP, 0) is False
    assert seen == [1, 2, 3], "the lease of the second one still held"
    expire()
    done = jobs.run_job(job.pk)
    assert done is not None
    assert done.result == {"squares": [1, 4, 9]}
    assert seen == [1, 2, 3, 2]


def test_a_shard_that_ends_three_processes_ends_the_job(seen: list[int]) -> None:
    job = start({"number": 1}, {"number": 2, "kills": 9})
    for _death in range(3):
        with pytest.raises(Killed):
            jobs.run_job(job.pk)
        expire()
    done = jobs.run_job(job.pk)
    assert done is None or done.state in (JobState.FAILED, JobState.PARKED)
    job.refresh_from_db()
    assert job.state in (JobState.FAILED, JobState.PARKED)
    assert "three" in job.error
    assert seen.count(2) == 3


def test_whoever_was_taken_for_dead_writes_nothing(seen: list[int]) -> None:
    job = start({"number": 1})
    jobs.claim(job.pk)
    shards.cut(job.pk, STEP, job.input["numbers"])
    slow = shards._claim(job.pk, STEP, 0, helping=True)
    assert slow is not None
    expire()
    again = shards._claim(job.pk, STEP, 0, helping=True)
    assert again is not None
    with pytest.raises(jobs.LeaseLost):
        shards._end(*slow, {"square": 0})
    shards._end(*again, {"square": 1})
    assert JobShard.objects.get().result == {"square": 1}


def test_a_shard_that_fails_is_left_to_the_runner_who_says_why(seen: list[int]) -> None:
    job = start({"number": 1, "fails": True})
    jobs.claim(job.pk)
    shards.cut(job.pk, STEP, job.input["numbers"])
    assert shards.help_out(job.pk, STEP, 0) is False
    assert JobShard.objects.get().state == JobState.QUEUED
    expire()
    done = jobs.run_job(job.pk)
    assert done is not None
    assert (done.state, done.error) == (JobState.FAILED, "ValueError: no square of this one")
