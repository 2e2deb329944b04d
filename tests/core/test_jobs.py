"""Long work: one runner, a lease, a place to go on, and an end that is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from core import jobs
from core.models import Event, Job, JobState

pytestmark = pytest.mark.django_db


@pytest.fixture
def counting() -> Iterator[list[int]]:
    """A kind of job that counts to five from where it stood, and notes each number."""
    seen: list[int] = []

    def run(progress: jobs.Progress) -> dict[str, int]:
        with progress.step("count") as counts:
            for number in range(progress.job.cursor.get("next", 0), 5):
                seen.append(number)
                progress.save_cursor({"next": number + 1}, done=number + 1)
                if number == progress.job.input.get("fail_at"):
                    raise jobs.JobFailed("stopped on purpose")
            counts["counted"] = len(seen)
        return {"sum": sum(seen)}

    jobs.register_runner("counting", run)
    yield seen
    jobs._runners.pop("counting")


def expire(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_job_runs_to_its_end_and_tells(counting: list[int]) -> None:
    job = jobs.run_job(jobs.start_job("counting", "Count", enqueue=False).pk)
    assert job is not None
    assert (job.state, job.result, job.done) == (JobState.DONE, {"sum": 10}, 5)
    assert job.steps[0]["name"] == "count"
    assert job.steps[0]["counted"] == 5
    assert Event.objects.filter(type="job.changed").exists()


def test_what_is_done_is_done_whatever_was_counted() -> None:
    job = Job(state=JobState.RUNNING, done=73, total=100)
    assert job.percent == 73
    job.state = JobState.DONE
    assert job.percent == 100
    assert Job(state=JobState.DONE).percent == 100
    assert Job(state=JobState.FAILED, done=73, total=100).percent == 73


def test_a_job_goes_on_where_a_dead_runner_left_it(counting: list[int]) -> None:
    job = jobs.start_job("counting", "Count", enqueue=False)
    jobs.claim(job.pk)
    Job.objects.filter(pk=job.pk).update(cursor={"next": 3})
    assert jobs.run_job(job.pk) is None, "the lease of the first runner still holds"
    expire(job)
    assert jobs.sweep() == 1
    jobs.run_job(job.pk)
    assert counting == [3, 4]


def test_three_deaths_park_a_job(counting: list[int]) -> None:
    job = jobs.start_job("counting", "Count", enqueue=False)
    for _ in range(3):
        assert jobs.claim(job.pk)
        expire(job)
    assert jobs.claim(job.pk) is None
    job.refresh_from_db()
    assert job.state == JobState.PARKED


def test_a_runner_that_lost_its_lease_writes_nothing_more(counting: list[int]) -> None:
    job = jobs.start_job("counting", "Count", enqueue=False)
    first = jobs.claim(job.pk)
    expire(job)
    second = jobs.claim(job.pk)
    assert first and second
    with pytest.raises(jobs.LeaseLost):
        jobs.Progress(*first).beat(1, 5, phase="late")
    jobs.Progress(*second).beat(2, 5, phase="mine")
    job.refresh_from_db()
    assert (job.phase, job.done) == ("mine", 2)


def test_a_failure_keeps_its_reason_and_what_was_done(counting: list[int]) -> None:
    started = jobs.start_job("counting", "Count", input={"fail_at": 2}, enqueue=False)
    job = jobs.run_job(started.pk)
    assert job is not None
    assert (job.state, job.error, job.done) == (JobState.FAILED, "stopped on purpose", 3)


def test_one_open_job_a_name() -> None:
    jobs.start_job("counting", "Count", exclusive="one", enqueue=False)
    with pytest.raises(jobs.JobIsOpen):
        jobs.start_job("counting", "Count", exclusive="one", enqueue=False)
    Job.objects.update(state=JobState.DONE)
    jobs.start_job("counting", "Count", exclusive="one", enqueue=False)
