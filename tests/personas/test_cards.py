"""Persona cards: what is measured, quotes without names, and words of people that no rebuild touches."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Team
from core.models import Workspace
from crm.models import Customer
from engagement.models import ChannelAccount, Conversation, Interaction
from personas.cards import best_hours, quotes, refresh_cards, sets_apart, without_names
from personas.models import (
    CustomerDay,
    Persona,
    PersonaChange,
    PersonaMembership,
    Prediction,
    Traits,
)

TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "name", "left"),
    [
        (
            "I am Marisol Quintero and I calibrated it twice",
            "Marisol Quintero",
            "I am … and I calibrated it twice",
        ),
        ("marisol here, please stop", "Marisol Quintero", "… here, please stop"),
        ("write to m.q+shop@example.co.uk or call +32 470 12 34 56", "", "write to … or call …"),
        ("@marisol_q your spout, see https://x.example/a?b=1", "", "… your spout, see …"),
        ("Order #100482 came late", "", "Order … came late"),
        ("It took 3 days and 20 euro", "", "It took 3 days and 20 euro"),
        ("The lid broke.\nBest regards, Brigid Halloran", "", "The lid broke"),
        ("Hi Amy, my name is Viktor and it drifts", "", "Hi …, my name is … and it drifts"),
        ("Anna wrote Annabel", "Anna B", "… wrote Annabel"),
    ],
)
def test_what_tells_who_wrote_is_taken_out(text: str, name: str, left: str) -> None:
    assert without_names(text, name) == left


def voice(customer: int, sentiment: float, text: str, name: str = "") -> dict[str, Any]:
    return {
        "customer_id": customer, "sentiment": sentiment, "text": text, "name": name,
        "network": "email", "kind": "message", "rating": None, "id": customer * 10,
    }  # fmt: skip


def test_quotes_are_one_unhappy_and_one_happy_voice_of_two_customers() -> None:
    found = quotes(
        [
            voice(1, -0.9, "The spout dripped all over my table again."),
            voice(1, 0.95, "I love how quiet the new mill is, honestly."),
            voice(2, 0.8, "Ada at the counter made my whole week better."),
            voice(3, -0.5, "Too short."),
        ]
    )
    assert [(one["mood"], one["text"][:9]) for one in found] == [
        ("negative", "The spout"),
        ("positive", "Ada at th"),
    ]


def test_a_text_that_is_mostly_names_is_not_quoted() -> None:
    text = "Call me +32 470 12 34 56 or a@b.example, x@y.example or @handle please"
    assert quotes([voice(1, -0.9, text)]) == []


def test_what_sets_apart_is_ordered_by_how_unusual_it_is() -> None:
    everybody = {
        "orders_total": {"mean": 2.0, "spread": 1.0, "base": 100},
        "evening_share": {"mean": 0.2, "spread": 0.1, "base": 90},
        "weekend_share": {"mean": 0.5, "spread": 0.5, "base": 90},
        "call_share": {"mean": 0.0, "spread": 0.0, "base": 90},
    }
    own = {
        "orders_total": {"mean": 3.0, "spread": 1.0, "base": 10},
        "evening_share": {"mean": 0.05, "spread": 0.1, "base": 9},
        "weekend_share": {"mean": 0.55, "spread": 0.5, "base": 9},
        "call_share": {"mean": 0.0, "spread": 0.0, "base": 9},
    }
    found = sets_apart(own, everybody)
    assert [(one["trait"], one["times"], one["base"]) for one in found] == [
        ("evening_share", 0.25, 9),
        ("orders_total", 1.5, 10),
    ]


def test_the_best_two_hours_of_the_week() -> None:
    counts = [[0] * 24 for _day in range(7)]
    counts[2][7], counts[5][9], counts[6][9] = 8, 5, 5
    assert [(one["weekday"], one["hour"], one["n"]) for one in best_hours(counts)] == [(3, 7, 8), (6, 9, 5)]
    assert best_hours([[0] * 24 for _day in range(7)]) == []


@pytest.fixture
def personas(db: None) -> tuple[Persona, Persona]:
    Workspace.current()
    return tuple(Persona.objects.create(name=name, rank=place) for place, name in enumerate(("A", "B")))


def member(persona: Persona, confidence: float = 0.9, **traits: Any) -> Customer:
    made = Customer.objects.create(
        name="Some Body", country=traits.pop("lives", "BE"), job="Teaching", stage="retention"
    )
    Traits.objects.create(customer=made, computed_at=NOW, **traits)
    PersonaMembership.objects.create(customer=made, persona=persona, confidence=confidence, since=NOW)
    return made


def refresh(**more: Any) -> dict[str, int]:
    return refresh_cards(today=TODAY, zone="UTC", now=NOW, everything=more.get("everything", True))


def test_a_card_counts_its_members_and_everybody(personas: tuple[Persona, Persona]) -> None:
    first, second = personas
    for place in range(3):
        made = member(first, orders_total=4, revenue_365=100, birth_year=1990 + place, average_order=25.0)
        Prediction.objects.create(customer=made, value_365=400, active_probability=0.9, computed_at=NOW)
    member(second, 0.4, orders_total=0, lives="NL")
    assert refresh() == {"personas": 2, "written": 2}
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.members, first.share, first.border_share, second.border_share) == (3, 0.75, 0.0, 1.0)
    assert first.card["base"] == {
        "customers": 3, "of": 4, "speakers": 0, "buyers": 3, "revenue_share": 1.0, "revenue_days": 365,
        "drawn": 3, "days": 365, "few": True,
    }  # fmt: skip
    assert first.card["who"]["country"] == [{"value": "BE", "n": 3, "share": 1.0, "base": 3}]
    assert (first.card["who"]["age_from"], first.card["who"]["age_to"]) == (34.0, 36.0)
    assert first.card["who"]["ages_known"] == 3
    assert first.card["value"]["value_365"] == {
        "here": 400.0, "all": 400.0, "base": 3, "low": None, "high": None, "intervals": 0,
    }  # fmt: skip
    assert first.card["apart"] == [], "three are too few for a difference"
    assert refresh() == {"personas": 2, "written": 0}
    assert refresh(everything=False) == {"personas": 2, "written": 0}


def say(who: Customer, at: datetime, text: str, **more: Any) -> None:
    team, _made = Team.objects.get_or_create(is_general=True, defaults={"name": "General"})
    account, _made = ChannelAccount.objects.get_or_create(
        connector="api", network="instagram", external_id="shop", defaults={"name": "Shop", "team": team}
    )
    number = Interaction.objects.count()
    owner = {"customer": who, "home_customer": who}
    conversation = Conversation.objects.create(account=account, team=team, first_at=at, last_at=at, **owner)
    Interaction.objects.create(
        account=account, team=team, conversation=conversation, external_id=str(number), kind="message",
        direction="inbound", occurred_at=at, text=text, reader=1, **owner, **more,
    )  # fmt: skip
    day, _new = CustomerDay.objects.get_or_create(
        customer=who,
        day=at.date(),
        network="instagram",
        kind="message",
        direction="inbound",
        defaults={"n": 0},
    )
    CustomerDay.objects.filter(pk=day.pk).update(n=day.n + 1)


def test_a_card_tells_topics_networks_hours_and_voices(personas: tuple[Persona, Persona]) -> None:
    first, second = personas
    since = datetime(2025, 1, 1, tzinfo=UTC)
    talker = member(first, inbound_total=3, first_seen_at=since)
    other, quiet = member(first, 0.3, inbound_total=1, first_seen_at=since), member(second)
    wednesday = datetime(2026, 2, 25, 7, 20, tzinfo=UTC)
    text = "Some Body calibrated this thing twice, please stop sending help pages"
    for weeks in range(3):
        topics = ["grind", "delivery"][: weeks + 1]
        say(
            talker,
            wednesday - timedelta(weeks=weeks),
            text,
            sentiment=-0.8,
            reason="complaint",
            topics=topics,
        )
    say(other, wednesday, "Which grind, please?", sentiment=0.0, reason="question", topics=["grind"])
    say(quiet, wednesday, "Fine, thank you for asking me about it today", sentiment=0.1, topics=[])
    refresh()
    first.refresh_from_db()
    card = first.card
    assert [(one["topic"], one["share"], one["customers"]) for one in card["topics"]] == [("grind", 1.0, 2)]
    assert card["hurts"] == [], "delivery was one customer's alone"
    assert [(one["reason"], one["share"], one["base"]) for one in card["reasons"]] == [
        ("complaint", 0.75, 4), ("question", 0.25, 4),
    ]  # fmt: skip
    assert (card["networks"]["base"], card["networks"]["days"]) == (4, 426), (
        "few in 90 days: the whole history"
    )
    assert card["networks"]["shares"] == [{"network": "instagram", "share": 1.0, "n": 4}]
    assert card["hours"]["counts"][2][8] == 4, "in Belgium it is an hour later than in the workspace"
    assert card["hours"]["steps"][2][8] == 5
    assert card["hours"]["best"][0] == {"weekday": 3, "hour": 8, "n": 4}
    for part in ("quotes", "complaints"):
        assert [one["text"] for one in card[part]] == [
            "… calibrated this thing twice, please stop sending help pages"
        ]
    assert "Some Body" not in str(card)


def test_a_card_tells_who_came_and_who_left(personas: tuple[Persona, Persona]) -> None:
    first, second = personas
    made = [member(first) for _each in range(4)]
    moves = [(made[0], None, first, 5), (made[1], second, first, 10), (made[2], second, first, 60)]
    moves += [(made[3], first, second, 20), (made[3], second, first, 15)]
    for who, before, after, days in moves:
        PersonaChange.objects.create(
            customer=who, before=before, after=after, confidence=0.8, at=NOW - timedelta(days=days)
        )
    refresh()
    first.refresh_from_db()
    changed = first.card["changed"]
    assert changed["members_before"] == 4 - 4 + 1
    assert changed["came"] == [
        {"persona": second.pk, "name": "B", "n": 2},
        {"persona": None, "name": "new customers", "n": 1},
    ]
    assert changed["left"] == [{"persona": second.pk, "name": "B", "n": 1}]


def test_what_people_wrote_stays(personas: tuple[Persona, Persona]) -> None:
    first, _second = personas
    member(first)
    words = {"summary": "They brew.", "goals": "One cup", "how_to_speak": "Degrees", "name": "Ritual pourers"}
    Persona.objects.filter(pk=first.pk).update(named_by_hand=True, **words)
    refresh()
    assert Persona.objects.values(*words).get(pk=first.pk) == words


def test_no_personas_no_cards(db: None) -> None:
    Workspace.current()
    assert refresh() == {"personas": 0, "written": 0}
