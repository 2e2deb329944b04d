"""Trying models by hand: a job, for whoever does not want to wait for the night."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from accounts.models import User
from accounts.permissions import check
from core.jobs import Progress, register_runner, start_job
from core.models import Job

KIND = "texts.train"


def start_training(*, by: User) -> Job:
    """Queue it. Raises core.jobs.JobIsOpen where one is under way."""
    check(by, "reading.manage")
    return start_job(KIND, "Learn from labels and tags", by=by, exclusive=KIND)


def run_training(progress: Progress) -> dict[str, Any]:
    """The job; each part is safe to repeat."""
    from personas.text import training

    now = timezone.now()
    progress.beat(0, 3, phase="moods")
    moods = training.train_moods(now=now, again=True)
    progress.beat(1, 3, phase="reasons")
    learned = training.train_reasons(now=now, again=True)
    progress.beat(2, 3, phase="telling reasons")
    told = training.tell_reasons(tick=progress.beat)
    return {**moods, "tags_told": learned["told"], "reasons": told["followed"] + told["told"]}


def register() -> None:
    """Called once, when the app is ready."""
    register_runner(KIND, run_training, queue="nightly")
