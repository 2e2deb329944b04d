"""What people say about themselves is found, and what they do not say is not."""

from __future__ import annotations

import pytest

from engagement.reading.saying import PIECES, read_self
from engagement.reading.vocations import INTERESTS, LOVERS, PROFESSIONS


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("I'm a nurse and need it by Friday", "nursing"),
        ("I\u2019m a software engineer at Acme", "software"),
        ("im a nurse", "nursing"),
        ("Hello! I am an accountant.", "accounting"),
        ("As a teacher, I use it every day.", "teaching"),
        ("As a nurse, do I get a discount?", "nursing"),
        ("I'm a student, is there a discount?", "studying"),
        ("I work as a full-time primary school teacher.", "teaching"),
        ("I've been a chef for ten years", "cooking"),
        ("I work in marketing.", "marketing"),
        ("My job is nursing.", "nursing"),
        ("Ich bin Krankenschwester und brauche das", "nursing"),
        ("ich bin selbst Tischlerin.", "construction"),
        ("Als Lehrerin brauche ich das bald", "teaching"),
        ("Als Koch arbeite ich.", "cooking"),
        ("Ich arbeite seit Jahren als Koch.", "cooking"),
        ("Von Beruf bin ich Fotograf.", "photography"),
        ("Mein Beruf ist Hebamme", "midwifery"),
    ],
)
def test_work_is_found(text: str, field: str) -> None:
    assert any(piece in text.lower() for piece in PIECES)
    assert read_self(text).professions == (field,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "My wife is a nurse",
        "My mother was a teacher, and I need a gift",
        "I'm not a nurse",
        "I'm no nurse",
        "I am not really a doctor",
        "If I'm a student, is there a discount?",
        "I wish I was a pilot, I'm a teacher though",
        "Am I a nurse?",
        "I'm a nurse?",
        "Do nurses get a discount?",
        'He wrote "I\'m a nurse" on the card',
        "She says I'm a nurse",
        "> I'm a nurse\nwhat is this?",
        "It came late\nOn Monday Ida wrote:\nI'm a nurse",
        "Am Montag schrieb Ida:\nIch bin Lehrerin",
        "I'm a former teacher",
        "I am a retired teacher.",
        "I worked as a nurse.",
        "I'm the chef's brother",
        "I'm a designer bag lover",
        "I'm a nurse's husband",
        "I'm looking for a doctor",
        "As a designer piece it is great",
        "As a doctor she knows",
        "She works as a teacher",
        "As a teacher, would you recommend it?",
        "Ich bin keine Lehrerin",
        "Ich bin nicht Lehrer",
        "Mein Mann ist Lehrer",
        "Ich bin beim Arzt",
        "Sie arbeitet als Ärztin",
        "Wenn ich Arzt bin",
        "Sie fragt, ich bin Lehrerin",
        "I'm a christian",
        "I'm a democrat and I'm a cancer patient",
    ],
)
def test_what_is_not_said_of_oneself_is_not_found(text: str) -> None:
    assert read_self(text).professions == ()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("I love climbing, hiking and photography!", ("climbing", "hiking", "photography")),
        ("I really enjoy swimming in the sea", ("swimming",)),
        ("I'm an avid gardener", ("gardening",)),
        ("I'm really into bouldering", ("climbing",)),
        ("My hobbies are knitting and baking", ("knitting", "baking")),
        ("I go hiking every week", ("hiking",)),
        ("Ich klettere gern", ("climbing",)),
        ("Ich gehe gerne wandern.", ("hiking",)),
        ("ich liebe Orchideen!", ("orchids",)),
        ("Ich interessiere mich sehr für Fotografie", ("photography",)),
        ("Meine Hobbys sind Wandern, Lesen und Kochen.", ("hiking", "reading", "cooking")),
        ("I don't like cooking", ()),
        ("I used to love climbing", ()),
        ("I love your gardening gloves", ()),
        ("I love gardening gloves", ()),
        ("I love reading your newsletter", ()),
        ("My husband loves fishing", ()),
        ("Do you like cooking?", ()),
        ("Ich mag kein Wandern", ()),
        ("Mein Sohn klettert gern", ()),
    ],
)
def test_interests_are_found_where_they_are_told(text: str, names: tuple[str, ...]) -> None:
    assert not names or any(piece in text.lower() for piece in PIECES)
    assert read_self(text).interests == names


def test_an_answer_says_it_without_a_verb() -> None:
    assert read_self("Nurse", question="What is your profession?").professions == ("nursing",)
    assert read_self("Climbing, a bit of reading", question="Your hobbies?").interests == (
        "climbing",
        "reading",
    )
    assert read_self("Lehrerin", question="Was sind Sie von Beruf?").professions == ("teaching",)
    assert read_self("not a nurse any more", question="Your job?").professions == ()
    assert read_self("The nurse was kind", question="How was your visit?").professions == ()
    assert read_self("Nurse").professions == ()


def test_a_long_text_takes_no_long_time() -> None:
    for text in (
        "i " * 1000,
        "i'm a " + "new " * 500,
        "ich arbeite " + "als " * 500,
        '"' * 2000,
        "wrote " * 400,
    ):
        assert read_self(text).professions == ()


def test_nothing_of_a_special_category_is_looked_for() -> None:
    words = " ".join([*PROFESSIONS, *INTERESTS, *LOVERS])
    never = (
        "church",
        "priest",
        "imam",
        "rabbi",
        "politic",
        "union",
        "patient",
        "prayer",
        "gay",
        "lesbian",
        "party",
    )
    for told in (words, *(" ".join(pair) for pair in [*PROFESSIONS.values(), *INTERESTS.values()])):
        assert not any(word in told.split() for word in never)
