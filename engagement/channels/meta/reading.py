"""Reads Meta's JSON where it enters: what is missing or of another type is refused by its name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Json = Mapping[str, Any]
MILLISECONDS = 100_000_000_000
"""Times above it are told in milliseconds; in seconds it would be the year 5138."""
MAX_ID = 320


def body_of(raw: bytes) -> Json:
    """The JSON object in these bytes. Raises ValueError."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None
    return mapping(found, "the body")


def mapping(value: Any, name: str) -> Json:
    """An object. Raises ValueError for anything else."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    return value


def inner(holder: Json, key: str, where: str = "") -> Json:
    """The object under this key. Raises ValueError where there is none."""
    return mapping(holder.get(key), _named(where, key))


def maybe(holder: Json, key: str, where: str = "") -> Json:
    """The object under this key, empty where it is absent."""
    value = holder.get(key)
    return {} if value is None else mapping(value, _named(where, key))


def items(holder: Json, key: str, where: str = "") -> list[Json]:
    """The objects in the list under this key; none where it is absent."""
    value = holder.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{_named(where, key)} is not a list")
    return [mapping(one, f"{_named(where, key)}[{position}]") for position, one in enumerate(value)]


def words(holder: Json, key: str, where: str = "") -> str:
    """The text under this key, '' where it is absent."""
    value = holder.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{_named(where, key)} is not a text")
    return value


def ident(holder: Json, key: str, where: str = "") -> str:
    """The id under this key, which Meta writes as text or as a number. Raises ValueError without one."""
    found = maybe_ident(holder, key, where)
    if not found:
        raise ValueError(f"{_named(where, key)} is missing")
    return found


def maybe_ident(holder: Json, key: str, where: str = "") -> str:
    """The id under this key, '' where it is absent."""
    value = holder.get(key)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{_named(where, key)} is not an id")
    text = str(value).strip()
    if len(text) > MAX_ID or not text.isascii() or (text and not text.isprintable()):
        raise ValueError(f"{_named(where, key)} is not an id")
    return text


def moment(holder: Json, key: str, where: str = "") -> datetime:
    """The time under this key: seconds or milliseconds since 1970, or an ISO date. Raises ValueError."""
    value, name = holder.get(key), _named(where, key)
    if value is None:
        raise ValueError(f"{name} is missing")
    if isinstance(value, str) and not value.strip().isdigit():
        return _from_iso(value, name)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{name} is not a time")
    try:
        number = int(value)
        return datetime.fromtimestamp(number / 1000 if number > MILLISECONDS else number, UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{name} is not a time") from None


def _from_iso(text: str, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name} is not a time") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def whole(holder: Json, key: str) -> int | None:
    """The number under this key, None where there is none."""
    value = holder.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _named(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
