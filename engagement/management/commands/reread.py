"""`manage.py reread`: every text read again by the reader of today, in this process."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.jobs import JobIsOpen, run_job
from core.models import JobState
from engagement.rereading import start_reread


class Command(BaseCommand):
    """The command."""

    help = "Read every text again: language, mood, reason and topics. What staff said of moods stays."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            job = start_reread(by=None, enqueue=False)
        except JobIsOpen as error:
            raise CommandError(f"{error}. One runs at a time.") from error
        done = run_job(job.pk)
        if done is None:
            raise CommandError("Another process took this job over.")
        if done.state != JobState.DONE:
            raise CommandError(f"It failed: {done.error}")
        counts = ", ".join(f"{name} {value}" for name, value in done.result.items())
        self.stdout.write(f"read again in {done.seconds:.2f} s ({counts})")
