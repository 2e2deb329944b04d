"""What each predictive model says, must beat, serves and is not good for; and the writing of its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from personas.models import ModelCard, ModelRun
from personas.predictions import Scope

Words = str | Promise


@dataclass(frozen=True)
class About:
    """A model in words. `measure` names its figure on held-out time; `baseline_` with it, its baseline's."""

    label: Words
    says: Words
    baseline: Words
    measure: str
    measured: Words
    used_in: Sequence[Words]
    not_for: Sequence[Words]
    unit: str = "number"
    """How what it expects is written: number, money or share."""
    icon: str = "ti-chart-dots"


_PANEL, _RULES = _("Customer page and reply pane"), _("Rules of segments")
_API, _CARDS = _("API: /customers/{id}/predictions/"), _("Persona cards")
_TOLD = _("What customers are told about themselves")
_SHOP = _("Personalization of the shop")

MODELS: Mapping[str, About] = {
    "buying": About(
        _("Orders to come"),
        _(
            "How many orders somebody will place in the next 365 days, and the chance that they are still a"
            " customer at all (BG/NBD)."
        ),
        _("Everybody goes on at their own rate so far."),
        "rmse",
        _("error of the number of orders (root of the mean square)"),
        (_PANEL, _RULES, _CARDS, _TOLD, _API),
        (
            _("One customer: it is right on average over many, not about the next order of one."),
            _("Subscriptions and other purchases that come by a contract or a calendar."),
            _("Shops whose trade has just changed: it expects the future to be like the window above."),
        ),
        icon="ti-repeat",
    ),
    "spending": About(
        _("Money per order"),
        _(
            "How much an order of somebody will bring, drawn towards everybody's where little is known"
            " (Gamma-Gamma)."
        ),
        _("Everybody spends their own mean so far."),
        "rmse",
        _("error of the mean spending of an order (root of the mean square)"),
        (_("Value over 12 months"),),
        (
            _("Customers whose big orders are also the frequent ones: it takes the two for independent."),
            _("Orders without an exchange rate, which are left out of sums."),
        ),
        unit="money",
        icon="ti-receipt",
    ),
    "value": About(
        _("Value over 12 months"),
        _("What somebody will spend in the next 365 days, with an interval that 80% should fall into."),
        _("Everybody goes on at their own rate and their own mean so far."),
        "rmse",
        _("error of the revenue (root of the mean square)"),
        (_PANEL, _RULES, _CARDS, _API),
        (
            _("Margin: it is revenue, before costs and refunds."),
            _("Planning by the sum of the upper ends: unlucky and lucky customers cancel out."),
        ),
        unit="money",
        icon="ti-coin",
    ),
    "network": About(
        _("Best network"),
        _("On which network somebody answers a message of ours within a day."),
        _("Everybody answers at the rate of the network alone."),
        "brier",
        _("Brier score of an answer within a day"),
        (_PANEL, _RULES, _TOLD, _API),
        (
            _("Networks on which we never wrote to them: their rate there is that of others."),
            _("Whether they may be written to: that is what consents and reply windows say."),
        ),
        unit="share",
        icon="ti-messages",
    ),
    "hour": About(
        _("Best hour"),
        _("At which hour of their own clock somebody is here."),
        _("Everybody is here at everybody's hours."),
        "bits",
        _("bits by which the hour of a touch was a surprise"),
        (_PANEL, _RULES, _TOLD, _API),
        (_("Saying when somebody will answer: it knows when they write and buy."),),
        unit="share",
        icon="ti-clock",
    ),
    "survey": About(
        _("Answers a survey"),
        _("The chance that somebody answers an invitation to a survey within 14 days."),
        _("Everybody answers as often as all do."),
        "brier",
        _("Brier score of an answer within 14 days"),
        (_PANEL, _RULES, _TOLD, _API),
        (
            _("Correcting who is missing in a survey's result: who answers differs from who does not."),
            _("Surveys of another kind or length than those sent so far."),
        ),
        unit="share",
        icon="ti-clipboard-list",
    ),
    "category": About(
        _("Next category"),
        _("Which category the next purchase of somebody will hold, by what others bought after the same."),
        _("The better of: the category most popular with all, and the one of their own last purchase."),
        "miss",
        _("part of the purchases whose first guess was wrong"),
        (_PANEL, _RULES, _SHOP, _TOLD, _API),
        (
            _("Products: it knows categories as the orders name them."),
            _("New categories, which nobody has bought yet."),
        ),
        unit="share",
        icon="ti-category",
    ),
}


@dataclass(frozen=True)
class Judged:
    """A model that was fitted: what it is, how it did on held-out time, and whether it may be used."""

    parameters: Mapping[str, Any]
    figures: Mapping[str, float]
    calibration: Sequence[Mapping[str, float]]
    is_used: bool
    why: str


def write_card(scope: Scope, name: str, window: Mapping[str, Any], judged: Judged | str) -> ModelCard:
    """Write the card and the run of a model that was fitted, or why it could not be."""
    if isinstance(judged, str):
        judged = Judged({}, {}, (), False, judged)
    figures = {key: _rounded(value) for key, value in judged.figures.items()}
    told = {
        **window,
        "run_at": scope.now,
        "figures": figures,
        "is_used": bool(judged.is_used),
    }
    card, _made = ModelCard.objects.update_or_create(
        name=name,
        defaults={
            **told,
            "parameters": dict(judged.parameters),
            "explanation": judged.why,
            "baseline": str(MODELS[name].baseline),
            "calibration": [
                {key: _rounded(value) for key, value in row.items()} for row in judged.calibration
            ],
        },
    )
    run_at = told.pop("run_at")
    ModelRun.objects.update_or_create(card=card, run_at=run_at, defaults=told)
    return card


def _rounded(value: float) -> float:
    return round(float(value), 6)
