"""Fitting the models of buying and judging them on held-out time; see `personas.predictions`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from personas.buying import WEEK, BgNbd, Floats, GammaGamma, History
from personas.counting import (
    EPOCH,
    histories,
    purchases,
    purchases_after,
    spending,
)
from personas.judging import Contest, contest, tenths
from personas.model_cards import Judged, write_card
from personas.models import ModelCard
from personas.predictions import BUYING, Extent, Scope
from personas.valuing import value_interval

LEAST_DAYS = 90
LEAST_REPEATERS = 100
LONGEST_HOLDOUT = 182
# How far an interval of 80 % may miss on held-out time and still be shown.
LEAST_INSIDE, MOST_OUTSIDE = 0.7, 0.2


def fit_buying(scope: Scope, extent: Extent) -> dict[str, ModelCard]:
    """The models of buying, judged on a held-out end of the time, then fitted on all of it."""
    ended, bought = extent.ended, purchases(scope, scope.tomorrow)
    began = EPOCH + timedelta(days=int(bought["first"].min())) if len(bought) else None
    window = {"window_start": began, "window_end": ended, "customers": extent.customers}
    repeaters = int((bought["days"] > 1).sum())
    if ended is None or began is None or (ended - began).days < LEAST_DAYS or repeaters < LEAST_REPEATERS:
        why = f"Needs {LEAST_DAYS} days of orders and {LEAST_REPEATERS} customers who bought twice."
        return {name: write_card(scope, name, window, why) for name in BUYING}
    test = _held_out(scope, ended - timedelta(days=min(LONGEST_HOLDOUT, (ended - began).days // 3)), ended)
    model = BgNbd.fit(histories(bought, ended))
    spent = _judge_spending(test, GammaGamma.fit(*spending(bought)))
    judged = {"buying": _judge_buying(test, model), "spending": spent}
    judged["value"] = _judge_value(test, by_model=spent.is_used)
    return {name: write_card(scope, name, window, judged[name]) for name in BUYING}


@dataclass(frozen=True)
class HeldOut:
    """What was known at a cut, the models fitted on that alone, and what came after it."""

    days: int
    history: History
    mean: Floats
    """What a purchase brought so far."""
    came: Floats
    spent: Floats
    model: BgNbd
    money: GammaGamma

    @property
    def weeks(self) -> float:
        """The time after the cut."""
        return self.days / WEEK

    @property
    def purchases(self) -> Floats:
        """With the first one."""
        return self.history.repeats + 1

    @property
    def rate(self) -> Floats:
        """Purchases to be expected where everybody goes on as before."""
        age = np.where(self.history.age > 0, self.history.age, np.inf)
        return self.history.repeats / age * self.weeks


def _held_out(scope: Scope, cut: date, ended: date) -> HeldOut:
    since, before = (scope.start_of(day + timedelta(days=1)) for day in (cut, ended))
    known = purchases(scope, since)
    later: pd.DataFrame = purchases_after(scope, since, before).reindex(known.index).fillna(0.0)
    history, (days, mean) = histories(known, cut), spending(known)
    return HeldOut(
        days=(ended - cut).days,
        history=history,
        mean=mean,
        came=later["days"].to_numpy(float),
        spent=later["spent"].to_numpy(float),
        model=BgNbd.fit(history),
        money=GammaGamma.fit(days, mean),
    )


def _judge_buying(test: HeldOut, model: BgNbd) -> Judged:
    expected = test.model.expected(test.history, test.weeks)
    won, figures = _compared(expected, test.rate, test.came)
    return Judged(
        parameters={"r": model.r, "alpha": model.alpha, "a": model.a, "b": model.b},
        figures={**figures, "held_out_days": test.days, "log_likelihood": model.log_likelihood},
        calibration=tenths(expected, test.came),
        is_used=won.is_won,
        why="Purchases in a held-out time, against everybody's own rate so far (BG/NBD).",
    )


def _judge_spending(test: HeldOut, money: GammaGamma) -> Judged:
    came = test.came > 0
    expected = test.money.expected(test.purchases, test.mean)[came]
    actual = test.spent[came] / test.came[came]
    won, figures = _compared(expected, test.mean[came], actual)
    return Judged(
        parameters={"p": money.p, "q": money.q, "v": money.v},
        figures={**figures, "held_out_days": test.days, "log_likelihood": money.log_likelihood},
        calibration=tenths(expected, actual),
        is_used=won.is_won,
        why="Mean spending in a held-out time, against everybody's own mean so far (Gamma-Gamma).",
    )


def _judge_value(test: HeldOut, *, by_model: bool) -> Judged:
    """Revenue as one figure, and how many fall inside the interval around it."""
    money = test.money if by_model else None
    each = money.expected(test.purchases, test.mean) if money else test.mean
    expected = test.model.expected(test.history, test.weeks) * each
    won, figures = _compared(expected, test.rate * test.mean, test.spent)
    span = value_interval(test.model, test.history, test.weeks, money, (test.purchases, test.mean))
    below, above = test.spent < span.low - 0.005, test.spent > span.high + 0.005
    inside = float(np.mean(~below & ~above)) if len(expected) else 0.0
    honest = inside >= LEAST_INSIDE and max(np.mean(below), np.mean(above)) <= MOST_OUTSIDE
    return Judged(
        parameters={"has_interval": bool(honest), "by_model": by_model},
        figures={
            **figures,
            "inside": inside,
            "claimed": float(np.mean(span.claimed)),
            "below": float(np.mean(below)),
            "above": float(np.mean(above)),
            "held_out_days": test.days,
        },
        calibration=tenths(expected, test.spent),
        is_used=won.is_won,
        why="Revenue in a held-out time, against everybody's own rate and mean so far.",
    )


def _compared(expected: Floats, baseline: Floats, actual: Floats) -> tuple[Contest, dict[str, Any]]:
    """A model and its baseline against what happened, by squared errors."""
    loss, theirs = (expected - actual) ** 2, (baseline - actual) ** 2
    found = contest(loss, theirs)
    if not len(actual):
        return found, {"judged": 0}
    return found, {
        "rmse": np.sqrt(loss.mean()),
        "baseline_rmse": np.sqrt(theirs.mean()),
        "mae": np.abs(expected - actual).mean(),
        "baseline_mae": np.abs(baseline - actual).mean(),
        "expected": expected.sum(),
        "baseline": baseline.sum(),
        "actual": actual.sum(),
        "judged": len(actual),
        **found.figures(),
    }
