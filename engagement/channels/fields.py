"""Reading a vendor's JSON where it enters: what is missing or of another type is said with its name.

Each function raises ValueError such as "message.date is missing"; from there on things are typed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]


def load(body: bytes) -> Json:
    """One JSON object."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("the body is not a JSON object")
    return found


def _at(data: Json, path: str) -> Any:
    """What stands at a dotted path; None where it ends early."""
    found: Any = data
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def text(data: Json, path: str) -> str:
    """A text that must be there."""
    found = _at(data, path)
    if found is None:
        raise ValueError(f"{path} is missing")
    if not isinstance(found, str):
        raise ValueError(f"{path} is not a text")
    return found


def whole(data: Json, path: str) -> int:
    """A whole number that must be there."""
    found = _at(data, path)
    if found is None:
        raise ValueError(f"{path} is missing")
    if isinstance(found, bool) or not isinstance(found, int):
        raise ValueError(f"{path} is not a whole number")
    return found


def mapping(data: Json, path: str) -> Json:
    """An object that must be there."""
    found = _at(data, path)
    if found is None:
        raise ValueError(f"{path} is missing")
    if not isinstance(found, Mapping):
        raise ValueError(f"{path} is not an object")
    return found


def objects(data: Json, path: str) -> Sequence[Json]:
    """A list of objects that must be there."""
    found = _at(data, path)
    if found is None:
        raise ValueError(f"{path} is missing")
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise ValueError(f"{path} is not a list of objects")
    return found


def maybe_text(data: Json, path: str) -> str:
    """A text, '' where it is absent or something else."""
    found = _at(data, path)
    return found if isinstance(found, str) else ""


def maybe_whole(data: Json, path: str) -> int:
    """A whole number, 0 where it is absent or something else."""
    found = _at(data, path)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def maybe_mapping(data: Json, path: str) -> Json:
    """An object, an empty one where it is absent or something else."""
    found = _at(data, path)
    return found if isinstance(found, Mapping) else {}


def maybe_objects(data: Json, path: str) -> Sequence[Json]:
    """The objects of a list; none where it is absent or something else."""
    found = _at(data, path)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
