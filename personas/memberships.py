"""Writing who belongs to which persona: gathered in a table of this session, then stored in one transaction.

Readers see the memberships of one run and never a mixture. Personas made by hand come before computed ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from io import StringIO
from typing import TYPE_CHECKING

from django.db import connection, transaction

from core.events import emit
from core.sql import statement
from personas.building import asking_about
from personas.models import Persona

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("customer_id", "cluster", "persona_id", "confidence", "reasons")
PERSONA = "persona"
"""Fields of rules that ask about a persona begin so."""


@contextmanager
def gathering() -> Iterator[None]:
    """The empty table nightly_membership for this block: a customer, what was computed, why (a JSON list)."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS nightly_membership")
        cursor.execute(
            "CREATE TEMPORARY TABLE nightly_membership (customer_id bigint PRIMARY KEY, cluster int, "
            "persona_id bigint, confidence float8, reasons jsonb)"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS nightly_membership")


def gather(frame: pd.DataFrame) -> int:
    """Add rows by COPY: customer_id, cluster or persona_id, confidence, reasons as JSON; how many."""
    names = [name for name in COLUMNS if name in frame.columns]
    text = StringIO()
    frame[names].to_csv(text, header=False, index=False)
    text.seek(0)
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY nightly_membership ({', '.join(names)}) FROM STDIN (FORMAT csv)", text)
    return len(frame)


def gather_changed() -> None:
    """Everybody on the list of changed customers who was not gathered belongs to nothing computed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO nightly_membership (customer_id) SELECT customer_id FROM personas_changedcustomer "
            "ON CONFLICT DO NOTHING"
        )


def store(*, everybody: bool, now: datetime, told: bool) -> dict[str, int]:
    """Write what was gathered where it differs, in the transaction of the caller.

    `told` keeps who moved; a first fit and plain rules tell nobody.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ANALYZE nightly_membership")
        cursor.execute(
            statement("personas", "store_memberships"),
            {"everybody": everybody, "now": now, "told": told, "by_hand": by_hand()},
        )
        written, kept, moved = cursor.fetchone() or (0, 0, 0)
        if kept:
            emit("persona.members_changed", channels=["staff"], customers=kept)
    return {"written": written, "moved": moved}


def follow_segments(now: datetime) -> dict[str, int]:
    """Bring members of personas made by hand in line with their segments; a second call writes nothing."""
    if not Persona.objects.filter(segment__isnull=False).exists():
        return {"written": 0, "moved": 0}
    with transaction.atomic(), gathering():
        # one at a time: a rebuild and the count of one segment may both get here
        list(Persona.objects.select_for_update().filter(segment__isnull=False).order_by("pk"))
        with connection.cursor() as cursor:
            cursor.execute(statement("personas", "hand_changes"), {"by_hand": by_hand()})
        return store(everybody=False, now=now, told=True)


def by_hand() -> list[int]:
    """Active personas made by hand whose segment asks, by whatever detour, about no persona.

    Were a segment to ask about personas, its members would leave it because they belong to it.
    """
    made = Persona.objects.filter(is_active=True, segment__isnull=False).select_related("segment")
    found = list(made.order_by("rank", "pk"))
    if not found:
        return []
    circular = asking_about(PERSONA)
    return [one.pk for one in found if one.segment_id not in circular]
