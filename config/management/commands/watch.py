"""Hold connections open that say at once when something is new."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from config.naming import name_connections
from engagement.watching import Watcher


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C; `manage.py up` starts it and starts it again when it dies."""

    help = "Watch mailboxes for new mail (IDLE) and queue their pulls"

    def handle(self, *args: Any, **options: Any) -> None:
        """Watch until told to end."""
        ended = threading.Event()

        def end(number: int, frame: FrameType | None) -> None:
            ended.set()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        name_connections("watch")
        Watcher().run(ended)
