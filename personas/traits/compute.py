"""The traits of some customers, computed from what they said and bought by set-based SQL.

The rebuild lists customers in `ChangedCustomer`, then takes them in batches in order of id. A batch is one
transaction: their touches are consumed, their rows of CustomerDay, FirstTouch and Traits written where they
differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from importlib.resources import files
from itertools import pairwise
from typing import Any

from django.db import connection

from core.sql import rows, run, statement
from core.statistics import analyze
from personas.traits.catalogue import CATALOGUE, WINDOWS
from personas.traits.sources import traits_statement
from personas.traits.zones import country_zones, zone_parameters
from personas.words import hear

BATCH = 20_000
_SOURCES = ("said", "written", "bought")
_DROP = "DROP TABLE nightly_batch, nightly_said, nightly_written, nightly_bought, nightly_traits"


@dataclass(frozen=True)
class Moment:
    """What "today" is for one rebuild: the workspace's local day and zone, and the time it began."""

    today: date
    zone: str
    now: datetime

    def to_json(self) -> dict[str, str]:
        """Plain data; `from_json` gives an equal moment."""
        return {"today": self.today.isoformat(), "zone": self.zone, "now": self.now.isoformat()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Moment:
        """The moment that `to_json` wrote."""
        return cls(date.fromisoformat(data["today"]), data["zone"], datetime.fromisoformat(data["now"]))


@dataclass(frozen=True)
class Refreshed:
    """One batch that was done: its size, how many traits differed, and the last id (None: nothing left)."""

    customers: int
    changed: int
    last: int | None


def fingerprint(zone: str) -> str:
    """What results depend on besides data and day: with another zone or SQL everybody is computed anew."""
    texts = [path.read_text("utf-8") for path in sorted(files("personas").joinpath("sql").iterdir(), key=str)]
    zones = [f"{country} {name}" for country, name in sorted(country_zones().items())]
    return hashlib.sha256("\0".join([zone, traits_statement(), *zones, *texts]).encode()).hexdigest()[:32]


def list_all() -> int:
    """Put every customer on the list of this rebuild."""
    return run("personas", "list_all", {})


def list_changed(*, since: date, today: date, zone: str) -> int:
    """Put on the list those whose traits may differ from the rebuild of the day `since`."""
    edges = [0, *WINDOWS]
    return run("personas", "list_changed", {"windows": edges, "since": since, "today": today, "zone": zone})


def cut_list(size: int = BATCH) -> list[dict[str, int]]:
    """The list of this rebuild in ranges of ids, `size` customers each: those after `after`, to `upto`."""
    analyze("personas_changedcustomer")
    edges = [0, *(row["upto"] for row in rows("personas", "cut_list", {"size": size}))]
    return [{"after": after, "upto": upto} for after, upto in pairwise(edges)]


def refresh_next(after: int, moment: Moment, *, limit: int = BATCH, upto: int = 2**63 - 1) -> Refreshed:
    """Refresh the next listed customers with an id greater than `after` and at most `upto`, in the current
    transaction.
    """
    _execute(statement("personas", "working_tables"))
    which = {"after": after, "upto": upto, "limit": limit, **zone_parameters(moment.zone)}
    size = run("personas", "next_batch", which)
    if not size:
        _execute(_DROP)
        return Refreshed(0, 0, None)
    first, last = _row("SELECT min(customer_id), max(customer_id) FROM nightly_batch")
    _execute("ANALYZE nightly_batch")
    # Touches first: what is written with a touch that came later is seen again by the next rebuild.
    touched = {row["customer_id"] for row in rows("personas", "consume_touches", {})}
    hear(sorted(touched))
    bounds = {"first": first, "last": last, "zone": moment.zone, "today": moment.today}
    for name in _SOURCES:
        run("personas", name, bounds)
        _execute(f"ANALYZE nightly_{name}")
    run("personas", "forget_gone", {})
    run("personas", "customer_days", bounds)
    run("personas", "first_touches", {})
    changed = _store_traits(moment)
    _execute(_DROP)
    return Refreshed(size, changed, last)


def _store_traits(moment: Moment) -> int:
    """Compute the traits of the batch and write the rows that differ; how many did."""
    names = ", ".join(["customer_id", *(trait.name for trait in CATALOGUE)])
    _execute(
        f"INSERT INTO nightly_traits ({names}, computed_at) "  # noqa: S608 (names of the catalogue)
        f"SELECT {names}, %(now)s FROM ({traits_statement()}) AS computed",
        {"today": moment.today, "zone": moment.zone, "now": moment.now},
    )
    _execute("ANALYZE nightly_traits (customer_id)")
    with connection.cursor() as cursor:
        cursor.execute(_store_sql())
        return cursor.rowcount


def _store_sql() -> str:
    """One statement that writes what differs from nightly_traits and marks those customers."""
    columns = [trait.name for trait in CATALOGUE]
    names = ", ".join(["customer_id", "computed_at", *columns])
    sets = ", ".join(f"{name} = n.{name}" for name in ["computed_at", *columns])
    old, new = (", ".join(f"{alias}.{name}" for name in columns) for alias in ("t", "n"))
    return (
        "WITH changed AS ("  # noqa: S608 (names of the catalogue)
        f"UPDATE personas_traits t SET {sets} FROM nightly_traits n "
        f"WHERE t.customer_id = n.customer_id AND ({old}) IS DISTINCT FROM ({new}) RETURNING t.customer_id"
        f"), new AS (INSERT INTO personas_traits ({names}) SELECT {names} FROM nightly_traits n "
        "WHERE NOT EXISTS (SELECT FROM personas_traits t WHERE t.customer_id = n.customer_id) "
        "RETURNING customer_id"
        "), written AS (SELECT customer_id FROM changed UNION ALL SELECT customer_id FROM new) "
        "UPDATE personas_changedcustomer c SET traits_changed = true FROM written w "
        "WHERE c.customer_id = w.customer_id"
    )


def _execute(sql: str, parameters: dict[str, Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def _row(sql: str) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        found = cursor.fetchone()
    assert found is not None  # noqa: S101 (an aggregate always answers)
    return found
