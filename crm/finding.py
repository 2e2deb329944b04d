"""Which customers a text means: any part of a name or handle, a number in any spelling, an id, an order.

Indexes answer each part with at most `FEW` hits; together they are a list of ids, and the customers it
leads to are those who own these records today. Where more are found, lists are read by pieces of ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import phonenumbers
from django.db.models import Exists, F, Max, Min, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Reverse

from core.finding import (
    LONGEST,
    MOST_PARTS,
    MOST_WORDS,
    Fold,
    Like,
    Pattern,
    equals,
    holds,
    in_batches,
    starts,
    take,
    take_each,
)
from core.models import Workspace
from core.paging import Position, Sort
from core.text import clean_text
from crm.identities import PHONE
from crm.models import Customer, Identity, Order
from crm.querysets import PIECE, SHOWN
from crm.trees import roots_of

FEW = 350
"""So many names, and as many handles, are taken as ids; each costs a page of its table."""
MANY = 5_000
"""So many hits are taken as ids where a list is sorted by something that has no pieces."""
FEW_EXACT = 50
_NUMBER = re.compile(r"#\s*([0-9]{1,18})")
_PHONE = re.compile(r"[+0-9(][0-9\s()./+-]*")
_TRUNK = re.compile(r"\(0\)")
SHORTEST_PHONE = 6
SHORTEST_ID = 3


@dataclass(frozen=True)
class Wanted:
    """What somebody typed, read in every way it can be meant."""

    text: str
    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Wanted:
        """Read a text; whatever it holds, it can be looked for."""
        plain = clean_text(text[: 4 * LONGEST], LONGEST).strip()
        words = dict.fromkeys(word.lstrip("@") for word in plain.split())
        return cls(plain, tuple(word for word in words if word)[:MOST_WORDS])

    @property
    def number(self) -> int | None:
        """The customer's own number, written #123."""
        found = _NUMBER.fullmatch(self.text)
        return int(found[1]) if found else None

    @property
    def digits(self) -> str:
        """The digits of a phone number without the zeros before it; '' where it cannot be one."""
        if not _PHONE.fullmatch(self.text):
            return ""
        digits = re.sub(r"\D", "", _TRUNK.sub("", self.text))
        return digits.lstrip("0") if len(digits) >= SHORTEST_PHONE else ""

    @property
    def international(self) -> str:
        """The beginning of a phone number as it is stored: plus, the country's code, and the digits."""
        if self.text.startswith(("+", "00")):
            return f"+{self.digits}"
        code = phonenumbers.country_code_for_region(Workspace.current().country)
        return f"+{code}{self.digits}"


@dataclass(frozen=True)
class Found:
    """Customers by id; broad where these are only some of all that match."""

    ids: frozenset[int]
    exact: frozenset[int]
    is_broad: bool


def find(wanted: Wanted, *, few: int | None = None) -> Found:
    """The customers who match, as they are today; at most `few` of each part."""
    few = FEW if few is None else few
    if not wanted.words:
        return Found(frozenset(), frozenset(), False)
    exact = _exact(wanted)
    names = take(named(wanted.words), "pk", "merged_into_id", limit=few + 1)
    handles = take(shown(wanted.words), "customer_id", limit=few + 1)
    found = {pk for pk, merged in names if merged is None} | {pk for (pk,) in handles} | exact
    if merged := [pk for pk, into in names if into is not None]:
        found |= set(roots_of(merged).values())
    is_broad = len(names) > few or len(handles) > few
    if not found and len(wanted.words) > 1:
        found = _across(wanted.words, few)
    return Found(frozenset(found), frozenset(exact), is_broad)


def named(words: Sequence[str]) -> QuerySet[Customer]:
    """Customers whose name holds all words, in any order."""
    return Customer.objects.filter(_all(Fold("name"), words))


def shown(words: Sequence[str]) -> QuerySet[Identity]:
    """Identities whose handle holds all words."""
    return Identity.objects.filter(_all(SHOWN, words))


def _all(folded: Any, words: Sequence[str]) -> Q:
    condition = Q()
    for word in words:
        condition &= holds(folded, word)
    return condition


def _exact(wanted: Wanted) -> set[int]:
    """By what belongs to one customer alone: a number, an id, a phone number, an order."""
    found: set[int] = set()
    if wanted.number is not None:
        found |= set(roots_of([wanted.number]).values())
    if wanted.digits:
        found |= _by_phone(wanted)
    if len(wanted.text) >= SHORTEST_ID and len(wanted.words) == 1:
        given = Identity.objects.filter(starts(Fold("external_id"), wanted.words[0]))
        found |= {pk for (pk,) in take(given, "customer_id", limit=FEW_EXACT)}
        found |= {customer for _, customer in orders(wanted.words[0])}
    return found


def _by_phone(wanted: Wanted) -> set[int]:
    """Numbers that end with these digits, however the beginning was written, or begin with them."""
    phones = Identity.objects.filter(network=PHONE)
    ends = phones.filter(Like(Reverse("external_id"), Value(f"{wanted.digits[::-1]}%")))
    begins = Identity.objects.filter(starts(Fold("external_id"), wanted.international))
    return {pk for part in (ends, begins) for (pk,) in take(part, "customer_id", limit=FEW_EXACT)}


def orders(text: str, *, beginning: bool = False) -> list[tuple[int, int]]:
    """Orders (and their customers) by their number or the shop's own id, at most `FEW_EXACT` of each."""
    word = text.strip().lstrip("#").strip()[:LONGEST]
    compare = starts if beginning else _is
    numbered = Order.objects.exclude(number="").filter(compare(Fold("number"), word))
    given = Order.objects.filter(compare(Fold("external_id"), word))
    parts = [take(part, "pk", "customer_id", limit=FEW_EXACT) for part in (numbered, given)]
    return list(dict.fromkeys((pk, customer) for part in parts for pk, customer in part))


def _is(folded: Any, word: str) -> Q:
    return Q(Like(folded, Pattern("", word, "")))


def _across(words: Sequence[str], few: int) -> set[int]:
    """Customers of whom one word is in the name and another in a handle, where one of the words is rare."""
    for word in sorted(words, key=len, reverse=True):
        names = take(named([word]), "pk", limit=few + 1)
        handles = take(shown([word]), "customer_id", limit=few + 1)
        if len(names) <= few and len(handles) <= few:
            some = Customer.objects.filter(pk__in={pk for (pk,) in (*names, *handles)})
            others = [other for other in words if other != word]
            return set(some.filter(everywhere(others)).values_list("pk", flat=True))
    return set()


def everywhere(words: Sequence[str]) -> Q:
    """Each word somewhere: in the name or in a handle."""
    condition = Q()
    for word in words:
        handles = Identity.objects.filter(holds(SHOWN, word), customer=OuterRef("pk"))
        condition &= holds(Fold("name"), word) | Q(Exists(handles))
    return condition


def matches(wanted: Wanted, exact: frozenset[int]) -> Q:
    """The rule of a broad search: all words in the name, or all in one handle, or known exactly."""
    handles = shown(wanted.words).filter(customer=OuterRef("pk"))
    return Q(_all(Fold("name"), wanted.words)) | Q(Exists(handles)) | Q(pk__in=exact)


class Broad:
    """Reads a broad search by pieces of ids, the newest or the oldest customers first."""

    default = "-id"

    def __init__(self, wanted: Wanted, exact: frozenset[int]) -> None:
        self.wanted = wanted
        self.exact = exact

    def batches(self, sort: Sort, position: Position | None, wanted: int) -> Iterator[Sequence[int]] | None:
        """By pieces in the order of ids; another order takes up to `MANY` hits at once, or walks the list."""
        column = sort.columns[0]
        if column.source in ("pk", "id"):
            backward = bool(position and position.backward)
            start = int(position.key[0]) if position else None
            return self._pieces(start, falling=column.descending != backward, wanted=wanted)
        found = self._many
        return None if found.is_broad else iter([sorted(found.ids)])

    @cached_property
    def _many(self) -> Found:
        return find(self.wanted, few=MANY)

    def _pieces(self, start: int | None, *, falling: bool, wanted: int) -> Iterator[Sequence[int]]:
        bounds = Customer.objects.aggregate(Min("pk"), Max("pk"))
        low, high = (bounds["pk__min"] or 0) // PIECE, (bounds["pk__max"] or 0) // PIECE
        at, step = (high, -1) if falling else (low, 1)
        if start is not None:
            at = min(max(start // PIECE, low), high)
        width = 1
        while low <= at <= high:
            pieces = [piece for piece in range(at, at + step * width, step) if low <= piece <= high]
            ids = sorted(self._in(pieces), reverse=falling)
            if start is not None:
                ids = [pk for pk in ids if (pk <= start if falling else pk >= start)]
            yield from in_batches(ids, wanted)
            at, width = at + step * width, min(width * 2, MOST_PARTS)

    def _in(self, pieces: Sequence[int]) -> set[int]:
        words = self.wanted.words
        parts = [equals("piece", piece) for piece in pieces]
        names = take_each(named(words).alias(piece=F("id") / PIECE), parts, "pk")
        handles = take_each(shown(words).alias(piece=F("customer") / PIECE), parts, "customer_id")
        found = {pk for (pk,) in (*names, *handles)}
        return found | {pk for pk in self.exact if pk // PIECE in pieces}
