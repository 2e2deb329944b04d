"""Tells PostgreSQL which of our processes a connection belongs to."""

from __future__ import annotations

import os


def name_connections(program: str) -> None:
    """Let `pg_stat_activity.application_name` say `rapport <program> <process id>` for this process.

    libpq reads the variable at each connect; a fork that serves by itself must call this again.
    """
    os.environ.update(PGAPPNAME=f"rapport {program} {os.getpid()}")
