"""Which column of a file holds what: guessed from names and content, or known from a file like it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.files import Row, value_at

LOOKS_LIKE = 0.7
"""A column is of a kind when so many of its filled values look like it."""
LOOKS_UNLIKE = 0.3
GOOD, EXACT = 2.0, 3.0
"""An exact name is taken even where the content speaks against it: then the rows are bad, and say so."""
Looks = Callable[[str], bool]


@dataclass(frozen=True)
class Target:
    """Something that a column may hold. `words` are names of columns that mean it, in small letters."""

    key: str
    label: str
    group: str
    words: tuple[str, ...] = ()
    looks: Looks | None = None
    many: bool = False
    """Several columns may hold it: two addresses, tags in three columns."""
    required: bool = False


@dataclass(frozen=True)
class Preset:
    """The columns of an export of another program, and what each holds."""

    key: str
    name: str
    kind: str
    source: str
    mapping: Mapping[str, str]
    signature: tuple[str, ...]
    """Columns by which the file is recognized: it must have them all."""


_presets: dict[str, Preset] = {}


def register_preset(preset: Preset) -> None:
    """Make the export of another program known."""
    _presets[preset.key] = preset


def presets() -> list[Preset]:
    """Every export that is known, by name."""
    return sorted(_presets.values(), key=lambda one: one.name.lower())


def plain(name: str) -> str:
    """A column's name in small letters, its words with one space between them."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return " ".join(re.findall(r"\w+", spaced.replace("_", " ").casefold()))


def samples_of(rows: Iterable[Row], columns: Sequence[str], *, limit: int = 5) -> dict[str, list[str]]:
    """A few different filled values of each column."""
    found: dict[str, dict[str, None]] = {column: {} for column in columns}
    for row in rows:
        for column in columns:
            value = value_at(row.values, column)
            text = " ".join(str(value).split())[:80] if value not in (None, "", [], {}) else ""
            if text and len(found[column]) < limit:
                found[column][text] = None
    return {column: list(values) for column, values in found.items()}


def guess(
    columns: Sequence[str], samples: Mapping[str, Sequence[str]], targets: Sequence[Target]
) -> dict[str, str]:
    """What each column probably holds; columns nobody recognizes are left out."""
    scored = sorted(
        (
            (_score(column, samples.get(column, ()), target), -at, -rank, column, target)
            for at, column in enumerate(columns)
            for rank, target in enumerate(targets)
        ),
        key=lambda one: one[:3],
        reverse=True,
    )
    mapping: dict[str, str] = {}
    taken: set[str] = set()
    for score, _at, _rank, column, target in scored:
        if score < GOOD or column in mapping or (target.key in taken and not target.many):
            continue
        mapping[column] = target.key
        taken.add(target.key)
    return {column: mapping[column] for column in columns if column in mapping}


def _score(column: str, samples: Sequence[str], target: Target) -> float:
    by_name = _name_score(plain(column), target)
    if target.looks is None or not samples:
        return by_name
    share = sum(1 for value in samples if target.looks(value.strip())) / len(samples)
    if share <= LOOKS_UNLIKE:
        return GOOD if by_name == EXACT else 0.0
    return by_name + (GOOD if share >= LOOKS_LIKE else 0.0)


def _name_score(name: str, target: Target) -> float:
    base = re.sub(r" \d+$", "", name)
    if name == plain(target.key) or base in target.words:
        return EXACT
    padded = f" {base} "
    parts = [word for word in target.words if len(word) > 3 and f" {word} " in padded]
    return 1.0 + len(max(parts, key=len)) / max(len(base), 1) if parts else 0.0


def preset_for(columns: Sequence[str], known: Iterable[Preset]) -> Preset | None:
    """The preset whose columns this file has; the one that says most about them."""
    here = {plain(column) for column in columns}
    fitting = [one for one in known if one.signature and all(plain(name) in here for name in one.signature)]
    return max(fitting, key=lambda one: len(one.signature), default=None)


def apply_preset(preset: Preset, columns: Sequence[str]) -> dict[str, str]:
    """The preset's mapping for the columns of this file, however they are capitalized."""
    by_name = {plain(name): target for name, target in preset.mapping.items()}
    return {column: by_name[plain(column)] for column in columns if plain(column) in by_name}


def mapped(row: Row, mapping: Mapping[str, str]) -> dict[str, list[Any]]:
    """The values of a row by what they are: {target: [values of its columns]}."""
    found: dict[str, list[Any]] = {}
    for column, target in mapping.items():
        value = value_at(row.values, column)
        if value not in (None, "", [], {}):
            found.setdefault(target, []).append(value)
    return found
