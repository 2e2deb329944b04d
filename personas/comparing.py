"""Two personas side by side: in what they differ, the most telling first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from personas.cards.apart import comparable
from personas.models import Persona
from personas.traits.catalogue import CATALOGUE, Trait

LOOKED_AT = 10_000
"""Members of each whose traits are read, so that the page opens at once whatever their number."""
LEAST_BASE = 5
LEAST_EFFECT = 0.2
MOST, MOST_PAIRS = 12, 8
WINDOW = re.compile(r"_(30|90|365|total)$")
PARTS = (("0–6", 0, 6), ("6–9", 6, 9), ("9–12", 9, 12), ("12–15", 12, 15), ("15–18", 15, 18),
         ("18–21", 18, 21), ("21–24", 21, 24))  # fmt: skip


@dataclass(frozen=True)
class Side:
    """One of two means, and of how many customers."""

    mean: float
    base: int


@dataclass(frozen=True)
class Difference:
    """A trait in which two personas differ; `effect` in standard deviations of both together."""

    trait: Trait
    one: Side
    other: Side
    effect: float


def differences(one: Persona, other: Persona) -> list[Difference]:
    """The traits in which they differ by at least a fifth of a standard deviation, the most telling first.

    Of the windows of one trait only that which differs most is told.
    """
    traits = [trait for trait in CATALOGUE if comparable(trait)]
    sides = [_figures(persona, traits) for persona in (one, other)]
    found = []
    for trait, mine, theirs in zip(traits, *sides, strict=True):
        if min(mine[2], theirs[2]) < LEAST_BASE:
            continue
        effect = _effect(mine, theirs)
        if abs(effect) >= LEAST_EFFECT:
            found.append(
                Difference(trait, Side(mine[0], mine[2]), Side(theirs[0], theirs[2]), round(effect, 2))
            )
    found.sort(key=lambda row: (-abs(row.effect), row.trait.name))
    strongest: dict[str, Difference] = {}
    for row in found:
        strongest.setdefault(WINDOW.sub("", row.trait.name), row)
    return list(strongest.values())[:MOST]


def _figures(persona: Persona, traits: Sequence[Trait]) -> list[tuple[float, float, int]]:
    """(mean, variance, base) of each trait over members picked by id."""
    columns = ", ".join(
        f"avg(t.{one.name})::float8, var_pop(t.{one.name})::float8, count(t.{one.name})" for one in traits
    )
    members = persona.memberships.count()
    step = max(1, -(-members // LOOKED_AT))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM personas_personamembership m "  # noqa: S608 (names of the catalogue)
            "JOIN personas_traits t ON t.customer_id = m.customer_id "
            "WHERE m.persona_id = %s AND m.customer_id %% %s = 0",
            [persona.pk, step],
        )
        row = cursor.fetchone() or (None,) * (3 * len(traits))
    return [(row[3 * at] or 0.0, row[3 * at + 1] or 0.0, row[3 * at + 2] or 0) for at in range(len(traits))]


def _effect(mine: tuple[float, float, int], theirs: tuple[float, float, int]) -> float:
    """Cohen's d: the difference of means over the pooled standard deviation; 0 where nobody differs."""
    pooled = (mine[1] * mine[2] + theirs[1] * theirs[2]) / (mine[2] + theirs[2])
    return (mine[0] - theirs[0]) / pooled**0.5 if pooled > 1e-12 else 0.0


@dataclass(frozen=True)
class Pair:
    """A share of one and of the other; None where a card does not tell it."""

    name: str
    one: float | None
    other: float | None

    @property
    def apart(self) -> float:
        """How far they are from each other."""
        return abs((self.one or 0.0) - (self.other or 0.0))


def _pairs(one: Mapping[str, float], other: Mapping[str, float]) -> list[Pair]:
    """All names of both, those that differ most first."""
    found = [Pair(name, one.get(name), other.get(name)) for name in {*one, *other}]
    return sorted(found, key=lambda pair: (-pair.apart, pair.name))[:MOST_PAIRS]


def networks(one: Persona, other: Persona) -> list[Pair]:
    """Share of interactions on each network."""
    return _pairs(*({row["network"]: row["share"] for row in _shares(side)} for side in (one, other)))


def _shares(persona: Persona) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = persona.card.get("networks", {}).get("shares", ())
    return found


def subjects(one: Persona, other: Persona) -> list[Pair]:
    """Share of interactions on each topic."""
    return _pairs(
        *({row["topic"]: row["share"] for row in side.card.get("topics", ())} for side in (one, other))
    )


def hours(one: Persona, other: Persona) -> list[Pair]:
    """Share of touches by part of the day, in the order of the day."""
    sides = [_parts(side) for side in (one, other)]
    if not any(sides):
        return []
    return [Pair(name, sides[0].get(name), sides[1].get(name)) for name, _from, _to in PARTS]


def _parts(persona: Persona) -> dict[str, float]:
    heat = persona.card.get("hours", {})
    counts, base = heat.get("counts", ()), heat.get("base", 0)
    if not base:
        return {}
    return {name: sum(sum(day[start:end]) for day in counts) / base for name, start, end in PARTS}


def value(one: Persona, other: Persona) -> list[dict[str, Any]]:
    """The figures of value and risk on both cards, each with its base."""
    sides = [persona.card.get("value", {}) for persona in (one, other)]
    return [
        {"name": name, "one": sides[0].get(name), "other": sides[1].get(name)}
        for name in ("value_365", "active", "average_order", "gap_days", "sentiment")
        if any((side.get(name) or {}).get("here") is not None for side in sides)
    ]
