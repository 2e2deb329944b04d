"""`manage.py demo`: fill an empty workspace with a made-up shop, or empty it again."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from analytics.demo.load import KIND
from analytics.demo.staff import ensure_staff
from core.demo import is_demo, remove_demo
from core.jobs import JobIsOpen, run_job, start_job
from core.models import JobState
from crm.models import Customer

SEED = 20260


class Command(BaseCommand):
    """Runs as a job, so that its progress shows in the browser too."""

    help = "Fill an empty workspace with a fictional shop (2,000 customers), or remove it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("--if-empty", action="store_true", help="do nothing where there are customers")
        parser.add_argument("--remove", action="store_true", help="remove all demo data")
        parser.add_argument("--seed", type=int, default=SEED)
        parser.add_argument("--customers", type=int, default=2000)

    def handle(self, *args: Any, **options: Any) -> None:
        """Fill or remove."""
        if options["remove"]:
            self.stdout.write("The demo is gone." if remove_demo() else "There is no demo.")
            return
        if Customer.objects.exists() or is_demo():
            if options["if_empty"]:
                return
            raise CommandError("This workspace has customers. The demo only fills an empty one.")
        sign_in = ensure_staff()
        self._fill(options)
        if sign_in:
            self.stdout.write(f"Sign in as {sign_in}")

    def _fill(self, options: dict[str, Any]) -> None:
        given = {"seed": options["seed"], "customers": options["customers"]}
        try:
            job = start_job(KIND, "Fill the demo workspace", input=given, exclusive=KIND, enqueue=False)
        except JobIsOpen as error:
            raise CommandError(str(error)) from error
        ended = run_job(job.pk)
        if ended is None or ended.state != JobState.DONE:
            raise CommandError(ended.error if ended else "Another process fills the demo.")
        for step in ended.steps:
            self.stdout.write(f"{step['name']}: {step['seconds']} s")
