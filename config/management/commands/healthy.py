"""Tell whether one process of this machine does its work."""

import http.client
import socket
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.health import worker_state

OK = "ok"


class Command(BaseCommand):
    """Ends with 0 when the process answers; for the health checks of containers."""

    help = "End with 0 when web, live or worker does its work"
    requires_system_checks: list[str] = []  # noqa: RUF012

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the name of the process."""
        parser.add_argument("process", choices=["web", "live", "worker"])

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask the process itself; raise when it does not answer."""
        state = {"web": _web, "live": _live, "worker": worker_state}[options["process"]]()
        if state != OK:
            raise CommandError(state)


def _web() -> str:
    """Ask for a page that needs the database, but not the worker: that has a check of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", settings.PORT, timeout=5)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost", "X-Forwarded-Proto": "https"})
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    except OSError as error:
        return str(error)
    return OK if answer.status == http.client.OK or '"database": "ok"' in body else body


def _live() -> str:
    try:
        socket.create_connection(("127.0.0.1", settings.PORT), timeout=5).close()
    except OSError as error:
        return str(error)
    return OK
