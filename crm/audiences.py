"""Customers for an ad platform: who of a group allowed it, in the shape that the platform takes.

Where a group comes from is registered by the app that knows it; consent is applied in one statement
(`sql/audience.sql`), and only identities that allowed the purpose leave, never another of the same person.
Normalization follows what each platform asks for before hashing: Meta's customer information parameters and
the formatting guidelines of Google's Customer Match.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core import sql
from crm.identities import EMAIL, PHONE
from crm.models import Customer

PURPOSES = ("ads", "marketing")
"""Purposes that an audience can be made for."""
_NETWORKS = [EMAIL, PHONE]
POSTCODES = ("postcode", "postal_code", "zip", "zip_code")
"""Keys of the workspace's own fields that hold a postal code, where it keeps one."""
REASONS: Mapping[str, Promise] = {
    "person_refused": _("Refused for their whole person"),
    "refused": _("Refused, or took it back"),
    "never_asked": _("Never said yes"),
    "unreachable": _("No e-mail address and no phone number"),
}


@dataclass(frozen=True)
class Group:
    """Customers to choose from: `members` gives their ids, `url` is where they are seen.

    `stale` is the address of a fragment that says how old the members are; '' where they are of this moment.
    """

    title: str
    members: QuerySet[Any]
    url: str
    stale: str = ""


GroupOf = Callable[[int], Group | None]
_groups: dict[str, GroupOf] = {}


def register_group(kind: str, find: GroupOf) -> None:
    """Make a kind of group known: `find` takes its number and answers None where there is no such group."""
    _groups[kind] = find


def find_group(kind: str, pk: int) -> Group | None:
    """The group of this kind and number."""
    return _groups[kind](pk) if kind in _groups else None


@dataclass(frozen=True)
class Counts:
    """How many customers a group has, how many of them are in the audience, and why others are not."""

    all: int
    included: int
    excluded: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Person:
    """Somebody in the audience, with the addresses and numbers that may be used and no others."""

    name: str
    city: str
    country: str
    postcode: str
    emails: Sequence[str]
    phones: Sequence[str]


@dataclass(frozen=True)
class Shape:
    """What a platform takes: its columns, and the cells of one person's rows."""

    name: str
    label: Promise | str
    header: Sequence[str]
    rows: Callable[[Person], Iterator[Sequence[str]]]
    is_hashed: bool


# Who is in


def count(group: Group, purpose: str) -> Counts:
    """Counts before anything leaves."""
    text = _statement(group, "verdict, count(*) FROM judged GROUP BY verdict")
    with connection.cursor() as cursor:
        cursor.execute(text, _parameters(purpose))
        found: dict[str, int] = dict(cursor.fetchall())
    return Counts(
        sum(found.values()),
        found.get("in", 0),
        [(str(words), found[reason]) for reason, words in REASONS.items() if found.get(reason)],
    )


def people(group: Group, purpose: str) -> Iterator[Person]:
    """Everybody in the audience, streamed by a cursor of the database's."""
    what = "name, city, country, postcode, emails, phones FROM judged WHERE verdict = 'in' ORDER BY id"
    text = _statement(group, what)
    with connection.chunked_cursor() as cursor:
        cursor.execute(text, _parameters(purpose))
        for row in cursor:
            yield Person(*row)


def _statement(group: Group, what: str) -> str:
    """The statement over a group's members, whose query the driver quotes the values of."""
    try:
        members, values = group.members.order_by().query.sql_with_params()
    except EmptyResultSet:
        # A search that finds nobody has no statement.
        members, values = Customer.objects.filter(pk=0).values_list("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        inner = cursor.mogrify(members, values).decode().replace("%", "%%")
    # Last of all the members: what somebody searched for stands in them, and may look like a place of ours.
    text = sql.statement("crm", "audience").replace("/*what*/", what)
    return text.replace("(/*members*/)", f"({inner})")


def _parameters(purpose: str) -> dict[str, Any]:
    return {
        "purpose": purpose,
        "networks": _NETWORKS,
        "email": EMAIL,
        "phone": PHONE,
        "postcodes": list(POSTCODES),
    }


# In which shape


def sha256(text: str) -> str:
    """The hash that platforms match, in lower-case hexadecimal; '' stays ''."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def split_name(name: str) -> tuple[str, str]:
    """First and last name; a single word is a first name."""
    first, _space, rest = name.strip().partition(" ")
    return first, rest.strip()


def letters(text: str) -> str:
    """Lower case without punctuation and spaces, letters of any script kept."""
    kept = (letter for letter in text.lower() if unicodedata.category(letter)[0] in "LMN")
    return "".join(kept)


def google_email(address: str) -> str:
    """Lower case; for Google's own mail without the dots before the at sign."""
    name, _at, host = address.strip().lower().rpartition("@")
    if host in ("gmail.com", "googlemail.com"):
        name = name.replace(".", "")
    return f"{name}@{host}"


def meta_phone(number: str) -> str:
    """Digits with the country's code alone, no leading zero."""
    return re.sub(r"\D", "", number).lstrip("0")


def _pairs(person: Person) -> Iterator[tuple[str, str]]:
    """Each address and number once, side by side, so that nobody takes more rows than needed."""
    longest = max(len(person.emails), len(person.phones))
    for at in range(longest):
        yield (
            person.emails[at] if at < len(person.emails) else "",
            person.phones[at] if at < len(person.phones) else "",
        )


def _meta(person: Person) -> Iterator[Sequence[str]]:
    first, last = split_name(person.name)
    who = [sha256(letters(first)), sha256(letters(last)), sha256(letters(person.city))]
    country = sha256(person.country.lower())
    for email, phone in _pairs(person):
        yield [sha256(email.strip().lower()), sha256(meta_phone(phone)), *who, country]


def _google(person: Person) -> Iterator[Sequence[str]]:
    first, last = (sha256(part.lower().strip()) for part in split_name(person.name))
    for email, phone in _pairs(person):
        address = sha256(google_email(email)) if email else ""
        yield [address, sha256(phone), first, last, person.country.upper(), person.postcode]


def _plain(person: Person) -> Iterator[Sequence[str]]:
    first, last = split_name(person.name)
    for email, phone in _pairs(person):
        yield [email, phone, first, last, person.city, person.country, person.postcode]


SHAPES: Mapping[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape(
            "meta",
            _("Meta custom audience, hashed"),
            ("email", "phone", "fn", "ln", "ct", "country"),
            _meta,
            is_hashed=True,
        ),
        Shape(
            "google",
            _("Google Customer Match, hashed"),
            ("Email", "Phone", "First Name", "Last Name", "Country", "Zip"),
            _google,
            is_hashed=True,
        ),
        Shape(
            "plain",
            _("Plain, for any other platform"),
            ("email", "phone", "first_name", "last_name", "city", "country", "postcode"),
            _plain,
            is_hashed=False,
        ),
    )
}


def rows(group: Group, purpose: str, shape: Shape) -> Iterator[Sequence[str]]:
    """The cells of the file."""
    for person in people(group, purpose):
        yield from shape.rows(person)
