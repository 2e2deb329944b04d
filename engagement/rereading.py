"""Reads texts again with the reader of today: a job that can be killed and goes on, with a preview before it.

Ingest keeps beside each text which version read it. A better reader, a model that was trained, or another
language of the workspace changes nothing that was read before, until somebody asks for it here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import SystemRandom
from typing import Any

from django.db import transaction
from django.db.models import Max, Min
from django.db.models.functions import Coalesce

from accounts.models import User
from accounts.permissions import check
from core import sql
from core.formatting import mood
from core.jobs import Progress, start_job
from core.models import Job, Workspace
from engagement.models import Conversation, Interaction
from engagement.querysets import visible_teams
from engagement.reading import Reading, read_texts
from engagement.text_models import sentiment_models

APP = "engagement"
KIND = "texts.reread"
AT_ONCE = 5_000
SAMPLE = 500
SHOWN = 12
PARTS = ("language", "sentiment", "reason", "topics")
_afterwards: list[Callable[[Progress], Mapping[str, int]]] = []


def register_afterwards(function: Callable[[Progress], Mapping[str, int]]) -> None:
    """A higher app has `function(progress)` run once everything was read; it must be safe to repeat."""
    _afterwards.append(function)


@dataclass(frozen=True)
class Difference:
    """A line that would be read differently: in which parts, what stands there, what would."""

    row: Mapping[str, Any]
    reading: Reading
    parts: tuple[str, ...]

    @property
    def before(self) -> dict[str, Any]:
        return {part: self.row[part] for part in PARTS}

    @property
    def after(self) -> dict[str, Any]:
        return {part: _value(self.reading, part) for part in PARTS}


@dataclass
class Preview:
    """What a re-read would change, measured on a sample drawn by chance."""

    looked_at: int = 0
    changed: int = 0
    moods: int = 0
    """Lines whose mood would be another one of positive, neutral, negative and unread."""
    by_staff: int = 0
    parts: Counter[str] = field(default_factory=Counter)
    examples: list[Difference] = field(default_factory=list)

    @property
    def by_part(self) -> list[tuple[str, int]]:
        """Each part with the lines that would differ in it, the most first."""
        return self.parts.most_common()


def start_reread(*, by: User | None, enqueue: bool = True) -> Job:
    """Queue the job. Raises core.jobs.JobIsOpen where one is under way."""
    if by is not None:
        check(by, "reading.manage")
    until = Interaction.objects.aggregate(last=Coalesce(Max("pk"), 0))["last"]
    return start_job(KIND, "Read texts again", by=by, exclusive=KIND, input={"until": until}, enqueue=enqueue)


def run_reread(progress: Progress) -> dict[str, Any]:
    """The job: page by page in order of id; each page is kept with the place to go on."""
    until = int(progress.job.input["until"])
    progress.beat(phase="reading")
    state: dict[str, Any] = progress.job.cursor or {"after": 0, "read": 0, "written": 0, "changed": 0}
    while not state.get("read_all"):
        with transaction.atomic():
            state = _next_page(state, until)
            progress.save_cursor(state, done=min(state["after"], until), total=max(until, 1))
    told: dict[str, int] = {}
    for function in _afterwards:
        told |= function(progress)
    return {name: state[name] for name in ("read", "written", "changed")} | told


def _next_page(state: Mapping[str, Any], until: int) -> dict[str, Any]:
    rows = sql.rows(APP, "reread_page", {"after": state["after"], "until": until, "limit": AT_ONCE})
    if not rows:
        return {**state, "after": until, "read_all": True}
    found = write_differences(compare(rows))
    return {
        "after": rows[-1]["id"],
        "read": state["read"] + len(rows),
        "written": state["written"] + found["written"],
        "changed": state["changed"] + found["changed"],
    }


def compare(rows: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """The rows that the reader of today reads differently, its own version included."""
    readings = read_texts(
        [row["text"] for row in rows],
        languages=Workspace.current().languages,
        models=sentiment_models(),
    )
    found = []
    for row, reading in zip(rows, readings, strict=True):
        parts = tuple(part for part in PARTS if row[part] != _kept(row, reading, part))
        if parts or row["reader"] != reading.version:
            found.append(Difference(row, reading, parts))
    return found


def _kept(row: Mapping[str, Any], reading: Reading, part: str) -> Any:
    """What would stand there: what a person said of the mood stays."""
    return row[part] if part == "sentiment" and row["mood_by_staff"] else _value(reading, part)


def _value(reading: Reading, part: str) -> Any:
    return list(reading.topics) if part == "topics" else getattr(reading, part)


def write_differences(differences: Sequence[Difference]) -> dict[str, int]:
    """Write them in one statement, and what follows from them; how many were written, how many say more."""
    if not differences:
        return {"written": 0, "changed": 0}
    readings = [
        {
            "id": one.row["id"],
            **one.after,
            "reader": one.reading.version,
            "edited_at": one.row["edited_at"].isoformat() if one.row["edited_at"] else None,
            "says_more": bool(one.parts),
        }
        for one in differences
    ]
    zone = Workspace.current().zone
    (found,) = sql.rows(APP, "write_readings", {"readings": json.dumps(readings), "zone": zone})
    if found["conversations"]:
        talks = Conversation.objects.filter(pk__in=found["conversations"]).order_by("pk")
        list(talks.select_for_update(no_key=True).values_list("pk", flat=True))
        sql.run(APP, "refresh_snippets", {"ids": found["conversations"]})
    return {"written": found["written"], "changed": found["changed"]}


def preview(*, by: User, sample: int = SAMPLE) -> Preview:
    """Read a sample again and write nothing. Examples are shown of messages that this person's teams see."""
    check(by, "reading.manage")
    rows = _drawn(sample)
    found = Preview(looked_at=len(rows), by_staff=sum(row["mood_by_staff"] for row in rows))
    teams = set(visible_teams(by).values_list("pk", flat=True))
    for one in compare(rows):
        if not one.parts:
            continue
        found.changed += 1
        found.parts.update(one.parts)
        found.moods += "sentiment" in one.parts and mood(one.row["sentiment"]) != mood(one.reading.sentiment)
        if len(found.examples) < SHOWN and one.row["team_id"] in teams:
            found.examples.append(one)
    return found


def _drawn(sample: int) -> list[dict[str, Any]]:
    ends = Interaction.objects.aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is None:
        return []
    span, wanted = range(ends["first"], ends["last"] + 1), sample * 6
    ids = list(span) if len(span) <= wanted else SystemRandom().sample(span, wanted)
    rows = sql.rows(APP, "reread_sample", {"ids": ids, "limit": wanted})
    return rows if len(rows) <= sample else SystemRandom().sample(rows, sample)
