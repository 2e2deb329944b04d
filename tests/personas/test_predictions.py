"""Predictions: the papers' formulas, parameters found again, nothing used that its baseline beats."""

from __future__ import annotations

import csv
import json
import math
import os
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from scipy.special import hyp2f1

from core.models import Workspace
from crm.models import Customer, Order
from engagement.models import ChannelAccount, Conversation, Interaction
from personas import counting
from personas.answering import HOURS, Hours, Rates, brier, surprise
from personas.buying import BgNbd, GammaGamma, History
from personas.counting import Whom, hour_counts
from personas.models import ChangedCustomer, ModelCard, Prediction, Traits
from personas.predictions import MODELS, Scope, predict
from personas.reach.evidence import Reader
from personas.traits.compute import Moment, list_all, refresh_next
from tests.personas.world import World

TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)


# BG/NBD and Gamma-Gamma


def simulate(
    seed: int, people: int, weeks: int = 78, **parameters: float
) -> tuple[History, np.ndarray, list[Any]]:
    """Purchases drawn as the model says: (history at `weeks`, who is alive then, purchase times)."""
    chance = np.random.default_rng(seed)
    repeats, recency, age, alive, times = [], [], [], [], []
    for _person in range(people):
        rate = chance.gamma(parameters["r"], 1 / parameters["alpha"])
        leaves = chance.beta(parameters["a"], parameters["b"])
        began = chance.uniform(0, 12)
        at, bought, gone = 0.0, [], False
        while True:
            at += chance.exponential(1 / rate) if rate > 0 else math.inf
            if began + at > weeks + 52:
                break
            bought.append(began + at)
            if chance.random() < leaves:
                gone = True
                break
        before = [one for one in bought if one <= weeks]
        repeats.append(len(before))
        recency.append(before[-1] - began if before else 0.0)
        age.append(weeks - began)
        alive.append(not (gone and bought[-1] <= weeks))
        times.append(bought)
    return History(*map(np.array, (repeats, recency, age))), np.array(alive), times


def likelihood_of_one(parameters: tuple[float, ...], x: int, recency: float, age: float) -> float:
    """Equation 6 of Fader, Hardie and Lee (2005), as printed."""
    r, alpha, a, b = parameters
    beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    stays = (
        math.lgamma(a) + math.lgamma(b + x) - math.lgamma(a + b + x) - beta
        + math.lgamma(r + x) + r * math.log(alpha) - math.lgamma(r) - (r + x) * math.log(alpha + age)
    )  # fmt: skip
    total = math.exp(stays)
    if x > 0:
        total += math.exp(
            math.lgamma(a + 1) + math.lgamma(b + x - 1) - math.lgamma(a + b + x) - beta
            + math.lgamma(r + x) + r * math.log(alpha) - math.lgamma(r) - (r + x) * math.log(alpha + recency)
        )  # fmt: skip
    return math.log(total)


TRUE = {"r": 0.6, "alpha": 5.0, "a": 0.8, "b": 2.5}


def test_the_likelihood_is_that_of_the_paper() -> None:
    history, _alive, _times = simulate(1, 300, **TRUE)
    model = BgNbd.fit(history)
    rows = zip(history.repeats, history.recency, history.age, strict=True)
    expected = sum(
        likelihood_of_one((model.r, model.alpha, model.a, model.b), int(x), recency, age)
        for x, recency, age in rows
    )
    assert model.log_likelihood == pytest.approx(expected, rel=1e-9)


def test_no_parameters_nearby_fit_better() -> None:
    history, _alive, _times = simulate(2, 400, **TRUE)
    model = BgNbd.fit(history)
    rows = list(zip(history.repeats, history.recency, history.age, strict=True))
    for name in ("r", "alpha", "a", "b"):
        for factor in (0.9, 1.1):
            other = {key: getattr(model, key) for key in ("r", "alpha", "a", "b")}
            other[name] *= factor
            value = sum(
                likelihood_of_one(tuple(other.values()), int(x), recency, age) for x, recency, age in rows
            )
            assert value < model.log_likelihood


def test_parameters_of_simulated_buyers_are_found_again() -> None:
    history, alive, times = simulate(3, 12_000, **TRUE)
    model = BgNbd.fit(history)
    assert model.r == pytest.approx(TRUE["r"], rel=0.1)
    assert model.alpha == pytest.approx(TRUE["alpha"], rel=0.12)
    assert model.a / (model.a + model.b) == pytest.approx(0.8 / 3.3, rel=0.1)
    assert model.alive(history).mean() == pytest.approx(alive.mean(), abs=0.02)
    later = np.array([sum(78 < at <= 130 for at in bought) for bought in times])
    expected = model.expected(history, 52)
    assert expected.sum() == pytest.approx(later.sum(), rel=0.05)
    for low, high in ((0, 0), (1, 2), (3, 7), (8, 999)):
        some = (history.repeats >= low) & (history.repeats <= high)
        assert expected[some].mean() == pytest.approx(later[some].mean(), rel=0.15)


def test_expectation_equals_the_printed_formula_and_stays_finite() -> None:
    model = BgNbd(0.25, 4.4, 0.8, 2.4)
    history = History(np.array([0.0, 1, 5, 20]), np.array([0.0, 10, 30, 38]), np.array([39.0, 39, 39, 39]))
    x, age, t = history.repeats, history.age, 26.0
    a, b, r, alpha = model.a, model.b, model.r, model.alpha
    series = hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + age + t))
    dropout = np.where(
        x > 0, a / (b + np.maximum(x, 1) - 1) * ((alpha + age) / (alpha + history.recency)) ** (r + x), 0
    )
    printed = (
        (a + b + x - 1)
        / (a - 1)
        * (1 - ((alpha + age) / (alpha + age + t)) ** (r + x) * series)
        / (1 + dropout)
    )
    assert model.expected(history, t) == pytest.approx(printed, rel=1e-9)
    many = History(np.array([900.0]), np.array([100.0]), np.array([101.0]))
    assert 0 < model.expected(many, 52)[0] < 900
    assert BgNbd(0.25, 4.4, 1.0, 2.4).expected(history, t) == pytest.approx(
        BgNbd(0.25, 4.4, 1.0001, 2.4).expected(history, t), rel=1e-3
    )


def test_spending_parameters_are_found_again_and_means_are_drawn_to_everybodys() -> None:
    chance = np.random.default_rng(4)
    p, q, v = 6.0, 4.0, 15.0
    nu = chance.gamma(q, 1 / v, 20_000)
    x = chance.integers(1, 8, 20_000).astype(float)
    mean = chance.gamma(p * x, 1 / (nu * x))
    model = GammaGamma.fit(x, mean)
    assert (model.p, model.q, model.v) == pytest.approx((p, q, v), rel=0.12)
    usual = model.p * model.v / (model.q - 1)
    expected = model.expected(np.array([0.0, 1, 50]), np.array([0.0, 300, 300]))
    assert expected[0] == pytest.approx(usual)
    assert usual < expected[1] < expected[2] < 300
    assert expected[2] == pytest.approx(300, rel=0.02)


@pytest.mark.peer
def test_cdnow_gives_the_published_figures() -> None:
    """Fader and Hardie's 1/10 sample, calibrated to 1997-09-30."""
    sample = Path(str(distribution("lifetimes").locate_file("lifetimes/datasets/CDNOW_sample.txt")))
    wanted = {int(line.split()[0]) for line in sample.read_text().splitlines() if line.strip()}
    cut, spent = date(1997, 9, 30), {}
    with Path(os.environ["RAPPORT_SAMPLES"], "data", "cdnow-orders.csv").open() as lines:
        for row in csv.DictReader(lines):
            number, day = int(row["customer_id"].split("-")[1]), date.fromisoformat(row["placed_at"])
            if number in wanted and day <= cut:
                days = spent.setdefault(number, {})
                days[day] = days.get(day, 0.0) + float(row["total"])
    assert len(spent) == 2357
    repeats = np.array([len(days) - 1.0 for days in spent.values()])
    recency = np.array([(max(days) - min(days)).days / 7 for days in spent.values()])
    age = np.array([(cut - min(days)).days / 7 for days in spent.values()])
    model = BgNbd.fit(History(repeats, recency, age))
    assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=0.001)
    assert model.log_likelihood == pytest.approx(-9582.43, abs=0.01)
    later = [[value for day, value in days.items() if day > min(days)] for days in spent.values()]
    money = GammaGamma.fit(repeats, np.array([np.mean(values) if values else 0.0 for values in later]))
    assert (money.p, money.q, money.v) == pytest.approx((6.249, 3.745, 15.448), rel=0.001)


# Where and when somebody answers


def test_a_rate_from_few_messages_is_drawn_to_that_of_its_network() -> None:
    chance = np.random.default_rng(5)
    networks = np.array(["email"] * 2000 + ["instagram"] * 2000, dtype=object)
    own = np.concatenate([chance.beta(2, 6, 2000), chance.beta(6, 2, 2000)])
    sent = chance.integers(1, 12, 4000).astype(float)
    answered = chance.binomial(sent.astype(int), own).astype(float)
    rates = Rates.fit(networks, sent, answered)
    assert rates.group == pytest.approx({"email": 0.25, "instagram": 0.75}, abs=0.02)
    assert rates.strength in (5.0, 8.0, 12.0)
    one = rates.expected(
        np.array(["email", "email", "email", "fax"], dtype=object),
        np.array([0.0, 2, 200, 0]),
        np.array([0.0, 2, 200, 0]),
    )
    assert one[0] == pytest.approx(rates.group["email"])
    assert one[0] < one[1] < one[2]
    assert one[2] > 0.95
    assert one[3] == rates.whole == pytest.approx(0.5, abs=0.02)
    alone = brier(np.full(4000, answered.sum() / sent.sum()), sent, answered)
    assert brier(rates.expected(networks, sent, answered), sent, answered).sum() < alone.sum()


def test_people_who_do_not_differ_are_drawn_together_fully() -> None:
    chance = np.random.default_rng(6)
    networks = np.array(["email"] * 3000, dtype=object)
    sent = np.full(3000, 10.0)
    answered = chance.binomial(10, 0.4, 3000).astype(float)
    assert Rates.fit(networks, sent, answered).strength >= 200


def test_hours_of_ones_own_beat_everybodys_where_people_differ() -> None:
    chance = np.random.default_rng(7)
    shares = np.zeros((600, HOURS))
    shares[:300, 7:9], shares[300:, 20:22] = 0.5, 0.5
    early, late = (
        np.array([chance.multinomial(12, row) for row in shares], dtype=float) for _half in range(2)
    )
    hours = Hours.fit(early)
    alone = surprise(hours.expected(np.zeros_like(late)), late)
    assert surprise(hours.expected(early), late).sum() < alone.sum()
    best = hours.best(early)
    assert set(best[:300]) <= {7, 8}
    assert set(best[300:]) <= {20, 21}
    assert hours.best(np.zeros((1, HOURS)))[0] in (7, 8, 20, 21)


# In the workspace


def scope(today: date = TODAY, **more: Any) -> Scope:
    return Scope(today, "UTC", NOW + (today - TODAY), everybody=more.pop("everybody", False), **more)


def refresh(today: date = TODAY) -> None:
    list_all()
    refresh_next(0, Moment(today=today, zone="UTC", now=NOW))
    ChangedCustomer.objects.all().delete()


def customers(name: str, count: int) -> list[Customer]:
    Workspace.current()
    return Customer.objects.bulk_create([Customer(name=f"{name} {place}") for place in range(count)])


def orders(rows: list[tuple[Customer, date, float]]) -> None:
    Order.objects.bulk_create(
        Order(
            source="shop",
            external_id=str(place),
            placed_at=datetime(day.year, day.month, day.day, 10, tzinfo=UTC),
            total=round(total, 2),
            base_total=round(total, 2),
            currency="USD",
            customer=who,
            home_customer=who,
        )
        for place, (who, day, total) in enumerate(rows)
    )


def buyers(seed: int, people: int = 300) -> list[Customer]:
    """Customers who buy as the model says, up to the day before today."""
    history, _alive, times = simulate(seed, people, weeks=78, r=0.8, alpha=6.0, a=0.5, b=3.0)
    chance = np.random.default_rng(seed)
    start, rows, made = TODAY - timedelta(weeks=78, days=1), [], customers("buyer", people)
    for who, age, bought in zip(made, history.age, times, strict=True):
        usual = float(chance.gamma(4, 10))
        for at in [78 - age, *(one for one in bought if one <= 78)]:
            rows.append((who, start + timedelta(weeks=float(at)), float(chance.gamma(6, usual / 6))))
    orders(rows)
    return made


@pytest.mark.django_db
def test_scores_are_those_of_the_models_on_the_card() -> None:
    made = buyers(11)
    refresh()
    done = predict(scope())
    assert done["fitted"] == 7
    card = ModelCard.objects.get(name="buying")
    assert card.is_used
    assert card.figures["rmse"] < card.figures["baseline_rmse"]
    assert card.window_end == max(order.placed_at.date() for order in Order.objects.all())
    model = BgNbd(**{name: card.parameters[name] for name in ("r", "alpha", "a", "b")})
    rows = {row.customer_id: row for row in Prediction.objects.all()}
    assert rows.keys() == {one.pk for one in made}
    for who in made[:50]:
        days = sorted({order.placed_at.date() for order in Order.objects.filter(customer=who)})
        history = History(
            np.array([len(days) - 1.0]),
            np.array([(days[-1] - days[0]).days / 7]),
            np.array([(card.window_end - days[0]).days / 7]),
        )
        assert rows[who.pk].active_probability == pytest.approx(model.alive(history)[0], abs=0.0051)
        assert rows[who.pk].orders_365 == pytest.approx(model.expected(history, 365 / 7)[0], rel=0.051)
        assert rows[who.pk].value_365 >= 0


@pytest.mark.django_db
def test_a_day_without_orders_rewrites_nothing_and_a_new_order_scores_by_the_stored_model() -> None:
    made = buyers(12)
    refresh()
    predict(scope())
    card = ModelCard.objects.get(name="buying")
    fitted = card.run_at
    assert predict(scope(TODAY + timedelta(days=3))) == {"customers": 0, "written": 0, "fitted": 0}
    day = card.window_end + timedelta(days=1)
    Order.objects.create(
        source="shop", external_id="new", placed_at=datetime(day.year, day.month, day.day, 9, tzinfo=UTC),
        total=10, base_total=10, currency="USD", customer=made[0], home_customer=made[0],
    )  # fmt: skip
    refresh(day)
    done = predict(scope(day))
    assert (done["customers"], done["fitted"]) == (300, 0)
    assert 0 < done["written"] < 150, "the drift of a day must not rewrite everybody"
    assert ModelCard.objects.get(name="buying").run_at == fitted
    assert predict(scope(day, everybody=True))["written"] == 0


@pytest.mark.django_db
def test_a_model_that_does_not_beat_its_baseline_is_not_used() -> None:
    rows = []
    for place, who in enumerate(customers("clockwork", 120)):
        gap = 10 + place % 20
        rows += [(who, TODAY - timedelta(days=back), 20.0) for back in range(0, 300, gap)]
    orders(rows)
    refresh()
    predict(scope())
    card = ModelCard.objects.get(name="buying")
    assert card.figures["rmse"] >= card.figures["baseline_rmse"]
    assert not card.is_used
    told = set(Prediction.objects.values_list("active_probability", "orders_365", "value_365", "value_high"))
    assert told <= {(None,) * 4}


@pytest.mark.django_db
@pytest.mark.parametrize("count", [0, 1, 10])
def test_too_little_data_is_said(count: int) -> None:
    World(1, today=TODAY, customers=count)
    refresh()
    predict(scope())
    cards = {card.name: card for card in ModelCard.objects.all()}
    assert set(cards) == set(MODELS)
    assert not any(card.is_used for card in cards.values())
    assert "Needs" in cards["buying"].explanation
    assert json.dumps([card.figures for card in cards.values()])


@pytest.mark.django_db
def test_the_best_network_is_where_somebody_answers() -> None:
    team = World(2, today=TODAY, customers=0).team
    accounts = {
        network: ChannelAccount.objects.create(
            connector="api", network=network, external_id=f"own {network}", name=network, team=team
        )
        for network in ("email", "instagram")
    }
    chance = np.random.default_rng(8)
    likes = [("email", "instagram")[place % 2] for place in range(60)]
    people = customers("talker", 60)
    start = datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC"))
    talks = [
        (
            account,
            who,
            start + timedelta(days=9 * turn, hours=7 if likes[place] == "email" else 20),
            bool(chance.random() < (0.9 if likes[place] == network else 0.05)),
        )
        for place, who in enumerate(people)
        for network, account in accounts.items()
        for turn in range(6)
    ]
    talk(talks)
    refresh()
    predict(scope())
    assert ModelCard.objects.get(name="network").is_used
    assert ModelCard.objects.get(name="hour").is_used
    for place, who in enumerate(people):
        row = Prediction.objects.get(customer=who)
        assert row.best_network == likes[place]
        assert row.best_network_rate > 0.4
        assert row.base == 6
        assert abs(row.best_hour - (7 if likes[place] == "email" else 20)) <= 1


def talk(talks: list[tuple[ChannelAccount, Customer, datetime, bool]]) -> None:
    """They write, we write twice, and within the day they answer or they do not."""
    conversations = Conversation.objects.bulk_create(
        Conversation(
            account=account, team=account.team, first_at=at, last_at=at, customer=who, home_customer=who
        )
        for account, who, at, _answers in talks
    )
    lines = []
    for conversation, (account, who, at, answers) in zip(conversations, talks, strict=True):
        said = [("inbound", 0), ("outbound", 10), ("outbound", 11), *([("inbound", 60)] if answers else [])]
        for direction, minutes in said:
            owner = {"customer": who, "home_customer": who} if direction == "inbound" else {}
            line = Interaction(
                account=account,
                team=account.team,
                conversation=conversation,
                external_id=f"{conversation.pk} {minutes}",
                kind="message",
                direction=direction,
                occurred_at=at + timedelta(minutes=minutes),
                text="x",
                **owner,
            )
            lines.append(line)
    Interaction.objects.bulk_create(lines)


@pytest.mark.django_db
def test_an_invitation_to_a_survey_is_no_message_that_waits_for_an_answer() -> None:
    team = World(2, today=TODAY, customers=0).team
    account = ChannelAccount.objects.create(
        connector="api", network="email", external_id="own", name="own", team=team
    )
    asked, invited = customers("asked", 2)
    talk(
        [(account, asked, NOW - timedelta(days=9), True), (account, invited, NOW - timedelta(days=9), False)]
    )
    Interaction.objects.filter(conversation__customer=invited, direction="outbound").update(kind="survey")
    refresh()
    found = counting.answers(scope(), Whom(everybody=True), since=NOW)
    assert found[["customer_id", "sent", "answered"]].to_numpy().tolist() == [[asked.pk, 1, 1]]
    assert Traits.objects.get(customer=asked).response_rate == 1.0
    assert Traits.objects.get(customer=invited).response_rate is None
    for who, told in ((asked, {"sent": 1, "answered": 1}), (invited, None)):
        rows = Reader(TODAY).habits(f"SELECT {who.pk}").answers
        assert rows.get("email") == (told and {"network": "email", **told})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("zone", "country", "hour"),
    [("Asia/Tokyo", "", 11), ("", "JP", 11), ("", "US", 2), ("localtime", "", 2), ("", "", 2)],
)
def test_hours_are_those_of_the_clock_that_traits_go_by(zone: str, country: str, hour: int) -> None:
    (who,) = customers("early", 1)
    Customer.objects.filter(pk=who.pk).update(zone=zone, country=country)
    Order.objects.create(
        source="shop", external_id="1", placed_at=datetime(2026, 2, 20, 2, 30, tzinfo=UTC), total=1,
        base_total=1, currency="USD", customer=who, home_customer=who,
    )  # fmt: skip
    found, _later = hour_counts(scope(), Whom(everybody=True), since=NOW)
    assert found.counts[0].nonzero()[0].tolist() == [hour]
    refresh()
    assert Traits.objects.get(customer=who).usual_hour == hour


@pytest.mark.django_db
def test_who_refused_profiling_has_no_prediction() -> None:
    made = buyers(13)
    refresh()
    predict(scope())
    Customer.objects.filter(pk=made[0].pk).update(profiling_refused=True)
    ChangedCustomer.objects.create(customer=made[0])
    predict(scope())
    assert not Prediction.objects.filter(customer=made[0]).exists()
    assert Prediction.objects.count() == 299
