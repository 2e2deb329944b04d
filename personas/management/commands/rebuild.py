"""`manage.py rebuild`: the nightly rebuild by hand, in this process, with seconds a step."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.jobs import JobIsOpen, run_job
from core.models import JobState
from personas.nightly import start_rebuild


class Command(BaseCommand):
    """The command."""

    help = "Refresh traits, personas, predictions, segments, persona cards and rollups."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--full", action="store_true", help="compute everybody anew, by the stored models"
        )
        parser.add_argument("--refit", action="store_true", help="fit the models anew as well")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            job = start_rebuild(full=options["full"], refit=options["refit"], enqueue=False)
        except JobIsOpen as error:
            raise CommandError(f"{error}. One rebuild runs at a time.") from error
        done = run_job(job.pk)
        if done is None:
            raise CommandError("Another process took this rebuild over.")
        for step in done.steps:
            self.stdout.write(_line(step))
        if done.state != JobState.DONE:
            raise CommandError(f"The rebuild failed: {done.error}")
        self.stdout.write(f"rebuild: {done.seconds:.2f} s")


def _line(step: dict[str, Any]) -> str:
    counts = ", ".join(f"{name} {value}" for name, value in step.items() if name not in ("name", "seconds"))
    return f"{step['name']}: {step['seconds']:.2f} s ({counts})"
