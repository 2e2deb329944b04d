"""Who writes what people said on cards, and who takes it off, wait for each other."""

from __future__ import annotations

from django.db import connection

_LOCK = 0x4361_7264


def hold_cards() -> None:
    """Hold the cards until the transaction ends.

    Cards that were gathered before somebody was erased, and written after, would show their words again.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
