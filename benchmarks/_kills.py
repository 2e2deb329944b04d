"""SIGKILL to a chosen process at the moment in which its transaction, or that of its child, is open.

A process is stopped (SIGSTOP) before PostgreSQL is asked about its connection, so that what
`pg_stat_activity` says is still so when the SIGKILL comes.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg2

TRIES = 1_000


@dataclass(frozen=True)
class Open:
    """A transaction that wrote and did not end."""

    backend: int
    seconds: float
    state: str
    statement: str


@dataclass(frozen=True)
class Kill:
    """One SIGKILL: to whom, and the transaction that was open then."""

    what: str
    pid: int
    holder: int
    """The process whose transaction it was: itself, or a worker's child."""
    open: Open | None

    def __str__(self) -> str:
        if self.open is None:
            return f"SIGKILL to {self.what} {self.pid}, no transaction open"
        return (
            f"SIGKILL to {self.what} {self.pid}, inside the transaction of process {self.holder} "
            f"(backend {self.open.backend}, open for {1000 * self.open.seconds:,.0f} ms, "
            f"{self.open.state}: {self.open.statement})"
        )


class Killer:
    """Finds processes and kills them."""

    def __init__(self, database_url: str, chance: random.Random) -> None:
        self.url = database_url
        self.chance = chance

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of one statement on a connection of its own."""
        with closing(psycopg2.connect(self.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                found: list[tuple[Any, ...]] = cursor.fetchall()
                return found

    def transaction_of(self, program: str, pid: int) -> Open | None:
        """Return the transaction that this process has open and has written in."""
        found = self.rows(
            "SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::float, state, "
            "regexp_replace(left(query, 200), '--[^\n]*\n|\\s+', ' ', 'g') FROM pg_stat_activity "
            "WHERE application_name = %s AND xact_start IS NOT NULL AND backend_xid IS NOT NULL",
            f"rapport {program} {pid}",
        )
        return Open(found[0][0], found[0][1], found[0][2], found[0][3].strip()[:50]) if found else None

    def runner(self, job_id: str) -> int | None:
        """Return the worker's child that holds the lease of a job and lives."""
        found = self.rows(
            "SELECT split_part(lease_owner, ':', 2)::int FROM core_job "
            "WHERE id = %s AND state = 'running' AND lease_until > now()",
            job_id,
        )
        return found[0][0] if found and _lives(found[0][0]) else None

    def writing_web(self) -> int | None:
        """Return a web process in a transaction."""
        found = self.rows(
            "SELECT split_part(application_name, ' ', 3)::int FROM pg_stat_activity "
            "WHERE application_name LIKE 'rapport web %%' AND backend_xid IS NOT NULL"
        )
        return found[0][0] if found and _lives(found[0][0]) else None

    def kill_child(self, job_id: str) -> Kill | None:
        """Kill the worker's child that runs the job; None where it was not caught."""
        return self._catch("worker", "worker's child", lambda: self.runner(job_id), lambda pid: pid)

    def kill_parent(self, job_id: str) -> Kill | None:
        """Kill the parent of the child that runs the job."""
        return self._catch("worker", "worker's parent", lambda: self.runner(job_id), _parent)

    def kill_web(self) -> Kill | None:
        """Kill the web process that serves a request."""
        return self._catch("web", "web process", self.writing_web, lambda pid: pid)

    def _catch(self, program: str, what: str, find: Any, target_of: Any) -> Kill | None:
        for _ in range(TRIES):
            holder = find()
            if holder is not None:
                with _stopped(holder):
                    found = self.transaction_of(program, holder)
                    if found is not None:
                        target = target_of(holder)
                        os.kill(target, signal.SIGKILL)
                        return Kill(what, target, holder, found)
            time.sleep(self.chance.uniform(0.005, 0.1))
        return None


def _lives(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def _parent(pid: int) -> int:
    return int(psutil.Process(pid).ppid())


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    """Hold a process still for this block, and let it go on unless it was killed."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
