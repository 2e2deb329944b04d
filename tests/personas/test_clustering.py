"""Personas found on traits alone: the demo's hidden kinds, order and ids, few customers, reasons, refits."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from personas import clustering
from personas.clustering import (
    DRIFT_LIMIT,
    LEAST_CUSTOMERS,
    FittedModel,
    NotEnoughData,
    assign,
    drift,
    fit,
    nearest,
)
from personas.features import BY_NAME, FEATURES, NEVER, chosen, show, touches
from personas.matching import match_members, match_personas
from personas.measuring import Prior, estimate_prior, home_country, measure, shrink
from personas.naming import Units, explain_names
from tests.personas.trait_oracle import demo_shop


@pytest.fixture(scope="module")
def shop() -> pd.DataFrame:
    return demo_shop()[1]


@pytest.fixture(scope="module")
def kinds() -> pd.Series:
    return demo_shop()[2]


@pytest.fixture(scope="module")
def model(shop: pd.DataFrame) -> FittedModel:
    found = fit(shop)
    assert isinstance(found, FittedModel)
    return found


@pytest.fixture(scope="module")
def assigned(shop: pd.DataFrame, model: FittedModel) -> pd.DataFrame:
    return assign(shop, model)


def test_five_hidden_kinds_are_found_and_their_number_with_them(
    model: FittedModel, assigned: pd.DataFrame, kinds: pd.Series
) -> None:
    assert model.k == 5
    assert min(model.reliability) >= clustering.STABLE
    assert model.figures["is_continuum"] is False
    assert adjusted_rand_score(kinds.loc[assigned.index], assigned["cluster"]) >= 0.8


def test_everybody_with_a_touch_is_assigned_and_nobody_else(shop: pd.DataFrame, model: FittedModel) -> None:
    some = shop.head(20).copy()
    some.loc[some.index[:3], ["inbound_total", "orders_total"]] = 0
    assert list(assign(some, model).index) == list(some.index[3:])


def test_order_of_rows_and_ids_change_nothing(shop: pd.DataFrame, assigned: pd.DataFrame) -> None:
    moved = shop.sample(frac=1, random_state=4)
    ids = pd.Series(np.arange(900_000, 900_000 + len(moved)), index=moved.index)
    found = fit(moved.set_axis(ids.to_numpy(), axis=0))
    assert isinstance(found, FittedModel)
    again = assign(moved.set_axis(ids.to_numpy(), axis=0), found)
    assert (again["cluster"].loc[ids.loc[assigned.index]].to_numpy() == assigned["cluster"].to_numpy()).all()


def test_a_model_survives_being_stored(
    shop: pd.DataFrame, model: FittedModel, assigned: pd.DataFrame
) -> None:
    back = FittedModel.from_json(model.to_json())
    assert back == model
    pd.testing.assert_frame_equal(assign(shop, back), assigned)


def test_a_part_is_assigned_as_the_whole(
    shop: pd.DataFrame, model: FittedModel, assigned: pd.DataFrame
) -> None:
    part = assign(shop.iloc[100:140], model)
    whole = assigned.loc[part.index]
    assert (part["cluster"] == whole["cluster"]).all()
    assert part["reasons"].tolist() == whole["reasons"].tolist()
    np.testing.assert_allclose(part["confidence"], whole["confidence"], atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 10, LEAST_CUSTOMERS - 1])
def test_few_customers_are_not_enough(shop: pd.DataFrame, count: int) -> None:
    active = shop[touches(shop) >= clustering.LEAST_TOUCHES]
    found = fit(active.head(count))
    assert isinstance(found, NotEnoughData)
    assert found.customers == count
    assert str(LEAST_CUSTOMERS) in found.reason


def test_customers_who_hardly_came_do_not_make_a_model(shop: pd.DataFrame) -> None:
    assert isinstance(fit(shop[touches(shop) < clustering.LEAST_TOUCHES]), NotEnoughData)


def test_nobody_is_assigned_of_nobody(shop: pd.DataFrame, model: FittedModel) -> None:
    none = assign(shop.head(0), model)
    assert list(none.columns) == ["cluster", "confidence", "distance", "reasons"]
    assert len(none) == 0


def test_a_frame_of_purchases_only_gives_a_model_or_says_why() -> None:
    """As from a file of orders without lines, interactions, countries or years of birth."""
    chance = np.random.default_rng(3)
    dear = np.repeat([False, True], 150)
    orders = chance.integers(3, 12, 300)
    frame = pd.DataFrame(
        {
            "inbound_total": 0,
            "orders_total": orders,
            "average_order": np.where(dear, 120.0, 20.0) * chance.lognormal(0, 0.1, 300),
            "units_per_order": np.where(dear, 1.5, 6.0) * chance.lognormal(0, 0.1, 300),
            "weekend_share": np.clip(np.where(dear, 0.8, 0.2) + chance.normal(0, 0.08, 300), 0, 1),
            "first_seen_at": pd.Timestamp("2026-01-01", tz="UTC"),
            "country": None,
            "public_share": None,
        }
    )
    found = fit(frame)
    assert isinstance(found, FittedModel)
    assert "public_share" not in found.features
    assert adjusted_rand_score(dear, assign(frame, found)["cluster"]) == 1.0


def test_one_lump_is_not_called_groups() -> None:
    chance = np.random.default_rng(8)
    habits = ["public_share", "evening_share", "weekend_share", "discount_share", "refund_share"]
    frame = pd.DataFrame({name: np.clip(chance.normal(0.5, 0.1, 600), 0, 1) for name in habits})
    found = fit(frame.assign(inbound_total=40, orders_total=40, country="LU", first_seen_at=pd.NaT))
    assert isinstance(found, NotEnoughData) or found.figures["is_continuum"]


def test_confidence_is_lower_where_less_is_known(shop: pd.DataFrame, assigned: pd.DataFrame) -> None:
    often = touches(shop).loc[assigned.index] >= clustering.LEAST_TOUCHES
    assert assigned["confidence"].between(0, 1).all()
    assert assigned["confidence"][~often].mean() + 0.05 < assigned["confidence"][often].mean()


def test_confidence_keeps_its_word(assigned: pd.DataFrame, kinds: pd.Series) -> None:
    """Of those placed with about nine in ten, about nine in ten are with their kind."""
    of = kinds.loc[assigned.index]
    right = assigned["cluster"].map(pd.crosstab(of, assigned["cluster"]).idxmax()) == of
    assert abs(right.mean() - assigned["confidence"].mean()) < 0.06
    assert right[assigned["confidence"] > 0.97].mean() > 0.95


FIGURES = re.compile(
    r"\(([-+\d.]+) ?%?(?: of \d+| characters| days)?, typical ([-+\d.]+) ?%?(?: characters| days)?\)"
)


def test_reasons_say_what_is_so(assigned: pd.DataFrame) -> None:
    """Whoever does something more than most has a figure above the typical one, whoever does less below.

    So have those who do the other thing more: "in private more than most" comes with the private part.
    """
    more = {feature.more for feature in FEATURES} | {one.less for one in FEATURES if one.halves}
    told = 0
    for sentence in assigned["reasons"].map(json.loads).explode().dropna():
        words, found = sentence.split(" (")[0], FIGURES.search(sentence)
        if found is None:
            continue
        own, typical = (float(re.sub(r"(?<=\d)-", ".", figure)) for figure in found.groups())
        assert own >= typical if words in more else own <= typical, sentence
        told += 1
    assert told > 4_000


def test_words_of_the_other_half_come_with_its_figure() -> None:
    for feature in FEATURES:
        turned = show(feature, 0.25, high=False) != show(feature, 0.25)
        assert turned == feature.halves
        assert not feature.halves or feature.shown == "share"
        assert feature.halves or " more than most" not in feature.less
    assert show(BY_NAME["public_share"], 0.25, high=False) == "75%"


def test_almost_everybody_has_three_different_reasons(assigned: pd.DataFrame) -> None:
    told = assigned["reasons"].map(json.loads)
    assert (told.map(len) == 3).mean() > 0.98
    assert told.map(lambda sentences: len(set(sentences)) == len(sentences)).all()


def test_personas_stay_when_a_tenth_of_new_customers_comes(
    model: FittedModel, assigned: pd.DataFrame
) -> None:
    more = demo_shop(customers=2200)[1]
    found = fit(more)
    assert isinstance(found, FittedModel)
    matched = match_personas(model, found)
    assert sorted(matched.values()) == list(range(model.k))
    again = assign(more, found)["cluster"].map(matched).loc[assigned.index]
    assert (again == assigned["cluster"]).mean() > 0.95


def test_a_model_continues_itself_whatever_the_order(model: FittedModel) -> None:
    turned = replace(model, centers=model.centers[::-1])
    assert match_personas(model, turned) == {new: model.k - 1 - new for new in range(model.k)}


def test_a_group_that_is_new_continues_nothing(model: FittedModel) -> None:
    far = tuple(25.0 for _value in model.centers[0])
    grown = replace(model, centers=(*model.centers, far))
    assert match_personas(model, grown) == {one: one for one in range(model.k)}


def test_drift_is_none_on_the_same_customers_and_grows_when_they_change(
    shop: pd.DataFrame, model: FittedModel
) -> None:
    assert drift(shop, model) < 0.01
    changed = shop.copy()
    changed["evening_share"] = 1.0
    changed["public_share"] = 1.0
    changed["complaint_share"] = 1.0
    assert drift(changed, model) > DRIFT_LIMIT


def test_names_differ_and_say_what_sets_apart() -> None:
    features = ["evening_share", "discount_share", "refund_share"]
    centers = np.array([[1.5, 2.0, 0.0], [1.4, 2.1, 0.1], [-1.5, -2.0, 0.0]])
    named = explain_names(features, centers, Units(np.array([0.4, 0.2, 0.1]), np.array([0.2, 0.1, 0.1])))
    assert len({one.name for one in named}) == 3
    assert named[0].name == "Evening bargain hunters"
    assert [(word["word"], word["feature"]) for word in named[0].words] == [
        ("evening", "evening_share"),
        ("bargain hunters", "discount_share"),
    ]
    assert named[0].words[0]["text"] == ("Comes in the evening more than most: 70%, all customers 40%")


def test_every_model_of_the_demo_has_different_names(model: FittedModel) -> None:
    assert len(set(model.names)) == model.k
    assert all(name[0].isupper() for name in model.names)


def test_a_habit_of_one_event_lies_near_the_mean() -> None:
    values, evidence = np.array([1.0, 1.0, np.nan]), np.array([1.0, 1000.0, 0.0])
    shrunk = shrink(values, evidence, Prior(0.3, 4.0))
    assert shrunk[0] == pytest.approx(0.3 + 0.7 / 5)
    assert shrunk[1] == pytest.approx(1.0, abs=0.01)
    assert shrunk[2] == 0.3


def test_the_strength_of_a_prior_is_recovered() -> None:
    """Shares drawn from a Beta(a, b) are outweighed by a + b events."""
    chance = np.random.default_rng(2)
    count = chance.integers(1, 12, 20_000)
    share = chance.binomial(count, chance.beta(1.8, 4.2, len(count))) / count
    prior = estimate_prior(share, count.astype(float))
    assert prior.mean == pytest.approx(0.3, abs=0.01)
    assert prior.strength == pytest.approx(6.0, rel=0.15)


def test_unknown_habits_have_no_evidence(shop: pd.DataFrame) -> None:
    values, evidence = measure(shop, home=home_country(shop))
    assert np.isnan(values[evidence == 0]).all()
    assert np.isfinite(values[evidence > 0]).all()


def test_no_feature_names_a_network_and_each_can_be_told() -> None:
    assert len(BY_NAME) == len(FEATURES)
    networks = {"instagram", "facebook", "whatsapp", "telegram", "email", "twitter", "youtube", "tiktok"}
    for feature in FEATURES:
        words = f"{feature.name} {feature.more} {feature.less}".lower()
        assert not any(network in words for network in networks)


def test_what_is_never_a_habit_is_offered_to_nobody() -> None:
    columns = {name for feature in FEATURES for name in feature.needs}
    assert not columns & {"language", "profession", "interests", "top_topic", "top_reason", "gender", "city"}
    assert {"health", "belief", "sexuality", "trade union membership"} <= set(NEVER)
    assert len({one.label for one in FEATURES}) == len(FEATURES)
    assert [one.name for one in FEATURES if not one.by_default] == ["birth_year", "at_home"]


def test_chosen_habits_shape_the_model_and_no_others(shop: pd.DataFrame) -> None:
    names = ["evening_share", "public_share", "discount_share", "at_home"]
    found = fit(shop, names=names)
    assert isinstance(found, FittedModel)
    assert set(found.features) <= set(names)
    assert set(found.figures["known"]) == set(names)
    assert {one.name for one in chosen()} == set(BY_NAME) - {"birth_year", "at_home"}


def test_nearest_is_the_cluster_that_assign_says(
    shop: pd.DataFrame, model: FittedModel, assigned: pd.DataFrame
) -> None:
    assert (nearest(shop, model) == assigned["cluster"]).all()


def test_many_rows_are_clustered_as_few_are(
    shop: pd.DataFrame, assigned: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clustering, "LARGEST_STARTS", 600)
    found = fit(shop)
    assert isinstance(found, FittedModel)
    assert adjusted_rand_score(assigned["cluster"], nearest(shop, found)) > 0.95


@pytest.mark.parametrize(
    ("shared", "continued"),
    [
        ([[60, 0], [0, 40]], {0: 0, 1: 1}),
        ([[60, 0], [30, 0], [0, 40]], {0: 0, 2: 1}),  # a split: the larger part goes on
        ([[60, 40, 0], [0, 0, 50]], {0: 0, 1: 2}),  # a merge: the larger one goes on
        ([[25, 25], [25, 25]], {}),  # chance
    ],
)
def test_identity_follows_the_customers(shared: list[list[int]], continued: dict[int, int]) -> None:
    table = np.array(shared, dtype=float)
    assert match_members(table, table.sum(axis=0), table.sum(axis=1)) == continued


def test_a_word_of_a_name_tells_a_habit_of_the_model(model: FittedModel) -> None:
    assert len(model.explained) == model.k
    for name, words in zip(model.names, model.explained, strict=True):
        assert name.lower() == " ".join(word["word"] for word in words).lower()
        assert {word["feature"] for word in words} <= set(model.features)
