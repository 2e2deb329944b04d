"""Keeps the daily rollups equal to the rows they sum: only days that changed, a batch a transaction.

Readers never see half a day: a day's old rows go and its new ones come in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from analytics.models import DailyInteractions, DailyPersonas, DailyRevenue, DailyService, DailyTopics
from analytics.service import BOUNDS
from core import sql
from core.models import Workspace
from crm.models import DirtyOrderDay
from personas.models import Persona

BATCH = 400
LOCK = 0x5261_7070
"""One refresher at a time: two would compute one day at once and collide on its key."""


def refresh(*, batches: int | None = None) -> int:
    """Compute stale days again, at most `batches` batches of each kind; how many days were computed."""
    done = 0
    for roll in (_roll_interactions, _roll_revenue):
        turn = 0
        while batches is None or turn < batches:
            with transaction.atomic():
                if not _alone():
                    return done
                days = roll(Workspace.current().zone)
            done += days
            turn += 1
            if not days:
                break
    return done


def _alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _roll_interactions(zone: str) -> int:
    taken = sql.rows("analytics", "take_dirty_days", {"limit": BATCH})
    if not taken:
        return 0
    parameters = {
        "accounts": [row["account_id"] for row in taken],
        "days": [row["day"] for row in taken],
        "zone": zone,
        "bounds": list(BOUNDS),
    }
    for name in ("roll_interactions", "roll_topics"):
        sql.run("analytics", name, parameters)
    _roll_service(parameters)
    return len(taken)


def _roll_service(parameters: Mapping[str, Any]) -> None:
    """First responses, of days listed in a table: the planner then knows how few they are."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE analytics_begun"
            " (account_id bigint, day date, PRIMARY KEY (account_id, day)) ON COMMIT DROP"
        )
        sql.run("analytics", "begun_days", parameters)
        cursor.execute("ANALYZE analytics_begun")
        sql.run("analytics", "roll_service", parameters)
        cursor.execute("DROP TABLE analytics_begun")


def _roll_revenue(zone: str) -> int:
    stale = DirtyOrderDay.objects.select_for_update(skip_locked=True).order_by("day")[:BATCH]
    days = list(stale.values_list("day", flat=True))
    if not days:
        return 0
    DirtyOrderDay.objects.filter(day__in=days).delete()
    sql.run("analytics", "roll_revenue", {"days": days, "zone": zone})
    return len(days)


def mark_everything() -> None:
    """Mark every day as stale: after a change of zone, or when personas were computed for the first time."""
    zone = Workspace.current().zone
    with transaction.atomic():
        for model in (DailyInteractions, DailyTopics, DailyService, DailyRevenue):
            model.objects.all().delete()
        sql.run("analytics", "mark_everything", {"zone": zone})
        sql.run("analytics", "mark_all_revenue", {"zone": zone})


def snapshot_personas(day: date | None = None) -> int:
    """How many belong to each persona on this local day; the last run of a day counts."""
    day = day or Workspace.current().today(timezone.now())
    with transaction.atomic():
        DailyPersonas.objects.filter(day=day).delete()
        made = DailyPersonas.objects.bulk_create(_sizes(day))
    return len(made)


def _sizes(day: date) -> Sequence[DailyPersonas]:
    found = Persona.objects.filter(is_active=True).order_by("pk").values_list("pk", "members")
    return [DailyPersonas(day=day, persona_id=pk, members=members) for pk, members in found]


def nightly() -> dict[str, int]:
    """The last step of a rebuild: sizes of personas, and every day that was left stale."""
    if Persona.objects.exists() and not DailyPersonas.objects.exists():
        mark_everything()
    return {"personas": snapshot_personas(), "days": refresh()}
