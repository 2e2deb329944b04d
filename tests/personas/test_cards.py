"""Figures of persona cards: what is measured, of whom, beside whom; and the page that shows them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from math import log, pi, sqrt
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Team
from core.models import Workspace
from crm.models import Affiliation, Customer
from engagement.models import ChannelAccount, Post
from personas.cards import best_hours, sets_apart
from personas.cards.gathering import Gathered
from personas.models import (
    Persona,
    PersonaChange,
    Prediction,
    Segment,
    SegmentMembership,
)
from personas.templatetags.persona_card import times_of
from tests.personas.card_world import NOW, TODAY, member, refresh, say


def test_the_best_two_hours_of_the_week() -> None:
    counts = [[0] * 24 for _day in range(7)]
    counts[2][7], counts[5][9], counts[6][9] = 8, 5, 5
    assert [(one["weekday"], one["hour"], one["n"]) for one in best_hours(counts)] == [(3, 7, 8), (6, 9, 5)]
    assert best_hours([[0] * 24 for _day in range(7)]) == []


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
        "revenue_buyers": 3,
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
    reasons = [(one["reason"], one["share"], one["customers"], one["base"]) for one in card["reasons"]]
    assert reasons == [
        ("complaint", 0.75, 1, 4), ("question", 0.25, 1, 4),
    ]  # fmt: skip
    assert (card["networks"]["base"], card["networks"]["days"]) == (4, 426), (
        "few in 90 days: the whole history"
    )
    assert card["networks"]["shares"] == [{"network": "instagram", "share": 1.0, "n": 4, "customers": 2}]
    assert card["hours"]["customers"][2][8] == 2
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


def test_what_hurts_are_the_topics_of_unhappy_words(personas: tuple[Persona, Persona]) -> None:
    first, _second = personas
    for place in range(4):
        who = member(first)
        unhappy = place < 3
        mood = {"sentiment": -0.6, "reason": "other"} if unhappy else {"sentiment": 0.6, "reason": "praise"}
        say(who, NOW - timedelta(days=3), f"The lid is loose {place}", topics=["lids"], **mood)
        say(
            who,
            NOW - timedelta(days=2),
            f"Colour {place}",
            topics=["colour"],
            sentiment=0.2,
            reason="question",
        )
    refresh()
    first.refresh_from_db()
    assert [(one["topic"], one["n"], one["base"], one["share"]) for one in first.card["hurts"]] == [
        ("lids", 3, 3, 1.0)
    ]
    assert {one["topic"]: one["share"] for one in first.card["topics"]} == {"colour": 0.5, "lids": 0.5}


def test_kinds_of_posts_stand_beside_everybody(personas: tuple[Persona, Persona]) -> None:
    first, second = personas
    team, _made = Team.objects.get_or_create(is_general=True, defaults={"name": "General"})
    account = ChannelAccount.objects.create(
        connector="api", network="instagram", external_id="shop", name="Shop", team=team
    )
    posts = {
        media: Post.objects.create(account=account, external_id=media, media=media, topic="repotting")
        for media in ("video", "image")
    }
    for persona, media, times in ((first, "video", 3), (first, "image", 1), (second, "image", 4)):
        for each in range(times):
            say(member(persona), NOW - timedelta(days=1), f"nice {each}", post=posts[media])
    refresh()
    first.refresh_from_db()
    media = first.card["content"]["media"]
    assert [(one["value"], one["share"], one["all"], one["base"]) for one in media] == [
        ("video", 0.75, 0.375, 4)
    ]
    assert first.card["content"]["topic"][0]["value"] == "repotting"


def test_segments_and_organizations_say_both_shares(personas: tuple[Persona, Persona]) -> None:
    first, second = personas
    here, there = [member(first) for _each in range(4)], [member(second) for _each in range(4)]
    mostly, evenly = (Segment.objects.create(name=name) for name in ("Mostly", "Evenly"))
    for segment, people in ((mostly, [*here[:3], there[0]]), (evenly, [*here[:2], *there[:2]])):
        for who in people:
            SegmentMembership.objects.create(segment=segment, customer=who, version=1, since=NOW)
    firm = Customer.objects.create(name="Firm", kind="organization")
    for who in (*here[:2], there[0]):
        both = {"home_person": who, "person": who, "home_organization": firm, "organization": firm}
        Affiliation.objects.create(**both, role="buyer")
    refresh()
    first.refresh_from_db()
    assert first.card["segments"][0] == {
        "segment": mostly.pk, "n": 3, "here": 0.75, "there": 0.75, "times": 1.5, "size": 4,
    }  # fmt: skip
    assert first.card["organizations"] == [{"organization": firm.pk, "people": 2, "of": 3}]
    second.refresh_from_db()
    assert second.card["organizations"] == [], "one person is not an organization's habit"


def test_the_value_says_what_is_usual_for_one_of_them(personas: tuple[Persona, Persona]) -> None:
    first, _second = personas
    for low, high in ((10, 100), (20, 200), (30, 900)):
        given = {
            "value_365": (low + high) / 2,
            "value_low": low,
            "value_high": high,
            "active_probability": 0.9,
        }
        Prediction.objects.create(customer=member(first), computed_at=NOW, **given)
    member(first)
    refresh()
    first.refresh_from_db()
    value = first.card["value"]["value_365"]
    assert (value["low"], value["high"], value["intervals"], value["base"]) == (20.0, 200.0, 3, 3)


# What sets apart


def test_what_sets_apart_is_ordered_by_how_unusual_it_is() -> None:
    everybody = {
        "orders_total": {"mean": 2.0, "spread": 1.0, "base": 100},
        "evening_share": {"mean": 0.2, "spread": 0.1, "base": 90},
        "weekend_share": {"mean": 0.5, "spread": 0.5, "base": 90},
        "call_share": {"mean": 0.0, "spread": 0.0, "base": 90},
        "sentiment": {"mean": 0.4, "spread": 0.5, "base": 80},
    }
    own = {
        "orders_total": {"mean": 3.0, "spread": 1.0, "base": 10},
        "evening_share": {"mean": 0.05, "spread": 0.1, "base": 9},
        "weekend_share": {"mean": 0.55, "spread": 0.5, "base": 9},
        "call_share": {"mean": 0.0, "spread": 0.0, "base": 9},
        "sentiment": {"mean": 0.2, "spread": 0.5, "base": 8},
    }
    found = sets_apart(own, everybody)
    assert [(one["trait"], one["times"], one["base"]) for one in found] == [
        ("evening_share", 0.25, 9),
        ("orders_total", 1.5, 10),
        ("sentiment", None, 8),
    ]
    assert times_of(found[-1]) == "less", "half of a mood is nothing"


def test_a_word_that_is_usual_here_sets_apart(personas: tuple[Persona, Persona]) -> None:
    rows = [
        {"trait": "top_network", "value": "email", "n": 40, "base": 50, "all_n": 50, "all_base": 200},
        {"trait": "top_network", "value": "phone", "n": 10, "base": 50, "all_n": 150, "all_base": 200},
    ]
    (found,) = sets_apart({}, {}, rows)
    assert (found["trait"], found["value"], found["here"], found["all"]) == (
        "top_network",
        "email",
        0.8,
        0.25,
    )
    assert found["effect"] == round((log(40.5 / 10.5) - log(50.5 / 150.5)) * sqrt(3) / pi, 2)


def test_windows_of_one_trait_are_told_once() -> None:
    everybody = {name: {"mean": 2.0, "spread": 1.0, "base": 9} for name in ("orders_365", "orders_total")}
    own = {"orders_365": {"mean": 4.0, "base": 9}, "orders_total": {"mean": 5.0, "base": 9}}
    assert [one["trait"] for one in sets_apart(own, everybody)] == ["orders_total"]


def test_one_habit_is_told_once() -> None:
    everybody = {"praise_share": {"mean": 0.2, "spread": 0.1, "base": 90}}
    own = {"praise_share": {"mean": 0.4, "base": 90}}
    words = [
        {"trait": "top_reason", "value": value, "n": n, "base": 90, "all_n": all_n, "all_base": 400}
        for value, n, all_n in (("praise", 60, 100), ("order", 30, 300))
    ]
    assert [one["trait"] for one in sets_apart(own, everybody, words)] == ["praise_share"]


# Drawn members


def test_a_draw_is_the_same_every_night_and_fair_to_everybody(personas: tuple[Persona, Persona]) -> None:
    first, second = personas
    for place in range(40):
        member(first, orders_total=1, lives="BE" if place % 2 else "NL")
    for _place in range(20):
        member(second, orders_total=4, lives="LU")
    whole, drawn, again = (Gathered(TODAY, "UTC", most) for most in (100, 10, 10))
    assert (whole.spread[first.pk]["drawn"], whole.spread[None]["drawn"]) == (40, 60)
    assert (drawn.spread[first.pk]["drawn"], drawn.spread[second.pk]["drawn"]) == (10, 10)
    assert drawn.spread[None]["drawn"] == 15, "everybody: a quarter of each, as 40 is to 20"
    assert drawn.people == again.people
    assert drawn.means[None]["orders_total"]["mean"] == 2.0 == whole.means[None]["orders_total"]["mean"]
    assert drawn.numbers[first.pk]["customers"] == 40, "counts are never drawn"


def test_the_number_of_statements_does_not_grow_with_personas(db: None) -> None:
    Workspace.current()
    counts = []
    for wanted in (1, 6):
        while Persona.objects.count() < wanted:
            member(Persona.objects.create(name=f"P{Persona.objects.count()}"))
        with CaptureQueriesContext(connection) as found:
            Gathered(TODAY, "UTC")
        counts.append(len(found))
    assert counts[0] == counts[1]


# The page


def test_a_card_of_few_says_so(personas: tuple[Persona, Persona], vic: Any, signed_in: Any) -> None:
    first, second = personas
    for _each in range(29):
        member(first)
    for _each in range(30):
        member(second)
    refresh()
    page = signed_in(vic).get(reverse("personas:persona-detail", args=[first.pk])).content.decode()
    assert "It has 29 members only" in page
    page = signed_in(vic).get(reverse("personas:persona-detail", args=[second.pk])).content.decode()
    assert "members only" not in page


def test_every_figure_says_that_it_was_measured(
    personas: tuple[Persona, Persona], vic: Any, signed_in: Any
) -> None:
    first, _second = personas
    member(first, inbound_total=1, orders_total=2, average_order=20.0, birth_year=1990, sentiment=0.4)
    Persona.objects.filter(pk=first.pk).update(goals="One cup", pains="Letters", how_to_speak="Plainly")
    refresh()
    page = signed_in(vic).get(reverse("personas:persona-detail", args=[first.pk])).content.decode()
    sheet = page[page.index("<article") : page.index("</article>")]
    terms = re.findall(r"<dt>(.*?)</dt>", sheet, re.DOTALL)
    assert len(terms) >= 5
    assert all('data-from="measured"' in term for term in terms), terms
    lines = re.findall(r'<ul class="r-plain r-told">(.*?)</ul>', sheet, re.DOTALL)
    assert len(lines) == 2 and all('data-from="assumed"' in line for line in lines)
    legend = sheet[sheet.index("r-marks") :]
    assert all(f"<strong>{word}</strong>" in legend for word in ("measured", "from research", "assumed"))


def test_a_card_without_a_rebuild_opens(personas: tuple[Persona, Persona], vic: Any, signed_in: Any) -> None:
    url = reverse("personas:persona-detail", args=[personas[0].pk])
    answer = signed_in(vic).get(url)
    assert answer.status_code == 200 and "The next rebuild" in answer.content.decode()
