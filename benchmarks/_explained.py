"""What PostgreSQL says it did for the real requests of a web server: auto_explain, from the server's log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from benchmarks._figures import with_database

SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
}
_PLAN = re.compile(r"LOG:  duration: [0-9.]+ ms  plan:\n((?:\t.*\n)+)")
_BUFFERS = [
    f"{kind} {what} Blocks" for kind in ("Shared", "Local") for what in ("Hit", "Read")
] + ["Temp Read Blocks"]  # fmt: skip
# A join with a table of twenty rows removes nineteen of them for each row: that is no search.
_REMOVED = ("Rows Removed by Filter", "Rows Removed by Index Recheck")


@dataclass(frozen=True)
class Work:
    """What some statements cost together, and the text of the one that read most."""

    statements: int
    buffers: int
    removed: int
    heaviest: str


@contextmanager
def explained(url: str, name: str) -> Iterator[None]:
    """Let every statement of new connections to a database be explained; those that are open are closed."""
    try:
        _alter(url, name, SETTINGS)
        yield
    finally:
        _alter(url, name, dict.fromkeys(SETTINGS))


def _alter(url: str, name: str, settings: dict[str, str | None]) -> None:
    with closing(psycopg2.connect(with_database(url, "postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("LOAD 'auto_explain'")
            for setting, value in settings.items():
                known = sql.SQL(".").join(map(sql.Identifier, setting.split(".")))
                change = sql.SQL("RESET {}").format(known)
                if value is not None:
                    change = sql.SQL("SET {} = {}").format(known, sql.Literal(value))
                cursor.execute(sql.SQL("ALTER DATABASE {} ").format(sql.Identifier(name)) + change)
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND application_name LIKE 'rapport web%%'",
                [name],
            )


def work_since(log: Path, offset: int) -> Work:
    """Add up the plans that were written to the log after this place."""
    with log.open("rb") as file:
        file.seek(offset)
        written = file.read().decode(errors="replace")
    plans = [json.loads(found[1]) for found in _PLAN.finditer(written)]
    heaviest = max(plans, key=lambda plan: _buffers(plan["Plan"]), default={"Query Text": ""})
    return Work(
        len(plans),
        sum(_buffers(plan["Plan"]) for plan in plans),
        sum(_removed(plan["Plan"]) for plan in plans),
        str(heaviest["Query Text"]),
    )


def _buffers(node: dict[str, Any]) -> int:
    """Of a node with all below it."""
    return sum(int(node.get(name, 0)) for name in _BUFFERS)


def _removed(node: dict[str, Any]) -> int:
    """Averages over loops, so they are multiplied."""
    loops = node.get("Actual Loops", 1)
    here = sum(round(node.get(name, 0) * loops) for name in _REMOVED)
    return here + sum(_removed(child) for child in node.get("Plans", []))
