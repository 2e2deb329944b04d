"""Put a backup back."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.backup import put_back
from config.embedded import running
from config.prepare import prepare
from config.processes import StartError


class Command(BaseCommand):
    """Replaces database, files and secrets by those of a backup; Rapport must not run meanwhile."""

    help = "Put a backup back; what is there is replaced"
    requires_system_checks: list[str] = []  # noqa: RUF012

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file."""
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore, bring the data to this version, and say what is left to do."""
        try:
            with running(connections=settings.DATABASE_CONNECTIONS) as addresses:
                todo = put_back(options["file"], addresses)
                prepare(addresses)
        except StartError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("\n".join([f"Restored from {options['file']}.", *todo]))
