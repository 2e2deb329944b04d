"""The step of the rebuild that sums orders by day and first touch, for the page on advertising."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from core import sql
from core.sql import statement
from core.statistics import analyze
from personas.models import BroughtDay, BroughtRun, BuyerDay
from personas.nightly import Run
from personas.reach.results import LONGEST, WITHIN

COLUMNS = "day, how, network, campaign, source, persona_id, orders, new_customers, revenue, without_rate"
WHAT = """
    day, how, network, campaign, source, persona_id, sum(orders), count(*) FILTER (WHERE is_new),
    sum(revenue), sum(without_rate)
FROM brought GROUP BY day, how, network, campaign, source, persona_id
"""
ANALYZE_FROM = 1_000


def sum_brought(run: Run) -> dict[str, Any]:
    """Every day before that of the rebuild, again; the day itself is not over and is read as it goes."""
    moment = run.moment
    done = BroughtRun.objects.filter(until=moment.today, zone=moment.zone)
    if not run.anybody_changed and done.exists():
        return {"written": 0}
    with transaction.atomic():
        found = keep_sums(until=moment.today, zone=moment.zone, at=moment.now)
    if found["written"] > ANALYZE_FROM:
        analyze("personas_broughtday", "personas_buyerday")
    return found


def keep_sums(*, until: date, zone: str, at: datetime) -> dict[str, int]:
    """Put the sums of all days before `until` in place of what is kept; readers see the old ones meanwhile.

    First touches must have been kept by the same rules: the traits step did so.
    """
    before = datetime.combine(until, time.min, tzinfo=ZoneInfo(zone))
    for model in (BroughtRun, BroughtDay, BuyerDay):
        rows = model._default_manager.all()
        rows._raw_delete(rows.db)
    asked: dict[str, Any] = {
        "start": "-infinity",
        "before": before,
        "within": WITHIN,
        "kept": True,
        "whole": True,
        "zone": zone,
    }
    text = statement("personas", "spend_brought").replace("/*what*/", WHAT)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO personas_broughtday ({COLUMNS}) {text}", asked)
        written = cursor.rowcount
    written += sql.run("personas", "keep_buyer_days", {"before": before, "zone": zone, "longest": LONGEST})
    BroughtRun.objects.create(until=until, zone=zone, at=at)
    return {"written": written}
