"""What every measurement shares: figures with their bounds, and a database of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import psycopg2
from psycopg2 import sql


class Figures:
    """Prints one `figure: value` a line, with its bound, and remembers which bounds were missed."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def say(self, name: str, value: object) -> None:
        """Print a figure that is held against nothing."""
        print(f"{name}: {_shown(value)}", flush=True)

    def at_least(self, name: str, value: float, bound: float) -> None:
        """Print a figure that must not be smaller."""
        self._hold(name, value, value >= bound, f"at least {_shown(bound)}")

    def at_most(self, name: str, value: float, bound: float) -> None:
        """Print a figure that must not be larger."""
        self._hold(name, value, value <= bound, f"at most {_shown(bound)}")

    def equal(self, name: str, value: object, bound: object) -> None:
        """Print a figure that must be exactly this."""
        self._hold(name, value, value == bound, f"exactly {_shown(bound)}")

    def _hold(self, name: str, value: object, holds: bool, bound: str) -> None:
        verdict = "holds" if holds else "MISSED"
        print(f"{name}: {_shown(value)} (bound: {bound}; {verdict})", flush=True)
        if not holds:
            self.missed.append(name)

    def exit_code(self) -> int:
        """Return 0 when every bound holds."""
        return 1 if self.missed else 0


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def spread(seconds: Sequence[float]) -> str:
    """Return n, p50, p95 and max of times, in milliseconds."""
    ordered = sorted(seconds)
    at = [ordered[min(int(share * len(ordered)), len(ordered) - 1)] for share in (0.5, 0.95, 1.0)]
    p50, p95, worst = (f"{1000 * value:,.1f}" for value in at)
    return f"n {len(ordered):,}, p50 {p50} ms, p95 {p95} ms, max {worst} ms"


def is_small() -> bool:
    """Tell whether a quick look is wanted (SIZE=small)."""
    size = os.environ.get("SIZE", "") or "full"
    if size not in ("full", "small"):
        sys.exit(f"Error: SIZE must be full or small, not {size!r}.")
    return size == "small"


def say_machine(figures: Figures) -> None:
    """Print on what was measured, and what else it was doing."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    figures.say("processors", os.cpu_count())
    figures.say("load before (1, 5, 15 minutes)", load)


def with_database(url: str, name: str) -> str:
    """Return the address of another database of the same server."""
    split = urlsplit(url)
    query = f"?{split.query}" if split.query else ""
    return f"{split.scheme}://{split.netloc}/{name}{query}"


@contextmanager
def empty_database(url: str, name: str) -> Iterator[str]:
    """Make a database on the server of `url` for this block, and drop it; gives its address."""
    _execute(url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
    _execute(url, "CREATE DATABASE {}", name)
    try:
        yield with_database(url, name)
    finally:
        _execute(url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _execute(url: str, statement: str, name: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))


@contextmanager
def migrated_django() -> Iterator[str]:
    """Set Django up on an empty database of its own, with every table; gives its address."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        sys.exit("Error: DATABASE_URL names no server: run this through make bench.")
    with empty_database(url, f"rapport_bench_{os.getpid()}") as own:
        os.environ["DATABASE_URL"] = own
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        try:
            yield own
        finally:
            connections.close_all()
