"""Age, work and interests by network: a table for marketers, summed by the rebuild."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Sum

from core import networks, sql
from personas.models import PeopleCount, PeopleFact
from personas.nightly import Run, register_step

LEAST = 3
"""Customers that must share a profession or interest to be a row: a rarer one would tell of a person."""
LEAST_BASE = 20
"""Known customers on a network below which a share is called weak."""
MOST_ROWS = 15
HEAT = 5


@dataclass(frozen=True)
class Cell:
    """Customers of one row on one network: how many, of how many known there, and how much that stands out.

    `times` is the share here over the share of everybody; None where either is nothing.
    """

    customers: int
    base: int
    share: float
    times: float | None
    heat: int
    is_weak: bool


@dataclass(frozen=True)
class Line:
    """One age band, profession or interest, on every network."""

    value: str
    customers: int
    share: float
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Table:
    """Rows by how common they are (ages by age), columns by how many customers are there."""

    networks: Sequence[networks.Network]
    bases: Sequence[int]
    known: int
    lines: Sequence[Line] = field(default_factory=tuple)


def sum_people(run: Run) -> dict[str, Any]:
    """The step of the rebuild: sums again, where anybody changed or there is nothing yet."""
    if not run.anybody_changed and PeopleCount.objects.exists():
        return {"written": 0}
    with transaction.atomic():
        PeopleCount.objects.all().delete()
        return {"written": sql.run("personas", "people", {"least": LEAST})}


def table(fact: PeopleFact, *, persona: int | None = None) -> Table:
    """The table of one fact, of everybody or of one persona; one statement."""
    rows = PeopleCount.objects.filter(fact=fact)
    rows = rows if persona is None else rows.filter(persona_id=persona)
    found: dict[str, dict[str, int]] = {}
    for value, network, customers in rows.values_list("value", "network").annotate(Sum("customers")):
        found.setdefault(value, {})[network] = customers
    bases = found.pop("", {})
    known = bases.pop("", 0)
    names = sorted(bases, key=lambda name: (-bases[name], name))
    lines = [_line(value, counts, names, bases, known) for value, counts in found.items()]
    lines = sorted(lines, key=_by_age if fact == PeopleFact.AGE else _by_size)[:MOST_ROWS]
    return Table([networks.get(name) for name in names], [bases[name] for name in names], known, lines)


def _by_age(line: Line) -> tuple[bool, str]:
    return not line.value.lower().startswith("under"), line.value


def _by_size(line: Line) -> tuple[int, str]:
    return -line.customers, line.value


def _line(
    value: str, counts: Mapping[str, int], names: Sequence[str], bases: Mapping[str, int], known: int
) -> Line:
    customers = counts.get("", 0)
    share = customers / known if known else 0.0
    cells = [_cell(counts.get(name, 0), bases[name], share) for name in names]
    return Line(value, customers, share, cells)


def _cell(customers: int, base: int, overall: float) -> Cell:
    share = customers / base if base else 0.0
    times = share / overall if overall and share else None
    return Cell(customers, base, share, times, _heat(share), base < LEAST_BASE)


def _heat(share: float) -> int:
    """A step from 0 to 5; half of everybody or more is the darkest."""
    return min(HEAT, -(-round(share * 1000) * 2 * HEAT // 1000)) if share else 0


def register() -> None:
    """Add the step to the rebuild; called once, when the app is ready."""
    register_step("people", sum_people, 55, weight=0.5)
