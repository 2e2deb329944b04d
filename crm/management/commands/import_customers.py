"""`manage.py import_customers FILE`: customers from CSV, Excel or JSON Lines; columns are recognized."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.management.base import BaseCommand, CommandError

from core.demo import DemoIsPresent
from core.files import BadFile
from core.import_runs import CannotDo, start_check, start_run
from core.imports import REJECTED
from core.jobs import run_job
from core.models import ImportRun, JobState
from crm.imports import preparing


class Command(BaseCommand):
    """The command."""

    help = "Import customers from a file; what was imported can be undone in Settings, Import."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--source", default="", help="who gave the ids in the file, such as zendesk")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, store nothing")
        parser.add_argument("--organizations", action="store_true", help="the file holds organizations")

    def handle(self, *args: Any, **options: Any) -> None:
        kind = "import_organizations" if options["organizations"] else "import_customers"
        try:
            with options["file"].open("rb") as source:
                file = File(source, name=options["file"].name)
                run = preparing.keep_file(file=file, source=options["source"], kind=kind)
            preparing.check_mapping(run, run.mapping)
            for column in preparing.columns_of(run):
                self.stdout.write(f"  {column.name}: {column.target or 'left out'}")
            run = self._worked(start_check if options["dry_run"] else start_run, run)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except (BadFile, CannotDo, DemoIsPresent, OSError) as error:
            raise CommandError(str(error)) from error
        self._report(run, run.check_counts if options["dry_run"] else run.counts)

    def _worked(self, start: Any, run: ImportRun) -> ImportRun:
        run = start(run, enqueue=False)
        ended = run_job(run.job_id) if run.job_id else None
        if ended is None or ended.state != JobState.DONE:
            raise CommandError(ended.error if ended else "Another process took the import over.")
        run.refresh_from_db()
        return run

    def _report(self, run: ImportRun, counts: dict[str, int]) -> None:
        self.stdout.write(", ".join(f"{count:,} {name}" for name, count in counts.items()) or "no rows")
        for row in run.rows.filter(outcome__in=REJECTED).order_by("number")[:20]:
            self.stdout.write(f"  row {row.number}: {row.reason}")
        for name in REJECTED:
            for sample in run.samples.get(name, ()) if not run.started_at else ():
                self.stdout.write(f"  row {sample['number']}: {sample['reason']}")
