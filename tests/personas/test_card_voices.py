"""Voices on a card: quotes that name nobody, replies that did well, and what an erasure takes of both."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.models import Workspace
from crm.models import Customer, Identity
from personas.cards import quotes, without_names
from personas.cards.voices import names_in
from personas.models import Persona
from personas.privacy import drop_quotes
from tests.personas.card_world import ASKED, NOW, THANKS, UNHAPPY, answer, member, refresh, say, talk


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
        ("See HTTPS://x.example/a and Www.marisol.example", "", "See … and …"),
        ("It is on instagram.com/marisol.q, look there", "", "It is on … look there"),
        ("Mail marisol＠example.org or marisol (at) example.org", "", "Mail … or …"),
        ("I am marisol_q there, not marisol.q@example", "", "I am … there, not …"),
        ("One and/or two, 1.5/2 cups, e.g. tea", "", "One and/or two, 1.5/2 cups, e.g. tea"),
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


def test_names_of_other_customers_are_taken_out_and_brands_kept(db: None) -> None:
    workspace = Workspace.current()
    Workspace.objects.filter(pk=workspace.pk).update(name="Juniper Loam")
    for name in ("Annika Berg", "Will Rose", "Juniper Smith", "Brigitte O'Brien", "Love Letter", "Berg GmbH"):
        kind = "organization" if name.endswith("GmbH") else "person"
        Customer.objects.create(name=name, kind=kind)
    texts = [
        "I asked Annika twice and then annika's colleague on Instagram",
        "Will you send it? I would love that, says O'Brien from Juniper",
        "I love your pots and will buy again",
        "We love them and will tell everybody at Berg",
    ]
    names = names_in(texts)
    assert names == {"annika", "o'brien", "berg"}, "love and will are words, Juniper is the shop"
    assert [without_names(text, "", names) for text in texts] == [
        "I asked … twice and then … colleague on Instagram",
        "Will you send it? I would love that, says … from Juniper",
        "I love your pots and will buy again",
        "We love them and will tell everybody at …",
    ]


def test_a_quote_names_no_other_customer(personas: tuple[Persona, Persona]) -> None:
    first, _second = personas
    Customer.objects.create(name="Annika Berg")
    say(
        member(first),
        NOW - timedelta(days=3),
        "You sent my parcel to Annika, and she is gone",
        sentiment=-0.8,
    )
    refresh()
    first.refresh_from_db()
    assert [one["text"] for one in first.card["complaints"]] == ["You sent my parcel to …, and she is gone"]


def test_a_quote_leads_to_no_handle_of_its_author(personas: tuple[Persona, Persona]) -> None:
    first, _second = personas
    who = member(first)
    Identity.objects.create(
        network="instagram", external_id="17", handle="@mossy.pots", customer=who, home_customer=who
    )
    say(
        who,
        NOW - timedelta(days=3),
        "You blocked me, Mossy.pots, and nobody told me why",
        sentiment=-0.8,
    )
    refresh()
    first.refresh_from_db()
    assert [one["text"] for one in first.card["complaints"]] == ["You blocked me, …, and nobody told me why"]


def test_replies_that_did_well_were_thanked_and_stayed_so(personas: tuple[Persona, Persona]) -> None:
    first, second = personas
    well = "Hello Some, it left today, Amy Stone will send you the number by six."
    talk(member(first), ASKED, answer(well), THANKS)
    ill = "It is on its way and will come when it comes, thank you so much."
    talk(member(first), ASKED, answer(ill), UNHAPPY)
    soon = "It was sent this morning and you will get a mail with the number."
    talk(member(first), ASKED, answer(soon), THANKS, UNHAPPY)
    late = "We are sorry, the parcel is late and will be with you on Monday."
    talk(member(first), ASKED, answer(late), (*THANKS[:2], {**THANKS[2], "after": 300}), days=30)
    robot = "This is an automatic answer: we got your message and will read it."
    talk(member(first), ASKED, answer(robot, is_automatic=True), THANKS)
    nobody = "Nobody of the staff wrote this line, a rule of the shop has sent it."
    talk(member(first), ASKED, answer(nobody, staff_name=""), THANKS)
    unsure = "To somebody who hardly belongs here we said that it left today."
    talk(member(first, 0.4), ASKED, answer(unsure), THANKS)
    praised = "You are welcome, and thank you for the kind words about the shop."
    talk(member(first), THANKS, answer(praised), THANKS)
    talk(member(second), ASKED, answer("Good morning, the parcel left the house today, look here."))
    refresh()
    first.refresh_from_db()
    assert [one["text"] for one in first.card["replies"]] == [
        "Hello …, it left today, … will send you the number by six."
    ]
    assert first.card["replies"][0]["seconds"] == 3600
    assert first.card["replied"] is None, "of five replies no share is told"


def test_the_share_of_thanked_replies_counts_silence_and_stands_beside_everybody(
    personas: tuple[Persona, Persona],
) -> None:
    first, second = personas
    for place in range(20):
        talk(member(first), ASKED, answer(f"It left today {place}"), *([THANKS] if place < 5 else []))
        talk(member(second), ASKED, answer(f"It left today {place}"))
    refresh()
    first.refresh_from_db()
    assert first.card["replied"] == {"rate": 0.25, "all": 0.125, "base": 20}
    answers = {"network": "instagram", "rate": 0.25, "all": 0.125, "base": 20, "customers": 20}
    assert first.card["answers"] == [answers]


def test_an_erasure_takes_quotes_and_the_replies_to_them(personas: tuple[Persona, Persona]) -> None:
    first, _second = personas
    gone, stays = member(first), member(first)
    text = "Hello Some, it left today and will be with you on Monday."
    other = "Good day, we sent a new lid this morning, it comes on Friday."
    words = {"reason": "complaint", "sentiment": -0.9}
    talk(gone, ("inbound", "The lid cracked on the very first day, what a pity", words), answer(text), THANKS)
    talk(stays, ("inbound", "The box was crushed and nobody told me a thing", words), answer(other), THANKS)
    refresh()
    first.refresh_from_db()
    assert {len(first.card[part]) for part in ("complaints", "replies")} == {2}
    assert drop_quotes([gone.pk]) == 1
    first.refresh_from_db()
    assert [one["text"] for one in first.card["complaints"]] == [
        "The box was crushed and nobody told me a thing"
    ]
    assert [one["text"] for one in first.card["replies"]] == [other]
    assert first.card_at is None, "the next rebuild writes it anew"
    assert "lid cracked" not in str(first.card) and "it left today" not in str(first.card)
    assert drop_quotes([gone.pk]) == 0
