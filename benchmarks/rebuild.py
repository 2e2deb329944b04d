"""Seconds of a rebuild: the first one, one that finds nothing changed, one after 1 % changed, and a full one.

On the sample data of RAPPORT_SAMPLES (CDNOW: 69,659 orders of 23,570 customers, and 638 interactions), or on
as many simulated buyers where that is not set; with SIZE=small on a tenth. The libraries are imported before
the first run, so that it does not pay for them alone. Everything happens in a database of its own.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from benchmarks._figures import Figures, is_small, migrated_django, say_machine

if TYPE_CHECKING:
    from core.models import Job

SEED = 19_980_630
FULL, SMALL = 23_570, 2_357
PAGE = 1_000
UNCHANGED, ONE_PERCENT = 1 / 10, 1 / 5
# Tables that a rebuild writes, and columns that say when or by which key instead of what.
COMPUTED = {
    "personas_traits": ("computed_at",),
    "personas_customerday": ("id",),
    "personas_firsttouch": (),
    "personas_broughtday": ("id",),
    "personas_buyerday": ("id",),
    "personas_personamembership": ("since",),
    "personas_prediction": ("computed_at",),
    "personas_segmentmembership": ("id", "since"),
    "crm_stagechange": ("id",),
}
RULES: dict[str, dict[str, Any]] = {
    "Regular buyers": {"field": "traits.orders_total", "op": "gte", "value": 3},
    "Big baskets": {"field": "traits.average_order", "op": "gt", "value": 50},
    "Still buying": {"field": "prediction.active", "op": "gte", "value": 80},
    "Lately here": {"field": "traits.last_seen_at", "op": "in_last_days", "value": 90},
    "Wrote or bought often": {"event": {"what": "order"}, "op": "at_least", "count": 2, "days": 365},
    "Spoke twice": {"event": {"what": "interaction"}, "op": "at_least", "count": 2},
}


def main() -> int:
    """Measure and return the exit code."""
    figures = Figures()
    say_machine(figures)
    with migrated_django():
        _load(figures)
        _segments()
        _import_libraries()
        first = _measured(figures, "first")
        unchanged = _measured(figures, "nothing changed")
        figures.at_most("nothing changed, of the first", unchanged / first, UNCHANGED)
        changed = _change_some()
        figures.say("customers changed", changed)
        some = _measured(figures, "after 1 % changed")
        figures.at_most("after 1 % changed, of the first", some / first, ONE_PERCENT)
        before = _fingerprints()
        _measured(figures, "full", full=True)
        figures.equal("tables that a full rebuild changed", _different(before, _fingerprints()), 0)
    return figures.exit_code()


def _measured(figures: Figures, name: str, **options: Any) -> float:
    """Seconds of one rebuild, with those of its steps."""
    from core.jobs import run_job
    from personas.nightly import start_rebuild

    job = run_job(start_rebuild(enqueue=False, **options).pk)
    if job is None or job.state != "done":
        sys.exit(f"Error: the rebuild failed: {job.error if job else 'somebody else ran it'}")
    steps = ", ".join(f"{step['name']} {step['seconds']:.2f}" for step in job.steps)
    figures.say(f"{name}, seconds", job.seconds or 0.0)
    figures.say(f"{name}, seconds a step", steps)
    return _seconds(job)


def _seconds(job: Job) -> float:
    return max(job.seconds or 0.0, 0.001)


def _import_libraries() -> None:
    from sklearn.cluster import KMeans  # noqa: F401

    from personas import assigning, cards, fitting, scoring  # noqa: F401


# Data


def _load(figures: Figures) -> None:
    from django.core.management import call_command
    from django.db import connection

    from crm.models import Customer, Order
    from engagement.models import Interaction

    samples = os.environ.get("RAPPORT_SAMPLES", "")
    if samples and not is_small():
        data = Path(samples, "data")
        call_command("import_interactions", str(data / "care-interactions.jsonl"), verbosity=0)
        call_command("import_orders", str(data / "cdnow-orders.csv"), verbosity=0)
    else:
        _simulate(SMALL if is_small() else FULL)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    figures.say("customers", Customer.objects.count())
    figures.say("orders", Order.objects.count())
    figures.say("interactions", Interaction.objects.count())


def _simulate(customers: int) -> None:
    """Buyers as BG/NBD draws them over 78 weeks, up to yesterday."""
    chance = Random(SEED)
    began = datetime.now(UTC) - timedelta(weeks=78, days=1)
    for number in range(customers):
        rate, leaves = chance.gammavariate(0.27, 1 / 6), chance.betavariate(0.5, 2.1)
        week, usual = chance.uniform(0, 12), chance.gammavariate(3, 12)
        place = 0
        while week < 78:
            _order(f"{number}-{place}", number, began + timedelta(weeks=week), chance, usual)
            if place and chance.random() < leaves:
                break
            place += 1
            week += chance.expovariate(max(rate, 1e-6))
    _flush()


_waiting: list[Any] = []


def _order(key: str, number: int, at: datetime, chance: Random, usual: float) -> None:
    from crm.orders import OrderIn

    _waiting.append(
        OrderIn(
            external_id=key,
            customer_id=f"buyer-{number}",
            placed_at=at,
            total=Decimal(f"{chance.gammavariate(5, usual / 5) + 1:.2f}"),
            currency="USD",
            units=chance.randrange(1, 5),
        )
    )
    if len(_waiting) >= PAGE:
        _flush()


def _flush() -> None:
    from crm.orders import store_orders

    if _waiting:
        store_orders("simulated", _waiting)
        _waiting.clear()


def _segments() -> None:
    """Six rules of different kinds, and one about another segment."""
    from personas.segments import create_segment

    made = [create_segment(name=name, rule={"all": [rule]}) for name, rule in RULES.items()]
    others = {"field": "segment", "op": "not_in", "value": [made[0].pk]}
    create_segment(name="Everybody else", rule={"all": [others]})


def _change_some() -> int:
    """One more order for every hundredth customer, dated within the last month of the data."""
    from crm.models import Identity, Order
    from crm.orders import OrderIn, store_orders

    chance = Random(SEED)
    source = Order.objects.order_by("pk").values_list("source", flat=True).first() or "simulated"
    last = Order.objects.order_by("-placed_at").values_list("placed_at", flat=True).first()
    buyers = list(
        Identity.objects.filter(orders__isnull=False)
        .distinct()
        .order_by("pk")
        .values_list("external_id", flat=True)
    )[::100]
    orders = [
        OrderIn(
            external_id=f"later-{place}",
            customer_id=buyer,
            placed_at=(last or datetime.now(UTC)) - timedelta(days=chance.randrange(30)),
            total=Decimal("25.00"),
            currency="USD",
            units=2,
        )
        for place, buyer in enumerate(buyers)
    ]
    store_orders(source, orders)
    return len(buyers)


# Comparing


def _fingerprints() -> dict[str, str]:
    """One digest of each computed table, of its rows in order of what they hold."""
    from django.db import connection

    found: dict[str, str] = {}
    with connection.cursor() as cursor:
        for table, left_out in COMPUTED.items():
            without = "".join(f" - '{name}'" for name in left_out)
            lines = f"SELECT (to_jsonb(t){without})::text AS line FROM {table} t"
            cursor.execute(f"SELECT md5(string_agg(line, '' ORDER BY line)) FROM ({lines}) AS lines")
            found[table] = str((cursor.fetchone() or ("",))[0])
    return found


def _different(before: dict[str, str], after: dict[str, str]) -> int:
    return sum(before[table] != after[table] for table in before)


if __name__ == "__main__":
    sys.exit(main())
