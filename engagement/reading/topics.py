"""What a text is about, by words and phrases of customer care, and by its hashtags."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from engagement.reading.vocabulary import TOPICS

MOST_TOPICS = 5
MOST_HASHTAGS = 3
HASHTAG = re.compile(r"(?<![\w&])#(\w{2,59})")
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, with straight apostrophes."""
    return WORD.findall(text.lower().replace("’", "'"))


def topics_of(words: Sequence[str]) -> tuple[str, ...]:
    """Topics in the order they are first touched, at most five."""
    table = _table()
    found: dict[str, None] = {}
    for position, word in enumerate(words):
        entries = table.get(word)
        if entries is None:
            continue
        for phrase, topic in entries:
            if not phrase or tuple(words[position + 1 : position + 1 + len(phrase)]) == phrase:
                found.setdefault(topic)
    return tuple(found)[:MOST_TOPICS]


def hashtags_of(text: str) -> tuple[str, ...]:
    """Up to three hashtags with their sign, in lower case; "#1" and "#301" are numbers, not topics."""
    found = dict.fromkeys("#" + tag.lower() for tag in HASHTAG.findall(text) if not tag.isdigit())
    return tuple(found)[:MOST_HASHTAGS]


@cache
def _table() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """First word to what must follow it and the topic that it means."""
    table: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for topic, entries in TOPICS.items():
        for entry in entries:
            first, *rest = entry.split()
            table.setdefault(first, []).append((tuple(rest), topic))
    return table
