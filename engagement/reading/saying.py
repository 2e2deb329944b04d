"""What somebody says about themselves: their work ("I'm a nurse") and what they like ("I love climbing").

English and German, by a vocabulary (`vocations`) and the few ways in which people say so. What is quoted,
denied, supposed, asked, or said of somebody else ("my wife is a nurse") is not taken; rather nothing than a
wrong word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from engagement.reading.cleaning import READ_CHARACTERS
from engagement.reading.vocations import INTERESTS, LOVERS, PROFESSIONS, QUALITIES

SAYING_VERSION = 2
"""Goes up with every change that finds something else in some text, or in other texts."""

PIECES = (
    "i'm ", "i’m ", "im a", "i am ", "i've been ", "i’ve been ", "as a", "my job", "profession", "occupation",
    "i work", "love ", "like ", "enjoy ", "adore ", " go ", "i go ", "hobb", "passion", "interest", "pastime",
    "ich ", " ich", "mein beruf",
)  # fmt: skip
"""One of them stands, in lower case, in every text in which something can be found."""


@dataclass(frozen=True, slots=True)
class Said:
    """Fields of work and interests, by their names in the vocabulary, as they were said."""

    professions: tuple[str, ...] = ()
    interests: tuple[str, ...] = ()


NOTHING = Said()

_QUOTED = re.compile(
    r'"[^"\n]*"|“[^”\n]*”|„[^“”\n]*[“”]|«[^»\n]*»|»[^«\n]*«'
    r"|^\s*>.*$",  # lines that a mail repeats
    re.MULTILINE,
)
_WROTE = re.compile(r"^.*\b(?:wrote|schrieb)\b[^\n]*:\s*$", re.MULTILINE)
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_DOUBT = re.compile(
    r"\b(?:if|whether|unless|wish|imagine|suppose|pretend\w*|not|never|no|don't|didn't|isn't|until|once|when"
    r"|sa(?:ys?|id)|tells?|told|thinks?|thought|asks?|asked"
    r"|wenn|falls|ob|wäre|nicht|nie|kein\w*|sagt\w*|meint\w*|glaubt\w*|fragt\w*|dachte\w*)\b"
)
"""What before it in the sentence makes a statement doubtful, or somebody else's."""
_EN_NEXT = (
    "and|at|in|for|who|from|with|by|here|so|but|looking|working|of|on|since|too|myself|based|living|or|trying"
    "|wanting|needing|writing|using|i|i'm|i've|my|we|that|which|during|because|as|when|where|while|after|every"
    "|very|a lot|outdoors|together|also|plus|just|now"
)
_DE_NEXT = (
    "und|aber|in|im|am|an|bei|beim|mit|aus|seit|von|für|der|die|das|ich|mein|meine|sehr|auch|oder|weil|wo|hier"
    "|gern|gerne"
)
_END = rf"(?=\s*(?:[.,;:!)\n]|$|[-–—]\s)|\s+(?:{_EN_NEXT}|{_DE_NEXT})\b)"
_WORD = re.compile(r"\w+")
_NOT_ASKED = r"(?!\s*\?)"
_ABOUT_WORK = re.compile(r"\b(?:profession|occupation|job|do for a living|your work|beruf\w*)\b")
_ABOUT_LIKES = re.compile(
    r"\b(?:hobb\w+|interests?|free time|spare time|like to do|freizeit|interessen|interessier\w+)\b"
)


def read_self(text: str, *, question: str = "") -> Said:
    """What the author says about themselves; `question` is what a survey asked, if it is an answer."""
    lowered = _own_words(text)
    if _first_words().isdisjoint(_WORD.findall(lowered)):
        return NOTHING
    answered = _read_answer(lowered, question.lower()) if question else NOTHING
    work: dict[str, None] = dict.fromkeys(answered.professions)
    likes: dict[str, None] = dict.fromkeys(answered.interests)
    for sentence in _SENTENCE.findall(lowered):
        work.update(dict.fromkeys(_work_of(sentence)))
        likes.update(dict.fromkeys(_likes_of(sentence)))
    return Said(tuple(work), tuple(likes))


def _own_words(text: str) -> str:
    """The text in lower case without what it quotes."""
    plain = text[:READ_CHARACTERS].lower().replace("’", "'").replace("\r", "")
    repeats = _WROTE.search(plain)
    return _QUOTED.sub(" ", plain[: repeats.start()] if repeats else plain)


def _work_of(sentence: str) -> Iterator[str]:
    table, patterns = _work()
    for pattern in patterns:
        for found in pattern.finditer(sentence):
            if _is_own(sentence, found) and _qualifies(found["how"] or ""):
                yield table[found["what"]]


def _likes_of(sentence: str) -> Iterator[str]:
    table, patterns = _likes()
    for pattern in patterns:
        for found in pattern.finditer(sentence):
            if _is_own(sentence, found):
                yield from (table[word] for word in _one_like().findall(found["what"]))


def _is_own(sentence: str, found: re.Match[str]) -> bool:
    """Whether nothing before it in its sentence takes it back or gives it to somebody else."""
    return not _DOUBT.search(sentence[: found.start()])


def _qualifies(words: str) -> bool:
    return all(word in QUALITIES for word in words.split())


def _read_answer(lowered: str, question: str) -> Said:
    """An answer to a question about work or likes says them without a verb."""
    if _DOUBT.search(lowered):
        return NOTHING
    work: list[str] = []
    likes: list[str] = []
    if _ABOUT_WORK.search(question):
        work = [_work()[0][word] for word in _one_work().findall(lowered)]
    if _ABOUT_LIKES.search(question):
        likes = [_likes()[0][word] for word in _one_like().findall(lowered)]
    return Said(tuple(dict.fromkeys(work)), tuple(dict.fromkeys(likes)))


# The tables and patterns, made once


_VERBS = {
    "klettere": "klettern", "koche": "kochen", "backe": "backen", "wandere": "wandern", "male": "malen",
    "zeichne": "zeichnen", "lese": "lesen", "reise": "reisen", "tanze": "tanzen", "schwimme": "schwimmen",
    "jogge": "joggen", "angle": "angeln", "nähe": "nähen", "stricke": "stricken", "gärtnere": "gärtnern",
    "fotografiere": "fotografieren", "segle": "segeln", "surfe": "surfen",
}  # fmt: skip
"""As a German says "ich klettere gern", and the word of the vocabulary."""


@cache
def _work() -> tuple[Mapping[str, str], tuple[re.Pattern[str], ...]]:
    """Word to field, and the ways in which people name their work."""
    table = {word: field for field, words in PROFESSIONS.items() for word in _split(words)}
    what = rf"(?P<how>(?:[\w-]+\s){{0,3}}?)(?P<what>{_either(table)})(?!['\w-]){_NOT_ASKED}"
    fields = {field: field for field in PROFESSIONS}
    own = r"(?:also\s|actually\s|currently\s|just\s|only\s|myself\s)*"
    return table | fields, tuple(
        re.compile(pattern)
        for pattern in (
            rf"\b(?:i'?m|i am|i've been)\s{own}(?:an?|the)\s{what}{_END}",
            rf"\b(?:i|i'm|i am|i've been)\s{own}work(?:ing)?\s(?:[\w-]+\s){{0,2}}?as\san?\s{what}{_END}",
            rf"\bas\san?\s{what},?\s(?:myself,?\s)?(?:(?:do|can|could|would|will|am|should|may)\s)?"
            r"(?:i|i'm|i've|my)\b",
            rf"\bmy\s(?:job|profession|occupation|day job)\sis\s(?:an?\s)?{what}{_END}",
            rf"\bmy\s(?:job|profession|occupation)\sis\s(?P<how>)(?P<what>{_either(fields)}){_NOT_ASKED}{_END}",
            rf"\b(?:i|i'm)\swork(?:ing)?\sin\s(?P<how>)(?P<what>{_either(fields)}){_NOT_ASKED}{_END}",
            rf"\bich\sbin\s(?:selbst\s|auch\s|eigentlich\s|von\sberuf\s|ja\s)*(?:eine?\s)?{what}{_END}",
            rf"\bvon\sberuf\sbin\sich\s{what}{_END}",
            rf"\bich\sarbeite\s(?:[\w-]+\s){{0,3}}?als\s{what}{_END}",
            rf"\bals\s{what}\s(?:arbeite|brauche|habe|bin|kann|möchte|suche|muss|weiß|nutze|benutze|finde|freue)\sich\b",
            rf"\bmein\sberuf\sist\s{what}{_END}",
        )
    )


@cache
def _likes() -> tuple[Mapping[str, str], tuple[re.Pattern[str], ...]]:
    """Word to interest, and the ways in which people name what they like."""
    table = {word: name for name, words in INTERESTS.items() for word in _split(words)}
    lovers = {word.strip(): name for name, words in LOVERS.items() for word in words.split(",")}
    one = f"(?:{_either(table)})"
    what = rf"(?P<what>{one}(?:(?:,\s|\sand\s|,\sand\s|\sund\s){one})*)(?!['\w-]){_NOT_ASKED}{_END}"
    much = r"(?:really\s|also\s|just\s|absolutely\s|still\s|do\s|truly\s|always\s)*"
    mine = r"(?:hobby|hobbies|passions?|interests?|favou?rite\s(?:hobby|pastime))"
    eager = r"(?:avid|keen|passionate|amateur|hobby|enthusiastic)"
    verbs = {verb: table[word] for verb, word in _VERBS.items()}
    return table | lovers | verbs, tuple(
        re.compile(pattern)
        for pattern in (
            rf"\bi\s{much}(?:love|like|enjoy|adore)\s{what}",
            rf"\bi(?:'m|\sam)\s{much}(?:very\s|a\sbit\s)?(?:into|keen\son|passionate\sabout|crazy\sabout|mad\sabout)\s{what}",
            rf"\bmy\s(?:\w+\s)?{mine}\s(?:is|are|include)\s{what}",
            rf"\bi\s(?:often\s|regularly\s|usually\s)?go\s{what}",
            rf"\b(?:i'?m|i\sam)\s{much}an?\s{eager}\s(?P<what>{_either(lovers)})(?!['\w-]){_NOT_ASKED}",
            rf"\bich\s(?:liebe|mag|genieße)\s(?:das\s|sehr\s)*{what}",
            rf"\bich\sinteressiere\smich\s(?:sehr\s|auch\s)*für\s{what}",
            rf"\bich\sgehe\s(?:sehr\s|oft\s)*gerne?\s{what}",
            rf"\bmeine?\s(?:\w+\s)?hobb(?:y|ys|ies)\s(?:ist|sind)\s(?:das\s)?{what}",
            rf"\bich\s(?P<what>{_either(verbs)})\s(?:sehr\s|auch\s|so\s)*gerne?\b{_NOT_ASKED}",
        )
    )


@cache
def _first_words() -> frozenset[str]:
    """Without one of these no word of the vocabulary is in a text: most are done with by this."""
    return frozenset(_WORD.findall(word)[0] for table in (_work()[0], _likes()[0]) for word in table)


@cache
def _one_like() -> re.Pattern[str]:
    table, _patterns = _likes()
    return _compiled(table)


@cache
def _one_work() -> re.Pattern[str]:
    table, _patterns = _work()
    return _compiled(table)


def _compiled(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{_either(words)})(?!\w)")


def _either(words: Iterable[str]) -> str:
    """One alternative for each word, the longest first, so that none hides a longer one."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


def _split(words: Iterable[str]) -> Iterator[str]:
    for part in words:
        yield from (word.strip() for word in part.split(","))
