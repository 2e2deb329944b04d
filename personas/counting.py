"""What the predictive models are fitted and scored on: purchases, answers and hours, read set-based."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from core.sql import rows
from personas.answering import HOURS
from personas.buying import WEEK, Floats, History
from personas.predictions import Scope


def purchases(scope: Scope, before: datetime) -> pd.DataFrame:
    """Days with an order and money spent before an instant, one row a customer."""
    found = rows("personas", "purchases", {"zone": scope.zone, "before": before})
    names = ["customer_id", "days", "first", "last", "spent", "first_spent"]
    return pd.DataFrame(found, columns=names).set_index("customer_id")


def histories(bought: pd.DataFrame, ended: date) -> History:
    """Purchases as the models want them, as of the end of a day."""
    first, last = (bought[name].to_numpy("datetime64[D]").astype(float) for name in ("first", "last"))
    today = np.datetime64(ended, "D").astype(float)
    return History(bought["days"].to_numpy(float) - 1, (last - first) / WEEK, (today - first) / WEEK)


def repeat_mean(bought: pd.DataFrame) -> Floats:
    """Mean spending of the purchases after the first; 0 where there is none."""
    repeats = bought["days"].to_numpy(float) - 1
    spent = (bought["spent"] - bought["first_spent"]).to_numpy(float)
    return np.divide(spent, repeats, out=np.zeros_like(spent), where=repeats > 0)


def answers(scope: Scope, *, everybody: bool, since: datetime) -> pd.DataFrame:
    """Our messages and their answers by customer and network, those since an instant apart."""
    found = rows("personas", "answers", {"before": scope.tomorrow, "since": since, "everybody": everybody})
    return pd.DataFrame(found, columns=["customer_id", "network", "is_later", "sent", "answered"]).astype(
        {"is_later": bool}
    )


def arrays(sent: pd.DataFrame) -> tuple[Any, Floats, Floats]:
    """Networks, messages and answers as arrays."""
    return sent["network"].to_numpy(object), sent["sent"].to_numpy(float), sent["answered"].to_numpy(float)


def hour_counts(scope: Scope, *, everybody: bool, since: datetime, later: bool) -> pd.DataFrame:
    """Touches by hour, one row a customer and 24 columns."""
    bounds = {"zone": scope.zone, "before": scope.tomorrow, "since": since, "everybody": everybody}
    found = pd.DataFrame(rows("personas", "hours", bounds), columns=["customer_id", "hour", "is_later", "n"])
    found = found[found["is_later"].astype(bool) == later]
    table = found.pivot_table(index="customer_id", columns="hour", values="n", aggfunc="sum", fill_value=0)
    return table.reindex(columns=range(HOURS), fill_value=0).astype(float)
