"""The whole of Rapport against the test database: web in a thread, event stream and workers as processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import requests
from django.conf import settings
from django.db import connection

from tests.mail_servers import free_port, wait_for_port


@dataclass(frozen=True)
class LiveRapport:
    """Where the pages and the event stream of this test are."""

    url: str
    live_port: int

    def wait_for_rest(self) -> None:
        """Wait until nobody else is in the middle of something in the database, for ten seconds at most."""
        for _try in range(200):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
                    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
                if cursor.fetchone() is None:
                    return
            time.sleep(0.05)

    def wait_for_streams(self, number: int) -> None:
        """Wait until so many event streams are open."""
        for _try in range(100):
            health = requests.get(f"http://localhost:{self.live_port}/live/healthz", timeout=5)
            if (found := health.json()["streams"]) == number:
                return
            time.sleep(0.05)
        raise AssertionError(f"{found} event streams are open, and not {number}")


def test_database_url() -> str:
    """Return the address of the test database, for processes of their own."""
    given = connection.settings_dict
    options = {"host": given["OPTIONS"]["host"]} if given.get("OPTIONS", {}).get("host") else {}
    sign_in = quote(given["USER"]) + (f":{quote(given['PASSWORD'])}" if given["PASSWORD"] else "")
    place = f"{given['HOST']}:{given['PORT']}" if given["HOST"] else ""
    return f"postgres://{sign_in}@{place}/{given['NAME']}" + (f"?{urlencode(options)}" if options else "")


def process_env() -> dict[str, str]:
    """Return the environment of a process that works on the test database."""
    return {
        **os.environ,
        "DATABASE_URL": test_database_url(),
        "REDIS_URL": settings.REDIS_URL,
        "SECRET_KEY": settings.SECRET_KEY,
        "RAPPORT_KEY": settings.RAPPORT_KEY,
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def process(*argv: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python module beside the test."""
    running = subprocess.Popen([sys.executable, "-m", *argv], env={**process_env(), **env}, stdout=sys.stderr)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(15)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextmanager
def live_process(page_url: str, **env: str) -> Iterator[int]:
    """Run the event stream for pages of this address and give its port."""
    port = free_port()
    with process(
        "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port), "--no-ws",
        "--workers-kill-timeout", "2", "--log-level", "warning", "config.asgi:application",
        PUBLIC_URL=page_url, **env,
    ):  # fmt: skip
        wait_for_port(port)
        yield port


@contextmanager
def worker_process() -> Iterator[None]:
    """Run a worker for every queue."""
    queues = "inbound,pulls,outbound,nightly,default"
    with process(
        "celery", "-A", "config", "worker", "-l", "WARNING", "-Q", queues, "-c", "2", "-n", "tests@%h"
    ):
        yield
