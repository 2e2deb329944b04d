"""Length as X counts it (developer page "Counting characters"; the weights are those of twitter-text 3)."""

from __future__ import annotations

import re
import unicodedata

URL_LENGTH = 23
"""What every link counts, because X puts a short one of its own in its place."""
LIGHT = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
"""Code points that count one; every other counts two."""

DOMAINS = """
com org net edu gov mil int info biz name pro aero coop museum jobs mobi travel app dev page cloud online site
store shop tech blog news live life world agency studio design digital email group media network services
solutions support systems space website xyz club fun art io ai co me tv
"""
_LINK = re.compile(
    r"(?<![\w@#$./-])"
    r"(?:https?://[^\s<>\"'）」]+"
    rf"|(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:{'|'.join(DOMAINS.split())})(?![\w-])(?:[:/?#][^\s<>\"']*)?)",
    re.IGNORECASE,
)
_LINK_END = re.compile(r"[.,;:!?)\]}'\"…]+$")
_PICTURE = "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
_DRESS = "[\ufe0f\U0001f3fb-\U0001f3ff]"
_EMOJI = re.compile(
    "[\U0001f1e6-\U0001f1ff]{2}"
    "|[0-9#*]\ufe0f?\u20e3"
    f"|{_PICTURE}{_DRESS}*[\U000e0020-\U000e007f]+"
    f"|{_PICTURE}{_DRESS}*(?:\u200d{_PICTURE}{_DRESS}*)+"
    f"|{_PICTURE}{_DRESS}+"
)


def weighted_length(text: str) -> int:
    """What this text counts: a link 23, an emoji of however many parts 2, a CJK letter 2, all else 1."""
    composed = unicodedata.normalize("NFC", text)
    length, end = 0, 0
    for found in _LINK.finditer(composed):
        link = _LINK_END.sub("", found.group())
        length += _without_links(composed[end : found.start()]) + URL_LENGTH
        end = found.start() + len(link)
    return length + _without_links(composed[end:])


def _without_links(text: str) -> int:
    plain, emojis = _EMOJI.subn("", text)
    return 2 * emojis + sum(_weight(ord(letter)) for letter in plain)


def _weight(point: int) -> int:
    return 1 if any(first <= point <= last for first, last in LIGHT) else 2
