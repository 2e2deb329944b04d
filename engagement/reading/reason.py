"""Why somebody writes: complaint, order, question, praise or other. Rules; the first that fits wins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from engagement.reading.vocabulary import (
    ASKING_STARTS,
    COMPLAINT_PHRASES,
    COMPLAINT_WORDS,
    HELP_PHRASES,
    ORDER_PHRASES,
    PRAISE_PHRASES,
    PRAISE_WORDS,
)

VERY_BAD = -0.5
OPENING = re.compile(
    r"(?:^|[.!?,:;\n]\s*|\b(?:and|but|so|und|aber|et|y|pero)\s+)"  # where a clause begins
    r"([^\W\d_]+(?:'[^\W\d_]+)?)(?:\s+([^\W\d_]+))?"  # its first two words
)


def phrase_pattern(phrases: Iterable[str]) -> re.Pattern[str]:
    """One pattern for all phrases, at word borders."""
    longest_first = sorted(phrases, key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(longest_first) + r")(?!\w)")


COMPLAINT = phrase_pattern(COMPLAINT_PHRASES)
ORDER = phrase_pattern(ORDER_PHRASES)
HELP = phrase_pattern(HELP_PHRASES)
PRAISE = phrase_pattern(PRAISE_PHRASES)


def reason_of(text: str, words: Sequence[str], sentiment: float | None) -> str:
    """The reason of a text; `words` are its words in lower case."""
    lowered = text.lower().replace("’", "'")
    if is_complaint(lowered, words, sentiment):
        return "complaint"
    if ORDER.search(lowered):
        return "order"
    if is_question(lowered):
        return "question"
    if is_praise(lowered, words, sentiment):
        return "praise"
    return "other"


def is_complaint(lowered: str, words: Sequence[str], sentiment: float | None) -> bool:
    """Words of complaint, or a text that VADER reads as very bad."""
    if sentiment is not None and sentiment <= VERY_BAD:
        return True
    return not COMPLAINT_WORDS.isdisjoint(words) or COMPLAINT.search(lowered) is not None


def is_question(lowered: str) -> bool:
    """A question mark of any script, a clause that begins like a question, or a call for help."""
    if any(mark in lowered for mark in "?？؟¿") or HELP.search(lowered):
        return True
    return any(
        first in ASKING_STARTS or f"{first} {second}" in ASKING_STARTS
        for first, second in OPENING.findall(lowered)
    )


def is_praise(lowered: str, words: Sequence[str], sentiment: float | None) -> bool:
    """Kind words, in a text that VADER does not read as bad."""
    if sentiment is not None and sentiment < 0:
        return False
    return not PRAISE_WORDS.isdisjoint(words) or PRAISE.search(lowered) is not None
