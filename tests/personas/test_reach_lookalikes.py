"""Prospects like a persona: near in habits that need no purchase, with reasons; and this part's lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm.models import Customer
from crm.profiling import refuse_profiling
from personas.assigning import FRAME_COLUMNS
from personas.clustering import FittedModel
from personas.features import FEATURES
from personas.measuring import Prior, measure
from personas.models import (
    AdSpend,
    Lookalike,
    LookalikeRun,
    Persona,
    PersonaMembership,
    PersonaModel,
    PublishableKey,
    ReachPlan,
    SegmentKind,
    SegmentMembership,
    Traits,
)
from personas.reach import lookalikes
from personas.reach.listing import list_lookalikes
from personas.reach.lookalikes import BUYING, refresh_lookalikes, speaking_features
from personas.traits.catalogue import BY_NAME as TRAITS
from tests.api import Caller

pytestmark = pytest.mark.django_db
PINNED = json.loads((Path(__file__).parent.parent / "query_counts.json").read_text())
HABITS = ("public_share", "question_share", "repeat_share")


def model(features: tuple[str, ...] = HABITS) -> FittedModel:
    """Two personas: who speaks and asks in public, and who does neither. Distances are plain."""
    p = len(features)
    return FittedModel(
        features=features, home="", priors=tuple(Prior(0.5, 0.0) for _name in features), low=(0.0,) * p,
        high=(1.0,) * p, mean=(0.5,) * p, scale=(0.5,) * p,
        turn=tuple(tuple(float(row == column) for column in range(p)) for row in range(p)),
        centers=((0.8,) * p, (-0.8,) * p), shares=(0.5, 0.5), reliability=(1.0, 1.0), names=("Loud", "Quiet"),
        customers=100, figures={},
    )  # fmt: skip


class World:
    """Members on both sides, and prospects of any habit."""

    def __init__(self, features: tuple[str, ...] = HABITS) -> None:
        PersonaModel.objects.create(
            is_current=True, taken_at=timezone.now(), customers=100, k=2,
            parameters=model(features).to_json(), reason="first",
        )  # fmt: skip
        self.loud = Persona.objects.create(name="Loud", cluster=0, members=40)
        self.quiet = Persona.objects.create(name="Quiet", cluster=1, members=40)
        chance = np.random.default_rng(5)
        for persona, middle in ((self.loud, 0.9), (self.quiet, 0.1)):
            for _one in range(40):
                share = float(np.clip(chance.normal(middle, 0.08), 0, 1))
                self.customer(share, orders=2, persona=persona)

    def customer(
        self, share: float, *, orders: int = 0, persona: Persona | None = None, **more: Any
    ) -> Customer:
        made = Customer.objects.create(name="P", **more)
        Traits.objects.create(
            customer=made, computed_at=timezone.now(), inbound_total=20, orders_total=orders,
            public_share=share, question_share=share,
        )  # fmt: skip
        if persona is not None:
            PersonaMembership.objects.create(
                customer=made, persona=persona, confidence=1, since=timezone.now()
            )
        return made


@pytest.fixture
def world(db: None) -> World:
    return World()


def test_no_habit_that_comes_with_buying_is_compared() -> None:
    """Whatever needs a purchase tells nothing of somebody who never bought."""
    plain = {name: [0.5, 0.5] for name in FRAME_COLUMNS if TRAITS[name].type not in ("text", "time")}
    frame = pd.DataFrame({**plain, "orders_total": [5.0, 0.0], "inbound_total": [9.0, 9.0]})
    for name in FRAME_COLUMNS:
        if TRAITS[name].type == "time":
            frame[name] = pd.Timestamp("2026-01-01", tz="UTC")
        elif TRAITS[name].type == "text":
            frame[name] = "x"
    _values, evidence = measure(frame, home="x", features=list(FEATURES))
    without = {
        feature.name
        for place, feature in enumerate(FEATURES)
        if evidence[0, place] > 0 and evidence[1, place] == 0
    }
    names = tuple(feature.name for feature in FEATURES)
    used = set(speaking_features(model(names)))
    assert without
    assert not used & without
    assert "public_share" in used
    assert all(not BUYING.intersection(feature.needs) for feature in FEATURES if feature.name in used)


def test_the_near_are_found_with_reasons_and_the_far_are_not(world: World) -> None:
    near, far, between = world.customer(0.9), world.customer(0.1), world.customer(0.5)
    found = refresh_lookalikes(timezone.now())
    assert found["customers"] == 3
    [row] = Lookalike.objects.filter(persona=world.loud)
    assert row.customer == near
    assert row.typicality >= 0.5
    assert row.reasons[0].startswith(("Speaks in public", "Asks more"))
    assert len(row.reasons) == 2
    assert [one.customer for one in Lookalike.objects.filter(persona=world.quiet)] == [far]
    assert not Lookalike.objects.filter(customer=between).exists()
    run = LookalikeRun.objects.get(persona=world.loud)
    assert (run.features, run.members, run.prospects, run.near) == (list(HABITS[:2]), 40, 3, 1)


def test_typicality_is_the_share_of_members_farther_out(world: World) -> None:
    at = [world.customer(share) for share in (0.9, 0.92, 0.95)]
    refresh_lookalikes(timezone.now())
    own = dict(Lookalike.objects.values_list("customer_id", "typicality"))
    far = dict(Lookalike.objects.values_list("customer_id", "distance"))
    ordered = sorted((pk for pk in own if pk in {one.pk for one in at}), key=lambda pk: far[pk])
    assert [own[pk] for pk in ordered] == sorted((own[pk] for pk in ordered), reverse=True)


def test_buyers_the_silent_organizations_and_the_unwilling_are_no_prospects(world: World) -> None:
    buyer = world.customer(0.9, orders=1)
    silent = world.customer(0.9)
    Traits.objects.filter(customer=silent).update(inbound_total=2)
    firm = world.customer(0.9, kind="organization")
    unwilling = world.customer(0.9, profiling_refused=True)
    merged = world.customer(0.9, merged_into=buyer)
    assert refresh_lookalikes(timezone.now())["customers"] == 0
    assert not Lookalike.objects.filter(customer__in=[buyer, silent, firm, unwilling, merged]).exists()


def test_a_refusal_takes_somebody_out_at_once(world: World) -> None:
    near = world.customer(0.9)
    refresh_lookalikes(timezone.now())
    refuse_profiling(customer=near, source="customer")
    assert not Lookalike.objects.exists()


def test_a_second_night_writes_only_what_differs(world: World) -> None:
    near = world.customer(0.9)
    assert refresh_lookalikes(timezone.now())["written"] == 1
    assert refresh_lookalikes(timezone.now())["written"] == 0
    Traits.objects.filter(customer=near).update(orders_total=1)
    refresh_lookalikes(timezone.now())
    assert not Lookalike.objects.exists()


def test_pages_of_prospects_find_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(9)
    for _one in range(25):
        world.customer(float(chance.uniform(0, 1)))
    refresh_lookalikes(timezone.now())
    whole = sorted(Lookalike.objects.values_list("persona_id", "customer_id", "typicality", "distance"))
    monkeypatch.setattr(lookalikes, "AT_ONCE", 4)
    Lookalike.objects.all().delete()
    refresh_lookalikes(timezone.now())
    assert (
        sorted(Lookalike.objects.values_list("persona_id", "customer_id", "typicality", "distance")) == whole
    )
    assert whole


def test_only_the_nearest_are_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookalikes, "MOST_KEPT", 2)
    for _one in range(5):
        world.customer(0.9)
    refresh_lookalikes(timezone.now())
    assert Lookalike.objects.filter(persona=world.loud).count() == 2
    assert LookalikeRun.objects.get(persona=world.loud).near == 5


def test_of_many_members_a_part_is_measured_however_old_the_card(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookalikes, "MOST_MEMBERS", 20)
    monkeypatch.setattr(lookalikes, "LEAST_MEMBERS", 10)
    Persona.objects.filter(pk=world.loud.pk).update(members=0)  # before its first card
    Persona.objects.filter(pk=world.quiet.pk).update(members=4_000)
    refresh_lookalikes(timezone.now())
    assert LookalikeRun.objects.get(persona=world.loud).members == 20
    assert LookalikeRun.objects.get(persona=world.quiet).members == 20


def test_a_persona_that_is_gone_has_no_lookalikes(world: World) -> None:
    world.customer(0.9)
    refresh_lookalikes(timezone.now())
    assert Lookalike.objects.filter(persona=world.loud).exists()
    Persona.objects.filter(pk=world.loud.pk).update(is_active=False, cluster=None)
    refresh_lookalikes(timezone.now())
    assert not Lookalike.objects.filter(persona=world.loud).exists()
    assert not LookalikeRun.objects.filter(persona=world.loud).exists()


def test_too_few_buyers_or_only_buying_habits_are_said(world: World) -> None:
    few = Persona.objects.create(name="Few")
    refresh_lookalikes(timezone.now())
    assert "0 of its members have bought" in LookalikeRun.objects.get(persona=few).reason
    PersonaModel.objects.update(parameters=model(("repeat_share", "refund_share")).to_json())
    refresh_lookalikes(timezone.now())
    assert "buying habits alone" in LookalikeRun.objects.get(persona=world.loud).reason


def test_a_persona_made_by_hand_has_the_middle_of_its_people_as_center(world: World) -> None:
    hand = Persona.objects.create(name="By hand", members=40)
    PersonaMembership.objects.filter(persona=world.loud).update(persona=hand)
    near = world.customer(0.9)
    refresh_lookalikes(timezone.now())
    assert [one.customer for one in Lookalike.objects.filter(persona=hand)] == [near]


def test_a_list_by_hand_is_made_of_them(world: World, mia: Any) -> None:
    near = world.customer(0.9)
    refresh_lookalikes(timezone.now())
    segment, count = list_lookalikes(persona=world.loud, by=mia)
    assert (segment.kind, count) == (SegmentKind.LIST, 1)
    assert [one.customer for one in SegmentMembership.objects.filter(segment=segment)] == [near]
    again, _count = list_lookalikes(persona=world.loud, by=mia)
    assert again.name != segment.name
    Lookalike.objects.all().delete()
    with pytest.raises(ValidationError):
        list_lookalikes(persona=world.loud, by=mia)


def test_the_page_is_for_all_and_the_list_and_file_for_marketing(
    world: World, client: Client, vic: Any, mia: Any
) -> None:
    near = world.customer(0.9)
    refresh_lookalikes(timezone.now())
    page, made, file = (
        reverse(f"personas:{name}", args=[world.loud.pk])
        for name in ("lookalikes", "lookalike-list", "lookalike-export")
    )
    assert client.get(page).status_code == 302
    client.force_login(vic)
    assert f"/customers/{near.pk}/" in client.get(page).content.decode()
    assert (client.post(made).status_code, client.get(file).status_code) == (403, 403)
    client.force_login(mia)
    assert client.post(made).status_code == 302
    lines = b"".join(client.get(file).streaming_content).decode().strip().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 2
    assert lines[0].endswith("typicality,reasons")


def test_the_api_lists_them(world: World, vic: Any, ada: Any) -> None:
    near = world.customer(0.9)
    refresh_lookalikes(timezone.now())
    answer = Caller(vic, maker=ada).get(f"personas/{world.loud.pk}/lookalikes/").json()
    assert [one["customer"] for one in answer["results"]] == [near.pk]


# How many statements lists take, whatever their length


@pytest.fixture
def lists(world: World, mia: Any) -> dict[str, str]:
    for share in (0.88, 0.9, 0.92):
        world.customer(share)
    refresh_lookalikes(timezone.now())
    today = timezone.localdate()
    for n in range(3):
        AdSpend.objects.create(network="x", campaign=f"C{n}", day=today, amount=1, currency="EUR", by=mia)
        ReachPlan.objects.create(
            name=f"P{n}", persona=world.loud, first_day=today, last_day=today, created_by=mia
        )
        PublishableKey.objects.create(name=f"K{n}", key=f"pk_{n}", created_by=mia)
    return {
        "personas:spend-list": reverse("personas:spend-list"),
        "personas:plan-list": reverse("personas:plan-list"),
        "personas:key-list": reverse("personas:key-list"),
        "personas:lookalikes": reverse("personas:lookalikes", args=[world.loud.pk]),
    }


@pytest.mark.parametrize(
    "name", ["personas:spend-list", "personas:plan-list", "personas:key-list", "personas:lookalikes"]
)
def test_lists_take_the_pinned_number_of_statements(
    name: str, lists: dict[str, str], client: Client, ada: Any
) -> None:
    client.force_login(ada)
    client.get(lists[name])
    with CaptureQueriesContext(connection) as caught:
        assert client.get(lists[name]).status_code == 200
    assert len(caught) == PINNED[name], name


@pytest.mark.parametrize("name", ["ad-spend", "reach-plan", "persona-lookalikes"])
def test_api_lists_take_the_pinned_number_of_statements(
    name: str, lists: dict[str, str], world: World, ada: Any
) -> None:
    path = {
        "ad-spend": "ad-spend/",
        "reach-plan": "reach-plans/",
        "persona-lookalikes": f"personas/{world.loud.pk}/lookalikes/",
    }[name]
    caller = Caller(ada)
    caller.get(path)
    with CaptureQueriesContext(connection) as caught:
        assert len(caller.get(path).json()["results"]) == 3
    pin = f"api:{name}" if name == "persona-lookalikes" else f"api:{name}-list"
    assert len(caught) == PINNED[pin], pin
