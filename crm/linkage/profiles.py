"""What is compared: named fields of a few kinds, for persons, for organizations, or for any other frame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How the values of a field are made comparable and compared."""

    NAME = "name"
    """A person's name in one piece, in whatever order."""
    TITLE = "title"
    """What an organization calls itself."""
    ADDRESSES = "addresses"
    """E-mail addresses and handles of any network."""
    PHONES = "phones"
    """Phone numbers with their country code."""
    DOMAINS = "domains"
    """Internet domains of their own."""
    TEXT = "text"
    """Words: a street, a town, a company."""
    CODE = "code"
    """A short code: a postcode."""
    AREA = "area"
    """One of a few: a country, a state. Compared, but never looked up by."""
    DATE = "date"
    """A day, as YYYYMMDD."""
    YEAR = "year"
    """A year."""


MANY = frozenset({Kind.ADDRESSES, Kind.PHONES, Kind.DOMAINS})
"""Kinds of which one customer has several."""


@dataclass(frozen=True)
class Field:
    """One thing that is compared.

    `within` names a finer field that implies this one: where a city agrees, its country says nothing more.
    """

    name: str
    kind: Kind
    within: str = ""


@dataclass(frozen=True)
class Profile:
    """The fields of one frame; their names are the columns of the frame as it comes in."""

    name: str
    fields: tuple[Field, ...]

    def of_kind(self, *kinds: Kind) -> list[Field]:
        """The fields of these kinds, in their order."""
        return [field for field in self.fields if field.kind in kinds]


PERSON = Profile(
    "person",
    (
        Field("name", Kind.NAME),
        Field("addresses", Kind.ADDRESSES),
        Field("phones", Kind.PHONES),
        Field("city", Kind.TEXT),
        Field("country", Kind.AREA, within="city"),
        Field("company", Kind.TEXT),
        Field("birth_year", Kind.YEAR),
    ),
)
ORGANIZATION = Profile(
    "organization",
    (
        Field("name", Kind.TITLE),
        Field("domains", Kind.DOMAINS),
        Field("phones", Kind.PHONES),
        Field("city", Kind.TEXT),
        Field("country", Kind.AREA, within="city"),
    ),
)
