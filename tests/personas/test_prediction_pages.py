"""Model cards as pages, and that a model which did not beat its baseline is used nowhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.urls import reverse

from crm.models import Customer, Order, OrderLine
from engagement.models import ChannelAccount, Conversation, Interaction
from personas.model_cards import MODELS
from personas.models import ModelCard, ModelRun, Persona, PersonaMembership, Prediction
from personas.predictions import predict
from personas.previewing import preview
from tests.personas.test_predictions import NOW, TODAY, buyers, customers, refresh, scope, talk
from tests.personas.world import World

pytestmark = pytest.mark.django_db
FIELDS = (
    "active_probability", "orders_365", "value_365", "value_low", "value_high", "best_network_rate",
    "best_hour", "survey_probability", "next_category_share",
)  # fmt: skip


def card(name: str, *, is_used: bool = True, **more: Any) -> ModelCard:
    figures = {
        "rmse": 1.5, "baseline_rmse": 2.0, "brier": 0.15, "baseline_brier": 0.2, "bits": 3.9,
        "baseline_bits": 4.1, "miss": 0.4, "baseline_miss": 0.5, "gain": 0.25, "gain_low": 0.2,
        "gain_high": 0.3, "judged": 1234,
    }  # fmt: skip
    given = {"run_at": NOW, "figures": figures, "window_end": TODAY, "customers": 900, "is_used": is_used}
    made = ModelCard.objects.create(name=name, **(given | more))
    ModelRun.objects.create(card=made, run_at=NOW, figures=made.figures, is_used=is_used, customers=900)
    return made


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_what_it_is_how_it_did_and_what_it_is_not_good_for(
    name: str, mia: Any, signed_in: Any
) -> None:
    tenths = [{"expected": 0.1 * n, "actual": 0.11 * n, "n": 40} for n in range(10)]
    card(name, calibration=tenths)
    text = signed_in(mia).get(reverse("personas:model-card", args=[name])).content.decode()
    assert str(MODELS[name].label) in text
    assert "25.0% (20.0% to 30.0%)" in text
    assert "1,234" in text
    assert 'data-chart="calibration"' in text
    assert text.count("<tr><td") == 11, "ten tenths and one run"
    for line in MODELS[name].not_for:
        assert str(line)[:20] in text.replace("&#x27;", "'")


def test_a_model_that_lost_says_that_nothing_uses_it(vic: Any, signed_in: Any) -> None:
    figures = {"gain": -0.1, "gain_low": -0.2, "gain_high": 0.0, "judged": 500, "rmse": 2, "baseline_rmse": 1}
    card("buying", is_used=False, figures=figures)
    text = signed_in(vic).get(reverse("personas:model-card", args=["buying"])).content.decode()
    assert "does not beat its baseline" in text
    assert "-10.0% (-20.0% to 0.0%)" in text
    assert "not used" in signed_in(vic).get(reverse("personas:model-cards")).content.decode()


def test_a_model_without_data_says_what_it_needs(vic: Any, signed_in: Any) -> None:
    card("survey", is_used=False, figures={}, explanation="Needs 200 invitations.")
    text = signed_in(vic).get(reverse("personas:model-card", args=["survey"])).content.decode()
    assert "Needs 200 invitations." in text
    assert "too little data" in text


def test_models_that_are_none_are_not_found(vic: Any, anonymous: Any, signed_in: Any) -> None:
    card("personas", figures={"k": {"2": [0.9]}})
    assert signed_in(vic).get(reverse("personas:model-card", args=["personas"])).status_code == 404
    assert signed_in(vic).get(reverse("personas:model-card", args=["buying"])).status_code == 404
    assert anonymous.get(reverse("personas:model-cards")).status_code == 302
    assert "No predictions yet" in signed_in(vic).get(reverse("personas:model-cards")).content.decode()


def test_a_model_that_lost_is_nowhere(mia: Any, signed_in: Any) -> None:
    """Used first, so that there is something to take away: fields, panel and rules are empty afterwards."""
    made = buyers(21)
    refresh()
    predict(scope())
    window = signed_in(mia)
    panel = reverse("personas:customer-panel", args=[made[0].pk])
    rule = {"all": [{"field": "prediction.value_365", "op": "gte", "value": 0}]}
    assert ModelCard.objects.get(name="value").is_used
    assert preview(rule).customers == 300
    assert "Value, 12 months" in window.get(panel).content.decode()
    ModelCard.objects.update(is_used=False)
    predict(scope(everybody=True))
    assert not Prediction.objects.exists()
    assert "Value, 12 months" not in window.get(panel).content.decode()
    assert preview(rule).customers == 0


def test_every_fit_leaves_its_run_behind() -> None:
    buyers(22)
    refresh()
    predict(scope())
    predict(scope(TODAY + timedelta(days=1), refit=True))
    for name in MODELS:
        found = ModelCard.objects.get(name=name)
        runs = list(found.runs.order_by("run_at"))
        assert len(runs) == 2, name
        assert runs[-1].run_at == found.run_at
        assert runs[-1].figures == found.figures
        assert found.baseline


def test_the_interval_stands_around_the_value_and_holds_what_it_claims() -> None:
    buyers(23, people=600)
    refresh()
    predict(scope())
    figures = ModelCard.objects.get(name="value").figures
    assert abs(figures["inside"] - figures["claimed"]) < 0.06
    rows = Prediction.objects.exclude(value_365=None)
    assert rows.count() == 600
    assert not rows.filter(value_low=None).exists()
    for row in rows:
        assert 0 <= row.value_low <= row.value_high


# Personas, surveys and categories through the database


def in_persona(who: list[Customer], name: str) -> Persona:
    made = Persona.objects.create(name=name)
    PersonaMembership.objects.bulk_create(
        PersonaMembership(customer=one, persona=made, confidence=1, since=NOW) for one in who
    )
    return made


def instagram() -> ChannelAccount:
    team = World(2, today=TODAY, customers=0).team
    return ChannelAccount.objects.create(
        connector="api", network="instagram", external_id="own", name="own", team=team
    )


def test_personas_are_used_where_they_answer_differently() -> None:
    account, chance = instagram(), np.random.default_rng(1)
    people = customers("talker", 300)
    eager, shy = in_persona(people[::2], "Eager"), in_persona(people[1::2], "Shy")
    start = datetime(2026, 1, 1, 9, tzinfo=UTC)
    days = [int(chance.integers(0, 60)) for _one in people]
    talk(
        [
            (account, who, start + timedelta(days=day), bool(chance.random() < (0.9, 0.1)[place % 2]))
            for place, (who, day) in enumerate(zip(people, days, strict=True))
        ]
    )
    refresh()
    predict(scope())
    found = ModelCard.objects.get(name="network")
    assert found.figures["by_persona"] == 1
    assert found.figures["persona_gain_low"] > 0
    cells = found.parameters["cells"]
    assert cells[str(eager.pk)]["instagram"] > 0.8
    assert cells[str(shy.pk)]["instagram"] < 0.2
    row = Prediction.objects.get(customer=people[0])
    assert (row.best_network, row.best_network_rate > 0.8, row.base) == ("instagram", True, 1)


def test_another_persona_model_has_the_rates_fitted_again() -> None:
    from personas.models import PersonaModel

    account = instagram()
    people = customers("talker", 250)
    talk([(account, who, NOW - timedelta(days=20 + place % 30), True) for place, who in enumerate(people)])
    refresh()
    assert predict(scope())["fitted"] == 7
    assert predict(scope())["fitted"] == 0
    PersonaModel.objects.create(is_current=True, customers=1, k=2, parameters={}, reason="first")
    assert predict(scope())["fitted"] == 3
    assert predict(scope())["fitted"] == 0


def invitations(account: ChannelAccount, people: list[Customer], answers: list[float]) -> None:
    """Eight invitations each, thirty days apart; some answer within the day."""
    chance = np.random.default_rng(2)
    lines = []
    for who, willing in zip(people, answers, strict=True):
        at = datetime(2025, 6, 1, 12, tzinfo=UTC)
        conversation = Conversation.objects.create(
            account=account, team=account.team, first_at=at, last_at=at, customer=who, home_customer=who
        )
        for turn in range(8):
            asked = at + timedelta(days=30 * turn)
            lines.append((conversation, None, "outbound", asked, f"{who.pk} {turn}"))
            if chance.random() < willing:
                lines.append((conversation, who, "inbound", asked + timedelta(hours=5), f"{who.pk} {turn} r"))
    Interaction.objects.bulk_create(
        Interaction(
            account=account,
            team=account.team,
            conversation=conversation,
            external_id=mark,
            kind="survey",
            direction=direction,
            occurred_at=at,
            text="9",
            customer=who,
            home_customer=who,
        )
        for conversation, who, direction, at, mark in lines
    )


def test_who_answered_surveys_before_is_expected_to_again() -> None:
    account, people = instagram(), customers("asked", 80)
    invitations(account, people, [(0.95, 0.05)[place % 2] for place in range(80)])
    refresh()
    predict(scope())
    found = ModelCard.objects.get(name="survey")
    assert found.is_used
    assert found.figures["messages"] == 640
    rows = dict(Prediction.objects.values_list("customer_id", "survey_probability"))
    assert min(rows[one.pk] for one in people[::2]) > 0.6
    assert max(rows[one.pk] for one in people[1::2]) < 0.4


def test_surveys_that_nobody_answers_by_habit_predict_nothing() -> None:
    account, people = instagram(), customers("asked", 80)
    invitations(account, people, [0.5] * 80)
    refresh()
    predict(scope())
    assert not ModelCard.objects.get(name="survey").is_used
    assert not Prediction.objects.exclude(survey_probability=None).exists()


def purchases(people: list[Customer], follows: dict[str, str]) -> None:
    """Nine purchases each, thirty days apart, each mostly of what follows the one before."""
    chance, names = np.random.default_rng(3), sorted(follows)
    orders, lines = [], []
    for who in people:
        category = str(chance.choice(names))
        for turn in range(9):
            at = datetime(2025, 6, 1, 12, tzinfo=UTC) + timedelta(days=30 * turn)
            order = Order(
                source="shop", external_id=f"{who.pk} {turn}", placed_at=at, total=10, base_total=10,
                currency="USD", customer=who, home_customer=who,
            )  # fmt: skip
            orders.append(order)
            lines.append(OrderLine(order=order, position=1, title="x", category=category, price=10))
            category = follows[category] if chance.random() < 0.85 else str(chance.choice(names))
    Order.objects.bulk_create(orders)
    OrderLine.objects.bulk_create(lines)


def test_the_next_category_is_not_used_where_the_last_one_tells_as_much() -> None:
    people = customers("shopper", 120)
    purchases(people, {"cups": "cups", "pots": "pots", "tools": "tools"})
    refresh()
    predict(scope())
    found = ModelCard.objects.get(name="category")
    assert found.figures["own_hit_1"] > 0.75
    assert not found.is_used
    assert not Prediction.objects.exclude(next_category="").exists()


def test_the_next_category_follows_from_what_others_bought() -> None:
    """Everybody has bought a pot; who also bought a lamp buys bulbs next, the others soil."""
    people = customers("shopper", 400)
    rows = [
        (who, turn, category)
        for place, who in enumerate(people)
        for turn, category in enumerate(("pots", ("lamps", "seeds")[place % 2], ("bulbs", "soil")[place % 2]))
    ]
    late = {who.pk: place % 4 in (2, 3) for place, who in enumerate(people)}
    orders = [
        Order(
            source="shop",
            external_id=f"{who.pk} {turn}",
            total=10,
            base_total=10,
            currency="USD",
            placed_at=datetime(2025, 6, 1 + turn, 12, tzinfo=UTC) + timedelta(days=230 * late[who.pk]),
            customer=who,
            home_customer=who,
        )
        for who, turn, _category in rows
    ]
    Order.objects.bulk_create(orders)
    OrderLine.objects.bulk_create(
        OrderLine(order=order, position=1, title="x", category=category, price=10)
        for order, (_who, _turn, category) in zip(orders, rows, strict=True)
    )
    new = customers("new", 2)
    for who, category in zip(new, ("lamps", "seeds"), strict=True):
        for turn, name in enumerate(("pots", category)):
            order = Order.objects.create(
                source="shop", external_id=f"{who.pk} {turn}", total=10, base_total=10, currency="USD",
                placed_at=datetime(2026, 1, 20 + turn, 12, tzinfo=UTC), customer=who, home_customer=who,
            )  # fmt: skip
            OrderLine.objects.create(order=order, position=1, title="x", category=name, price=10)
    refresh()
    predict(scope())
    assert ModelCard.objects.get(name="category").is_used
    told = [Prediction.objects.get(customer=who) for who in new]
    assert [row.next_category for row in told] == ["bulbs", "soil"]
    assert all(row.next_category_share > 0.5 for row in told)


def test_habits_of_who_did_not_change_are_kept_while_time_moves_what_they_will_buy() -> None:
    made = buyers(24)
    account = instagram()
    talk(
        [
            (account, who, datetime(2025, 12, 1, 9, tzinfo=UTC) + timedelta(days=place % 60), place % 2 == 0)
            for place, who in enumerate(made)
        ]
    )
    refresh()
    predict(scope())
    Prediction.objects.update(best_hour=3)
    day = ModelCard.objects.get(name="buying").window_end + timedelta(days=2)
    Order.objects.create(
        source="shop", external_id="new", placed_at=datetime(day.year, day.month, day.day, 9, tzinfo=UTC),
        total=10, base_total=10, currency="USD", customer=made[0], home_customer=made[0],
    )  # fmt: skip
    refresh(day)
    done = predict(scope(max(day, TODAY)))
    assert done["fitted"] == 0
    assert done["customers"] == len(made)
    assert set(Prediction.objects.values_list("best_hour", flat=True)) == {3}
    assert isinstance(day, date)
