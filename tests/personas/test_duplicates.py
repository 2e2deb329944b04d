"""The rebuild of the night starts the search for duplicates; one by hand does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.models import Job
from crm.linkage.jobs import KIND
from personas.duplicates import search_duplicates
from personas.nightly import Run, steps

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any) -> list[Any]:
    """What was handed to workers."""
    tasks: list[Any] = []
    monkeypatch.setattr("core.tasks.run_job_task.apply_async", lambda *told, **how: tasks.append((told, how)))
    return tasks


def run(*, by_hand: bool) -> Run:
    return cast(Run, SimpleNamespace(rebuild=SimpleNamespace(by_hand=by_hand)))


def test_it_is_the_last_step() -> None:
    assert steps()[-1] == "duplicates"


def test_the_night_searches_once(sent: list[Any], django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        assert search_duplicates(run(by_hand=False)) == {"started": 1}
    assert search_duplicates(run(by_hand=False)) == {"started": 0}
    job = Job.objects.get(kind=KIND)
    assert job.input == {"everybody": False}
    assert sent == [(((str(job.pk),),), {"queue": "nightly", "time_limit": 3600})]


def test_a_rebuild_by_hand_does_not_search() -> None:
    assert search_duplicates(run(by_hand=True)) == {"started": 0}
    assert not Job.objects.filter(kind=KIND).exists()
