"""What PostgreSQL's planner knows of tables that long work fills within minutes, before autovacuum looks."""

from __future__ import annotations

from django.db import DatabaseError, connection, transaction


def analyze(*tables: str) -> None:
    """Have the planner know how much stands in tables that were just written."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(tables)}")


def forget_emptiness(*tables: str) -> None:
    """Have the planner make no use of it that it once saw these tables empty.

    Where it did, it reads them row by row within loops, and a statement that fills one walks through what it
    has itself written, a million times. Nothing but TRUNCATE makes it forget; a table that somebody uses just
    then is left alone.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND relkind = 'r' AND reltuples = 0",
            [list(tables)],
        )
        for (table,) in cursor.fetchall():
            _truncate_empty(table)


def _truncate_empty(table: str) -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE NOWAIT')
            cursor.execute(f'SELECT NOT EXISTS (SELECT FROM "{table}")')  # noqa: S608 (a name of pg_class)
            if (cursor.fetchone() or (False,))[0]:
                cursor.execute(f'TRUNCATE "{table}"')
    except DatabaseError:
        # In use: so it is not empty for long, or will be seen to by the next run.
        return
