"""Text as Bluesky wants it: counted in graphemes, with links, mentions and tags marked by bytes of UTF-8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import regex

from engagement.channels.bluesky.ids import is_handle

POST_GRAPHEMES, POST_BYTES = 300, 3000
CHAT_GRAPHEMES, CHAT_BYTES = 1000, 10_000
_BEFORE = r"(?<![\w@#/.])"
_LINK = regex.compile(r"(?<!\w)https?://[^\s<>\"]+", regex.IGNORECASE)
_MENTION = regex.compile(_BEFORE + r"@([a-zA-Z0-9][a-zA-Z0-9.-]*[a-zA-Z0-9])")
_TAG = regex.compile(_BEFORE + r"[#＃]((?=[^\s]*[^\d\s\p{P}])[^\s\p{P}\p{C}][^\s#＃]*)")
_TRAILING = regex.compile(r"[\p{P}--[/_#=&%@*~+-]]+$", regex.VERSION1)
MAX_TAG = 64


@dataclass(frozen=True)
class Mark:
    """A part of a text with a meaning, in characters."""

    start: int
    end: int
    feature: dict[str, str]


def count_graphemes(text: str) -> int:
    """Letters as a reader counts them: an emoji of a family of four is one."""
    return sum(1 for _ in regex.finditer(r"\X", text))


def facets(text: str, find_did: Callable[[str], str]) -> list[dict[str, Any]]:
    """What is to be a link, a mention or a tag. `find_did` gives '' for a handle that nobody has."""
    marks = _links(text)
    marks += [mark for mark in [*_mentions(text, find_did), *_tags(text)] if not _within(mark, marks)]
    return [_facet(text, mark) for mark in sorted(marks, key=lambda mark: mark.start)]


def _links(text: str) -> list[Mark]:
    found = []
    for match in _LINK.finditer(text):
        url = _without_tail(match[0])
        if len(url.partition("://")[2]) > 0:
            link = {"$type": "app.bsky.richtext.facet#link", "uri": url}
            found.append(Mark(match.start(), match.start() + len(url), link))
    return found


def _without_tail(url: str) -> str:
    """A link without the full stop or bracket that ends the sentence around it."""
    short = _TRAILING.sub("", url)
    if url[len(short) :].startswith(")") and "(" in short:
        short += ")"
    return short


def _mentions(text: str, find_did: Callable[[str], str]) -> list[Mark]:
    found = []
    for match in _MENTION.finditer(text):
        handle = match[1].lower()
        did = find_did(handle) if is_handle(handle) else ""
        if did:
            mention = {"$type": "app.bsky.richtext.facet#mention", "did": did}
            found.append(Mark(match.start(), match.end(), mention))
    return found


def _tags(text: str) -> list[Mark]:
    found = []
    for match in _TAG.finditer(text):
        tag = _TRAILING.sub("", match[1])
        if tag and count_graphemes(tag) <= MAX_TAG:
            feature = {"$type": "app.bsky.richtext.facet#tag", "tag": tag}
            found.append(Mark(match.start(), match.start() + 1 + len(tag), feature))
    return found


def _within(mark: Mark, others: list[Mark]) -> bool:
    return any(mark.start < other.end and other.start < mark.end for other in others)


def _facet(text: str, mark: Mark) -> dict[str, Any]:
    start = len(text[: mark.start].encode())
    index = {"byteStart": start, "byteEnd": start + len(text[mark.start : mark.end].encode())}
    return {"index": index, "features": [mark.feature]}
