"""What a plan rests on: counts and rates of an audience, beside everybody's, each with its base.

Everything is read by set-based statements. Of an audience of more than `MOST` people a fixed sample is read,
so that a page answers at any size; whom we may write to is counted exactly. What a sample of everybody does
is read once a day, by the rebuild where it can, and remembered: it moves less in a day than the sample errs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone

from core.models import Workspace
from core.sql import statement
from crm.purposes import MARKETING
from engagement.replies import LEDGER_WINDOW
from personas.models import Persona, PersonaMembership, Segment, SegmentMembership
from personas.reach.slots import empty_grid
from personas.traits.zones import zone_parameters

MOST = 20_000
QUARTER, YEAR = 90, 365
REMEMBERED = 24 * 3600
"""Seconds."""
Row = dict[str, Any]
EVERYBODY = "SELECT id FROM crm_customer WHERE merged_into_id IS NULL AND NOT profiling_refused"


@dataclass(frozen=True)
class Audience:
    """A persona or a segment, and the statement that gives its people."""

    kind: str
    pk: int
    name: str
    size: int
    members: str

    @classmethod
    def of_persona(cls, persona: Persona) -> Audience:
        """Everybody who belongs to a persona."""
        sql = f"SELECT customer_id FROM personas_personamembership WHERE persona_id = {int(persona.pk)}"  # noqa: S608
        size = PersonaMembership.objects.filter(persona=persona).count()
        return cls("persona", persona.pk, persona.name, size, sql)

    @classmethod
    def of_segment(cls, segment: Segment) -> Audience:
        """Everybody who is in a segment."""
        sql = f"SELECT customer_id FROM personas_segmentmembership WHERE segment_id = {int(segment.pk)}"  # noqa: S608
        size = SegmentMembership.objects.filter(segment=segment).count()
        return cls("segment", segment.pk, segment.name, size, sql)

    @classmethod
    def of_everybody(cls) -> Audience:
        """All customers who allow it to be looked at what they do."""
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM ({EVERYBODY}) everybody")  # noqa: S608 (a constant)
            size = int((cursor.fetchone() or (0,))[0])
        return cls("everybody", 0, "", size, EVERYBODY)

    @property
    def scale(self) -> float:
        """How many people each one of the sample stands for."""
        return self.size / self.read if self.read else 1.0

    @property
    def read(self) -> int:
        """How many of them the evidence is read from."""
        return min(self.size, MOST)


@dataclass
class Habits:
    """What one group of people does: the audience, or everybody."""

    networks: dict[str, Row]
    answers: dict[str, Row]
    theirs: dict[str, list[list[float]]]
    ours: dict[str, list[list[float]]]
    kinds: list[Row]
    topics: list[Row]

    @property
    def touches(self) -> int:
        """Touches of the last 90 days."""
        return sum(row["n"] for row in self.networks.values())


@dataclass(frozen=True)
class Crowd:
    """What everybody does, for comparison, and how many people each one who was read stands for."""

    habits: Habits
    scale: float


@dataclass
class Allowed:
    """Who may be written to first: people by the networks where they said yes, and counts by network."""

    people: list[tuple[tuple[str, ...], int, int]] = field(default_factory=list)
    """(networks, messages that the limit leaves each, people)."""
    networks: dict[str, Row] = field(default_factory=dict)

    @property
    def persons(self) -> int:
        """People who may be written to at all."""
        return sum(people for _networks, _left, people in self.people)


class Reader:
    """Reads as of one local day of the workspace."""

    def __init__(self, today: date | None = None) -> None:
        workspace = Workspace.current()
        self.zone = workspace.zone
        self.tz = workspace.tz
        self.today = today or workspace.today()

    @transaction.atomic
    def habits(self, members: str) -> Habits:
        """Everything of these people, who are drawn once for all statements."""
        self._choose(members)
        hours = self._rows("reach_hours", **zone_parameters(self.zone))
        found = Habits(
            networks={row["network"]: row for row in self._rows("reach_networks")},
            answers={row["network"]: row for row in self._rows("reach_answers")},
            theirs=_grids(row for row in hours if row["clock"] == "theirs"),
            ours=_grids(row for row in hours if row["clock"] == "ours"),
            kinds=self._rows("reach_kinds"),
            topics=self._rows("reach_topics"),
        )
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE reach_chosen")
        return found

    def everybody(self, *, anew: bool = False) -> Crowd:
        """What everybody does; of more than `MOST` people as it was remembered today, unless asked `anew`."""
        key = f"reach:everybody:{self.today}:{self.zone}"
        remembered = None if anew else cache.get(key)
        if isinstance(remembered, Crowd):
            return remembered
        audience = Audience.of_everybody()
        found = Crowd(self.habits(EVERYBODY), audience.scale)
        if audience.size > MOST:
            cache.set(key, found, REMEMBERED)
        return found

    def _choose(self, members: str) -> None:
        text = statement("personas", "reach_chosen").replace("/*members*/", members)
        with connection.cursor() as cursor:
            cursor.execute(text, {"most": MOST})
            cursor.execute("ANALYZE reach_chosen")

    def allowed(self, audience: Audience, networks: Sequence[str], limit: int) -> Allowed:
        """Who of the whole audience may be written to first on these networks."""
        found = Allowed()
        if not networks:
            return found
        for row in self._rows(
            "reach_allowed",
            members=audience.members,
            networks=list(networks),
            purpose=MARKETING,
            limit=limit,
            ledger_since=timezone.now() - LEDGER_WINDOW,
        ):
            if row["what"] == "people":
                found.people.append((tuple(row["networks"]), row["left_over"], row["people"]))
            else:
                found.networks[row["networks"][0]] = row
        return found

    def _rows(self, name: str, *, members: str = "", **more: Any) -> list[Row]:
        parameters = {
            "today": self.today,
            "since_day": self.today - timedelta(days=QUARTER),
            "since": self._start(self.today - timedelta(days=YEAR)),
            "before": self._start(self.today + timedelta(days=1)),
            "zone": self.zone,
            **more,
        }
        text = statement("personas", name).replace("/*members*/", members)
        with connection.cursor() as cursor:
            cursor.execute(text, parameters)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _start(self, day: date) -> datetime:
        return datetime.combine(day, time.min, tzinfo=self.tz)


def _grids(rows: Any) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = {}
    for row in rows:
        grid = found.setdefault(row["network"], empty_grid())
        grid[row["weekday"] - 1][row["hour"]] += row["n"]
    return found


def added(grids: Mapping[str, Sequence[Sequence[float]]]) -> list[list[float]]:
    """The sum of the grids of all networks."""
    whole = empty_grid()
    for grid in grids.values():
        for day in range(7):
            for hour in range(24):
                whole[day][hour] += grid[day][hour]
    return whole


def base_of(grid: Sequence[Sequence[float]]) -> int:
    """Touches in a grid."""
    return int(sum(map(sum, grid)))
