"""BG/NBD and Gamma-Gamma on CDNOW's published 1/10 sample, and on a million simulated customers.

The sample's customers stand in a file of the PyPI package `lifetimes` (2,357, as Fader and Hardie publish
them), their orders in RAPPORT_SAMPLES/data/cdnow-orders.csv. Calibration is the papers': the 39 weeks to
1997-09-30, then the 39 weeks to 1998-06-30 are predicted. Published are the parameters and log likelihood of
Fader, Hardie and Lee (2005), table 2, and the parameters of Fader and Hardie (2013). The fitters of
`lifetimes` are a second opinion that shares no code with ours. Cumulative purchases are tracked as in the
paper's figure 5, by what is expected of everybody from their first purchase on. The million is drawn as the
model says, with a seed, and fitted and scored in this process: no database takes part. SIZE=small: a tenth.
"""

from __future__ import annotations

import csv
import os
import resource
import sys
import time
from datetime import date
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._figures import Figures, is_small, say_machine

if TYPE_CHECKING:
    import numpy as np

    from personas.buying import BgNbd, GammaGamma, History

CUT, END = date(1997, 9, 30), date(1998, 6, 30)
LIST = "lifetimes/datasets/CDNOW_sample.txt"
PUBLISHED = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
LIKELIHOOD = -9582.43
SPENDING = {"p": 6.249, "q": 3.745, "v": 15.448}
REAL_REPEATS = 4_339
"""Repeat purchases of the sample from its first day to the end of week 78."""
SEED, FULL, SMALL = 20_050, 1_000_000, 100_000
TRUE = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
FIT_SECONDS, SCORE_SECONDS, PEAK_MB = 40.0, 40.0, 1_500.0
Days = dict[date, float]


def main() -> int:
    """Measure and return the exit code."""
    figures = Figures()
    say_machine(figures)
    people = _sample()
    figures.equal("customers of the sample", len(people), 2_357)
    _published(figures, people)
    _held_out(figures, people)
    _million(figures, SMALL if is_small() else FULL)
    return figures.exit_code()


def _sample() -> list[Days]:
    """What each customer of the sample spent, by day, over all 78 weeks."""
    where = os.environ.get("RAPPORT_SAMPLES", "")
    orders = Path(where, "data", "cdnow-orders.csv")
    if not where or not orders.is_file():
        sys.exit("Error: RAPPORT_SAMPLES names no folder with data/cdnow-orders.csv.")
    lines = Path(str(distribution("lifetimes").locate_file(LIST))).read_text().splitlines()
    wanted = {int(line.split()[0]) for line in lines if line.strip()}
    spent: dict[int, Days] = {}
    with orders.open() as rows:
        for row in csv.DictReader(rows):
            number, day = int(row["customer_id"].split("-")[1]), date.fromisoformat(row["placed_at"])
            if number in wanted:
                days = spent.setdefault(number, {})
                days[day] = days.get(day, 0.0) + float(row["total"])
    return list(spent.values())


def _arrays(people: list[Days]) -> tuple[History, np.ndarray]:
    """Histories at the cut, and the mean spending of repeat purchases (0 without any), as in the papers."""
    import numpy as np

    from personas.buying import History

    known = [{day: value for day, value in days.items() if day <= CUT} for days in people]
    repeats = np.array([len(days) - 1.0 for days in known])
    recency = np.array([(max(days) - min(days)).days / 7 for days in known])
    age = np.array([(CUT - min(days)).days / 7 for days in known])
    later = [[value for day, value in days.items() if day > min(days)] for days in known]
    return History(repeats, recency, age), np.array([np.mean(one) if one else 0.0 for one in later])


def _published(figures: Figures, people: list[Days]) -> None:
    """The parameters of the papers, and those that `lifetimes` finds."""
    from lifetimes import BetaGeoFitter, GammaGammaFitter

    from personas.buying import BgNbd, GammaGamma

    history, mean = _arrays(people)
    model, money = BgNbd.fit(history), GammaGamma.fit(history.repeats, mean)
    theirs = BetaGeoFitter().fit(history.repeats, history.recency, history.age).params_
    for name, value in PUBLISHED.items():
        ours = getattr(model, name)
        figures.equal(f"BG/NBD {name}, three digits", f"{ours:.3f}", f"{value:.3f}")
        figures.at_most(f"BG/NBD {name}, difference to lifetimes", abs(ours - float(theirs[name])), 0.0005)
    figures.say("BG/NBD log likelihood", f"{model.log_likelihood:.4f}")
    figures.at_most(
        "BG/NBD log likelihood, difference to the paper", abs(model.log_likelihood - LIKELIHOOD), 0.01
    )
    more = (history.repeats > 0) & (mean > 0)
    theirs = GammaGammaFitter().fit(history.repeats[more], mean[more]).params_
    for name, value in SPENDING.items():
        ours = getattr(money, name)
        figures.say(f"Gamma-Gamma {name}", ours)
        figures.at_most(f"Gamma-Gamma {name}, relative to the paper", abs(ours / value - 1), 0.0005)
        figures.at_most(
            f"Gamma-Gamma {name}, relative to lifetimes", abs(ours / float(theirs[name]) - 1), 0.0005
        )
    _scores(figures, model, money)


def _scores(figures: Figures, model: BgNbd, money: GammaGamma) -> None:
    """What follows from the parameters, for many histories, against the formulas of `lifetimes`."""
    import numpy as np
    from lifetimes import BetaGeoFitter, GammaGammaFitter

    from personas.buying import History

    chance = np.random.default_rng(SEED)
    repeats = np.repeat(np.arange(30.0), 100)
    age = chance.uniform(1, 80, 3_000)
    recency = np.where(repeats > 0, age * chance.uniform(0, 1, 3_000), 0.0)
    mean = np.where(repeats > 0, chance.gamma(4, 10, 3_000), 0.0)
    history = History(repeats, recency, age)
    peer, spending = BetaGeoFitter(), GammaGammaFitter()
    peer.params_ = {name: getattr(model, name) for name in PUBLISHED}
    spending.params_ = {name: getattr(money, name) for name in SPENDING}
    pairs = (
        (
            "chance to be active",
            model.alive(history),
            peer.conditional_probability_alive(repeats, recency, age),
        ),
        (
            "orders of 52 weeks",
            model.expected(history, 52),
            peer.conditional_expected_number_of_purchases_up_to_time(52, repeats, recency, age),
        ),
        (
            "money of an order",
            money.expected(repeats, mean),
            spending.conditional_expected_average_profit(repeats, mean),
        ),
    )
    for name, ours, theirs in pairs:
        worst = float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-9)))
        figures.at_most(f"{name}, 3,000 histories, largest relative difference to lifetimes", worst, 0.0005)


def _held_out(figures: Figures, people: list[Days]) -> None:
    """Repeat purchases to week 78, and the interval of what the second 39 weeks brought."""
    import numpy as np

    from personas.buying import BgNbd, GammaGamma
    from personas.valuing import value_interval

    history, mean = _arrays(people)
    model, money = BgNbd.fit(history), GammaGamma.fit(history.repeats, mean)
    weeks = (END - CUT).days / 7
    real = sum(len(days) - 1 for days in people)
    figures.equal("repeat purchases to week 78, real", real, REAL_REPEATS)
    first = [min(days) for days in people]
    whole = np.array([(END - one).days / 7 for one in first])
    foreseen = float(_unconditional(model, whole).sum())
    figures.say("repeat purchases to week 78, by the model alone", foreseen)
    figures.at_most("the same, relative to the real ones", abs(foreseen / real - 1), 0.05)
    added = float(history.repeats.sum() + model.expected(history, weeks).sum())
    figures.say("repeat purchases to week 39, and those expected of each after it", added)
    figures.say("the same, relative to the real ones", added / real - 1)
    spent = np.array([sum(value for day, value in days.items() if day > CUT) for days in people])
    span = value_interval(model, history, weeks, money, (history.repeats, mean))
    inside = float(np.mean((spent >= span.low - 0.005) & (spent <= span.high + 0.005)))
    claimed = float(span.claimed.mean())
    figures.say("revenue of 39 weeks inside the interval, by the model", claimed)
    figures.at_most("revenue of 39 weeks inside the interval, off by", abs(inside - claimed), 0.05)


def _unconditional(model: BgNbd, weeks: np.ndarray) -> np.ndarray:
    """Repeat purchases expected of somebody new in so many weeks (equation 9 of the paper)."""
    import numpy as np
    from scipy.special import hyp2f1

    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    left = (alpha / (alpha + weeks)) ** r * hyp2f1(r, b, a + b - 1, weeks / (alpha + weeks))
    return np.asarray((a + b - 1) / (a - 1) * (1 - left))


def _million(figures: Figures, size: int) -> None:
    """Seconds to fit and to score, and whether what was put in is found again."""
    from personas.buying import BgNbd, GammaGamma
    from personas.valuing import value_interval

    history, mean = _drawn(size)
    figures.say("simulated customers", size)
    part = size / FULL
    began = time.perf_counter()
    model = BgNbd.fit(history)
    money = GammaGamma.fit(history.repeats + 1, mean)
    seconds = time.perf_counter() - began
    figures.at_most("seconds to fit both models", seconds, FIT_SECONDS * max(part, 0.2))
    for name, value in TRUE.items():
        found = getattr(model, name)
        figures.at_most(f"{name} found again, relative", abs(found / value - 1), 0.05 if part == 1 else 0.15)
    began = time.perf_counter()
    model.alive(history)
    model.expected(history, 365 / 7)
    money.expected(history.repeats + 1, mean)
    value_interval(model, history, 365 / 7, money, (history.repeats + 1, mean))
    seconds = time.perf_counter() - began
    figures.at_most(
        "seconds to score orders, activity, value and interval", seconds, SCORE_SECONDS * max(part, 0.2)
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures.at_most("peak memory of this process, MB", peak, PEAK_MB)


def _drawn(size: int) -> tuple[History, Any]:
    """Customers of two years who buy as the model says, by days, with what they spend."""
    import numpy as np

    from personas.buying import History

    chance = np.random.default_rng(SEED)
    rate = chance.gamma(TRUE["r"], 1 / TRUE["alpha"], size)
    stops = chance.beta(TRUE["a"], TRUE["b"], size)
    age = chance.integers(1, 730, size) / 7
    repeats, last, at = np.zeros(size), np.zeros(size), np.zeros(size)
    going = np.arange(size)
    while len(going):
        at[going] += chance.exponential(1 / rate[going])
        going = going[at[going] <= age[going]]
        repeats[going] += 1
        last[going] = at[going]
        going = going[chance.random(len(going)) >= stops[going]]
    nu = chance.gamma(SPENDING["q"], 1 / SPENDING["v"], size)
    purchases = repeats + 1
    mean = chance.gamma(SPENDING["p"] * purchases, 1 / (nu * purchases))
    return History(repeats, np.round(7 * last) / 7, age), mean


if __name__ == "__main__":
    sys.exit(main())
