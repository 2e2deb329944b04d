"""Reads texts: language, sentiment, reason and topics, without a model server and without the database.

    for text, reading in zip(texts, read_texts(texts, languages=["en", "de"])): ...

Everything is a rule or a table of numbers, so that the same text always reads the same, on every machine.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from engagement.reading.cleaning import clean
from engagement.reading.grams import no_signs, signs
from engagement.reading.language import UNDETERMINED, Detector, detector_for
from engagement.reading.reason import reason_of
from engagement.reading.sentiment import lexicon, polarity
from engagement.reading.topics import hashtags_of, topics_of, words_of
from engagement.reading.trained import NO_MODELS, Models, SentimentModel

READER_VERSION = 1
"""Goes up with every change that reads some text differently; interactions keep it beside the reading."""

MODEL_STEP = 100
"""What a trained model's version adds to the version of a reading: 301 is code 1 with model 3."""

CACHE_SIZE = 8_192


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says.

    `language` is an ISO 639-1 code, "und" where it cannot be told, '' for no text. `sentiment` is -1 to 1,
    or None where it was not measured. `reason` is question, complaint, praise, order, other, or '' for no
    text. `topics` are names from the vocabulary, then hashtags with their sign.
    """

    language: str
    sentiment: float | None
    reason: str
    topics: tuple[str, ...]
    version: int = READER_VERSION


NOTHING = Reading("", None, "", ())
"""The reading of no text."""

UNREAD = Reading("", None, "", (), 0)
"""What stands beside a text that nobody read."""


def read_texts(
    texts: Sequence[str], *, languages: Sequence[str] = (), models: Models = NO_MODELS
) -> list[Reading]:
    """Read each text, in order.

    `languages` are those the workspace speaks: a text in none of them is "und". With none given, the
    widely written languages are considered. `models` are those the workspace trained.
    """
    detector = detector_for(tuple(languages))
    return [_cache.get(text, detector, models) for text in texts]


def read_text(text: str, detector: Detector, models: Models = NO_MODELS) -> Reading:
    """Read one text, past the cache."""
    words, raw = clean(text)
    if not words:
        return _only_marks(raw)
    language = detector.detect(words)
    said = polarity(words) if spoken_language(language, detector) == "en" else None
    by_rules = said["compound"] if said else None
    # Of a text whose language cannot be told, a model would make something where VADER says nothing.
    model = models.sentiment.get(language)
    tokens = words_of(words)
    return Reading(
        language,
        model_sentiment(model, words, said) if model else by_rules,
        reason_of(words, tokens, by_rules),
        topics_of(tokens) + hashtags_of(raw),
        READER_VERSION + MODEL_STEP * model.version if model else READER_VERSION,
    )


def _only_marks(raw: str) -> Reading:
    """A text of links and mentions only."""
    return Reading(UNDETERMINED, None, "other", hashtags_of(raw)) if raw.strip() else NOTHING


def spoken_language(language: str, detector: Detector) -> str:
    """The language whose reader may judge the mood; "und" where none may.

    VADER knows English words only: on German it would score "die" and "war" as death and fighting. So
    another language has no sentiment by rules rather than a wrong one. A text whose language cannot be told
    is taken for English only in a workspace that speaks nothing else.
    """
    return "en" if language == UNDETERMINED and detector.only_english else language


def model_sentiment(model: SentimentModel, words: str, said: Mapping[str, float] | None) -> float:
    """What a trained model makes of a cleaned text and of VADER's scores for it."""
    return model.sentiment(words, signs(words, said, lexicon()) if said else no_signs())


class _Cache:
    """The readings of the texts seen last, by hash, so that its size does not depend on their length."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._known: OrderedDict[bytes, Reading] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, text: str, detector: Detector, models: Models) -> Reading:
        content = text.encode("utf-8", "surrogatepass")
        key = blake2b(content, digest_size=16, salt=detector.salt, key=models.key).digest()
        with self._lock:
            if (known := self._known.get(key)) is not None:
                self._known.move_to_end(key)
                return known
        reading = read_text(text, detector, models)
        with self._lock:
            self._known[key] = reading
            if len(self._known) > self.size:
                self._known.popitem(last=False)
        return reading

    def clear(self) -> None:
        with self._lock:
            self._known.clear()


_cache = _Cache(CACHE_SIZE)
clear_cache = _cache.clear
