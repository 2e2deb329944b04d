"""Say how to sign in for the first time."""

from typing import Any

from django.core.management.base import BaseCommand

from config.sign_in import sign_in_hint


class Command(BaseCommand):
    """Prints the demo's accounts, or the one-time link that makes the first admin; else nothing."""

    help = "Print how to sign in for the first time"
    requires_system_checks: list[str] = []  # noqa: RUF012

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line, or none when staff already have accounts of their own."""
        hint = sign_in_hint()
        if hint:
            self.stdout.write(hint)
