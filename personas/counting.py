"""What the predictive models are fitted and scored on, read set-based: purchases, answers, hours, categories.

Everything arrives by COPY in narrow typed columns. What has a row for each hour or message is read of a
sample of customers for a fit, and by ranges of ids for scores: a million customers take the memory of some.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
from django.db import connection

from core.sql import statement
from personas.answering import HOURS, Codes
from personas.buying import WEEK, Floats, History
from personas.categories import Purchases
from personas.frames import read_frame
from personas.predictions import Scope
from personas.traits.zones import zone_parameters

SAMPLE = 200_000
"""Customers that the models of habits are fitted on, about."""
RANGE = 250_000
"""Ids that are scored at a time."""
MOST_CATEGORIES = 60
EPOCH = date(1970, 1, 1)
COUNTS = {"sent": "int32", "answered": "int32"}


@dataclass(frozen=True)
class Whom:
    """Which customers are read: those that changed or all, of a range of ids (0: any), each `every`-th."""

    everybody: bool
    low: int = 0
    high: int = 0
    every: int = 1

    def bounds(self) -> dict[str, Any]:
        """As the statements want it."""
        return {"everybody": self.everybody, "low": self.low, "high": self.high, "every": self.every}


def sample(customers: int) -> Whom:
    """Everybody, or as many of them as a fit needs: those whose number divides evenly."""
    return Whom(everybody=True, every=max(1, -(-customers // SAMPLE)))


def ranges(everybody: bool) -> Iterator[Whom]:
    """Those that changed at once, or everybody by ranges of ids."""
    if not everybody:
        yield Whom(everybody=False)
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM crm_customer")
        first, last = cursor.fetchone() or (1, 0)
    for low in range(max(first, 1), last + 1, RANGE):
        yield Whom(everybody=True, low=low, high=low + RANGE - 1)


def _read(name: str, given: Mapping[str, Any], columns: Mapping[str, str], index: str = "") -> pd.DataFrame:
    return read_frame(statement("personas", name), given, dtypes=columns, index=index)


def day_number(day: date) -> int:
    """Days since 1970-01-01, as the statements count them."""
    return (day - EPOCH).days


def purchases(scope: Scope, before: datetime, *, everybody: bool = True) -> pd.DataFrame:
    """Days with an order and money spent before an instant, one row a customer."""
    columns = {"customer_id": "int64", "days": "int32", "first": "int32", "last": "int32", "spent": "float64"}
    given = {"zone": scope.zone, "before": before, "everybody": everybody}
    return _read("purchases", given, columns, "customer_id")


def purchases_after(scope: Scope, since: datetime, before: datetime) -> pd.DataFrame:
    """Days with an order and money spent between two instants."""
    columns = {"customer_id": "int64", "days": "int32", "spent": "float64"}
    given = {"zone": scope.zone, "since": since, "before": before}
    return _read("purchases_after", given, columns, "customer_id")


def histories(bought: pd.DataFrame, ended: date) -> History:
    """Purchases as the models want them, as of the end of a day."""
    first, last = (bought[name].to_numpy(float) for name in ("first", "last"))
    repeats = bought["days"].to_numpy(float) - 1
    return History(repeats, (last - first) / WEEK, (day_number(ended) - first) / WEEK)


def spending(bought: pd.DataFrame) -> tuple[Floats, Floats]:
    """How many purchases somebody made, and their mean spending.

    The first purchase counts: the papers leave it out, but it tells as much about the next one as the others
    do, and on held-out time the model is better with it.
    """
    days = bought["days"].to_numpy(float)
    return days, bought["spent"].to_numpy(float) / days


def answers(scope: Scope, whom: Whom, *, since: datetime) -> pd.DataFrame:
    """Our messages and their answers by customer, persona and network, those since an instant apart."""
    columns = {"customer_id": "int64", "persona": "int64", "network": "category", "is_later": "int8"} | COUNTS
    return _read("answers", {"before": scope.tomorrow, "since": since} | whom.bounds(), columns)


def spoken(scope: Scope, whom: Whom) -> pd.DataFrame:
    """Networks on which somebody wrote to us, with their persona."""
    columns = {"customer_id": "int64", "persona": "int64", "network": "category"}
    return _read("spoken", {"today": scope.today} | whom.bounds(), columns)


def surveys(scope: Scope, whom: Whom, *, since: datetime, before: datetime) -> pd.DataFrame:
    """Invitations to surveys and their answers by customer and persona, those since an instant apart."""
    columns = {"customer_id": "int64", "persona": "int64", "is_later": "int8"} | COUNTS
    return _read("surveys", {"before": before, "since": since} | whom.bounds(), columns)


@dataclass(frozen=True)
class HourCounts:
    """Touches by hour: customers, their personas, and a row of 24 for each."""

    customers: Codes
    personas: Codes
    counts: Floats


def hour_counts(scope: Scope, whom: Whom, *, since: datetime) -> tuple[HourCounts, HourCounts]:
    """Touches by hour before an instant, and since then."""
    given = {"before": scope.tomorrow, "since": since} | zone_parameters(scope.zone) | whom.bounds()
    columns = {
        "customer_id": "int64", "persona": "int32", "hour": "int8", "is_later": "int8", "n": "int32",
    }  # fmt: skip
    found = _read("hours", given, columns)
    return _table(found[found["is_later"] == 0]), _table(found[found["is_later"] == 1])


def _table(found: pd.DataFrame) -> HourCounts:
    customers, first, row = np.unique(
        found["customer_id"].to_numpy(np.int64), return_index=True, return_inverse=True
    )
    counts = np.zeros((len(customers), HOURS))
    np.add.at(counts, (row, found["hour"].to_numpy(np.int64)), found["n"].to_numpy(float))
    return HourCounts(customers, found["persona"].to_numpy(np.int64)[first], counts)


def together(early: HourCounts, late: HourCounts) -> HourCounts:
    """Both times as one."""
    customers = np.union1d(early.customers, late.customers)
    personas, counts = np.zeros(len(customers), dtype=np.int64), np.zeros((len(customers), HOURS))
    for one in (early, late):
        place = np.searchsorted(customers, one.customers)
        personas[place] = one.personas
        counts[place] += one.counts
    return HourCounts(customers, personas, counts)


def category_names(scope: Scope) -> list[str]:
    """The categories bought most, the most frequent first."""
    with connection.cursor() as cursor:
        given: dict[str, Any] = {"before": scope.tomorrow, "most": MOST_CATEGORIES}
        cursor.execute(statement("personas", "category_names"), given)
        return [row[0] for row in cursor.fetchall()]


def baskets(scope: Scope, whom: Whom, names: list[str]) -> Purchases:
    """Categories of each purchase, by their place among the names."""
    given = {"zone": scope.zone, "before": scope.tomorrow, "names": names} | whom.bounds()
    found = _read("categories", given, {"customer_id": "int64", "day": "int32", "category": "int16"})
    return Purchases(*(found[name].to_numpy(np.int64) for name in ("customer_id", "day", "category")))
