"""The command lines of every process that Rapport consists of."""

from __future__ import annotations

import sys

from django.conf import settings

from config.places import BASE_DIR, var_dir


def web_command(host: str, port: int) -> list[str]:
    """Return how pages and API are served."""
    return [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", host, "--port", str(port),
        "--workers", str(settings.WEB_PROCESSES), "--blocking-threads", str(settings.WEB_THREADS), "--no-ws",
        "--respawn-failed-workers", "--workers-kill-timeout", "10", "--backlog", "2048",
        "config.wsgi:application",
    ]  # fmt: skip


def live_command(host: str, port: int) -> list[str]:
    """Return how the event stream is served."""
    return [
        sys.executable, "-m", "granian", "--interface", "asgi", "--host", host, "--port", str(port),
        "--workers", str(settings.LIVE_PROCESSES), "--no-ws", "--respawn-failed-workers",
        "--workers-kill-timeout", "2", "--backlog", "8192", "config.asgi:application",
    ]  # fmt: skip


def worker_commands() -> dict[str, list[str]]:
    """Return the workers by name.

    What talks to platforms waits far more than it computes, and one that hangs must hold up nobody else: it
    runs in threads. Nightly work keeps its memory for one task only.
    """
    worker = [sys.executable, "-m", "celery", "-A", "config", "worker", "--loglevel", "INFO",
              "--without-gossip", "--without-mingle"]  # fmt: skip
    return {
        "worker": [*worker, "-n", "worker@%h", "-Q", "inbound,default",
                   "-c", str(settings.WORKER_PROCESSES), "--max-tasks-per-child", "1000"],
        "channels": [*worker, "-n", "channels@%h", "-Q", "pulls,outbound",
                     "-P", "threads", "-c", str(settings.CHANNEL_THREADS)],
        "nightly": [*worker, "-n", "nightly@%h", "-Q", "nightly",
                    "-c", str(settings.NIGHTLY_PROCESSES), "--max-tasks-per-child", "1"],
    }  # fmt: skip


def watch_command() -> list[str]:
    """Return how connections are held open that say at once when something is new."""
    return [sys.executable, str(BASE_DIR / "manage.py"), "watch"]


def beat_command() -> list[str]:
    """Return how the clock runs."""
    schedule = str(var_dir() / "run" / "beat")
    return [sys.executable, "-m", "celery", "-A", "config", "beat", "--loglevel", "INFO", "-s", schedule,
            "--pidfile="]  # fmt: skip
