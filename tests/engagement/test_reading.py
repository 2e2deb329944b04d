"""Reading texts: language, sentiment, reason, topics."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from engagement.reading import CACHE_SIZE, NOTHING, READER_VERSION, _cache, clear_cache, read_text, read_texts
from engagement.reading.cleaning import READ_CHARACTERS, clean
from engagement.reading.language import UNDETERMINED, detector_for


def read(text, languages=("en",)):
    return read_texts([text], languages=languages)[0]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("My printer does not print in black any more, what can I do?", "en"),
        ("Mein Paket ist seit zwei Wochen nicht angekommen, wo bleibt es?", "de"),
        ("Bonjour, ma commande n'est toujours pas arrivée, pouvez-vous m'aider ?", "fr"),
        ("Hola, mi pedido no ha llegado todavía, ¿dónde está?", "es"),
        ("注文した商品がまだ届きません。いつ届きますか。", "ja"),
        ("Где мой заказ? Я жду уже две недели.", "ru"),
    ],
)
def test_language_is_told_among_the_widely_written(text, language):
    assert read(text, ()).language == language


@pytest.mark.parametrize("text", ["ok", "PS4", "pls DM", "@RockstarSupport Ps4", "12345 67890", "😂😂😂"])
def test_language_of_a_very_short_text_is_undetermined(text):
    assert read(text, ()).language == UNDETERMINED


def test_language_is_held_to_those_of_the_workspace():
    finnish = "Pakettini ei ole vieläkään saapunut, vaikka tilasin sen kaksi viikkoa sitten"
    assert read(finnish, ("fi",)).language == "fi"
    assert read(finnish, ("en", "de")).language == UNDETERMINED


def test_language_of_the_workspace_wins_against_a_close_relative():
    danish = "Min pakke er ikke kommet endnu, hvornår kommer den?"
    assert read(danish, ("da", "en")).language == "da"


@pytest.mark.parametrize("tags", [("en-US",), ("EN",), ("en_GB", "xx")])
def test_language_tags_come_in_any_spelling_and_unknown_ones_are_left_out(tags):
    assert read("Where can I download the driver for my printer?", tags).language == "en"


def test_sentiment_is_vaders_compound_of_the_cleaned_text():
    analyzer = SentimentIntensityAnalyzer()
    for text in (
        "I love this phone, it is GREAT!!!",
        "Not good at all. The support was rude but the manager helped",
        "The parcel arrived on a Tuesday in the afternoon",
        "WORST company ever :( never buying again",
        "It's kind of okay, at least the battery is fine",
    ):
        assert read(text).sentiment == analyzer.polarity_scores(text)["compound"]


def test_sentiment_is_not_measured_in_a_language_vader_does_not_know():
    german = read("Die Lieferung war gut, aber die Verpackung war leider kaputt", ("de", "en"))
    assert german.language == "de"
    assert german.sentiment is None


def test_sentiment_of_a_short_text_only_where_nothing_but_english_is_spoken():
    assert read("great!", ("en",)).sentiment > 0.5
    assert read("great!", ("en", "de")).sentiment is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("How do I move a folder to another account?", "question"),
        ("Can you tell me if the blue one comes in XL", "question"),
        ("Please help me recover my account", "question"),
        ("Does not work since the update, fix this", "complaint"),
        ("This is the worst service I have ever seen", "complaint"),
        ("I was charged twice and nobody answers", "complaint"),
        ("Funktioniert nicht mehr seit gestern", "complaint"),
        ("Where is my order 48813?", "order"),
        ("I would like to order two more of these", "order"),
        ("Wo bleibt mein Paket", "order"),
        ("Thank you so much, great service", "praise"),
        ("Love the new design!", "praise"),
        ("Vielen Dank, alles angekommen", "praise"),
        ("We are on the ground floor", "other"),
        ("@shop https://example.com/x", "other"),
        ("", ""),
        ("  \n ", ""),
    ],
)
def test_reason(text, reason):
    assert read(text).reason == reason


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("My parcel has not arrived", "delivery"),
        ("I want my money back", "refund"),
        ("I was charged on my credit card", "payment"),
        ("I cannot log in since Monday", "sign-in"),
        ("The battery is empty after an hour", "battery"),
        ("The zipper came broken", "quality"),
        ("Is the red one back in stock?", "availability"),
        ("Das Paket ist weg", "delivery"),
        ("Wo ist meine Rechnung", "payment"),
    ],
)
def test_topics_are_told_by_words_and_phrases(text, topic):
    assert topic in read(text).topics


def test_topics_end_with_hashtags_but_not_with_numbers():
    assert read("@HP cartridge #301 is empty #hppsdr #LJHelp").topics == ("hardware", "#hppsdr", "#ljhelp")


def test_links_mentions_and_addresses_are_not_read():
    words, _ = clean("@great_support see https://love.example/best or write to happy@example.com please")
    assert words == "see or write to please"


def test_nothing_is_read_from_no_text():
    assert read("") == NOTHING
    assert read("\x00\x00") == NOTHING


def test_only_the_beginning_of_a_long_text_is_read():
    words, raw = clean("word " * 1_000_000)
    assert len(words) <= READ_CHARACTERS
    assert len(raw) <= 2 * READ_CHARACTERS


@pytest.mark.parametrize(
    "text",
    [
        "\ud800 broken",
        "a" * 5_000_000,
        "no but " * 600,
        "@" * 4000,
        "? " * 2000,
        "i have have " * 500,
        "#" * 4000,
    ],
)
def test_odd_texts_are_read_quickly(text):
    detector = detector_for(("en",))
    read_text("warm up", detector)
    start = time.perf_counter()
    assert read_text(text, detector).version == READER_VERSION
    assert time.perf_counter() - start < 0.5


def test_a_repeated_text_reads_the_same_and_the_cache_is_bounded():
    clear_cache()
    texts = [f"parcel {number}" for number in range(CACHE_SIZE + 50)]
    first = read_texts(texts, languages=["en"])
    assert len(_cache._known) == CACHE_SIZE
    assert read_texts(texts, languages=["en"]) == first


def test_the_cache_keeps_workspaces_with_other_languages_apart():
    clear_cache()
    assert read("great!", ("en",)).sentiment is not None
    assert read("great!", ("en", "de")).sentiment is None


@pytest.mark.peer
def test_care_sample_is_read_fast_and_as_english():
    folder = os.environ.get("RAPPORT_SAMPLES")
    assert folder, "set RAPPORT_SAMPLES to the folder with data/"
    lines = (Path(folder) / "data" / "care-interactions.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    detector = detector_for(())
    read_text(texts[0], detector)
    start = time.process_time()
    readings = [read_text(text, detector) for text in texts]
    speed = len(texts) / (time.process_time() - start)
    assert {reading.language for reading in readings} <= {"en", UNDETERMINED}
    assert sum(reading.language == "en" for reading in readings) > 0.95 * len(texts)
    assert speed > 1000, f"{speed:.0f} texts a second"
