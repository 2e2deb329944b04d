"""Bring an installation to this version of the code."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.backup import save
from config.embedded import running
from config.prepare import prepare
from config.processes import StartError


class Command(BaseCommand):
    """Saves everything first, then changes database and static files; Rapport must not run meanwhile."""

    help = "Save everything, then bring database and static files to this version"
    requires_system_checks: list[str] = []  # noqa: RUF012

    def handle(self, *args: Any, **options: Any) -> None:
        """Upgrade and say where the backup is."""
        try:
            with running(connections=settings.DATABASE_CONNECTIONS) as addresses:
                file = save(addresses)
                prepare(addresses)
        except StartError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Upgraded. What was there before is in {file}.")
