"""What is new in a mail, and what it repeats."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

LANGUAGES = ["en", "de", "fr", "es", "it", "nl", "pl", "sv", "da", "cs", "ja", "ko", "zh"]
MAX_PARSED = 20_000
"""The parser's patterns are for mails people write; longer ones are split at the first quoted line alone."""

MAX_LINE = 2_000
QUOTED_LINE = re.compile(r"^\s*>")
FORWARD_SUBJECT = re.compile(r"^\s*(?:fwd?|wg|tr|rv|i|doorst|vs)\s*:", re.IGNORECASE)
ATTRIBUTION = re.compile(
    r"^.{0,400}(?:wrote|schrieb.{0,400}|écrit|escribió|scritto|schreef)\s{0,9}:$", re.IGNORECASE
)
MAX_ATTRIBUTION = 900
MAX_SUBJECT = 2_000


@dataclass(frozen=True)
class Split:
    """The new words of a mail, and the earlier ones that it repeats below or between them."""

    text: str
    quoted: str = ""


def split_quoted(text: str, *, subject: str = "") -> Split:
    """Part a mail's text. Nothing is lost: what is not new stands in `quoted`.

    A forwarded mail is new as a whole, and so is one that holds nothing but quotation.
    """
    whole = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if FORWARD_SUBJECT.match(subject):
        return Split(whole)
    found = _answers_between(whole) or _by_parser(whole)
    return found if found.text else Split(whole)


def _answers_between(text: str) -> Split | None:
    """A mail whose new words stand below or between quoted lines; None for any other."""
    lines = text.split("\n")
    marks = [bool(QUOTED_LINE.match(line) or _is_attribution(line)) for line in lines]
    if True not in marks:
        return None
    last = len(marks) - 1 - marks[::-1].index(True)
    if not any(line.strip() and not _is_footer(line) for line in lines[last + 1 :]):
        return None
    new = [line for line, is_quoted in zip(lines, marks, strict=True) if not is_quoted]
    quoted = [line for line, is_quoted in zip(lines, marks, strict=True) if is_quoted]
    return Split(_joined(new), "\n".join(quoted))


def _is_attribution(line: str) -> bool:
    """Whether it says who wrote what follows; such lines are short, and long ones cost a pattern dearly."""
    line = line.rstrip()
    return len(line) <= MAX_ATTRIBUTION and ATTRIBUTION.match(line) is not None


def _is_footer(line: str) -> bool:
    return line.strip() in ("--", "-- ") or line.startswith("Sent from ")


def _by_parser(text: str) -> Split:
    if len(text) > MAX_PARSED or any(len(line) > MAX_LINE for line in text.split("\n")):
        return _at_first_quoted_line(text)
    replies = _parser().read(text).replies
    if len(replies) < 2:
        return _at_first_quoted_line(text)
    new = replies[0].content.strip()
    kept = _at_first_quoted_line(new)
    quoted = "\n\n".join(part for part in (kept.quoted, *(one.content for one in replies[1:])) if part)
    return Split(kept.text, quoted)


def _at_first_quoted_line(text: str) -> Split:
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if QUOTED_LINE.match(line)), len(lines))
    while (
        first and first < len(lines) and (not lines[first - 1].strip() or _is_attribution(lines[first - 1]))
    ):
        first -= 1
    return Split(_joined(lines[:first]), "\n".join(lines[first:]).strip())


def _joined(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


@cache
def _parser() -> Any:
    from mailparser_reply import EmailReplyParser

    return EmailReplyParser(languages=list(LANGUAGES))


def bare_subject(subject: str) -> str:
    """A subject without Re:, Fwd:, AW: and the like, for comparing."""
    bare, before = subject.strip()[:MAX_SUBJECT], None
    while bare != before:
        before, bare = bare, ANSWER_PREFIX.sub("", bare).strip()
    return re.sub(r"\s+", " ", bare).casefold()


ANSWER_PREFIX = re.compile(
    r"^(?:re|aw|antw|antwort|sv|vs|odp|ref|rif|r|res|回复|答复|fwd?|wg|tr|rv|i|doorst)\s*(?:\[\d+\])?\s*[:：]",
    re.IGNORECASE,
)
