"""Parts of X's JSON, each checked where it is taken; what is missing is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def part(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object inside an object; {} where it is absent. Raises ValueError where it is something else."""
    found = told.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise ValueError(f"{name} is not an object")
    return found


def parts(told: Mapping[str, Any], *names: str) -> list[Mapping[str, Any]]:
    """A list of objects under the first of these names that is there; whatever is no object is left out."""
    found: Any = next((told[name] for name in names if told.get(name)), [])
    if not isinstance(found, list):
        raise ValueError(f"{names[0]} is not a list")
    return [one for one in found if isinstance(one, Mapping)]


def words(told: Mapping[str, Any], name: str) -> str:
    """A text that must be there. Raises ValueError."""
    found = told.get(name)
    if not isinstance(found, str) or not found:
        raise ValueError(f"{name} is missing")
    return found


def ids(told: Mapping[str, Any], *names: str) -> list[str]:
    """A list of ids under the first of these names that is there."""
    found: Any = next((told[name] for name in names if told.get(name)), [])
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def number(told: Mapping[str, Any], *names: str) -> int | None:
    """A whole number under the first of these names that holds one."""
    return next((told[name] for name in names if isinstance(told.get(name), int)), None)
