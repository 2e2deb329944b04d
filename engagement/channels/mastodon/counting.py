"""Length as Mastodon counts it: letters as a reader sees them, links and names shortened."""

from __future__ import annotations

from collections.abc import Callable

import regex

URL_LENGTH = 23
"""What a link counts on a server that says nothing else (`characters_reserved_per_url`)."""
_LINK = regex.compile(r"(?<![\w/@])https?://[^\s<>\"']+", regex.IGNORECASE)
_LINK_END = regex.compile(r"[.,;:!?)\]}'\"]+$")
_NAME = regex.compile(r"(?<![\w/=])(@\w+(?:[\w.-]*\w)?)@[\w.-]+\w", regex.IGNORECASE)
_LETTER = regex.compile(r"\X")


def count_letters(text: str, url_length: int = URL_LENGTH) -> int:
    """A link counts `url_length`, a name only what stands before its server, an emoji one."""
    return sum(1 for _ in _LETTER.finditer(_NAME.sub(r"\1", _LINK.sub(_shortened(url_length), text))))


def _shortened(length: int) -> Callable[[regex.Match[str]], str]:
    def shorten(found: regex.Match[str]) -> str:
        ending = _LINK_END.search(found.group())
        return "x" * length + (ending.group() if ending else "")

    return shorten
