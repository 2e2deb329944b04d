"""Scores of customers by the stored models; see `personas.predictions`.

Two halves: what somebody will buy moves with the day, and habits only with what they do. Each is brought into
a table of its own, and one statement writes what differs. Scores are rounded, so that a day's drift rewrites
few rows. What a model says that did not beat its baseline is nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd
from django.db import connection

from core.sql import statement
from personas.answering import Hours, Rates
from personas.buying import WEEK, BgNbd, Floats, GammaGamma
from personas.categories import Baskets, NextCategory
from personas.counting import (
    Whom,
    answers,
    baskets,
    histories,
    hour_counts,
    purchases,
    ranges,
    spending,
    spoken,
    surveys,
)
from personas.models import ModelCard
from personas.predictions import Scope
from personas.valuing import value_interval

YEAR_WEEKS = 365 / WEEK
BUYING = ("active_probability", "orders_365", "value_365", "value_low", "value_high")
HABITS = (
    "best_network", "best_network_rate", "base", "best_hour", "survey_probability", "next_category",
    "next_category_share",
)  # fmt: skip
WORDS = ("best_network", "next_category")
INTEGERS = ("base", "best_hour")
LINES = 100_000
"""Rows that are sent to the database at a time."""
Cards = Mapping[str, ModelCard]


@dataclass(frozen=True)
class Everybody:
    """Which half is scored for everybody, and not only for those who changed."""

    buying: bool
    habits: bool


def score(scope: Scope, cards: Cards, ended: date | None, everybody: Everybody) -> tuple[int, int]:
    """Score everybody, or who changed: how many were, and how many rows were written."""
    _make_tables()
    customers = _fill("nightly_buying", BUYING, buying_scores(scope, cards, ended, everybody.buying))
    habits = sum(
        _fill("nightly_habits", HABITS, habit_scores(scope, cards, whom)) for whom in ranges(everybody.habits)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE nightly_buying, nightly_habits")
        given: dict[str, Any] = {
            "all_buying": everybody.buying,
            "all_habits": everybody.habits,
            "now": scope.now,
        }
        cursor.execute(statement("personas", "store_predictions"), given)
        written = (cursor.fetchone() or (0,))[0]
        cursor.execute("DROP TABLE nightly_buying, nightly_habits")
    return max(customers, habits), int(written)


def buying_scores(scope: Scope, cards: Cards, ended: date | None, everybody: bool) -> pd.DataFrame:
    """Scores of who bought, as of the last day with an order."""
    bought = purchases(scope, scope.tomorrow, everybody=everybody)
    if ended is None or not len(bought) or not (cards["buying"].is_used or cards["value"].is_used):
        return pd.DataFrame(index=bought.index)
    parameters = {name: cards["buying"].parameters[name] for name in ("r", "alpha", "a", "b")}
    model, history = BgNbd(**parameters), histories(bought, ended)
    orders = model.expected(history, YEAR_WEEKS)
    scores: dict[str, Floats] = {}
    if cards["buying"].is_used:
        scores["active_probability"] = np.round(model.alive(history), 2)
        scores["orders_365"] = significant(orders)
    if cards["value"].is_used:
        money = _money(cards["spending"])
        known, mean = spending(bought)
        scores["value_365"] = significant(orders * (money.expected(known, mean) if money else mean))
        if cards["value"].parameters["has_interval"]:
            span = value_interval(model, history, YEAR_WEEKS, money, (known, mean))
            scores["value_low"], scores["value_high"] = significant(span.low), significant(span.high)
    return pd.DataFrame(scores, index=bought.index)


def _money(card: ModelCard) -> GammaGamma | None:
    """What an order brings; None, one's own mean, where the model is no better."""
    return GammaGamma(**{name: card.parameters[name] for name in ("p", "q", "v")}) if card.is_used else None


def significant(values: Floats, digits: int = 2) -> Floats:
    """Rounded to some significant digits: 387.4 as 390, 0.4231 as 0.42."""
    scale = 10.0 ** (digits - 1 - np.floor(np.log10(np.where(values > 0, values, 1.0))))
    return np.where(values > 0, np.round(np.round(values * scale) / scale, 6), 0.0)


def habit_scores(scope: Scope, cards: Cards, whom: Whom) -> pd.DataFrame:
    """Best network and hour, the chance to answer a survey, and the next category, of some customers."""
    parts = [
        _network_scores(scope, cards["network"], whom),
        _hour_scores(scope, cards["hour"], whom),
        _survey_scores(scope, cards["survey"], whom),
        _category_scores(scope, cards["category"], whom),
    ]
    return pd.concat(parts, axis=1)


def _personas(card: ModelCard, found: pd.DataFrame) -> np.ndarray | None:
    """Personas of rows, where they make the model better."""
    return found["persona"].to_numpy(np.int64) if card.figures.get("by_persona") else None


def _network_scores(scope: Scope, card: ModelCard, whom: Whom) -> pd.DataFrame:
    """The network with the highest rate among those a customer wrote on; the larger base wins a tie."""
    if not card.is_used:
        return _nothing()
    sent = answers(scope, whom, since=scope.tomorrow).drop(columns=["persona", "is_later"])
    keys = ["customer_id", "network"]
    joined = spoken(scope, whom).astype({"network": object})
    joined = joined.merge(sent.astype({"network": object}), how="left", on=keys)
    joined = joined.fillna({"sent": 0, "answered": 0})
    rates = Rates.of(card.parameters)
    counts = (joined["sent"].to_numpy(float), joined["answered"].to_numpy(float))
    joined["rate"] = np.round(rates.expected(joined["network"], *counts, _personas(card, joined)), 2)
    best = joined.sort_values(
        ["customer_id", "rate", "sent", "network"], ascending=[True, False, False, True]
    )
    best = best.drop_duplicates("customer_id").set_index("customer_id")[["network", "rate", "sent"]]
    return best.set_axis(["best_network", "best_network_rate", "base"], axis=1)


def _hour_scores(scope: Scope, card: ModelCard, whom: Whom) -> pd.DataFrame:
    if not card.is_used:
        return _nothing()
    found, _none = hour_counts(scope, whom, since=scope.tomorrow)
    personas = found.personas if card.figures.get("by_persona") else None
    best = Hours.of(card.parameters).best(found.counts, personas)
    return pd.DataFrame({"best_hour": best}, index=_index(found.customers))


def _survey_scores(scope: Scope, card: ModelCard, whom: Whom) -> pd.DataFrame:
    """Of who was invited before; of the others where their persona tells more than nothing."""
    if not card.is_used:
        return _nothing()
    sent = surveys(scope, whom, since=scope.tomorrow, before=scope.tomorrow)
    sent = sent.set_index("customer_id")[["persona", "sent", "answered"]]
    if card.figures.get("by_persona"):
        others = spoken(scope, whom).drop_duplicates("customer_id").set_index("customer_id")[["persona"]]
        sent = pd.concat([sent, others[~others.index.isin(sent.index)]]).fillna(0)
    counts = (sent["sent"].to_numpy(float), sent["answered"].to_numpy(float))
    rates = Rates.of(card.parameters)
    expected = rates.expected(np.full(len(sent), "survey", dtype=object), *counts, _personas(card, sent))
    return pd.DataFrame({"survey_probability": np.round(expected, 2)}, index=sent.index)


def _category_scores(scope: Scope, card: ModelCard, whom: Whom) -> pd.DataFrame:
    if not card.is_used:
        return _nothing()
    names, model = card.parameters["names"], NextCategory.of(card.parameters)
    customers, best, shares = [], [], []
    for part in baskets(scope, whom, names).portions():
        coming = Baskets.of(part, len(names)).after_last()
        expected = np.round(model.expected(coming), 9)
        customers.append(coming.customer)
        best.append(np.argmax(expected, axis=1))
        shares.append(np.round(expected.max(axis=1), 2))
    if not customers:
        return _nothing()
    told = {
        "next_category": np.array(names, dtype=object)[np.concatenate(best)],
        "next_category_share": np.concatenate(shares),
    }
    return pd.DataFrame(told, index=_index(np.concatenate(customers)))


def _index(customers: np.ndarray) -> pd.Index:
    return pd.Index(customers, name="customer_id", dtype="int64")


def _nothing() -> pd.DataFrame:
    return pd.DataFrame(index=_index(np.array([], dtype="int64")))


# Writing


def _make_tables() -> None:
    for name, columns in (("nightly_buying", BUYING), ("nightly_habits", HABITS)):
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS"  # noqa: S608 (names of this module)
                f" SELECT customer_id, {', '.join(columns)} FROM personas_prediction WITH NO DATA"
            )


def _fill(table: str, columns: Sequence[str], frame: pd.DataFrame) -> int:
    """Send scores to the table they are compared from; how many customers have any."""
    frame = frame.reindex(columns=list(columns))
    for name in columns:
        if name in WORDS:
            frame[name] = frame[name].astype(object).fillna("")
        elif name in INTEGERS:
            frame[name] = frame[name].astype("Float64").astype("Int64")
    words = ", ".join(name for name in columns if name in WORDS)
    # An empty field is NULL for numbers; a word takes it as the empty text.
    options = f"FORMAT csv, FORCE_NOT_NULL ({words})" if words else "FORMAT csv"
    names = ", ".join(["customer_id", *columns])
    with connection.cursor() as cursor:
        for start in range(0, len(frame), LINES):
            text = StringIO()
            frame.iloc[start : start + LINES].to_csv(text, header=False, index=True)
            text.seek(0)
            cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN ({options})", text)
    return len(frame)
