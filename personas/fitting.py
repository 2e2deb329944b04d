"""Fitting the predictive models and judging them on held-out time; see `personas.predictions`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from django.db import connection

from core.sql import rows
from personas.answering import Hours, Rates, brier, surprise
from personas.buying import WEEK, BgNbd, Floats, GammaGamma
from personas.counting import answers, arrays, histories, hour_counts, purchases, repeat_mean
from personas.models import ModelCard
from personas.predictions import BUYING, Extent, Scope

LEAST_DAYS = 90
LEAST_REPEATERS = 100
LEAST_MESSAGES = 200
LONGEST_HOLDOUT = 182
LEAST_GAIN = 0.005


def fit_buying(scope: Scope, extent: Extent) -> dict[str, ModelCard]:
    """Both models of buying, judged on a held-out end of the time, then fitted on all of it."""
    ended, bought = extent.ended, purchases(scope, scope.tomorrow)
    began: date | None = bought["first"].min() if len(bought) else None
    window = {"window_start": began, "window_end": ended, "customers": extent.customers}
    repeaters = int((bought["days"] > 1).sum())
    if ended is None or began is None or (ended - began).days < LEAST_DAYS or repeaters < LEAST_REPEATERS:
        why = f"Needs {LEAST_DAYS} days of orders and {LEAST_REPEATERS} customers who bought twice."
        return {name: _card(scope, name, window, why=why) for name in BUYING}
    held_out = min(LONGEST_HOLDOUT, (ended - began).days // 3)
    judged, spent = _judge_buying(scope, ended - timedelta(days=held_out), ended)
    history = histories(bought, ended)
    model = BgNbd.fit(history)
    money = GammaGamma.fit(history.repeats, repeat_mean(bought))
    return {
        "buying": _card(
            scope,
            "buying",
            window,
            parameters={"r": model.r, "alpha": model.alpha, "a": model.a, "b": model.b},
            figures={**judged, "log_likelihood": model.log_likelihood},
            is_used=_beats(judged["rmse"], judged["baseline_rmse"]),
            why="Purchases in a held-out time, against everybody's own rate so far (BG/NBD).",
        ),
        "spending": _card(
            scope,
            "spending",
            window,
            parameters={"p": money.p, "q": money.q, "v": money.v},
            figures={**spent, "log_likelihood": money.log_likelihood},
            is_used=_beats(spent["rmse"], spent["baseline_rmse"]),
            why="Mean spending in a held-out time, against everybody's own mean so far (Gamma-Gamma).",
        ),
    }


def _beats(error: float, baseline: float) -> bool:
    """Whether a model's error lies far enough under its baseline's to be more than chance."""
    return error < baseline * (1 - LEAST_GAIN)


def _judge_buying(scope: Scope, cut: date, ended: date) -> tuple[dict[str, float], dict[str, float]]:
    """Fit on what was known at the end of `cut`, compare with what came after it."""
    known = purchases(scope, scope.start_of(cut + timedelta(days=1)))
    later = _purchases_after(scope, cut, ended).reindex(known.index).fillna(0.0)
    history, weeks = histories(known, cut), (ended - cut).days / WEEK
    actual = later["days"].to_numpy(float)
    expected = BgNbd.fit(history).expected(history, weeks)
    aged = np.where(history.age > 0, history.age, np.inf)
    judged = _errors(expected, history.repeats / aged * weeks, actual)
    judged |= {"held_out_days": (ended - cut).days, "customers": len(known)}
    came = actual > 0
    mean = repeat_mean(known)
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


def _purchases_after(scope: Scope, cut: date, ended: date) -> pd.DataFrame:
    since, before = (scope.start_of(day + timedelta(days=1)) for day in (cut, ended))
    found = rows("personas", "purchases_after", {"zone": scope.zone, "since": since, "before": before})
    return pd.DataFrame(found, columns=["customer_id", "days", "spent"]).set_index("customer_id")


def fit_answering(scope: Scope, extent: Extent) -> dict[str, ModelCard]:
    """Rates by network and shares of hours, judged on the last fifth of the time."""
    window = {"window_end": extent.ended, "customers": extent.customers}
    cut = _held_out_since(scope, extent.ended)
    return {"network": _fit_network(scope, window, cut), "hour": _fit_hour(scope, window, cut)}


def _fit_network(scope: Scope, window: Mapping[str, Any], cut: datetime) -> ModelCard:
    """Rates of answer by network, judged on the last fifth of the time."""
    sent = answers(scope, everybody=True, since=cut)
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
        is_used=_beats(figures["brier"], figures["baseline_brier"]),
        why="Answers within a day to our messages in a held-out time, against the rate of the network alone.",
    )


def _rates(sent: pd.DataFrame) -> Rates:
    counted = sent.groupby(["customer_id", "network"], sort=True)[["sent", "answered"]].sum().reset_index()
    return Rates.fit(*arrays(counted))


def _judge_network(rates: Rates, early: pd.DataFrame, late: pd.DataFrame) -> dict[str, float]:
    known = early.set_index(["customer_id", "network"])[["sent", "answered"]]
    own = known.reindex(pd.MultiIndex.from_frame(late[["customer_id", "network"]])).fillna(0.0)
    networks, sent, answered = arrays(late)
    expected = rates.expected(networks, own["sent"].to_numpy(float), own["answered"].to_numpy(float))
    nothing = np.zeros(len(late))
    return {
        "brier": brier(expected, sent, answered),
        "baseline_brier": brier(rates.expected(networks, nothing, nothing), sent, answered),
        "held_out_messages": float(sent.sum()),
    }


def _fit_hour(scope: Scope, window: Mapping[str, Any], cut: datetime) -> ModelCard:
    """Shares of local hours, judged on the last fifth of the time."""
    early, late = (hour_counts(scope, everybody=True, since=cut, later=later) for later in (False, True))
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
        is_used=_beats(figures["bits"], figures["baseline_bits"]),
        why="Hours of messages and orders in a held-out time, against everybody's hours.",
    )


def _held_out_since(scope: Scope, ended: date | None) -> datetime:
    """When the last fifth of the time of conversations begins, at most half a year before its end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(first_seen_at) FROM personas_traits WHERE inbound_total > 0")
        began = (cursor.fetchone() or (None,))[0]
    if ended is None or began is None:
        return scope.tomorrow
    days = (ended - began.astimezone(ZoneInfo(scope.zone)).date()).days
    return scope.start_of(ended - timedelta(days=min(LONGEST_HOLDOUT, days // 5)))


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
