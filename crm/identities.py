"""How a handle, address or number is written down, so that one person's is always the same row."""

from __future__ import annotations

import re
from dataclasses import dataclass

import phonenumbers

EMAIL = "email"
PHONE = "phone"
MAX_LENGTH = 320
_EMAIL = re.compile(r"[^@\s<>\"(),;:]+@[^@\s<>\"(),;:]+\.[^@\s<>\"(),;:]+|[^@\s<>\"(),;:]+@localhost")


class BadIdentity(ValueError):
    """A handle, address or number that cannot be one."""


@dataclass(frozen=True)
class IdentityKey:
    """What makes an identity unique. `issuer` is '' where the network's ids are world-wide."""

    network: str
    issuer: str
    external_id: str


def normalize(network: str, external_id: str, *, country: str = "US") -> str:
    """The one way this id is stored: lower-case e-mail, E.164 phone, else trimmed as given.

    Raises BadIdentity with a reason.
    """
    value = external_id.strip()
    if not value:
        raise BadIdentity("the id is empty")
    if len(value) > MAX_LENGTH:
        raise BadIdentity(f"the id has {len(value)} characters, {MAX_LENGTH} at most")
    if network == EMAIL:
        return _normalize_email(value)
    if network == PHONE:
        return _normalize_phone(value, country)
    return value


def _normalize_email(value: str) -> str:
    address = value.lower().removeprefix("mailto:")
    if not _EMAIL.fullmatch(address):
        raise BadIdentity(f"{value[:80]!r} is not an e-mail address")
    return address


def _normalize_phone(value: str, country: str) -> str:
    try:
        number = phonenumbers.parse(value, country)
    except phonenumbers.NumberParseException as error:
        raise BadIdentity(f"{value[:40]!r} is not a phone number") from error
    if not phonenumbers.is_possible_number(number):
        raise BadIdentity(f"{value[:40]!r} has too few or too many digits for a phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
