"""Cells of messy files, made fit to be stored. Each reader raises BadCell with what to write instead."""

from __future__ import annotations

import re
from datetime import date, datetime
from functools import cache
from typing import Any
from zoneinfo import available_timezones

import phonenumbers

from core.text import clean_text
from crm.identities import PHONE, BadIdentity, normalize

NOTHING = frozenset(
    "n/a #n/a n.a. - -- --- — – null none nil nan (blank) (empty) (none) #ref! #value! #name? . ?".split()
) | {"not available", "not set"}
YES = frozenset("yes y true 1 on x ✓ ja oui si sí subscribed opted-in granted given confirmed".split()) | {
    "opted in"
}
NO = frozenset("no n false 0 off nein non unsubscribed opted-out refused denied never".split()) | {
    "opted out"
}
LIST = re.compile(r"\s*[;,|\n]\s*")
_LOST_DIGITS = re.compile(r"\d(?:[.,]\d+)?[eE]\+?\d+")
_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_DAY_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{2,4}))?")
_ADDRESS = re.compile(r"<([^<>\s]+@[^<>\s]+)>")
_COUNTRIES = """
AE United Arab Emirates|AR Argentina|AT Austria|AT Österreich|AU Australia|BE Belgium|BE België
BE Belgique|BG Bulgaria|BR Brazil|BR Brasil|CA Canada|CH Switzerland|CH Schweiz|CH Suisse|CL Chile
CN China|CO Colombia|CY Cyprus|CZ Czech Republic|CZ Czechia|DE Germany|DE Deutschland|DE Allemagne
DK Denmark|DK Danmark|EE Estonia|EG Egypt|ES Spain|ES España|FI Finland|FI Suomi|FR France|FR Frankreich
GB United Kingdom|GB UK|GB Great Britain|GB England|GB Scotland|GB Wales|GR Greece|HK Hong Kong
HR Croatia|HU Hungary|ID Indonesia|IE Ireland|IL Israel|IN India|IS Iceland|IT Italy|IT Italia
IT Italien|JP Japan|KE Kenya|KR South Korea|KR Korea|LT Lithuania|LU Luxembourg|LV Latvia|MA Morocco
MT Malta|MX Mexico|MX México|MY Malaysia|NG Nigeria|NL Netherlands|NL The Netherlands|NL Nederland
NL Holland|NO Norway|NO Norge|NZ New Zealand|PE Peru|PH Philippines|PK Pakistan|PL Poland|PL Polska
PT Portugal|RO Romania|RS Serbia|RU Russia|RU Russian Federation|SA Saudi Arabia|SE Sweden|SE Sverige
SG Singapore|SI Slovenia|SK Slovakia|TH Thailand|TR Turkey|TR Türkiye|TW Taiwan|UA Ukraine
US United States|US United States of America|US USA|US U.S.A.|US U.S.|US America|VN Vietnam
ZA South Africa
"""
COUNTRIES = {
    line[3:].casefold(): line[:2] for line in _COUNTRIES.replace("\n", "|").split("|") if line.strip()
}
LANGUAGES = dict(
    pair.split(" ")
    for pair in (
        "english en|german de|deutsch de|french fr|français fr|spanish es|español es|italian it|italiano it|"
        "dutch nl|nederlands nl|portuguese pt|português pt|swedish sv|svenska sv|danish da|dansk da|"
        "norwegian no|norsk no|finnish fi|polish pl|polski pl|czech cs|hungarian hu|romanian ro|greek el|"
        "turkish tr|russian ru|ukrainian uk|japanese ja|korean ko|chinese zh|arabic ar|hebrew he|hindi hi"
    ).split("|")
)


class BadCell(ValueError):
    """A value that cannot be meant, with what to write."""


def text_of(value: Any, limit: int = 500) -> str:
    """Trimmed, one space between words; "N/A" and the like are nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = " ".join(clean_text(str(value)).split())
    if len(text) > 1 and text[0] == "'" and text[1] in "=+-@":
        text = text[1:]
    return "" if text.casefold() in NOTHING else text[:limit]


def words_of(value: Any, limit: int = 60) -> list[str]:
    """A list in a cell, each word once."""
    parts = value if isinstance(value, list) else LIST.split(str(value))
    words = (text_of(part, limit) for part in parts)
    return list(dict.fromkeys(word for word in words if word))


def paragraphs_of(value: Any) -> str:
    """Text of several lines, as it is."""
    text = clean_text(str(value)).strip()
    return "" if text.casefold() in NOTHING else text[:10_000]


def addresses_of(value: Any) -> list[str]:
    """The e-mail addresses in a cell, also of "Eva <eva@example.org>"."""
    text = text_of(value, 2000)
    if text and "@" not in text:
        raise BadCell(f"{text[:80]!r} is not an e-mail address")
    framed = _ADDRESS.findall(text)
    return framed or [part for part in re.split(r"[;,|\s]+", text) if part]


def phones_of(value: Any, country: str) -> list[str]:
    """The numbers in a cell, in one spelling."""
    text = text_of(value)
    if _LOST_DIGITS.fullmatch(text):
        raise BadCell(
            f"the spreadsheet turned the phone number into {text} and lost digits: format the column as text"
        )
    return [_phone(part.strip(), country) for part in re.split(r"[;,|]| / ", text) if part.strip()]


def _phone(text: str, country: str) -> str:
    """One number; a spreadsheet drops the + before a number that begins with the country's code."""
    if text.startswith("00"):
        text = f"+{text[2:]}"
    try:
        found = normalize(PHONE, text, country=country)
        if text.isdigit() and len(text) > 10 and not text.startswith("0"):
            code = str(phonenumbers.country_code_for_region(country))
            if (text.startswith(code) and _is_real(f"+{text}")) or not _is_real(found):
                found = normalize(PHONE, f"+{text}", country=country)
    except BadIdentity as error:
        raise BadCell(str(error)) from error
    return found


def _is_real(number: str) -> bool:
    return phonenumbers.is_valid_number(phonenumbers.parse(number))


def flag_of(value: Any) -> bool:
    """Yes or no."""
    word = text_of(value).casefold()
    if word in YES or word in NO:
        return word in YES
    raise BadCell(f"{word[:30]!r} is neither yes nor no")


def is_flag(text: str) -> bool:
    """Whether a cell says yes or no."""
    return text.casefold() in YES or text.casefold() in NO


def country_of(value: Any) -> str:
    """Two letters, from themselves or from a name."""
    text = text_of(value)
    if len(text) == 2 and text.isascii() and text.isalpha():
        return "GB" if text.upper() == "UK" else text.upper()
    found = COUNTRIES.get(text.casefold())
    if text and not found:
        raise BadCell(f"{text[:40]!r} is not a country we know: write its two letters, such as DE")
    return found or ""


def language_of(value: Any) -> str:
    """A language tag, from itself or from an English name."""
    text = text_of(value)
    found = LANGUAGES.get(text.split("(")[0].strip().casefold())
    match = _LANGUAGE.fullmatch(text)
    if found or not text:
        return found or ""
    if not match:
        raise BadCell(f"{text[:40]!r} is not a language: write a tag, such as en or pt-BR")
    return match[1].lower() + (f"-{match[2].upper()}" if match[2] else "")


def zone_of(value: Any) -> str:
    """A time zone by its name in the zone database."""
    text = text_of(value)
    if text and text not in _zones():
        raise BadCell(f"{text[:40]!r} is not a time zone: write it like Europe/Berlin")
    return text


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def year_of(value: Any) -> int | None:
    """A year of birth, from a year or a date."""
    text = text_of(value)
    if not text:
        return None
    year = int(text) if re.fullmatch(r"\d{4}", text) else day_of(text).year
    if not 1900 <= year <= date.today().year:
        raise BadCell(f"{year} cannot be a year of birth")
    return year


def day_of(value: Any) -> date:
    """A date as YYYY-MM-DD, with or without a time, or as 31.12.2026; others can be read two ways."""
    text = text_of(value)
    try:
        if match := _DAY.match(text):
            return date(int(match[1]), int(match[2]), int(match[3]))
        if match := _DAY_LAST.fullmatch(text):
            return _day_last(match)
        return datetime.fromisoformat(text).date()
    except BadCell:
        raise
    except ValueError as error:
        raise BadCell(f"{text[:40]!r} is not a date: write it like 2026-11-22") from error


def _day_last(match: re.Match[str]) -> date:
    first, second = int(match[1]), int(match[3])
    if match[2] == "." or first > 12:
        return date(int(match[4]), second, first)
    if second > 12:
        return date(int(match[4]), first, second)
    raise BadCell(f"{match[0]!r} can be read two ways: write it like 2026-11-22")


def handle_of(value: Any) -> str:
    """A handle without its @, also out of the address of a profile page."""
    text = text_of(value, 320)
    if re.match(r"https?://", text):
        text = re.split(r"[?#]", text)[0].rstrip("/").rsplit("/", 1)[-1]
    return text.lstrip("@")


def domain_of(value: Any) -> str:
    """A web domain, also out of an address or an e-mail domain with @."""
    text = text_of(value, 253).casefold()
    return re.sub(r"^(https?://)?(www\.)?@?", "", text).split("/")[0]
