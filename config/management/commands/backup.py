"""Save the installation as one file."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.backup import save
from config.embedded import reached
from config.processes import StartError


class Command(BaseCommand):
    """Saves database, files and secrets; Rapport may go on running meanwhile."""

    help = "Save database, files and secrets to var/backups/"
    requires_system_checks: list[str] = []  # noqa: RUF012

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the backup and print where it is."""
        try:
            with reached(connections=settings.DATABASE_CONNECTIONS) as addresses:
                file = save(addresses)
        except StartError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Saved to {file} ({file.stat().st_size / 1e6:.1f} MB). Keep a copy elsewhere.")
