"""Scores of customers by the stored models; see `personas.predictions`.

Scores are rounded, so that a day's drift rewrites few rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from io import StringIO

import numpy as np
import pandas as pd
from django.db import connection

from core.sql import rows, statement
from personas.answering import Hours, Rates
from personas.buying import WEEK, BgNbd, Floats, GammaGamma, History
from personas.counting import answers, arrays, histories, hour_counts, purchases, repeat_mean
from personas.models import ChangedCustomer, ModelCard
from personas.predictions import Scope

YEAR_WEEKS = 365 / WEEK
COLUMNS = (
    "active_probability", "orders_365", "value_365", "best_network", "best_network_rate", "best_hour", "base",
)  # fmt: skip
INTEGERS = ("best_hour", "base")


def score(
    scope: Scope, cards: Mapping[str, ModelCard], ended: date | None, everybody: bool
) -> tuple[int, int]:
    """Score everybody, or who changed: how many were, and how many rows were written."""
    frame = _buying_scores(scope, cards, ended).join(_answering_scores(scope, cards, everybody), how="outer")
    if not everybody:
        frame = frame[frame.index.isin(list(ChangedCustomer.objects.values_list("customer_id", flat=True)))]
    return len(frame), _store(frame, everybody, scope)


def _buying_scores(scope: Scope, cards: Mapping[str, ModelCard], ended: date | None) -> pd.DataFrame:
    """Scores of everybody who bought, as of the last day with an order."""
    bought = purchases(scope, scope.tomorrow)
    names = ["active_probability", "orders_365", "value_365"]
    if ended is None or not cards["buying"].is_used:
        return pd.DataFrame(np.nan, index=bought.index, columns=names)
    parameters = {name: cards["buying"].parameters[name] for name in ("r", "alpha", "a", "b")}
    model, history = BgNbd(**parameters), histories(bought, ended)
    orders = model.expected(history, YEAR_WEEKS)
    return pd.DataFrame(
        {
            "active_probability": np.round(model.alive(history), 2),
            "orders_365": _significant(orders),
            "value_365": _significant(orders * _spending(cards["spending"], bought, history)),
        },
        index=bought.index,
    )


def _spending(card: ModelCard, bought: pd.DataFrame, history: History) -> Floats:
    """What a purchase is expected to bring; one's own mean where the model is no better."""
    if not card.is_used:
        return (bought["spent"] / bought["days"]).to_numpy(float)
    parameters = {name: card.parameters[name] for name in ("p", "q", "v")}
    return GammaGamma(**parameters).expected(history.repeats, repeat_mean(bought))


def _significant(values: Floats, digits: int = 2) -> Floats:
    """Rounded to some significant digits: 387.4 as 390, 0.4231 as 0.42."""
    scale = 10.0 ** (digits - 1 - np.floor(np.log10(np.where(values > 0, values, 1.0))))
    return np.where(values > 0, np.round(np.round(values * scale) / scale, 6), 0.0)


def _answering_scores(scope: Scope, cards: Mapping[str, ModelCard], everybody: bool) -> pd.DataFrame:
    """Best network with its rate and base, and best hour, of those who wrote to us or bought."""
    return _network_scores(scope, cards["network"], everybody).join(
        _hour_scores(scope, cards["hour"], everybody), how="outer"
    )


def _network_scores(scope: Scope, card: ModelCard, everybody: bool) -> pd.DataFrame:
    """The network with the highest rate among those a customer wrote on; the larger base wins a tie."""
    found = rows("personas", "spoken", {"today": scope.today, "everybody": everybody})
    spoken = pd.DataFrame(found, columns=["customer_id", "network"])
    names = ["best_network", "best_network_rate", "base"]
    if not card.is_used or not len(spoken):
        return pd.DataFrame(index=pd.Index(spoken["customer_id"].unique(), name="customer_id"), columns=names)
    sent = answers(scope, everybody=everybody, since=scope.tomorrow)
    joined = spoken.merge(sent, how="left", on=["customer_id", "network"]).fillna({"sent": 0, "answered": 0})
    rates = Rates(card.parameters["rates"], card.parameters["strength"])
    joined["rate"] = np.round(rates.expected(*arrays(joined)), 2)
    best = joined.sort_values(
        ["customer_id", "rate", "sent", "network"], ascending=[True, False, False, True]
    )
    best = best.drop_duplicates("customer_id").set_index("customer_id")[["network", "rate", "sent"]]
    return best.set_axis(names, axis=1)


def _hour_scores(scope: Scope, card: ModelCard, everybody: bool) -> pd.DataFrame:
    counts = hour_counts(scope, everybody=everybody, since=scope.tomorrow, later=False)
    if not card.is_used or not len(counts):
        return pd.DataFrame(index=counts.index, columns=["best_hour"])
    hours = Hours(tuple(card.parameters["share"]), card.parameters["strength"])
    return pd.DataFrame({"best_hour": hours.best(counts.to_numpy(float))}, index=counts.index)


def _store(frame: pd.DataFrame, everybody: bool, scope: Scope) -> int:
    """Write predictions that differ; how many rows were written or deleted."""
    frame = frame.reindex(columns=list(COLUMNS))
    frame["best_network"] = frame["best_network"].fillna("")
    frame["base"] = frame["base"].astype("Float64").fillna(0)
    frame = frame.astype(dict.fromkeys(INTEGERS, "Int64"))
    text = StringIO()
    # An empty field is NULL for numbers; the network's column takes it as the empty text.
    frame.to_csv(text, header=False, index=True)
    text.seek(0)
    names = ", ".join(["customer_id", *COLUMNS])
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE nightly_prediction (LIKE personas_prediction INCLUDING DEFAULTS)"
            " ON COMMIT DROP"
        )
        cursor.execute("ALTER TABLE nightly_prediction ALTER computed_at DROP NOT NULL")
        cursor.copy_expert(
            f"COPY nightly_prediction ({names}) FROM STDIN (FORMAT csv, FORCE_NOT_NULL (best_network))", text
        )
        cursor.execute("ANALYZE nightly_prediction")
        cursor.execute(statement("personas", "store_predictions"), {"everybody": everybody, "now": scope.now})
        written = (cursor.fetchone() or (0,))[0]
        cursor.execute("DROP TABLE nightly_prediction")
    return int(written)
