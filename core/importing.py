"""The shared part of the import commands."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.demo import DemoIsPresent, refuse_while_demo
from core.files import BadFile, count_rows
from core.imports import importers, report
from core.jobs import run_job, start_job
from core.models import JobState


class ImportCommand(BaseCommand):
    """Imports a file in this process, as a job that shows its progress on the jobs page."""

    kind: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["file"].resolve()
        try:
            refuse_while_demo()
            count_rows(path)
        except (DemoIsPresent, BadFile) as error:
            raise CommandError(str(error)) from error
        title = f"Import {importers[self.kind].label.lower()} from {path.name}"
        job = start_job(self.kind, title, input=self.input_of(path, options), enqueue=False)
        ended = run_job(job.pk)
        if ended is None or ended.state != JobState.DONE:
            taken = "Another process took the import over; see the jobs page."
            raise CommandError(ended.error if ended else taken)
        self.stdout.write(report(ended.result))

    def input_of(self, path: Path, options: dict[str, Any]) -> dict[str, Any]:
        return {"path": str(path)}
