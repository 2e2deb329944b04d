"""What of a text is read: not its links, not whom it calls, not more than its beginning."""

from __future__ import annotations

import re

READ_CHARACTERS = 2_000
"""The beginning says what a message is about; the rest of a long one would only cost time."""

NOT_WORDS = re.compile(
    r"https?://\S+|\bwww\.\S+"  # links
    r"|[\w.+-]+@[\w-]+\.[\w.-]+"  # mail addresses
    r"|(?<!\w)@\w[\w.-]*",  # mentions
    re.IGNORECASE,
)
SPACES = re.compile(r"\s+")
HAS_CONTENT = re.compile(r"[^\W_]|[^\x00-\x7f]")


def clean(text: str) -> tuple[str, str]:
    """The words to read ('' when there are none), and the beginning of the text as it stands."""
    raw = text[: 2 * READ_CHARACTERS].replace("\x00", " ")
    words = SPACES.sub(" ", NOT_WORDS.sub(" ", raw)).strip()[:READ_CHARACTERS]
    return (words if HAS_CONTENT.search(words) else ""), raw
