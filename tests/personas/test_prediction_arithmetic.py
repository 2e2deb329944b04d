"""The arithmetic behind predictions: value as a distribution, rates by persona, categories, and judging."""

from __future__ import annotations

import numpy as np
import pytest

from personas.answering import HOURS, Hours, Rates, brier
from personas.buying import BgNbd, GammaGamma, History, alike
from personas.categories import Baskets, NextCategory, Purchases, hits, joined
from personas.judging import contest, tenths
from personas.valuing import orders_to_come, value_interval

MODEL = BgNbd(0.243, 4.414, 0.793, 2.426)
MONEY = GammaGamma(6.25, 3.74, 15.4)
HISTORY = History(
    np.array([0.0, 1, 5, 20, 2, 60]), np.array([0.0, 10, 30, 38, 5, 52]), np.array([3.0, 39, 39, 39, 30, 53])
)
MEAN = np.array([18.0, 20, 35, 80, 10, 25])


def drawn(row: int, weeks: float, count: int = 200_000) -> np.ndarray:
    """Revenue of one customer in the weeks ahead, drawn from the posteriors step by step."""
    chance = np.random.default_rng(row)
    x, age = HISTORY.repeats[row], HISTORY.age[row]
    rate = chance.gamma(MODEL.r + x, 1 / (MODEL.alpha + age), count)
    stops = chance.beta(MODEL.a, MODEL.b + x, count)
    orders = np.minimum(chance.poisson(rate * weeks), chance.geometric(stops))
    orders = np.where(chance.random(count) < MODEL.alive(HISTORY)[row], orders, 0)
    known = x + 1
    nu = chance.gamma(MONEY.q + MONEY.p * known, 1 / (MONEY.v + known * MEAN[row]), count)
    return np.where(orders > 0, chance.gamma(np.maximum(MONEY.p * orders, 1e-9)) / nu, 0.0)


# Value


def test_chances_of_orders_add_up_to_the_papers_expectation() -> None:
    chances = orders_to_come(MODEL, HISTORY.repeats, HISTORY.age, 52.0, 600)
    assert chances.sum(axis=1) == pytest.approx(np.ones(6))
    assert (chances >= 0).all()
    mean = chances @ np.arange(601.0) * MODEL.alive(HISTORY)
    assert mean == pytest.approx(MODEL.expected(HISTORY, 52.0), rel=1e-6)


@pytest.mark.parametrize("row", range(6))
def test_the_interval_is_that_of_a_simulation(row: int) -> None:
    span = value_interval(MODEL, HISTORY, 52.0, MONEY, (HISTORY.repeats + 1, MEAN))
    values = drawn(row, 52.0)
    for end, part in ((span.low[row], 0.1), (span.high[row], 0.9)):
        if end > 0:
            assert (values <= end).mean() == pytest.approx(part, abs=0.004)
        else:
            assert (values == 0).mean() >= part - 0.004
    inside = ((values >= span.low[row]) & (values <= span.high[row])).mean()
    assert span.claimed[row] == pytest.approx(inside, abs=0.01)


def test_without_a_model_of_money_each_order_brings_ones_own_mean() -> None:
    span = value_interval(MODEL, HISTORY, 52.0, None, (HISTORY.repeats + 1, MEAN))
    orders = span.high / MEAN
    assert orders == pytest.approx(np.round(orders))
    chances = orders_to_come(MODEL, HISTORY.repeats, HISTORY.age, 52.0, 600)
    alive = MODEL.alive(HISTORY)
    below = (1 - alive)[:, None] + alive[:, None] * np.cumsum(chances, axis=1)
    assert np.argmax(below >= 0.9, axis=1) == pytest.approx(np.round(orders))


def test_who_is_scored_together_changes_nothing() -> None:
    whole = value_interval(MODEL, HISTORY, 52.0, MONEY, (HISTORY.repeats + 1, MEAN))
    for row in range(6):
        one = History(HISTORY.repeats[[row]], HISTORY.recency[[row]], HISTORY.age[[row]])
        span = value_interval(MODEL, one, 52.0, MONEY, (one.repeats + 1, MEAN[[row]]))
        assert (span.low[0], span.high[0]) == pytest.approx((whole.low[row], whole.high[row]), rel=1e-9)


def test_no_history_has_no_interval() -> None:
    none = np.zeros(0)
    span = value_interval(MODEL, History(none, none, none), 52.0, MONEY, (none, none))
    assert len(span.low) == len(span.high) == 0


def test_equal_rows_are_found_as_numpy_finds_them() -> None:
    chance = np.random.default_rng(1)
    columns = [chance.integers(0, 4, 500).astype(float) for _column in range(3)]
    rows, which, counts = alike(*columns)
    theirs, their_counts = np.unique(np.column_stack(columns), axis=0, return_counts=True)
    assert (rows == theirs).all()
    assert (counts == their_counts).all()
    assert (rows[which] == np.column_stack(columns)).all()


# Rates by persona


def people(seed: int, *, differ: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Networks, personas, messages and answers of 3,000 customers in three personas (0: none)."""
    chance = np.random.default_rng(seed)
    personas = chance.integers(0, 4, 3_000)
    networks = np.array(["email", "instagram"], dtype=object)[chance.integers(0, 2, 3_000)]
    base = np.where(networks == "email", 0.3, 0.6)
    shift = np.array([0.0, -0.2, 0.0, 0.25])[personas] if differ else 0.0
    own = chance.beta(8 * (base + shift), 8 * (1 - base - shift))
    sent = chance.integers(1, 8, 3_000).astype(float)
    return networks, personas, sent, chance.binomial(sent.astype(int), own).astype(float)


def test_personas_that_answer_differently_have_rates_of_their_own() -> None:
    networks, personas, sent, answered = people(1, differ=True)
    rates = Rates.fit(networks, sent, answered, personas)
    assert set(rates.cells) == {"1", "2", "3"}
    assert rates.cells["1"]["email"] == pytest.approx(0.1, abs=0.03)
    assert rates.cells["3"]["instagram"] == pytest.approx(0.85, abs=0.03)
    nobody = rates.prior(np.array(["email"], dtype=object), np.array([0]))
    assert nobody[0] == rates.group["email"]
    new = Rates.fit(networks, sent, answered)
    loss = [
        brier(one, sent, answered).sum() for one in (rates.prior(networks, personas), new.prior(networks))
    ]
    assert loss[0] < loss[1]


def test_personas_that_answer_alike_are_drawn_to_the_network() -> None:
    networks, personas, sent, answered = people(2, differ=False)
    rates = Rates.fit(networks, sent, answered, personas)
    for persona in ("1", "2", "3"):
        assert rates.cells[persona]["email"] == pytest.approx(rates.group["email"], abs=0.015)


def test_a_persona_of_two_customers_says_little() -> None:
    networks, personas, sent, answered = people(3, differ=True)
    few = np.append(personas, [9, 9])
    rates = Rates.fit(
        np.append(networks, ["email"] * 2), np.append(sent, [3.0, 3]), np.append(answered, [3.0, 3]), few
    )
    assert rates.group["email"] < rates.cells["9"]["email"] < 0.75


def test_rates_and_hours_outlive_a_card() -> None:
    networks, personas, sent, answered = people(4, differ=True)
    rates = Rates.fit(networks, sent, answered, personas)
    assert Rates.of(rates.kept()) == rates
    counts = np.random.default_rng(1).multinomial(9, np.full(HOURS, 1 / HOURS), 50).astype(float)
    hours = Hours.fit(counts, np.arange(50) % 3)
    again = Hours.of(hours.kept())
    assert (again.best(counts, np.arange(50) % 3) == hours.best(counts, np.arange(50) % 3)).all()


def test_hours_of_a_persona_stand_in_for_those_of_who_is_new() -> None:
    chance = np.random.default_rng(5)
    shares = np.full((2, HOURS), 0.2 / HOURS)
    shares[0, 8] += 0.8
    shares[1, 21] += 0.8
    personas = np.arange(400) % 2 + 1
    counts = np.array([chance.multinomial(5, shares[one - 1]) for one in personas], dtype=float)
    hours = Hours.fit(counts, personas)
    nothing = np.zeros((3, HOURS))
    assert list(hours.best(nothing, np.array([1, 2, 0]))[:2]) == [8, 21]
    assert hours.expected(nothing, np.array([0, 0, 0]))[0] == pytest.approx(hours.share)


# Categories


def bought(rows: list[tuple[int, int, int]]) -> Purchases:
    return Purchases(*(np.array(one) for one in zip(*sorted(rows), strict=True)))


def test_baskets_know_what_was_bought_before_and_nothing_later() -> None:
    made = Baskets.of(bought([(1, 10, 0), (1, 10, 1), (1, 20, 1), (1, 30, 2), (2, 5, 2)]), 3)
    assert made.customer.tolist() == [1, 1, 1, 2]
    assert made.number.tolist() == [0, 1, 2, 0]
    assert made.before.tolist() == [[0, 0, 0], [1, 1, 0], [1, 2, 0], [0, 0, 0]]
    coming = made.after_last()
    assert coming.number.tolist() == [3, 1]
    assert coming.before.tolist() == [[1, 2, 1], [0, 0, 1]]


def test_what_others_bought_after_the_same_is_expected_of_who_is_new() -> None:
    chance = np.random.default_rng(6)
    follows = {0: 1, 1: 2, 2: 0}
    rows = []
    for customer in range(600):
        category = int(chance.integers(0, 3))
        for turn in range(4):
            rows.append((customer, 10 * turn, category))
            category = follows[category] if chance.random() < 0.8 else int(chance.integers(0, 3))
    everything = bought(rows)
    model = NextCategory.fit(everything, 3)
    one = Baskets.of(bought([(1, 10, 0)]), 3).after_last()
    assert np.argmax(model.expected(one)[0]) == 1
    made = joined([Baskets.of(part, 3) for part in everything.portions()])
    later = made.only(made.number == 1)
    expected = model.expected(later)
    assert hits(expected, later, 1).mean() > 0.75
    assert hits(expected, later, 3).all()
    assert ((expected >= 0) & (expected <= 1)).all()
    again = NextCategory.of(model.kept())
    assert again.expected(later) == pytest.approx(expected, abs=1e-5)


def test_portions_hold_whole_customers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personas.categories.PORTION", 7)
    rows = [(customer, day, 0) for customer in range(40) for day in range(1 + customer % 5)]
    parts = list(bought(rows).portions())
    assert len(parts) > 5
    assert sum(len(part.customer) for part in parts) == len(rows)
    seen = [set(part.customer.tolist()) for part in parts]
    assert sum(len(one) for one in seen) == 40
    assert list(Purchases(np.array([]), np.array([]), np.array([])).portions()) == []


# Judging


def test_a_model_as_good_as_its_baseline_does_not_win() -> None:
    won = 0
    for seed in range(200):
        chance = np.random.default_rng(seed)
        truth = chance.normal(0, 1, 500)
        one, other = truth + chance.normal(0, 1, 500), truth + chance.normal(0, 1, 500)
        won += contest((one - truth) ** 2, (other - truth) ** 2).is_won
    assert won <= 20, "one in twenty by chance"


def test_a_better_model_wins_and_the_interval_is_that_of_a_bootstrap() -> None:
    chance = np.random.default_rng(7)
    base = chance.gamma(2, 1, 4_000)
    loss = base * chance.uniform(0.6, 1.2, 4_000)
    found = contest(loss, base)
    assert found.is_won
    rows = chance.integers(0, 4_000, (1_000, 4_000))
    gains = 1 - loss[rows].sum(axis=1) / base[rows].sum(axis=1)
    assert (found.low, found.high) == pytest.approx(np.quantile(gains, [0.05, 0.95]), abs=0.002)


def test_one_loud_customer_proves_nothing() -> None:
    base = np.ones(50)
    loss = np.ones(50)
    base[0] = 40.0
    assert contest(loss, base).gain > 0.4
    assert not contest(loss, base).is_won
    assert not contest(np.zeros(1), np.ones(1)).is_won
    assert not contest(np.zeros(0), np.zeros(0)).is_won


def test_half_a_percent_is_too_little_to_win() -> None:
    base = np.ones(100_000)
    assert not contest(base * 0.997, base).is_won
    assert contest(base * 0.99, base).is_won


def test_tenths_keep_means_and_counts() -> None:
    chance = np.random.default_rng(8)
    expected = chance.gamma(1, 1, 1_000)
    actual = chance.poisson(expected).astype(float)
    rows = tenths(expected, actual)
    assert len(rows) == 10
    assert sum(row["n"] for row in rows) == 1_000
    assert [row["expected"] for row in rows] == sorted(row["expected"] for row in rows)
    total = sum(row["expected"] * row["n"] for row in rows)
    assert total == pytest.approx(expected.sum())
    assert len(tenths(np.ones(50), np.zeros(50))) == 1
    assert tenths(np.zeros(0), np.zeros(0)) == []
