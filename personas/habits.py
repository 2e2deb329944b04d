"""Fitting the models of habits and judging them on held-out time: networks, hours, surveys, categories.

See `personas.predictions`. Personas are those of today, also for the time held out: they are computed from
habits of the whole window, which may favor them a little.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from django.db import connection

from personas.answering import Codes, Hours, Rates, brier, surprise
from personas.buying import Floats
from personas.categories import Baskets, NextCategory, Purchases, hits, joined
from personas.counting import (
    EPOCH,
    Whom,
    answers,
    baskets,
    category_names,
    day_number,
    hour_counts,
    sample,
    surveys,
    together,
)
from personas.fitting import LEAST_DAYS, LONGEST_HOLDOUT
from personas.judging import contest, tenths
from personas.model_cards import Judged, write_card
from personas.models import ModelCard, PersonaModel
from personas.predictions import Extent, Scope

LEAST_MESSAGES = 200
LEAST_INVITATIONS = 200
LEAST_NEXT = 200
SURVEY_DAYS = 14


def fit_answering(scope: Scope, extent: Extent) -> dict[str, ModelCard]:
    """Rates by network, shares of hours and answers to surveys, judged on the last fifth of the time."""
    began = _first_message(scope)
    window = {"window_start": began, "window_end": extent.ended, "customers": extent.customers}
    cut, whom = _held_out_since(scope, began, extent.ended), sample(extent.customers)
    return {
        "network": write_card(scope, "network", window, _fit_network(scope, whom, cut)),
        "hour": write_card(scope, "hour", window, _fit_hour(scope, whom, cut)),
        "survey": write_card(scope, "survey", window, _fit_survey(scope)),
    }


def _first_message(scope: Scope) -> date | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(first_seen_at) FROM personas_traits WHERE inbound_total > 0")
        began: datetime | None = (cursor.fetchone() or (None,))[0]
    return began.astimezone(ZoneInfo(scope.zone)).date() if began else None


def _held_out_since(scope: Scope, began: date | None, ended: date | None) -> datetime:
    """When the last fifth of a time begins, at most half a year before its end."""
    if ended is None or began is None:
        return scope.tomorrow
    return scope.start_of(ended - timedelta(days=min(LONGEST_HOLDOUT, (ended - began).days // 5)))


def persona_model() -> int | None:
    """The model that tells personas apart today: with another one, rates by persona are another matter."""
    return PersonaModel.objects.filter(is_current=True).values_list("pk", flat=True).first()


# Networks, and surveys, which are messages of one more kind


def _fit_network(scope: Scope, whom: Whom, cut: datetime) -> Judged | str:
    sent = answers(scope, whom, since=cut)
    if sent["sent"].sum() < LEAST_MESSAGES:
        return f"Needs {LEAST_MESSAGES} messages of ours."
    why = "Answers within a day to our messages in a held-out time, against the rate of the network alone."
    return _judge_rates(sent, why, whom)


def _fit_survey(scope: Scope) -> Judged | str:
    """Judged on the last fifth of the invitations; one that has not had its 14 days says nothing yet."""
    whom = Whom(everybody=True)
    before = scope.tomorrow - timedelta(days=SURVEY_DAYS)
    sent = surveys(scope, whom, since=_last_fifth(before), before=before)
    invited = int(sent["sent"].sum())
    if invited < LEAST_INVITATIONS:
        return (
            f"Needs {LEAST_INVITATIONS} invitations to surveys that are {SURVEY_DAYS} days old (outbound"
            f" interactions of the kind survey); there are {invited}."
        )
    sent["network"] = "survey"
    why = f"Answers within {SURVEY_DAYS} days to invitations in a held-out time, against everybody's rate."
    return _judge_rates(sent, why, whom)


def _last_fifth(before: datetime) -> datetime:
    """The instant after which a fifth of the invitations was sent."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT percentile_disc(0.8) WITHIN GROUP (ORDER BY occurred_at) FROM engagement_interaction "
            "WHERE kind = 'survey' AND direction = 'outbound' AND deleted_at IS NULL AND occurred_at < %s",
            [before],
        )
        found: datetime | None = (cursor.fetchone() or (None,))[0]
    return found or before


def _judge_rates(sent: pd.DataFrame, why: str, whom: Whom) -> Judged:
    """On held-out time: with personas where these help, against the rate of the group alone."""
    early, late = sent[sent["is_later"] == 0], sent[sent["is_later"] == 1]
    if not len(early) or not len(late):
        return Judged(
            {"persona_model": persona_model()}, {}, (), False, "Nothing was sent in the time held out."
        )
    known = early.set_index(["customer_id", "network"])[["sent", "answered"]]
    own = known.reindex(pd.MultiIndex.from_frame(late[["customer_id", "network"]])).fillna(0.0)
    own_sent, own_answered = (own[name].to_numpy(float) for name in ("sent", "answered"))
    groups, people, n, answered = _arrays(late)
    plain, drawn = (_rates(early, by_persona=one) for one in (False, True))
    alone = brier(_group_rates(early, late), n, answered)
    by_customer = [
        _by_customer(late, brier(expected, n, answered))
        for expected in (
            plain.expected(groups, own_sent, own_answered),
            drawn.expected(groups, own_sent, own_answered, people),
        )
    ]
    theirs = _by_customer(late, alone)
    personas = contest(by_customer[1], by_customer[0])
    won = contest(by_customer[1] if personas.is_won else by_customer[0], theirs)
    best = drawn if personas.is_won else plain
    expected = best.expected(groups, own_sent, own_answered, people if personas.is_won else None)
    return Judged(
        parameters=_rates(sent, by_persona=personas.is_won).kept() | {"persona_model": persona_model()},
        figures={
            "brier": by_customer[personas.is_won].sum() / n.sum(),
            "baseline_brier": theirs.sum() / n.sum(),
            **won.figures(),
            **_persona_figures(personas.gain, personas.low, personas.is_won),
            "messages": sent["sent"].sum(),
            "answered": sent["answered"].sum(),
            "judged": n.sum(),
            "every": whom.every,
        },
        calibration=tenths(expected, answered / n, n),
        is_used=won.is_won,
        why=why,
    )


def _persona_figures(gain: float, low: float, is_won: bool) -> dict[str, float]:
    return {"persona_gain": gain, "persona_gain_low": low, "by_persona": float(is_won)}


def _arrays(sent: pd.DataFrame) -> tuple[Any, Codes, Floats, Floats]:
    return (
        sent["network"].to_numpy(object),
        sent["persona"].to_numpy(np.int64),
        sent["sent"].to_numpy(float),
        sent["answered"].to_numpy(float),
    )


def _rates(sent: pd.DataFrame, *, by_persona: bool) -> Rates:
    keys = ["customer_id", "persona", "network"]
    counted = sent.groupby(keys, sort=True, observed=True)[["sent", "answered"]].sum().reset_index()
    groups, personas, n, answered = _arrays(counted)
    return Rates.fit(groups, n, answered, personas if by_persona else None)


def _group_rates(early: pd.DataFrame, late: pd.DataFrame) -> Floats:
    """The rate of each row's group so far, over all messages; everybody's where it was never used."""
    sums = early.groupby("network", observed=True)[["sent", "answered"]].sum()
    rates = (sums["answered"] + 1) / (sums["sent"] + 2)
    whole = (sums["answered"].sum() + 1) / (sums["sent"].sum() + 2)
    found: Floats = late["network"].astype(object).map(rates.to_dict()).fillna(whole).to_numpy(float)
    return found


def _by_customer(rows: pd.DataFrame, loss: Floats) -> Floats:
    _customers, place = np.unique(rows["customer_id"].to_numpy(), return_inverse=True)
    return np.bincount(place, loss).astype(float)


# Hours


def _fit_hour(scope: Scope, whom: Whom, cut: datetime) -> Judged | str:
    early, late = hour_counts(scope, whom, since=cut)
    touches = early.counts.sum() + late.counts.sum()
    if touches < LEAST_MESSAGES:
        return f"Needs {LEAST_MESSAGES} messages or orders with a time."
    if not len(early.counts) or not len(late.counts):
        return Judged({"persona_model": persona_model()}, {}, (), False, "Nothing came in the time held out.")
    known = np.zeros_like(late.counts)
    place = np.searchsorted(early.customers, late.customers).clip(max=len(early.customers) - 1)
    seen = early.customers[place] == late.customers
    known[seen] = early.counts[place[seen]]
    plain, drawn = Hours.fit(early.counts), Hours.fit(early.counts, early.personas)
    told = plain.expected(known), drawn.expected(known, late.personas)
    bits = [surprise(one, late.counts) for one in told]
    theirs = surprise(plain.prior(len(known)), late.counts)
    personas = contest(bits[1], bits[0])
    won, n = contest(bits[personas.is_won], theirs), late.counts.sum()
    every = together(early, late)
    return Judged(
        parameters=Hours.fit(every.counts, every.personas if personas.is_won else None).kept()
        | {"persona_model": persona_model()},
        figures={
            "bits": bits[personas.is_won].sum() / n,
            "baseline_bits": theirs.sum() / n,
            **won.figures(),
            **_persona_figures(personas.gain, personas.low, personas.is_won),
            "judged": n,
            "every": whom.every,
        },
        calibration=_hour_tenths(told[personas.is_won], late.counts),
        is_used=won.is_won,
        why="Hours of messages and orders in a held-out time, against everybody's hours.",
    )


def _hour_tenths(expected: Floats, counts: Floats) -> list[dict[str, float]]:
    """Shares of an hour that were expected of a touch, against the part of the touches that came in it."""
    n = counts.sum(axis=1, keepdims=True)
    return tenths(expected.ravel(), (counts / n).ravel(), np.broadcast_to(n, counts.shape).ravel())


# Categories


def fit_category(scope: Scope, extent: Extent) -> dict[str, ModelCard]:
    """Which category comes next, judged on the first purchase of everybody in a held-out time."""
    names, whom = category_names(scope), sample(extent.customers)
    bought = baskets(scope, whom, names)
    began = EPOCH + timedelta(days=int(bought.day.min())) if len(bought.day) else None
    window = {"window_start": began, "window_end": extent.ended, "customers": extent.customers}
    return {
        "category": write_card(scope, "category", window, _fit_category(bought, names, extent, began, whom))
    }


def _fit_category(
    bought: Purchases, names: list[str], extent: Extent, began: date | None, whom: Whom
) -> Judged | str:
    if began is None or extent.ended is None or (extent.ended - began).days < LEAST_DAYS or len(names) < 2:
        return f"Needs {LEAST_DAYS} days of orders whose lines name a category, and two categories."
    cut = day_number(extent.ended) - min(LONGEST_HOLDOUT, (extent.ended - began).days // 3)
    tested, last = _held_out_purchases(bought, len(names), cut)
    if len(tested.customer) < LEAST_NEXT:
        return (
            f"Needs {LEAST_NEXT} purchases in the time held out by customers who had bought before;"
            f" there are {len(tested.customer)}."
        )
    model = NextCategory.fit(bought.until(cut), len(names))
    judged = _judge_category(model, tested, last)
    figures = {**judged.figures, "categories": len(names), "every": whom.every}
    return replace(
        judged, parameters=NextCategory.fit(bought, len(names)).kept() | {"names": names}, figures=figures
    )


def _held_out_purchases(bought: Purchases, width: int, cut: int) -> tuple[Baskets, Floats]:
    """Purchases after a cut by customers who had bought before, and what was in the one before each."""
    found, last = [], []
    for part in bought.portions():
        every = Baskets.of(part, width)
        rows = np.flatnonzero((every.day > cut) & (every.number > 0))
        found.append(every.only(rows))
        last.append(every.inside[rows - 1])
    return joined(found), np.concatenate(last)


def _judge_category(model: NextCategory, tested: Baskets, last: Floats) -> Judged:
    """Whether the first guess was in the purchase, against the better of two plain guesses."""
    expected = model.expected(tested)
    popular = np.broadcast_to(model.popular, expected.shape)
    ranks = {"model": expected, "popular": popular, "own": 2 * last + popular}
    misses = {name: 1.0 - hits(rank, tested, 1).astype(float) for name, rank in ranks.items()}
    better = min(("popular", "own"), key=lambda name: misses[name].mean())
    _customers, place = np.unique(tested.customer, return_inverse=True)
    won = contest(*(np.bincount(place, misses[name]).astype(float) for name in ("model", better)))
    rows, top = np.arange(len(expected)), np.argmax(np.round(expected, 9), axis=1)
    rates = {f"{name}_hit_{n}": hits(rank, tested, n).mean() for name, rank in ranks.items() for n in (1, 3)}
    return Judged(
        parameters={},
        figures={
            "miss": misses["model"].mean(),
            "baseline_miss": misses[better].mean(),
            **won.figures(),
            **rates,
            "judged": len(rows),
        },
        calibration=tenths(expected[rows, top], tested.inside[rows, top]),
        is_used=won.is_won,
        why="Purchases in a held-out time: whether they held the category that was expected.",
    )
