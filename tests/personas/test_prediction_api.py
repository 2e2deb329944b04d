"""Predictions and model cards over REST."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from crm.merging import merge_customers
from crm.models import Customer
from personas.model_cards import MODELS
from personas.models import ModelCard, Prediction
from tests.api import Caller, assert_pinned, errors

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(ada: Any) -> Caller:
    return Caller(ada)


@pytest.fixture
def eva() -> Customer:
    customer = Customer.objects.create(name="Eva")
    Prediction.objects.create(
        customer=customer,
        active_probability=0.8,
        orders_365=2.5,
        value_365=310,
        value_low=120,
        value_high=640,
        next_category="pots",
        next_category_share=0.4,
        computed_at=timezone.now(),
    )
    return customer


def test_a_customer_tells_what_is_expected(api: Caller, eva: Customer) -> None:
    body = api.get(f"customers/{eva.pk}/predictions/").json()
    assert (body["customer"], body["value_365"], body["value_low"], body["value_high"]) == (
        eva.pk,
        310,
        120,
        640,
    )
    assert (body["next_category"], body["next_category_share"]) == ("pots", 0.4)
    assert body["survey_probability"] is None


def test_somebody_new_is_answered_in_the_same_shape(api: Caller, eva: Customer) -> None:
    known = api.get(f"customers/{eva.pk}/predictions/").json()
    new = Customer.objects.create(name="Nobody yet")
    body = api.get(f"customers/{new.pk}/predictions/").json()
    assert body.keys() == known.keys()
    assert (body["customer"], body["value_365"], body["computed_at"]) == (new.pk, None, None)
    assert (body["best_network"], body["next_category"]) == ("", "")
    assert errors(api.get("customers/2000000000/predictions/")) == [("not_found", None)]


def test_a_merged_customer_leads_to_the_one_that_is_left(api: Caller, ada: Any, eva: Customer) -> None:
    kept = Customer.objects.create(name="Eva, too")
    merge_customers(keep=kept, drop=eva, by=ada)
    moved = api.get(f"customers/{eva.pk}/predictions/")
    assert (moved.status_code, moved.json()["merged_into"]) == (301, kept.pk)
    assert moved["Location"].endswith(f"/customers/{kept.pk}/predictions/")


def test_model_cards_stand_in_one_order_without_their_parameters(api: Caller) -> None:
    for name in (*reversed(MODELS), "personas"):
        ModelCard.objects.create(
            name=name,
            run_at=timezone.now(),
            figures={"gain": 0.1} if name != "personas" else {"k": {"2": [0.9]}},
            calibration=[{"expected": 1.0, "actual": 1.2, "n": 7}],
            parameters={"cells": {"1": {"email": 0.5}}},
        )
    cards = api.get("predictions/models/").json()["results"]
    assert [card["name"] for card in cards] == list(MODELS)
    assert cards[0]["label"] == "Orders to come"
    assert cards[0]["calibration"] == [{"expected": 1.0, "actual": 1.2, "n": 7.0}]
    assert "parameters" not in cards[0]


def test_the_right_is_asked_for(ada: Any, vic: Any, eva: Customer) -> None:
    for place in (f"customers/{eva.pk}/predictions/", "predictions/models/"):
        assert Caller(vic, maker=ada).get(place).status_code == 200
        answer = Caller(ada, ["segment.read"]).get(place)
        assert (answer.status_code, errors(answer)) == (403, [("permission_denied", None)])


def test_reading_takes_a_pinned_number_of_statements(api: Caller, eva: Customer) -> None:
    assert_pinned("api:customer-predictions", api, f"customers/{eva.pk}/predictions/")
    assert_pinned("api:prediction-models", api, "predictions/models/")
