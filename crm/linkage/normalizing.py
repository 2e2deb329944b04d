"""Values made comparable: folded names, the telling part of addresses, the digits of numbers.

Everything here is plain Python over one value, so that the same rules serve the nightly frame and the
evidence that people read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from crm.linkage.profiles import Field, Kind, Profile

Columns = dict[str, Any]
_LETTERS = str.maketrans(
    {"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i",
     "'": "", "’": "", "`": ""}
)  # fmt: skip
_NOT_WORD = re.compile(r"[^\w]+|_+")
_TITLES = frozenset(
    "mr mrs ms miss mx dr prof professor sir dame herr frau monsieur madame mme senor senora jr sr phd md "
    "esq dipl ing mag".split()
)
_LEGAL = frozenset(
    "ab ag aps as asa bv co company corp corporation gmbh group holding inc incorporated kft kg limited llc "
    "llp ltd mbh nv oy oyj plc pty sa sarl sas se sl spa srl the und ug and et y".split()
)
# Boxes that many people of one office share say nothing about a person.
_SHARED_BOXES = frozenset(
    "admin billing contact hello help hi hola info kontakt mail me office post sales service shop support "
    "team test".split()
)
_FREE_MAIL = frozenset(
    "gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com yahoo.co.uk icloud.com "
    "me.com aol.com gmx.de gmx.net gmx.at web.de t-online.de mail.ru yandex.ru proton.me protonmail.com "
    "qq.com 163.com orange.fr wanadoo.fr free.fr libero.it mail.com zoho.com comcast.net example.com".split()
)
_SHORTEST_KEY = 5
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{6,22}")
_MAIL = re.compile(r"([^@\s]+)@([^@\s]+\.[^@\s]+)")
_SOUNDS = (
    (re.compile("ph"), "f"), (re.compile("ck|q|c(?![eiy])"), "k"), (re.compile("c|z|x"), "s"),
    (re.compile("(?<=.)h"), ""), (re.compile("w"), "v"), (re.compile("^[iy]"), "j"),
)  # fmt: skip
_VOWELS = re.compile("(?<=.)[aeiouyj]")
_DOUBLES = re.compile(r"(.)\1+")


def normalize_record(profile: Profile, record: Mapping[str, Any]) -> Columns:
    """The columns that are compared, of one record of the frame; nothing known is None or an empty list."""
    columns: Columns = {}
    names = [words(str(record.get(field.name) or "")) for field in profile.of_kind(Kind.NAME)]
    for field in profile.fields:
        value = record.get(field.name)
        if field.kind == Kind.ADDRESSES:
            columns |= address_columns(field.name, value or (), names[0] if names else ())
        else:
            columns |= _NORMALIZERS[field.kind](field.name, value)
    return columns


def column_types(field: Field) -> dict[str, str]:
    """The columns of a field with their types in duckdb."""
    name = field.name
    if field.kind == Kind.NAME:
        return {name: "VARCHAR", **dict.fromkeys(name_parts(name), "VARCHAR")}
    if field.kind == Kind.ADDRESSES:
        return dict.fromkeys(address_parts(name), "VARCHAR[]")
    if field.kind in (Kind.PHONES, Kind.DOMAINS):
        return {name: "VARCHAR[]"}
    if field.kind == Kind.DATE:
        return {name: "VARCHAR", f"{name}_year": "SMALLINT"}
    return {name: "SMALLINT" if field.kind == Kind.YEAR else "VARCHAR"}


def name_parts(name: str) -> tuple[str, str, str, str]:
    """The columns of given and family name, and of how each sounds."""
    return f"{name}_given", f"{name}_family", f"{name}_given_sound", f"{name}_family_sound"


# Words


def fold(text: str) -> str:
    """Lower case without accents, in one way of writing."""
    if text.isascii():
        return text.lower().translate(_LETTERS)
    for _turn in range(2):
        text = unicodedata.normalize("NFKD", text).casefold()
    apart = unicodedata.normalize("NFKD", text)
    return "".join(one for one in apart if not unicodedata.combining(one)).translate(_LETTERS)


def words(text: str) -> tuple[str, ...]:
    """The words of a text, folded, in their order; "Lind, Eva" is read as Eva Lind."""
    family, comma, given = text.partition(",")
    if comma and given.strip() and "," not in given:
        text = f"{given} {family}"
    return tuple(word for word in _NOT_WORD.split(fold(text)) if word)


@lru_cache(maxsize=200_000)
def sound(word: str) -> str:
    """A rough code of how a word sounds in most of Europe: consonants, told apart only where ears do."""
    for pattern, put in _SOUNDS:
        word = pattern.sub(put, word)
    return _DOUBLES.sub(r"\1", _VOWELS.sub("", _DOUBLES.sub(r"\1", word)))


def name_words(text: str) -> tuple[str, ...]:
    """The words of a person's name without titles."""
    found = words(text)
    return tuple(word for word in found if word not in _TITLES) or found


def title_words(text: str) -> tuple[str, ...]:
    """The words of an organization's name without its legal form."""
    found = words(text)
    return tuple(word for word in found if word not in _LEGAL) or found


def _name(name: str, value: Any) -> Columns:
    found = name_words(str(value or ""))
    given, family = (" ".join(found[:-1]), found[-1]) if len(found) > 1 else ("", "".join(found))
    first = found[0] if len(found) > 1 else ""
    parts = (given, family, sound(first), sound(family))
    whole = " ".join(sorted(found)) or None
    return {
        name: whole,
        **{column: part or None for column, part in zip(name_parts(name), parts, strict=True)},
    }


def _title(name: str, value: Any) -> Columns:
    return {name: " ".join(title_words(str(value or ""))) or None}


def _text(name: str, value: Any) -> Columns:
    return {name: " ".join(title_words(str(value or ""))) or None}


def _code(name: str, value: Any) -> Columns:
    return {name: "".join(words(str(value or ""))) or None}


# Addresses


def address_columns(name: str, values: Iterable[str], who: Sequence[str]) -> Columns:
    """E-mail addresses, and of every address or handle its telling part.

    A part that only repeats the name is kept apart (`eva.lind` of Eva Lind), and so is one that adds a few
    digits to it (`evalind1983`): beside the name they are little evidence.
    """
    mails: set[str] = set()
    own: set[str] = set()
    dated: set[str] = set()
    plain: set[str] = set()
    for value in values:
        text = fold(value.strip())
        mail = _MAIL.fullmatch(text)
        key = address_key(mail[1] if mail else text)
        if key in _SHARED_BOXES:
            continue
        if mail:
            mails.add(text)
        if repeats_name(key.strip("0123456789"), who) and len(key) <= len(key.strip("0123456789")) + 4:
            (dated if key[-1:].isdigit() or key[:1].isdigit() else plain).add(key)
        elif len(key) >= _SHORTEST_KEY:
            own.add(key)
    found = (sorted(one) for one in (mails, own, dated, plain))
    return dict(zip(address_parts(name), found, strict=True))


def address_parts(name: str) -> tuple[str, str, str, str]:
    """The columns of whole addresses, of telling parts, of those made of name and digits, and of the name."""
    return f"{name}_mails", f"{name}_keys", f"{name}_dated", f"{name}_plain"


def address_key(local: str) -> str:
    """What tells in the part before the @, or in a handle: without the +tag, dots, dashes and the like."""
    return _NOT_WORD.sub("", local.lstrip("@").partition("+")[0])


def repeats_name(key: str, who: Sequence[str]) -> bool:
    """Whether an address says no more than the name: its words or their initials, in any order."""
    if not key:
        return True
    return any(
        key.startswith(piece) and repeats_name(key[len(piece) :], (*who[:at], *who[at + 1 :]))
        for at, word in enumerate(who)
        for piece in (word, word[0])
    )


def looks_like_mail(value: str) -> bool:
    """Whether an id of any network is an e-mail address."""
    return _MAIL.fullmatch(value.strip()) is not None


def looks_like_phone(value: str) -> bool:
    """Whether an id of any network is a phone number with its country code."""
    return value.startswith("+") and _PHONE.fullmatch(value) is not None


def _phones(name: str, values: Any) -> Columns:
    found = {"".join(one for one in value if one.isdigit()) for value in values or ()}
    return {name: sorted(digits for digits in found if len(digits) >= 7)}


def _domains(name: str, values: Any) -> Columns:
    found = {value.strip().lower().removeprefix("www.") for value in values or ()}
    return {name: sorted(domain for domain in found - _FREE_MAIL if "." in domain)}


# Dates


def _date(name: str, value: Any) -> Columns:
    digits = "".join(one for one in str(value or "") if one.isdigit())
    day = digits if len(digits) == 8 else None
    year = int(digits[:4]) if len(digits) in (4, 8) else None
    return {name: day, f"{name}_year": year}


def _year(name: str, value: Any) -> Columns:
    return {name: int(value) if value else None}


_NORMALIZERS = {
    Kind.NAME: _name,
    Kind.TITLE: _title,
    Kind.TEXT: _text,
    Kind.CODE: _code,
    Kind.AREA: _code,
    Kind.PHONES: _phones,
    Kind.DOMAINS: _domains,
    Kind.DATE: _date,
    Kind.YEAR: _year,
}
