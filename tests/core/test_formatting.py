"""How numbers, money, times and names are written."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.template import Context, Template
from django.utils import timezone

from core import formatting, networks

NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        (430, "EUR", "€430"),
        (Decimal("12.9"), "EUR", "€12.90"),
        (Decimal("1204.49"), "CHF", "CHF 1,204"),
        (Decimal("-5.005"), "USD", "−$5.01"),
        (Decimal("980.4"), "JPY", "¥980"),
        (0, "GBP", "£0"),
        ("nonsense", "GBP", ""),
    ],
)
def test_money(amount, currency, said):
    assert formatting.money(amount, currency) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (720, "12 min"),
        (9600, "2 h 40 min"),
        (7200, "2 h"),
        (3 * 86400 + 4 * 3600, "3 d 4 h"),
        (None, "–"),
    ],
)
def test_duration(seconds, said):
    assert formatting.duration(seconds) == said


@pytest.mark.parametrize(
    ("when", "said"),
    [
        (datetime(2026, 11, 18, 11, 59, 30, tzinfo=UTC), "now"),
        (datetime(2026, 11, 18, 11, 39, tzinfo=UTC), "21 min"),
        (datetime(2026, 11, 18, 6, 10, tzinfo=UTC), "5 h"),
        (datetime(2026, 11, 16, 6, 0, tzinfo=UTC), "Mon"),
        (datetime(2026, 10, 12, 6, 0, tzinfo=UTC), "12 Oct"),
        (datetime(2024, 10, 12, 6, 0, tzinfo=UTC), "12 Oct 2024"),
        (datetime(2026, 11, 25, 6, 0, tzinfo=UTC), "25 Nov"),
        (None, ""),
    ],
)
def test_age(when, said):
    assert formatting.age(when, NOW) == said


def test_times_are_the_readers():
    moment = datetime(2026, 11, 18, 20, 30, tzinfo=UTC)
    with timezone.override("Asia/Tokyo"):
        assert formatting.moment(moment) == "Thursday 19 November 2026, 05:30"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Marisol Quintero", "MQ"),
        ("Cher", "C"),
        ("Viktor van der Zwaluwenberg", "VZ"),
        ("@marisol.brews", "MB"),
        ("", "?"),
        ("🙂", "?"),
        ("李 小龍", "李小"),
    ],
)
def test_initials(name, said):
    assert formatting.initials(name) == said


def test_a_person_keeps_the_tone():
    assert formatting.tone("Marisol") == formatting.tone("Marisol")
    assert {formatting.tone(n) for n in range(60)} == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, ""),
        ("", ""),
        ("negative", "negative"),
        (0.049, "neutral"),
        (-0.05, "negative"),
        (0.5, "positive"),
    ],
)
def test_mood(value, said):
    assert formatting.mood(value) == said


def test_percent_has_a_base_or_is_a_dash():
    assert formatting.percent(253, 312) == "81%"
    assert formatting.percent(0.125) == "13%"
    assert formatting.percent(1, 0) == "–"
    assert formatting.capped(100) == "99+"
    assert formatting.capped(99) == "99"


# Widgets


def draw(source, **context):
    return Template("{% load rapport %}" + source).render(Context(context))


def test_a_share_says_its_base():
    assert "253 of 312" in draw("{% share 253 312 %}")


def test_an_unknown_network_is_neutral_and_named():
    assert networks.get("carrier_pigeon").label == "Carrier pigeon"
    drawn = draw('{% network_icon "carrier_pigeon" %}')
    assert 'role="img"' in drawn and 'aria-label="Carrier pigeon"' in drawn and "ti-message-2" in drawn


def test_a_registered_network_brings_label_icon_and_hue():
    networks.register("test_net", "Test net", "flask", hue="chat", kind="message")
    try:
        drawn = draw('{% network_icon "test_net" beside_label=True %}{{ "test_net"|network_label }}')
    finally:
        networks._registry.pop("test_net")
    assert 'data-net="chat"' in drawn and 'aria-hidden="true"' in drawn and drawn.endswith("Test net")


def test_what_people_wrote_is_escaped_also_inside_marks():
    assert draw("{{ text|marked:q }}", text="<b>Mari</b>", q="mari") == "&lt;b&gt;<mark>Mari</mark>&lt;/b&gt;"
    assert draw("{{ text|marked:q }}", text="<i>", q="") == "&lt;i&gt;"
    assert "<script" not in draw("{% avatar name %}", name="<script>")


def test_a_mood_has_a_word_and_nothing_has_none():
    assert 'aria-label="Negative sentiment"' in draw("{% mood_icon -0.8 %}")
    assert draw('{% mood_icon "" %}') == ""


def test_another_filter_begins_on_the_first_page(rf):
    request = rf.get("/", {"page": "token", "q": "kettle", "role": "agent"})
    assert draw('{% query_with role=None sort="name" %}', request=request) == "?q=kettle&amp;sort=name"


def test_a_field_ties_help_and_error_to_its_input():
    from accounts.forms import AcceptInvitationForm

    drawn = draw("{% field form.password %}", form=AcceptInvitationForm({"password": ""}, email="a@b.c"))
    assert 'aria-describedby="id_password-error id_password-help"' in drawn
    assert (
        'aria-invalid="true"' in drawn and 'id="id_password-error"' in drawn and 'for="id_password"' in drawn
    )


@pytest.mark.parametrize(
    ("value", "decimals", "read"),
    [
        (45.9, 0, "46"),
        (-0.1499, 2, "-0.15"),
        (Decimal("2.999"), 2, "3.00"),
        (12480.4, 0, "12,480"),
        (7, 0, "7"),
    ],
)
def test_figures_are_rounded_and_not_cut_off(value: object, decimals: int, read: str) -> None:
    assert formatting.number(value, decimals) == read
