"""What somebody can be recognized by in other people's texts, and how it is blotted out.

Two reaches. What can only mean this person (addresses, numbers, full names, handles) is blotted out
everywhere. What could mean anybody (a first name, a common word, a short number) only in the conversations
they took part in. A single word reaches everywhere if nobody else here bears it and nobody else writes it.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import phonenumbers

ERASED = "[erased]"
MOST_NUMBERS = 50
"""Order numbers that are searched everywhere; of a customer with more, they are searched nearby only."""
LEAST_DIGITS, LEAST_LETTERS, LEAST_SPACELESS = 6, 4, 3
LEAST_WORDS, LEAST_LENGTH = 8, 32
"""A run of so many words and letters in another text of the same conversation is a quotation."""
LEAST_QUOTED = 3
"""A part of a line that is marked as quoted has so many words; a whole line may have fewer."""
ORDINARY = frozenset(
    """
    january february march april may june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday
    admin administrator billing biz contact customer customers editor email hello help home info job jobs
    mail marketing me news noreply no-reply office order orders post postmaster press sales service shop
    store support team user webmaster work world
    angel art autumn bay bell bill black blue brook brown chance charity christian clay cliff crystal daisy
    dale dawn dean drew earl faith ford forest frank gene grace grant green guy harmony harper hazel
    heather holly hope hunter iris ivy jack jade jasmine jean jewel joy junior king lake lane lily love
    major mark mason melody mercy miles misty moon north olive page paris pat pearl penny prince queen rain
    ray red reed rich river rob robin rock rose ruby rusty sage sandy savannah scarlet shepherd sky smith
    star sterling stone storm sue summer sunny taylor terry van victor violet wade ward west white will
    willow winter wood young
    anna alex andrea ben chris dan daniel david emma eva james jan john laura lisa maria martin mary max
    michael mike nina paul peter sam sara sarah thomas tim tom
    """.split()
)
"""Words that mean something else, or too many people, whoever bears them."""

_WORD = re.compile(r"\w+")
_BETWEEN = r"(?:<[^<>]{0,200}>|&nbsp;|[^\w<]){1,12}?"
_BETWEEN_SQL = r"(<[^<>]*>|&nbsp;|\W)+"
_APART = r"[\s().\-/\u00a0\u2011]{0,3}"
_APART_SQL = r"[^0-9A-Za-z]{0,3}"
_SPACELESS = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts that write words without spaces, or with endings on names: nothing bounds a name there."""
_LETTERS_ONLY = re.compile(r"[^\W\d_]+")


@dataclass
class Words:
    """Everything one person is recognized by. Patterns are made when they are first asked for."""

    anywhere: set[str] = field(default_factory=set)
    nearby: set[str] = field(default_factory=set)
    phones: set[str] = field(default_factory=set)
    _everywhere: re.Pattern[str] | None = None
    _near: re.Pattern[str] | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.anywhere or self.phones)

    def sql_pattern(self) -> str:
        """A case-insensitive regular expression of PostgreSQL that finds at least what `blot` blots out.

        It is asked of JSON as text too, so a word may stand in it as JSON writes it.
        """
        parts = {_sql(word) for word in self.anywhere}
        parts |= {_sql(json.dumps(word)[1:-1]) for word in self.anywhere}
        parts |= {_sql(html.escape(word)) for word in self.anywhere}
        parts |= {_APART_SQL.join(_national(phone)) for phone in self.phones}
        return "|".join(sorted(parts))

    def blot(self, text: str) -> str:
        """The text without what can only mean this person."""
        if self._everywhere is None:
            self._everywhere = _pattern(self.anywhere, self.phones)
        return self._everywhere.sub(ERASED, text)

    def blot_nearby(self, text: str) -> str:
        """The text of a conversation they took part in, without any word they are known by."""
        if self._near is None:
            self._near = _pattern(self.anywhere | self.nearby, self.phones)
        return self._near.sub(ERASED, text)

    def found_in(self, text: str) -> bool:
        """Whether a text holds what can only mean this person."""
        return self.blot(text) != text


def blot_all(value: Any, blot: Callable[[str], str]) -> Any:
    """The same JSON value with every string in it blotted, keys included."""
    if isinstance(value, str):
        return blot(value)
    if isinstance(value, dict):
        return {blot(str(key)): blot_all(one, blot) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [blot_all(one, blot) for one in value]
    return value


# Sorting words


def gather(found: Iterable[tuple[str, str]], *, borne: Callable[[Sequence[str]], set[str]]) -> Words:
    """Sort what is known of somebody, as (kind, word), by its reach.

    `borne(words)` gives those that mean somebody else here too: names, handles and words of others.
    """
    words, numbers = Words(), []
    doubtful: set[str] = set()
    for kind, raw in found:
        word = " ".join(raw.split()).strip()
        if not word:
            continue
        if kind == "email":
            words.anywhere.add(word)
            words.anywhere.add(word.replace("@", "%40"))
            doubtful.add(word.partition("@")[0])
        elif kind == "phone":
            words.phones.add(word)
        elif kind == "number":
            numbers.append(word)
        elif kind == "id":
            (words.anywhere if _is_distinct_id(word) else words.nearby).add(word)
        else:
            doubtful |= _spellings(word)
    _sort_numbers(words, numbers)
    _sort_names(words, {word for word in doubtful if len(word) > 1}, borne)
    return words


def _spellings(name: str) -> set[str]:
    """A name or handle as a whole, without its @, last name first, and by its parts."""
    bare = name.removeprefix("@")
    parts = [part for part in re.split(r"[\s,]+", bare) if part]
    found = {bare, *parts}
    if len(parts) > 1:
        found |= {" ".join([*parts[1:], parts[0]]), " ".join([parts[-1], *parts[:-1]])}
        found.add(" ".join([parts[0], parts[-1]]))
    return found


def _sort_numbers(words: Words, numbers: Sequence[str]) -> None:
    distinct = [number for number in dict.fromkeys(numbers) if _is_distinct_id(number)]
    reach = words.anywhere if len(distinct) <= MOST_NUMBERS else words.nearby
    reach.update(distinct)
    words.nearby.update(number.lstrip("#") for number in numbers if len(number.lstrip("#")) > 2)


def _sort_names(words: Words, names: set[str], borne: Callable[[Sequence[str]], set[str]]) -> None:
    candidates = {name for name in names if _may_reach(name)}
    common = borne(sorted(candidates)) if candidates else set()
    for name in names:
        (words.anywhere if name in candidates - common else words.nearby).add(name)


def _may_reach(name: str) -> bool:
    if len(_WORD.findall(name)) > 1:
        return True
    plain = name.casefold()
    least = LEAST_SPACELESS if _SPACELESS.search(plain) else LEAST_LETTERS
    return len(plain) >= least and plain not in ORDINARY and not plain.isdigit()


def _is_distinct_id(word: str) -> bool:
    digits = sum(letter.isdigit() for letter in word)
    plain = word.lstrip("#")
    return len(plain) >= (LEAST_DIGITS if digits == len(plain) else LEAST_LETTERS + 1) and digits > 0


def is_plain_word(word: str) -> bool:
    """Letters only: it may be a word of the language."""
    return bool(_LETTERS_ONLY.fullmatch(word))


# Patterns


def _pattern(words: Iterable[str], phones: Iterable[str]) -> re.Pattern[str]:
    spelled = {one for word in words for one in (word, html.escape(word))}
    ordered = sorted(spelled, key=len, reverse=True)
    parts = [_one(word) for word in ordered]
    parts += [_phone(phone) for phone in sorted(phones)]
    return re.compile("|".join(parts) or r"(?!)", re.IGNORECASE)


def _one(word: str) -> str:
    """A word or words as they may be written: in any case, over line ends and through marks of HTML."""
    inner = _BETWEEN.join(re.escape(part) for part in re.split(r"[\s,]+", word))
    if _SPACELESS.search(word):
        return f"@?{inner}"
    before = r"(?<!\w)@?" if word[0].isalnum() else r"(?<!\w)"
    after = r"(?!\w)" if word[-1].isalnum() or word[-1] == "_" else ""
    return f"{before}{inner}{after}"


def _sql(word: str) -> str:
    parts = re.split(r"[\s,]+", word)
    return _BETWEEN_SQL.join(re.sub(r"([^\w])", r"\\\1", part) for part in parts)


def _phone(number: str) -> str:
    """A number in any spelling: with or without its country, in groups, with a leading zero."""
    national = _APART.join(_national(number))
    try:
        code = str(phonenumbers.parse(number, None).country_code)
    except phonenumbers.NumberParseException:
        return rf"(?<!\d){national}(?!\d)"
    return rf"(?<![\d])(?:(?:\+|00)?{code}{_APART}(?:\(0\){_APART})?|0{_APART}|\({_APART})?{national}(?!\d)"


def _national(number: str) -> str:
    try:
        return phonenumbers.national_significant_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return re.sub(r"\D", "", number)


# Quotations


class Quotations:
    """Blots out of a conversation's other texts what repeats an erased text."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._runs: set[tuple[str, ...]] = set()
        self._wholes: list[str] = []
        self._lines: set[str] = set()
        for text in texts:
            words = _words(text)
            self._lines.update(" ".join(_words(line)) for line in text.split("\n"))
            self._wholes.append(f" {' '.join(words)} ")
            self._runs.update(
                tuple(words[at : at + LEAST_WORDS]) for at in range(len(words) - LEAST_WORDS + 1)
            )

    def blot(self, text: str) -> str:
        """Without quoted lines that come from an erased text, and without longer runs of its words."""
        lines = text.split("\n")
        return self._blot_runs("\n".join(self._blot_line(line) for line in lines))

    def repeats(self, text: str) -> bool:
        """Whether a text holds a run of words of an erased one."""
        return self.blot(text) != text

    def blot_quoted(self, text: str) -> str:
        """The same for a text all of which is quoted, though its lines carry no mark."""
        return self._blot_runs("\n".join(self._blot_quoted_line(line) for line in text.split("\n")))

    def _blot_line(self, line: str) -> str:
        marked = re.match(r"\s*(?:>|&gt;|\|)[\s>|]*", line)
        if marked is None:
            return line
        return marked[0] + self._blot_quoted_line(line[marked.end() :])

    def _blot_quoted_line(self, line: str) -> str:
        marked = re.match(r"[\s>|]*", line)
        begin = marked.end() if marked else 0
        words = _words(re.sub(r"<[^<>]*>", " ", line))
        said = " ".join(words)
        if said in self._lines - {""} or (
            len(words) >= LEAST_QUOTED and any(f" {said} " in whole for whole in self._wholes)
        ):
            return line[:begin] + ERASED
        return line

    def _blot_runs(self, text: str) -> str:
        if not self._runs:
            return text
        found = list(_WORD.finditer(_masked(text)))
        words = [match[0].casefold() for match in found]
        covered: list[tuple[int, int]] = []
        for at in range(len(words) - LEAST_WORDS + 1):
            if tuple(words[at : at + LEAST_WORDS]) in self._runs:
                begin, end = found[at].start(), found[at + LEAST_WORDS - 1].end()
                if covered and begin <= covered[-1][1]:
                    covered[-1] = (covered[-1][0], end)
                else:
                    covered.append((begin, end))
        for begin, end in reversed([one for one in covered if one[1] - one[0] >= LEAST_LENGTH]):
            text = text[:begin] + ERASED + text[end:]
        return text


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(html.unescape(text))]


def _masked(text: str) -> str:
    """The text with marks of HTML blanked, so that words keep their places."""
    return re.sub(r"<[^<>]*>|&\w+;", lambda found: " " * len(found[0]), text)
