"""A model card as a page shows it: figures named and written for people, beside those of the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import formatting
from personas.model_cards import MODELS, About
from personas.models import ModelCard, ModelRun

RUNS = 52
"""Earlier runs that are shown: a year of weekly ones."""
NAMES = {
    "r": gettext_lazy("r: shape of the purchase rates"),
    "alpha": gettext_lazy("alpha: weeks behind the rates"),
    "a": gettext_lazy("a: of the chance to stop"),
    "b": gettext_lazy("b: of the chance to stop"),
    "p": gettext_lazy("p: evenness of one's orders"),
    "q": gettext_lazy("q: evenness among customers"),
    "v": gettext_lazy("v: scale of spending"),
    "strength": gettext_lazy("Own evidence that weighs as much as others'"),
    "log_likelihood": gettext_lazy("Log likelihood"),
}


@dataclass(frozen=True)
class CardPage:
    """One card with everything its page says."""

    card: ModelCard
    about: About
    currency: str

    @property
    def was_judged(self) -> bool:
        """Whether there was enough data to fit it and to hold some out."""
        return "gain" in self.card.figures and bool(self.card.figures.get("judged"))

    @property
    def measure(self) -> str:
        """Its figure on held-out time; the lower, the better."""
        return self._measured(self.about.measure)

    @property
    def baseline(self) -> str:
        """The same figure of the baseline."""
        return self._measured(f"baseline_{self.about.measure}")

    def _measured(self, name: str) -> str:
        value = self.card.figures.get(name)
        if value is None:
            return "–"
        if self.about.measure == "rmse":
            return self.written(value)
        return percent(value, 1) if self.about.measure == "miss" else rounded(value, 4)

    def written(self, value: float) -> str:
        """Something it expects, in its unit."""
        if self.about.unit == "money":
            return formatting.money(value, self.currency)
        return percent(value, 1) if self.about.unit == "share" else rounded(value, 2)

    @property
    def gain(self) -> str:
        """How much of the baseline's error it saves, with the interval."""
        named = {name: percent(self.card.figures.get(key, 0.0), 1) for name, key in (
            ("gain", "gain"), ("low", "gain_low"), ("high", "gain_high"),
        )}  # fmt: skip
        return _("%(gain)s (%(low)s to %(high)s)") % named

    @property
    def base(self) -> str:
        """What it was judged on."""
        judged = formatting.number(self.card.figures.get("judged", 0))
        days = self.card.figures.get("held_out_days")
        if days:
            return _("%(n)s customers, %(days)s days held out") % {"n": judged, "days": int(days)}
        if self.about.measure == "miss":
            return _("%(n)s purchases in the time held out") % {"n": judged}
        if self.card.name == "hour":
            return _("%(n)s touches in the time held out") % {"n": judged}
        return _("%(n)s messages in the time held out") % {"n": judged}

    def facts(self) -> list[tuple[str, str]]:
        """What else it found out about itself."""
        return [*self._buying(), *self._personas(), *self._interval(), *self._hits(), *self._sampled()]

    def _buying(self) -> list[tuple[str, str]]:
        figures = self.card.figures
        if "actual" not in figures or self.card.name == "spending":
            return []
        return [
            (_("Expected in all"), self.written(figures["expected"])),
            (_("Came in all"), self.written(figures["actual"])),
            (_("Expected by the baseline"), self.written(figures["baseline"])),
        ]

    def _personas(self) -> list[tuple[str, str]]:
        figures = self.card.figures
        if "by_persona" not in figures:
            return []
        told = {
            "gain": percent(figures["persona_gain"], 2), "low": percent(figures["persona_gain_low"], 2),
        }  # fmt: skip
        verdict = _("used") if figures["by_persona"] else _("not used: no better than without")
        return [
            (_("Knowing the persona saves"), _("%(gain)s (at least %(low)s)") % told),
            (_("Personas in this model"), verdict),
        ]

    def _interval(self) -> list[tuple[str, str]]:
        figures = self.card.figures
        if "inside" not in figures:
            return []
        shown = (
            _("shown") if self.card.parameters.get("has_interval") else _("not shown: it misses too often")
        )
        return [
            (_("Really fell inside the interval"), percent(figures["inside"], 1)),
            (_("Should have, by the model"), percent(figures["claimed"], 1)),
            (_("Above, below it"), f"{percent(figures['above'], 1)}, {percent(figures['below'], 1)}"),
            (_("Interval"), shown),
        ]

    def _hits(self) -> list[tuple[str, str]]:
        figures = self.card.figures
        rows = (
            (_("First guess right, first three"), "model"),
            (_("Most popular with all"), "popular"),
            (_("Own last category"), "own"),
        )
        return [
            (label, f"{percent(figures[f'{name}_hit_1'], 1)}, {percent(figures[f'{name}_hit_3'], 1)}")
            for label, name in rows
            if f"{name}_hit_1" in figures
        ]

    def _sampled(self) -> list[tuple[str, str]]:
        every = int(self.card.figures.get("every", 1))
        return [(_("Fitted on"), _("one in %(n)s customers") % {"n": every})] if every > 1 else []

    def parameters(self) -> list[tuple[str, str]]:
        """The fitted numbers that have a name."""
        found = {**self.card.parameters, **self.card.figures}
        return [(str(NAMES[name]), _exact(found[name])) for name in NAMES if name in found]

    def calibration(self) -> list[dict[str, str]]:
        """Tenths of what was expected, as a table."""
        return [
            {
                "expected": self.written(row["expected"]),
                "actual": self.written(row["actual"]),
                "n": formatting.number(row["n"]),
            }
            for row in self.card.calibration
        ]

    def charts(self, runs: Sequence[ModelRun]) -> dict[str, Any]:
        """What `static/js/charts.js` draws."""
        measure = self.about.measure
        ordered = [run for run in reversed(runs) if measure in run.figures]
        return {
            "currency": self.currency,
            "days": [run.run_at.date().isoformat() for run in ordered],
            "calibration": {
                "unit": self.about.unit,
                "points": [[row["expected"], row["actual"], row["n"]] for row in self.card.calibration],
                "names": [_("If it were exact"), _("What came")],
                "axes": [_("expected"), _("came")],
            },
            "record": {
                "names": [_("Baseline"), _("Model")],
                "baseline": [run.figures.get(f"baseline_{measure}") for run in ordered],
                "model": [run.figures[measure] for run in ordered],
            },
        }

    def told(self, runs: Sequence[ModelRun]) -> list[dict[str, str | bool | Any]]:
        """Earlier runs as a table, the newest first."""
        measure = self.about.measure
        return [
            {
                "run": run,
                "measure": CardPage(_as_card(run), self.about, self.currency)._measured(measure),
                "baseline": CardPage(_as_card(run), self.about, self.currency)._measured(
                    f"baseline_{measure}"
                ),
            }
            for run in runs
        ]


def _as_card(run: ModelRun) -> ModelCard:
    return ModelCard(figures=run.figures)


def _exact(value: float) -> str:
    return rounded(value, 0 if float(value).is_integer() else 3)


def rounded(value: float, decimals: int) -> str:
    """12.346 as 12.35, and never as a negative nothing."""
    return formatting.number(Decimal(str(round(value, decimals) + 0.0)), decimals)


def percent(value: float, decimals: int) -> str:
    """0.1234 as 12.3%."""
    return f"{rounded(100 * value, decimals)}%"


def page_of(card: ModelCard, currency: str) -> CardPage:
    """The page of a card that `MODELS` knows. Raises KeyError."""
    return CardPage(card, MODELS[card.name], currency)


def runs_of(card: ModelCard) -> list[ModelRun]:
    """Its newest runs, the newest first."""
    return list(card.runs.order_by("-run_at", "-pk")[:RUNS])
