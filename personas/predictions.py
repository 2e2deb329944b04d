"""Predictions: who still buys and for how much, and where and when each answers best.

Models are fitted when there is none, by hand, or when the data has moved on by a week or a tenth; scores
follow from the stored models. A model is used only where it beats its baseline on held-out time, and its
card says so. Scores are rounded, so that a day's drift rewrites few rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from django.db import connection

from core.sql import rows, statement
from personas.answering import HOURS, Hours, Rates, brier, surprise
from personas.buying import WEEK, BgNbd, Floats, GammaGamma, History
from personas.models import ModelCard

YEAR_WEEKS = 365 / WEEK
REFIT_DAYS = 7
REFIT_GROWTH = 0.1
LEAST_DAYS = 90
LEAST_REPEATERS = 100
LEAST_MESSAGES = 200
LONGEST_HOLDOUT = 182
NAMES = ("buying", "spending", "network", "hour")
COLUMNS = (
    "active_probability", "orders_365", "value_365", "best_network", "best_network_rate", "best_hour", "base",
)  # fmt: skip
INTEGERS = ("best_hour", "base")


@dataclass(frozen=True)
class Scope:
    """For which day and whom predictions are made."""

    today: date
    zone: str
    now: datetime
    everybody: bool
    refit: bool = False

    def start_of(self, day: date) -> datetime:
        """The instant a local day begins."""
        return datetime.combine(day, time.min, tzinfo=ZoneInfo(self.zone))

    @property
    def tomorrow(self) -> datetime:
        return self.start_of(self.today + timedelta(days=1))


def predict(scope: Scope) -> dict[str, int]:
    """Bring predictions up to date; how many customers were scored, rows written and models fitted."""
    cards = {card.name: card for card in ModelCard.objects.filter(name__in=NAMES)}
    fitted = _refresh_models(scope, cards)
    ended = _last_order_day(scope)
    moved = cards["buying"].parameters.get("as_of") != (ended and ended.isoformat())
    if not scope.everybody and not fitted and not moved and not _anybody_changed():
        return {"customers": 0, "written": 0, "fitted": 0}
    everybody = scope.everybody or bool(fitted) or moved
    frame = _buying_scores(scope, cards, ended).join(_answering_scores(scope, cards, everybody), how="outer")
    if not everybody:
        frame = frame[frame.index.isin(_changed_ids())]
    written = _store(frame, everybody, scope)
    if moved:
        cards["buying"].parameters["as_of"] = ended and ended.isoformat()
        cards["buying"].save(update_fields=["parameters"])
    return {"customers": len(frame), "written": written, "fitted": len(fitted)}


def _refresh_models(scope: Scope, cards: dict[str, ModelCard]) -> list[str]:
    """Fit the models that are due, into `cards`; their names."""
    fitted: list[str] = []
    ended, buyers = _last_order_day(scope), _count("orders_total")
    if _is_due(cards.get("buying"), ended, buyers, scope):
        cards["buying"], cards["spending"] = _fit_buying(scope, ended, buyers)
        fitted += ["buying", "spending"]
    ended, speakers = _last_spoken_day(scope), _count("inbound_total")
    if _is_due(cards.get("network"), ended, speakers, scope):
        cards["network"] = _fit_network(scope, ended, speakers)
        cards["hour"] = _fit_hour(scope, ended, speakers)
        fitted += ["network", "hour"]
    return fitted


def _is_due(card: ModelCard | None, ended: date | None, customers: int, scope: Scope) -> bool:
    if card is None or scope.refit:
        return True
    grown = abs(customers - card.customers) > REFIT_GROWTH * max(card.customers, 1)
    moved = (
        ended is not None
        and card.window_end is not None
        and abs((ended - card.window_end).days) >= REFIT_DAYS
    )
    return grown or moved


# Buying


def _fit_buying(scope: Scope, ended: date | None, buyers: int) -> tuple[ModelCard, ModelCard]:
    """Both models of buying, judged on a held-out end of the time, then fitted on all of it."""
    bought = _purchases(scope, scope.tomorrow)
    began = bought["first"].min() if len(bought) else None
    window = {"window_start": began, "window_end": ended, "customers": buyers}
    if ended is None or (ended - began).days < LEAST_DAYS or (bought["days"] > 1).sum() < LEAST_REPEATERS:
        why = f"Needs {LEAST_DAYS} days of orders and {LEAST_REPEATERS} customers who bought twice."
        return _card(scope, "buying", window, why=why), _card(scope, "spending", window, why=why)
    held_out = min(LONGEST_HOLDOUT, (ended - began).days // 3)
    judged, spent = _judge_buying(scope, ended - timedelta(days=held_out), ended)
    history = _history(bought, ended)
    model = BgNbd.fit(history)
    money = GammaGamma.fit(history.repeats, _repeat_mean(bought))
    return (
        _card(
            scope,
            "buying",
            window,
            parameters={"r": model.r, "alpha": model.alpha, "a": model.a, "b": model.b},
            figures={**judged, "log_likelihood": model.log_likelihood},
            is_used=judged["rmse"] < judged["baseline_rmse"],
            why="Purchases in a held-out time, against everybody's own rate so far (BG/NBD).",
        ),
        _card(
            scope,
            "spending",
            window,
            parameters={"p": money.p, "q": money.q, "v": money.v},
            figures={**spent, "log_likelihood": money.log_likelihood},
            is_used=spent["rmse"] < spent["baseline_rmse"],
            why="Mean spending in a held-out time, against everybody's own mean so far (Gamma-Gamma).",
        ),
    )


def _judge_buying(scope: Scope, cut: date, ended: date) -> tuple[dict[str, float], dict[str, float]]:
    """Fit on what was known at the end of `cut`, compare with what came after it."""
    known = _purchases(scope, scope.start_of(cut + timedelta(days=1)))
    later = _purchases_after(scope, cut, ended).reindex(known.index).fillna(0.0)
    history, weeks = _history(known, cut), (ended - cut).days / WEEK
    actual = later["days"].to_numpy(float)
    expected = BgNbd.fit(history).expected(history, weeks)
    aged = np.where(history.age > 0, history.age, np.inf)
    judged = _errors(expected, history.repeats / aged * weeks, actual)
    judged |= {"held_out_days": (ended - cut).days, "customers": len(known)}
    came = actual > 0
    mean = _repeat_mean(known)
    money = GammaGamma.fit(history.repeats, mean).expected(history.repeats, mean)
    so_far = (known["spent"] / known["days"]).to_numpy(float)
    spending = later["spent"].to_numpy(float)[came] / actual[came]
    spent = _errors(money[came], so_far[came], spending)
    return judged, {**spent, "held_out_days": (ended - cut).days, "customers": int(came.sum())}


def _errors(expected: Floats, baseline: Floats, actual: Floats) -> dict[str, float]:
    """Figures of a model and of its baseline against what happened."""
    if not len(actual):
        return {"rmse": 0.0, "baseline_rmse": 0.0, "actual": 0.0, "expected": 0.0, "baseline": 0.0}
    return {
        "rmse": float(np.sqrt(np.mean((expected - actual) ** 2))),
        "baseline_rmse": float(np.sqrt(np.mean((baseline - actual) ** 2))),
        "mae": float(np.mean(np.abs(expected - actual))),
        "baseline_mae": float(np.mean(np.abs(baseline - actual))),
        "expected": float(np.sum(expected)),
        "baseline": float(np.sum(baseline)),
        "actual": float(np.sum(actual)),
    }


def _buying_scores(scope: Scope, cards: Mapping[str, ModelCard], ended: date | None) -> pd.DataFrame:
    """Scores of everybody who bought, as of the last day with an order."""
    bought = _purchases(scope, scope.tomorrow)
    names = ["active_probability", "orders_365", "value_365"]
    if ended is None or not cards["buying"].is_used:
        return pd.DataFrame(np.nan, index=bought.index, columns=names)
    parameters = {name: cards["buying"].parameters[name] for name in ("r", "alpha", "a", "b")}
    model, history = BgNbd(**parameters), _history(bought, ended)
    orders = model.expected(history, YEAR_WEEKS)
    return pd.DataFrame(
        {
            "active_probability": np.round(model.alive(history), 2),
            "orders_365": np.round(orders, 2),
            "value_365": _significant(orders * _spending(cards["spending"], bought, history)),
        },
        index=bought.index,
    )


def _spending(card: ModelCard, bought: pd.DataFrame, history: History) -> Floats:
    """What a purchase is expected to bring; one's own mean where the model is no better."""
    if not card.is_used:
        return (bought["spent"] / bought["days"]).to_numpy(float)
    parameters = {name: card.parameters[name] for name in ("p", "q", "v")}
    return GammaGamma(**parameters).expected(history.repeats, _repeat_mean(bought))


def _history(bought: pd.DataFrame, ended: date) -> History:
    first, last = bought["first"].to_numpy("datetime64[D]"), bought["last"].to_numpy("datetime64[D]")
    week = np.timedelta64(7, "D")
    return History(
        bought["days"].to_numpy(float) - 1, (last - first) / week, (np.datetime64(ended) - first) / week
    )


def _repeat_mean(bought: pd.DataFrame) -> Floats:
    """Mean spending of the purchases after the first; 0 where there is none."""
    repeats = bought["days"].to_numpy(float) - 1
    spent = (bought["spent"] - bought["first_spent"]).to_numpy(float)
    return np.divide(spent, repeats, out=np.zeros_like(spent), where=repeats > 0)


def _significant(values: Floats, digits: int = 3) -> Floats:
    """Rounded to some significant digits: 387.4 as 387, 0.4231 as 0.423."""
    scale = 10.0 ** (digits - 1 - np.floor(np.log10(np.where(values > 0, values, 1.0))))
    return np.where(values > 0, np.round(np.round(values * scale) / scale, 6), 0.0)


def _purchases(scope: Scope, before: datetime) -> pd.DataFrame:
    found = rows("personas", "purchases", {"zone": scope.zone, "before": before})
    names = ["customer_id", "days", "first", "last", "spent", "first_spent"]
    return pd.DataFrame(found, columns=names).set_index("customer_id")


def _purchases_after(scope: Scope, cut: date, ended: date) -> pd.DataFrame:
    since, before = (scope.start_of(day + timedelta(days=1)) for day in (cut, ended))
    found = rows("personas", "purchases_after", {"zone": scope.zone, "since": since, "before": before})
    return pd.DataFrame(found, columns=["customer_id", "days", "spent"]).set_index("customer_id")


# Answering


def _fit_network(scope: Scope, ended: date | None, speakers: int) -> ModelCard:
    """Rates of answer by network, judged on the last fifth of the time."""
    window = {"window_end": ended, "customers": speakers}
    cut = _held_out_since(scope, ended)
    sent = _answers(scope, everybody=True, since=cut)
    if sent["sent"].sum() < LEAST_MESSAGES:
        return _card(scope, "network", window, why=f"Needs {LEAST_MESSAGES} messages of ours.")
    early, late = sent[~sent["is_later"]], sent[sent["is_later"]]
    rates = _rates(sent)
    figures: dict[str, float] = {"brier": 0.0, "baseline_brier": 0.0, "messages": float(sent["sent"].sum())}
    if len(early) and len(late):
        figures |= _judge_network(_rates(early), early, late)
    return _card(
        scope,
        "network",
        window,
        parameters={"rates": rates.group, "strength": rates.strength},
        figures=figures,
        is_used=figures["brier"] < figures["baseline_brier"],
        why="Answers within a day to our messages in a held-out time, against the rate of the network alone.",
    )


def _rates(sent: pd.DataFrame) -> Rates:
    counted = sent.groupby(["customer_id", "network"], sort=True)[["sent", "answered"]].sum().reset_index()
    return Rates.fit(*_arrays(counted))


def _arrays(sent: pd.DataFrame) -> tuple[Any, Floats, Floats]:
    return sent["network"].to_numpy(object), sent["sent"].to_numpy(float), sent["answered"].to_numpy(float)


def _judge_network(rates: Rates, early: pd.DataFrame, late: pd.DataFrame) -> dict[str, float]:
    known = early.set_index(["customer_id", "network"])[["sent", "answered"]]
    own = known.reindex(pd.MultiIndex.from_frame(late[["customer_id", "network"]])).fillna(0.0)
    networks, sent, answered = _arrays(late)
    expected = rates.expected(networks, own["sent"].to_numpy(float), own["answered"].to_numpy(float))
    nothing = np.zeros(len(late))
    return {
        "brier": brier(expected, sent, answered),
        "baseline_brier": brier(rates.expected(networks, nothing, nothing), sent, answered),
        "held_out_messages": float(sent.sum()),
    }


def _fit_hour(scope: Scope, ended: date | None, speakers: int) -> ModelCard:
    """Shares of local hours, judged on the last fifth of the time."""
    window = {"window_end": ended, "customers": speakers}
    cut = _held_out_since(scope, ended)
    early, late = (_hour_counts(scope, everybody=True, since=cut, later=later) for later in (False, True))
    everything = early.add(late, fill_value=0.0)
    if everything.to_numpy().sum() < LEAST_MESSAGES:
        return _card(scope, "hour", window, why=f"Needs {LEAST_MESSAGES} messages or orders with a time.")
    hours = Hours.fit(everything.to_numpy(float))
    figures: dict[str, float] = {"bits": 0.0, "baseline_bits": 0.0}
    if len(early) and len(late):
        known = early.reindex(late.index).fillna(0.0).to_numpy(float)
        judged, actual = Hours.fit(early.to_numpy(float)), late.to_numpy(float)
        figures = {
            "bits": surprise(judged.expected(known), actual),
            "baseline_bits": surprise(judged.expected(np.zeros_like(known)), actual),
            "held_out_touches": float(actual.sum()),
        }
    return _card(
        scope,
        "hour",
        window,
        parameters={"share": list(hours.share), "strength": hours.strength},
        figures=figures,
        is_used=figures["bits"] < figures["baseline_bits"],
        why="Hours of messages and orders in a held-out time, against everybody's hours.",
    )


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
    sent = _answers(scope, everybody=everybody, since=scope.tomorrow)
    joined = spoken.merge(sent, how="left", on=["customer_id", "network"]).fillna({"sent": 0, "answered": 0})
    rates = Rates(card.parameters["rates"], card.parameters["strength"])
    joined["rate"] = np.round(rates.expected(*_arrays(joined)), 2)
    best = joined.sort_values(
        ["customer_id", "rate", "sent", "network"], ascending=[True, False, False, True]
    )
    best = best.drop_duplicates("customer_id").set_index("customer_id")[["network", "rate", "sent"]]
    return best.set_axis(names, axis=1)


def _hour_scores(scope: Scope, card: ModelCard, everybody: bool) -> pd.DataFrame:
    counts = _hour_counts(scope, everybody=everybody, since=scope.tomorrow, later=False)
    if not card.is_used or not len(counts):
        return pd.DataFrame(index=counts.index, columns=["best_hour"])
    hours = Hours(tuple(card.parameters["share"]), card.parameters["strength"])
    return pd.DataFrame({"best_hour": hours.best(counts.to_numpy(float))}, index=counts.index)


def _answers(scope: Scope, *, everybody: bool, since: datetime) -> pd.DataFrame:
    found = rows("personas", "answers", {"before": scope.tomorrow, "since": since, "everybody": everybody})
    return pd.DataFrame(found, columns=["customer_id", "network", "is_later", "sent", "answered"]).astype(
        {"is_later": bool}
    )


def _hour_counts(scope: Scope, *, everybody: bool, since: datetime, later: bool) -> pd.DataFrame:
    """Touches by hour, one row a customer and 24 columns."""
    bounds = {"zone": scope.zone, "before": scope.tomorrow, "since": since, "everybody": everybody}
    found = pd.DataFrame(rows("personas", "hours", bounds), columns=["customer_id", "hour", "is_later", "n"])
    found = found[found["is_later"].astype(bool) == later]
    table = found.pivot_table(index="customer_id", columns="hour", values="n", aggfunc="sum", fill_value=0)
    return table.reindex(columns=range(HOURS), fill_value=0).astype(float)


def _held_out_since(scope: Scope, ended: date | None) -> datetime:
    """When the last fifth of the time of conversations begins, at most half a year before its end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(first_seen_at) FROM personas_traits WHERE inbound_total > 0")
        began = (cursor.fetchone() or (None,))[0]
    if ended is None or began is None:
        return scope.tomorrow
    days = (ended - began.astimezone(ZoneInfo(scope.zone)).date()).days
    return scope.start_of(ended - timedelta(days=min(LONGEST_HOLDOUT, days // 5)))


# Storing


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
        cursor.execute("CREATE TEMPORARY TABLE nightly_prediction (LIKE personas_prediction) ON COMMIT DROP")
        cursor.execute("ALTER TABLE nightly_prediction ALTER computed_at DROP NOT NULL")
        cursor.copy_expert(
            f"COPY nightly_prediction ({names}) FROM STDIN (FORMAT csv, FORCE_NOT_NULL (best_network))", text
        )
        cursor.execute("ANALYZE nightly_prediction")
        cursor.execute(statement("personas", "store_predictions"), {"everybody": everybody, "now": scope.now})
        written = (cursor.fetchone() or (0,))[0]
        cursor.execute("DROP TABLE nightly_prediction")
    return int(written)


def _card(
    scope: Scope,
    name: str,
    window: Mapping[str, Any],
    *,
    parameters: Mapping[str, Any] | None = None,
    figures: Mapping[str, float] | None = None,
    is_used: bool = False,
    why: str,
) -> ModelCard:
    """Write the card of a model that was fitted, or of one that could not be."""
    values = {
        **window,
        "run_at": scope.now,
        "parameters": dict(parameters or {}),
        "figures": {key: round(float(value), 6) for key, value in (figures or {}).items()},
        "is_used": bool(is_used),
        "explanation": why,
    }
    card, _made = ModelCard.objects.update_or_create(name=name, defaults=values)
    return card


def _last_order_day(scope: Scope) -> date | None:
    """The last local day with an order, up to today."""
    return _day(
        "SELECT (max(placed_at) AT TIME ZONE %(zone)s)::date FROM crm_order "
        "WHERE status IN ('paid', 'refunded') AND placed_at < %(before)s",
        scope,
    )


def _last_spoken_day(scope: Scope) -> date | None:
    """The last local day with an interaction, up to today."""
    return _day(
        "SELECT (max(i.at) AT TIME ZONE %(zone)s)::date FROM engagement_channelaccount a CROSS JOIN LATERAL "
        "(SELECT max(occurred_at) AS at FROM engagement_interaction "
        "WHERE account_id = a.id AND occurred_at < %(before)s) i",
        scope,
    )


def _day(sql: str, scope: Scope) -> date | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"zone": scope.zone, "before": scope.tomorrow})
        found = cursor.fetchone()
    return found[0] if found else None


def _count(trait: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM personas_traits WHERE {trait} > 0")  # noqa: S608 (our own names)
        return int((cursor.fetchone() or (0,))[0])


def _anybody_changed() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM personas_changedcustomer)")
        return bool((cursor.fetchone() or (False,))[0])


def _changed_ids() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT customer_id FROM personas_changedcustomer")
        return [row[0] for row in cursor.fetchall()]
