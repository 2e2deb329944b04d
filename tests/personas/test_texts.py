"""Models of texts: learned from labels and tags, judged on what is unseen, used only where they win."""

from __future__ import annotations

import random
import zlib
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from core.models import Workspace
from crm.models import CustomerTouch, Erasure, Tag
from engagement.contact_reasons import choose_tags, follow_tags, tags_in_use
from engagement.conversations import add_tag, remove_tag
from engagement.ingest import ingest
from engagement.models import Conversation, ConversationTag, Interaction, MoodLabel, TextModel
from engagement.reading import clear_cache, read_texts
from engagement.reading.sentiment import compound
from engagement.reading.trained import NEUTRAL, on_scale, packed, unpacked_reason, unpacked_sentiment
from engagement.text_models import reason_model, sentiment_models
from personas.text import reasons, sentiment, training
from personas.text.reasons import Talks
from tests.engagement.events import account, inbound

NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
# A trade's own words, of which VADER knows nothing or the opposite: "sick" is praise here, "fine" is irony.
HAPPY = ["that board is sick mate", "wicked ride insane grip", "killer deck insane pop", "sick wicked wheels"]
UNHAPPY = ["wheels like butter again", "deck like wet toast", "fine another soggy deck", "butter trucks fine"]
NEUTRAL_ONES = [
    "does it come in teal",
    "which bolts go with it",
    "is the shop open monday",
    "what width is it",
]


def said(seed: int, n: int) -> tuple[list[str], list[int]]:
    """Texts of a skate shop and their moods."""
    draw = random.Random(seed)
    rows = []
    for number in range(n):
        mood = number % 3 - 1
        first, second = draw.sample({1: HAPPY, -1: UNHAPPY, 0: NEUTRAL_ONES}[mood], 2)
        rows.append((f"{first} {second} {draw.choice('abcdefgh')}{number}", mood))
    return [text for text, _mood in rows], [mood for _text, mood in rows]


def label(n: int, source: str = "import", mood_of=lambda mood: mood) -> None:
    texts, moods = said(1, n)
    MoodLabel.objects.bulk_create(
        MoodLabel(text=text, mood=mood_of(mood), language="en", source=source)
        for text, mood in zip(texts, moods, strict=True)
    )


# The model as numbers


def test_what_is_stored_reads_as_what_was_trained():
    texts, moods = said(2, 120)
    seen = sentiment.all_signs(texts, english=True)
    found = sentiment.fit(texts, seen, np.array(moods) * 0.6)
    content = packed(sentiment.exported(found, version=3, language="en", places=(-0.5, -0.2, 0.2, 0.5)))
    model = unpacked_sentiment(content)
    others = [*said(3, 40)[0], "", "never seen before", "deck deck deck deck"]
    rows = sentiment.all_signs(others, english=True)
    plain = [model.score(text, row) for text, row in zip(others, rows.tolist(), strict=True)]
    assert np.abs(np.array(plain) - found.scores(others, rows)).max() < 1e-4


@pytest.mark.parametrize("places", [(-0.4, -0.2, 0.3, 0.5), (-0.1, -0.02, 0.02, 0.3), (-0.9, -0.4, 0.1, 0.2)])
def test_the_borders_of_neutral_are_where_everything_else_has_them(places):
    unhappy, low, high, happy = places
    found = [on_scale(score, places) for score in np.linspace(-3, 3, 6001)]
    assert found == sorted(found) and found[0] == -1 and found[-1] == 1
    assert on_scale(low, places) <= -NEUTRAL < on_scale(low + 1e-6, places)
    assert on_scale(high - 1e-6, places) < NEUTRAL <= on_scale(high, places)
    assert [round(on_scale(each, places), 9) for each in (unhappy, happy)] == [-0.6, 0.6]


# Moods


@pytest.mark.django_db
def test_a_model_that_beats_vader_is_used_and_its_version_stands_at_what_it_reads(ada):
    Workspace.current()
    Workspace.objects.update(languages=["en"])
    label(330)
    assert training.train_moods(now=NOW) == {"tried": 1, "used": 1}
    row = TextModel.objects.get()
    figures = row.figures
    assert row.is_used and row.version == 1 and figures["judged"] == 330
    assert min(figures["r_folds"]) > max(figures["rules_r_folds"]) and figures["f1"] > figures["rules_f1"]
    text = "that deck is sick, wicked pop and insane grip"
    assert compound(text) < 0
    ingest(account(), [inbound("a", text=text), inbound("b", text="Wo bleibt mein Paket, ich warte schon?")])
    first, second = Interaction.objects.order_by("external_id")
    assert first.sentiment > NEUTRAL and first.reader == 101
    assert second.language == "und" and second.sentiment == 0 and second.reader == 1


@pytest.mark.django_db
def test_with_too_few_labels_nothing_is_tried(ada):
    label(training.NEEDED - 1)
    assert training.train_moods(now=NOW) == {"tried": 0, "used": 0}
    assert not TextModel.objects.exists()


@pytest.mark.django_db
def test_labels_without_sense_give_a_model_that_is_not_used():
    draw = random.Random(5)
    label(330, mood_of=lambda mood: draw.choice([-1, 0, 1]))
    assert training.train_moods(now=NOW) == {"tried": 1, "used": 0}
    row = TextModel.objects.get()
    assert not row.is_used and row.parameters is None and row.version == 0
    assert row.figures["r"] < training.LEAST_R
    assert sentiment_models().sentiment == {}


@pytest.mark.django_db
def test_corrections_train_but_do_not_judge():
    Workspace.current()
    Workspace.objects.update(languages=["en"])
    texts, moods = said(4, 310)
    page = [inbound(f"k{n}", text=text, minute=n, thread=f"t{n}") for n, text in enumerate(texts)]
    ingest(account(), page)
    rows = dict(Interaction.objects.values_list("external_id", "pk"))
    MoodLabel.objects.bulk_create(
        MoodLabel(interaction_id=rows[f"k{n}"], mood=mood, language="en", source="thread")
        for n, mood in enumerate(moods)
    )
    assert training.train_moods(now=NOW)["tried"] == 0
    label(300)
    training.train_moods(now=NOW)
    row = TextModel.objects.get()
    assert (row.labels, row.figures["judged"]) == (610, 300)


@pytest.mark.django_db
def test_a_model_is_tried_again_after_a_week_or_with_a_tenth_more_labels():
    label(330)
    training.train_moods(now=NOW)
    assert training.train_moods(now=NOW + timedelta(days=6))["tried"] == 0
    assert training.train_moods(now=NOW + timedelta(days=7))["tried"] == 1
    MoodLabel.objects.bulk_create(
        MoodLabel(text=f"fine, toast {n}", mood=-1, language="en", source="import") for n in range(40)
    )
    assert training.train_moods(now=NOW + timedelta(days=8))["tried"] == 1
    assert [row.version for row in TextModel.objects.order_by("pk")] == [1, 2, 3]
    used = TextModel.objects.get(is_used=True)
    assert used.version == 3 and TextModel.objects.filter(parameters__isnull=False).get() == used


@pytest.mark.django_db
def test_a_model_that_learned_from_the_erased_is_trained_anew_or_dropped():
    label(330)
    training.train_moods(now=NOW)
    day = timedelta(days=1)
    Erasure.objects.create(number=1, at=NOW + day, reason="request", counts={"crm_order": 2})
    assert training.train_moods(now=NOW + 2 * day)["tried"] == 0, "who said nothing taught nothing"
    Erasure.objects.create(number=2, at=NOW + 2 * day, reason="request", counts={"engagement_interaction": 5})
    assert training.train_moods(now=NOW + 3 * day)["tried"] == 1
    assert training.train_moods(now=NOW + 4 * day)["tried"] == 0
    assert training.forget_erased(NOW + 4 * day) == 0
    Erasure.objects.create(number=3, at=NOW + 4 * day, reason="request", counts={"engagement_interaction": 1})
    MoodLabel.objects.filter(pk__gt=MoodLabel.objects.order_by("pk")[100].pk).delete()
    assert training.train_moods(now=NOW + 5 * day)["tried"] == 0, "too few are left"
    assert training.forget_erased(NOW + 5 * day) == 1
    assert not TextModel.objects.filter(parameters__isnull=False).exists()


@pytest.mark.django_db
def test_a_replaced_model_is_read_with_at_once():
    label(330)
    training.train_moods(now=NOW)
    first = sentiment_models()
    text = "wheels like butter again, fine"
    clear_cache()
    (before,) = read_texts([text], languages=["en"], models=first)
    training.train_moods(now=NOW, again=True)
    second = sentiment_models()
    assert second.sentiment["en"].version == 2 and second.key != first.key
    (after,) = read_texts([text], languages=["en"], models=second)
    assert (before.version, after.version) == (101, 201)


@pytest.mark.django_db
@pytest.mark.parametrize("parameters", [b"no zip", zlib.compress(b"{}"), zlib.compress(b'{"grams": {}}')])
def test_a_model_that_cannot_be_understood_stops_no_message(parameters):
    Workspace.current()
    Workspace.objects.update(languages=["en"])
    TextModel.objects.create(
        kind="sentiment", language="en", version=1, labels=1, is_used=True, parameters=parameters
    )
    ingest(account(), [inbound("a", text="I love this kettle, it is wonderful")])
    assert Interaction.objects.get().reader == 1


# Reasons


def talks(n: int = 400, seed: int = 1) -> Talks:
    """Conversations of three reasons; two are told by words that no rule has, one is drawn by lot."""
    draw = random.Random(seed)
    words = {
        "engraving": [
            "can you carve a name",
            "letters on the lid",
            "carve initials please",
            "a line on the lid",
        ],
        "allergy": ["is there nickel inside", "my skin turns red", "free of nickel", "skin itches from it"],
    }
    texts, marks = [], []
    for number in range(n):
        tag = ["engraving", "allergy"][number % 2]
        texts.append(f"{' '.join(draw.sample(words[tag], 2))} {draw.choice('xyz')}{number}")
        marks.append([tag == "engraving", tag == "allergy", draw.random() < 0.2])
    return Talks(texts, ["engraving", "allergy", "by lot"], np.array(marks))


def test_reasons_are_judged_on_what_came_later_and_told_only_where_they_win():
    found = reasons.learn(talks(), version=4, languages=["en"])
    first, second, lot = found.figures
    assert (first.n + second.n, first.is_told, second.is_told) == (300, True, True)
    assert min(first.precision, first.recall, second.precision) > 0.95 > first.rule_f1
    assert not lot.is_told
    model = unpacked_reason(packed(found.model))
    assert model.reason("could you carve letters on the lid") == "engraving"
    assert model.reason("i have to know whether there is nickel inside") == "allergy"
    assert model.reason("") == "" and model.version == 4


def test_a_model_that_only_repeats_a_rule_is_not_told():
    texts = [f"{'where is my order' if n % 2 else 'love it so much'} {n}" for n in range(400)]
    marks = np.array([[bool(n % 2), not n % 2] for n in range(400)])
    found = reasons.learn(Talks(texts, ["tracking", "fans"], marks), version=1, languages=["en"])
    assert found.model is None
    assert [one.rule_f1 for one in found.figures] == [1.0, 1.0]


def test_with_few_conversations_nothing_is_learned():
    few = reasons.learn(talks(100), version=1)
    assert few.model is None and few.figures == []


def tagged(n: int, ada) -> None:
    """Conversations with their tags in the database, and some without."""
    Workspace.current()
    Workspace.objects.update(languages=["en"])
    made = talks(n)
    page = [inbound(f"k{k}", text=text, minute=k, thread=f"t{k}") for k, text in enumerate(made.texts)]
    for start in range(0, n, 100):
        ingest(account() if start == 0 else _account(), page[start : start + 100], live=False)
    tags = {name: Tag.objects.create(name=name) for name in ("engraving", "allergy")}
    places = dict(Interaction.objects.values_list("external_id", "conversation_id"))
    ConversationTag.objects.bulk_create(
        ConversationTag(conversation_id=places[f"k{k}"], tag=tags["engraving" if row[0] else "allergy"])
        for k, row in enumerate(made.marks.tolist())
    )


def _account():
    from engagement.models import ChannelAccount

    return ChannelAccount.objects.get()


@pytest.mark.django_db
def test_tags_are_followed_and_the_rest_is_told_by_the_model(ada):
    tagged(300, ada)
    ingest(
        _account(),
        [
            inbound("new", text="please carve my initials on the lid", minute=900, thread="n1"),
            inbound("later", text="thanks", minute=901, thread="n1"),
            inbound("odd", text="zzz", minute=902, thread="n2"),
        ],
    )
    assert training.train_reasons(now=NOW)["told"] == 2
    CustomerTouch.objects.all().delete()
    found = training.tell_reasons()
    assert found == {"followed": 300, "told": 2}
    lines = {row.external_id: row for row in Interaction.objects.all()}
    assert lines["k0"].contact_reason == "engraving" and lines["k0"].reason_model == 0
    assert lines["new"].contact_reason == lines["later"].contact_reason == "engraving"
    assert lines["new"].reason_model == 1 and lines["odd"].contact_reason == ""
    assert CustomerTouch.objects.filter(customer=lines["new"].customer).exists()
    assert training.tell_reasons() == {"followed": 0, "told": 0}


@pytest.mark.django_db
def test_a_tag_of_staff_wins_over_the_model_at_once_and_gives_way_again(ada):
    tagged(300, ada)
    ingest(_account(), [inbound("new", text="carve my initials on the lid", minute=900, thread="n1")])
    training.train_reasons(now=NOW)
    training.tell_reasons()
    line = Interaction.objects.get(external_id="new")
    assert (line.contact_reason, line.reason_model) == ("engraving", 1)
    tag = add_tag(conversation=line.conversation, name="allergy", by=ada)
    line.refresh_from_db()
    assert (line.contact_reason, line.reason_model) == ("allergy", 0)
    assert training.tell_reasons() == {"followed": 0, "told": 0}
    remove_tag(conversation=line.conversation, tag=tag, by=ada)
    line.refresh_from_db()
    assert line.contact_reason == ""


@pytest.mark.django_db
def test_which_tags_count_is_chosen_or_told_by_their_use(ada):
    Workspace.current()
    ingest(account(), [inbound("a")])
    talk = Conversation.objects.get()
    tag = add_tag(conversation=talk, name="vip", by=ada)
    assert [(one.name, one.counts, one.chosen) for one in tags_in_use()] == [("vip", False, None)]
    assert Interaction.objects.get().contact_reason == ""
    choose_tags(chosen={tag.pk: True}, by=ada)
    assert follow_tags() == {"told": 1, "taken": 0}
    assert Interaction.objects.get().contact_reason == "vip"
    choose_tags(chosen={tag.pk: None}, by=ada)
    assert follow_tags() == {"told": 0, "taken": 1}
    assert reason_model() is None
