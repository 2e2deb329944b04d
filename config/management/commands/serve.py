"""Run one process of an installation whose servers run elsewhere."""

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config.programs import beat_command, live_command, watch_command, web_command, worker_commands


class Command(BaseCommand):
    """Becomes one of web, live, worker, channels, nightly, watch, beat; for containers and services."""

    help = "Run one process: web, live, worker, channels, nightly, watch or beat"
    requires_system_checks: list[str] = []  # noqa: RUF012

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the name of the process."""
        parser.add_argument("process", choices=["web", "live", "watch", "beat", *worker_commands()])

    def handle(self, *args: Any, **options: Any) -> None:
        """Replace ourselves by that process, so that signals reach it."""
        commands = {
            "web": web_command(settings.HOST, settings.PORT),
            "live": live_command(settings.HOST, settings.PORT),
            "watch": watch_command(),
            "beat": beat_command(),
            **worker_commands(),
        }
        argv = commands[options["process"]]
        os.execv(argv[0], argv)  # noqa: S606
