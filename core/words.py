"""Words to look for in texts: all of them, "a phrase", the beginnings of words*."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.search import SearchQuery

from core.finding import LONGEST, MOST_WORDS
from core.text import clean_text

SHORTEST_BEGINNING = 2
_TOKEN = re.compile(r'"([^"]*)"|([^\s"]+)')
_PIECE = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Words:
    """What to look for in texts; `query` is None where nothing could be found by it."""

    query: Any

    @classmethod
    def of(cls, text: str) -> Words:
        """Read a text; punctuation means nothing, so no text is refused."""
        plain = clean_text(text[: 4 * LONGEST], LONGEST)
        queries = [_phrase(phrase) if phrase else _word(word) for phrase, word in _TOKEN.findall(plain)]
        combined = None
        for query in [query for query in queries if query is not None][:MOST_WORDS]:
            combined = query if combined is None else combined & query
        return cls(combined)


def _phrase(text: str) -> SearchQuery | None:
    return SearchQuery(text, config="simple", search_type="phrase") if _PIECE.search(text) else None


def _word(text: str) -> Any:
    pieces = _PIECE.findall(text)
    if not pieces:
        return None
    if not text.endswith("*") or len(pieces[-1]) < SHORTEST_BEGINNING:
        return SearchQuery(text.rstrip("*"), config="simple", search_type="plain")
    # A piece is letters and digits alone, so it cannot end its quotes.
    beginning = SearchQuery(f"'{pieces[-1]}':*", config="simple", search_type="raw")
    before = " ".join(pieces[:-1])
    return SearchQuery(before, config="simple", search_type="plain") & beginning if before else beginning
