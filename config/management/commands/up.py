"""Run everything that this installation consists of."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config.up import Installation


class Command(BaseCommand):
    """Starts servers, web, live, workers and beat, and keeps them running until Ctrl-C or SIGTERM."""

    help = "Run servers, web, live, workers and beat until Ctrl-C or SIGTERM"
    requires_system_checks: list[str] = []  # noqa: RUF012

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the installation; its exit code is ours."""
        sys.exit(Installation(demo=settings.DEMO).run())
