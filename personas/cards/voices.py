"""In their own words: which texts stand on a card, and what is taken out of them first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from core import networks
from core.models import Brand, Workspace
from core.sql import rows
from crm.privacy.words import ORDINARY

QUOTES, REPLIES = 2, 2
LEAST_LETTERS = 30
MOST_GAPS = 2
"""A text with more places taken out than this says little and is not shown."""
LEAST_NAME = 3
CLEAR = 0.5
"""A sentiment that far from zero is a clear one."""
WRITTEN_BY_OTHERS = 2
"""A word in small letters in so many texts is a word, though somebody may be called so."""
Row = dict[str, Any]

_HANDLE = re.compile(r"(?<![\w@])@[\w.]+")
_ADDRESS = re.compile(r"\b[\w.+-]+(?:[@＠]|\s?[(\[]\s?at\s?[)\]]\s?)[\w-]+(?:\.[\w-]+)*", re.IGNORECASE)
_LINK = re.compile(
    r"\bhttps?://\S+|\bwww\.\S+"
    r"|\b(?:[\w-]+\.)+[a-z]{2,}/\S+",  # instagram.com/somebody
    re.IGNORECASE,
)
_UNDERSCORED = re.compile(r"\b\w*[^\W_]_\w*[^\W_]\b")
"""A handle that stands without its @: nobody writes words so."""
_NUMBER = re.compile(r"[+#]?\d[\d\s().\-/]{4,}\d|#?\b[A-Z]*\d{4,}\w*\b")
_SIGNED = re.compile(
    r"(?:^|[\n,.!?])\s*(?i:(?:best|kind|warm|many)?\s*(?:regards|wishes|thanks|thank you|cheers|best|yours))"
    r"[,!.]?\s+[A-ZÀ-Þ]\S+(?:\s+[A-ZÀ-Þ]\S+)?\s*$"
)
_CALLED = re.compile(
    r"\b((?i:my name is|this is|i am|i'm|dear|hi|hello|hey))\s+([A-ZÀ-Þ][\w'’-]+(?:\s+[A-ZÀ-Þ][\w'’-]+)?)"
)
_REPLACED: Sequence[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = (
    (_LINK, "…"),
    (_ADDRESS, "…"),
    (_HANDLE, "…"),
    (_UNDERSCORED, "…"),
    (_NUMBER, "…"),
    (_SIGNED, ""),
    (_CALLED, lambda found: f"{found[1]} …"),
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_BEGINS = re.compile(r"(?:^|[.!?:\n…]\s*|[\"“(]\s*)$")
_CALENDAR = frozenset(
    "january february march april may june july august september october november december "
    "monday tuesday wednesday thursday friday saturday sunday christmas easter".split()
)


def without_names(text: str, name: str = "", others: Collection[str] = ()) -> str:
    """A text without what tells who wrote it: their name, handles, addresses, links and long numbers.

    `others` are words in lower case that are names of other people (`names_in`).
    """
    text = _without_own(text, name)
    for pattern, by in _REPLACED:
        text = pattern.sub(by, text)
    if others:
        text = _WORD.sub(lambda found: "…" if _plain(found[0]) in others else found[0], text)
    text = re.sub(r"…(?:[\s,]*…)+", "…", text)
    return re.sub(r"\s+", " ", text).strip()


def _without_own(text: str, name: str) -> str:
    parts = {part.strip("@") for part in re.split(r"[\s,]+", name)}
    for part in sorted(parts, key=lambda part: (-len(part), part)):
        if len(part) > 1:
            text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "…", text, flags=re.IGNORECASE)
    return text


def _plain(word: str) -> str:
    """Lower case, and without the 's of an owner."""
    return re.sub(r"['’]s$", "", word.lower())


# Other people's names


def names_in(texts: Sequence[str]) -> frozenset[str]:
    """Words of these texts that are names of customers, in lower case; names of brands are no names here.

    With a capital within a sentence a word is a name wherever a customer bears it. At the beginning of a
    sentence and in small letters it may be a plain word: it is one when several texts write it small.
    """
    within, others = _words_of(texts)
    doubtful = {word for word, n in others.items() if n < WRITTEN_BY_OTHERS and word not in ORDINARY}
    wanted = sorted((within | doubtful) - _kept_words())
    if not wanted:
        return frozenset()
    return frozenset(row["word"] for row in rows("personas", "card_names", {"words": wanted}))


def _words_of(texts: Sequence[str]) -> tuple[set[str], Mapping[str, int]]:
    """Words with a capital within a sentence, and in how many texts each other word is written small."""
    within: set[str] = set()
    doubtful: Counter[str] = Counter()
    for text in texts:
        small: set[str] = set()
        begun: set[str] = set()
        for found in _WORD.finditer(text):
            word = _plain(found[0])
            if len(word) < LEAST_NAME:
                continue
            if found[0][0].islower():
                small.add(word)
            elif _BEGINS.search(text[: found.start()]):
                begun.add(word)
            else:
                within.add(word)
        doubtful.update(small)
        for word in begun - set(doubtful):
            doubtful[word] = 0
    return within, doubtful


def _kept_words() -> frozenset[str]:
    """Words of the business's own names, of networks and of the calendar."""
    told = [Workspace.current().name, *Brand.objects.values_list("name", flat=True)]
    told += [network.label for network in networks.known()]
    return _CALENDAR | {_plain(word) for name in told for word in _WORD.findall(name)}


# Choosing


def quotes(found: Sequence[Row], others: Collection[str] = (), most: int = QUOTES) -> list[Row]:
    """The strongest voices, the unhappiest and the happiest by turns, each of another customer.

    `said` is the interaction that a quote is from, by which it is found again when somebody is erased.
    """
    turns = [(row, row["name"]) for pair in _turns(found) for row in pair]
    return [
        {
            "text": row["text"],
            "network": row["network"],
            "kind": row["kind"],
            "rating": row["rating"],
            "mood": "positive" if row["sentiment"] > 0 else "negative",
            "said": row["id"],
        }
        for row in _first_new(turns, others, most)
    ]


def complaints(found: Sequence[Row], others: Collection[str] = (), most: int = QUOTES) -> list[Row]:
    """What hurts, in their words: complaints before other unhappy words, the shorter before the longer."""
    unhappy = [row for row in found if row["sentiment"] < 0]
    unhappy.sort(
        key=lambda row: (row.get("reason") != "complaint", row["sentiment"] > -CLEAR, len(row["text"]))
    )
    return quotes(unhappy, others, most)


def glad(found: Sequence[Row], others: Collection[str] = ()) -> list[Row]:
    """What they are glad of: praise before other happy words, the shorter before the longer."""
    happy = [row for row in found if row["sentiment"] > 0]
    happy.sort(key=lambda row: (row.get("reason") != "praise", row["sentiment"] < CLEAR, len(row["text"])))
    return quotes(happy, others, most=1)


def replies(found: Sequence[Row], others: Collection[str] = (), most: int = REPLIES) -> list[Row]:
    """The replies after which the mood rose most, each to another customer and in other words."""
    turns = [(row, f"{row['name']} {row['staff_name']}") for row in found]
    return [
        {
            "text": row["text"],
            "network": row["network"],
            "kind": row["kind"],
            "seconds": round(row["seconds"]) if row["seconds"] is not None else None,
            "said": row["id"],
        }
        for row in _first_new(turns, others, most)
    ]


def _first_new(turns: Iterable[tuple[Row, str]], others: Collection[str], most: int) -> list[Row]:
    """The first so many rows that are new; beside each row the names that are taken out of its text."""
    chosen: list[Row] = []
    for row, names in turns:
        text = without_names(row["text"], names, others)
        if _is_new(row, text, chosen):
            chosen.append({**row, "text": text})
        if len(chosen) == most:
            break
    return chosen


def _is_new(row: Row, text: str, chosen: Iterable[Row]) -> bool:
    """Whether a text says enough, and neither its customer nor its words were taken before."""
    if len(text) < LEAST_LETTERS or text.count("…") > MOST_GAPS:
        return False
    return all(one["customer_id"] != row["customer_id"] and one["text"] != text for one in chosen)


def _turns(found: Sequence[Row]) -> Sequence[Sequence[Row]]:
    bad = [row for row in found if row["sentiment"] < 0]
    good = [row for row in found if row["sentiment"] > 0]
    longest = max(len(bad), len(good))
    return [(*bad[at : at + 1], *good[at : at + 1]) for at in range(longest)]
