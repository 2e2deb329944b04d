"""Who somebody is on WhatsApp: a number, an id that the business has for them, or both.

Whoever took a user name is told by `user_id` alone. So that is who they are where it is given, the number
where not, and where both are told the network itself says that they are one person. A number is world-wide;
a user id (a country, a dot, and a number of Meta's) is given once. Neither needs an issuer.
https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engagement.channels.meta.reading import Json, inner, items, maybe, maybe_ident, words
from engagement.channels.shapes import Author

USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]{1,140}")


@dataclass(frozen=True)
class Person:
    """One person as a webhook tells them; one of number and user id may be ''."""

    number: str = ""
    user_id: str = ""
    name: str = ""
    handle: str = ""

    @property
    def id(self) -> str:
        return self.user_id or self.number

    @property
    def keys(self) -> tuple[str, ...]:
        """Thread keys, the surest first: what was said before the user id was told stays one thread."""
        return tuple(f"dm:{one}" for one in dict.fromkeys((self.user_id, self.number)) if one)

    def author(self) -> Author:
        """The identity that speaks here."""
        return Author(self.id, handle=self._shown(), name=self.name)

    def links(self) -> tuple[tuple[Author, Author], ...]:
        """That the user id and the number are one person, where both are told."""
        if not (self.user_id and self.number):
            return ()
        return ((self.author(), Author(self.number, handle=f"+{self.number}", name=self.name)),)

    def _shown(self) -> str:
        if self.handle:
            return f"@{self.handle.removeprefix('@')}"
        return f"+{self.number}" if self.number.isdigit() else self.number


def known_people(value: Json, where: str) -> list[Person]:
    """The people whom a webhook introduces."""
    found = []
    for position, one in enumerate(items(value, "contacts", where)):
        place = f"{where}.contacts[{position}]"
        profile = maybe(one, "profile", place)
        found.append(
            Person(
                number=maybe_ident(one, "wa_id", place),
                user_id=maybe_ident(one, "user_id", place),
                name=words(profile, "name", place),
                handle=words(profile, "username", place) or words(one, "username", place),
            )
        )
    return found


def person_of(number: str, user_id: str, known: Sequence[Person]) -> Person:
    """Somebody by what a message says of them and what its contacts do. A lone contact is the sender."""
    fitting = [one for one in known if _fits(one, number, user_id)]
    other = fitting[0] if fitting else (known[0] if len(known) == 1 and not (number or user_id) else Person())
    return Person(number or other.number, user_id or other.user_id, other.name, other.handle)


def _fits(one: Person, number: str, user_id: str) -> bool:
    return bool((number and one.number == number) or (user_id and one.user_id == user_id))


def sender_of(message: Json, known: Sequence[Person], where: str) -> Person:
    """Who wrote it. Raises ValueError where nobody is named."""
    number, user_id = maybe_ident(message, "from", where), maybe_ident(message, "from_user_id", where)
    found = person_of(number, user_id, known)
    if not found.id:
        raise ValueError(f"{where}.from is missing, and from_user_id too")
    return found


def changed(message: Json, before: Person, where: str) -> Person | None:
    """Who somebody is after a new number or a new user id; None where nothing of that is told."""
    told = inner(message, "system", where)
    number = maybe_ident(told, "wa_id", where) or maybe_ident(told, "new_wa_id", where)
    user_id = maybe_ident(told, "user_id", where)
    if not (number or user_id):
        return None
    return Person(number, user_id, before.name, before.handle)
