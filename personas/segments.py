"""What people do with segments: write a rule, see whom it finds, freeze, copy and explain it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.conditions import (
    Context,
    Explained,
    Node,
    RuleInvalid,
    counting,
    fieldset,
    matching,
    sentence,
    to_json,
    why,
)
from core.events import emit
from core.jobs import Progress, start_job
from core.models import Job, Workspace
from personas.building import Built, build_segment, customer_rule, in_order, segments_in
from personas.models import Segment

PREVIEW_SECONDS = 8
SAMPLE = 8
MOST_OVERLAPS = 8


class RuleTooSlow(Exception):
    """A count that took longer than a person waits."""

    def __init__(self) -> None:
        super().__init__(
            f"Counting took over {PREVIEW_SECONDS} seconds. Save the segment to count it in a job."
        )


@dataclass(frozen=True)
class Overlap:
    """How many of the found customers are also in another segment or persona."""

    kind: str
    id: int
    name: str
    customers: int


@dataclass(frozen=True)
class Preview:
    """What a rule finds at this moment. `leaves` counts each condition alone, in reading order."""

    customers: int
    total: int
    leaves: Sequence[int]
    sentence: str
    seconds: float
    came: int = 0
    left: int = 0
    sample: Sequence[int] = ()
    overlaps: Sequence[Overlap] = ()


def current_context() -> Context:
    """Today and the zone of the workspace, for compiling a rule."""
    workspace = Workspace.current()
    return Context(today=workspace.today(), zone=workspace.tz)


@transaction.atomic
def create_segment(
    *, name: str, rule: Mapping[str, Any], description: str = "", by: User | None = None
) -> Segment:
    """Write a new segment; its members come with the first build. Raises RuleInvalid or ValidationError."""
    _allow(by)
    node = customer_rule(rule)
    segment = Segment(
        name=_free_name(name), description=description.strip(), rule=to_json(node), created_by=by
    )
    segment.save()
    record_audit(by=by, verb="segment.created", target=segment)
    emit("segment.changed", channels=["staff"], segment=segment.pk)
    return segment


@transaction.atomic
def update_segment(
    *,
    segment: Segment,
    name: str | None = None,
    description: str | None = None,
    rule: Mapping[str, Any] | None = None,
    by: User | None = None,
) -> Segment:
    """Change a segment. Another rule is another version: nobody is told who comes or leaves by it."""
    _allow(by)
    segment = Segment.objects.select_for_update().get(pk=segment.pk)
    if name is not None:
        segment.name = _free_name(name, but=segment)
    if description is not None:
        segment.description = description.strip()
    if rule is not None:
        _change_rule(segment, customer_rule(rule))
    segment.save(update_fields=["name", "description", "rule", "version", "error"])
    record_audit(by=by, verb="segment.updated", target=segment, detail={"version": segment.version})
    emit("segment.changed", channels=["staff"], segment=segment.pk)
    return segment


def _change_rule(segment: Segment, node: Node) -> None:
    if segment.is_frozen:
        raise ValidationError("This segment is frozen. Unfreeze it before you change its rule.")
    _refuse_circle(segment, node)
    spelled = to_json(node)
    if spelled != segment.rule:
        segment.rule, segment.version, segment.error = spelled, segment.version + 1, ""


def _refuse_circle(segment: Segment, node: Node) -> None:
    """Raises ValidationError where the rule asks, by whatever detour, about its own segment."""
    others = {one.pk: one for one in Segment.objects.exclude(pk=segment.pk)}
    seen: set[int] = set()
    waiting = segments_in(node)
    while waiting:
        pk = waiting.pop()
        if pk == segment.pk:
            raise ValidationError("This rule would ask about its own segment. Choose another one.")
        if pk in others and pk not in seen:
            seen.add(pk)
            waiting |= _asked(others[pk]) - seen


def _asked(segment: Segment) -> set[int]:
    try:
        return segments_in(customer_rule(segment.rule))
    except RuleInvalid:
        return set()


@transaction.atomic
def freeze_segment(*, segment: Segment, frozen: bool, by: User | None = None) -> Segment:
    """Keep the members as they are, or let rebuilds change them again."""
    _allow(by)
    segment = Segment.objects.select_for_update().get(pk=segment.pk)
    if segment.is_frozen != frozen:
        segment.is_frozen = frozen
        segment.save(update_fields=["is_frozen"])
        record_audit(by=by, verb="segment.frozen" if frozen else "segment.unfrozen", target=segment)
        emit("segment.changed", channels=["staff"], segment=segment.pk)
    return segment


def copy_segment(*, segment: Segment, by: User | None = None) -> Segment:
    """Another segment with the same rule and a free name."""
    taken = set(Segment.objects.values_list("name", flat=True))
    number = 1
    while (name := f"{segment.name[:100]} (copy{'' if number == 1 else f' {number}'})") in taken:
        number += 1
    return create_segment(name=name, rule=segment.rule, description=segment.description, by=by)


@transaction.atomic
def delete_segment(*, segment: Segment, by: User | None = None) -> None:
    """Delete a segment nobody's rule asks about. Raises ValidationError."""
    _allow(by)
    users = [one.name for one in used_by(segment)]
    if users:
        raise ValidationError(f"Used by {', '.join(users)}. Change that rule first.")
    record_audit(by=by, verb="segment.deleted", target=segment)
    emit("segment.deleted", channels=["staff"], segment=segment.pk)
    Segment.objects.filter(pk=segment.pk).delete()


def used_by(segment: Segment) -> list[Segment]:
    """Segments whose rule asks about this one, by name."""
    return [
        one for one in Segment.objects.exclude(pk=segment.pk).order_by("name") if segment.pk in _asked(one)
    ]


def preview(rule: Mapping[str, Any], *, segment: Segment | None = None, details: bool = False) -> Preview:
    """Whom a rule finds now, and with `details` some of them and the overlaps with others.

    Raises RuleInvalid, or RuleTooSlow after some seconds.
    """
    began = time.monotonic()
    node, customers, context = customer_rule(rule), fieldset("customer"), current_context()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = %s", [PREVIEW_SECONDS * 1000])
            cursor.execute(*counting(node, customers, context))
            total, size, *alone = cursor.fetchone() or (0, 0)
            kept, members = _kept(node, context, segment)
            sample = _sample(node, context) if details else ()
            overlaps = _overlaps(node, context, segment) if details else ()
            cursor.execute("SET LOCAL statement_timeout = 0")
    except OperationalError as error:
        raise RuleTooSlow from error
    return Preview(
        customers=size,
        total=total,
        leaves=alone,
        sentence=sentence(node, customers),
        seconds=round(time.monotonic() - began, 2),
        came=size - kept if segment else 0,
        left=members - kept if segment else 0,
        sample=sample,
        overlaps=overlaps,
    )


def _kept(node: Node, context: Context, segment: Segment | None) -> tuple[int, int]:
    """How many members of the segment the rule still finds, and how many there are."""
    if segment is None or not segment.pk:
        return 0, 0
    sql, params = matching(node, fieldset("customer"), context)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FILTER (WHERE m.customer_id IN ({sql})), count(*) "  # noqa: S608 (compiled rule)
            "FROM personas_segmentmembership m WHERE m.segment_id = %s",
            [*params, segment.pk],
        )
        kept, members = cursor.fetchone() or (0, 0)
    return kept, members


def _sample(node: Node, context: Context) -> list[int]:
    """Ids of some found customers, those seen last first."""
    sql, params = matching(node, fieldset("customer"), context)
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} ORDER BY c.last_seen_at DESC NULLS LAST, c.id DESC LIMIT {SAMPLE}", params)
        return [row[0] for row in cursor.fetchall()]


def _overlaps(node: Node, context: Context, segment: Segment | None) -> list[Overlap]:
    """The segments and personas that share most customers with the rule."""
    sql, params = matching(node, fieldset("customer"), context)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH found AS MATERIALIZED ({sql}) "  # noqa: S608 (compiled rule)
            "SELECT 'segment', s.id, s.name, count(*) FROM found f "
            "JOIN personas_segmentmembership m ON m.customer_id = f.id "
            "JOIN personas_segment s ON s.id = m.segment_id WHERE s.id <> %s GROUP BY s.id "
            "UNION ALL SELECT 'persona', p.id, p.name, count(*) FROM found f "
            "JOIN personas_personamembership m ON m.customer_id = f.id "
            "JOIN personas_persona p ON p.id = m.persona_id GROUP BY p.id "
            f"ORDER BY 4 DESC, 1, 2 LIMIT {MOST_OVERLAPS}",
            [*params, segment.pk if segment and segment.pk else 0],
        )
        return [Overlap(*row) for row in cursor.fetchall()]


def explain_member(segment: Segment, customer_id: int) -> Explained | None:
    """Why this customer is in or out by the rule as it stands; None if there is no such customer."""
    return why(customer_rule(segment.rule), fieldset("customer"), current_context(), customer_id)


def start_build(*, segment: Segment, by: User | None = None) -> Job:
    """Build a segment, and those that ask about it, in a job. Raises core.jobs.JobIsOpen."""
    return start_job(
        "segment.build",
        f"Count {segment.name}",
        input={"segment": segment.pk},
        by=by,
        exclusive=f"segment {segment.pk}",
    )


def run_build(progress: Progress) -> dict[str, Any]:
    """The job of `start_build`."""
    workspace = Workspace.current()
    todo = _with_dependents(int(progress.job.input["segment"]))
    built = Built(0)
    for place, segment in enumerate(todo):
        progress.beat(place, len(todo), phase=segment.name)
        one = build_segment(
            segment_id=segment.pk, today=workspace.today(), zone=workspace.zone, now=timezone.now()
        )
        built = one if segment.pk == progress.job.input["segment"] else built
    return {"size": built.size, "came": built.came, "left": built.left, "error": built.error}


def _with_dependents(segment_id: int) -> list[Segment]:
    """The segment and all that ask about it, by whatever detour, in order of building."""
    segments = {one.pk: one for one in Segment.objects.all()}
    asked = {pk: _asked(one) for pk, one in segments.items()}
    found = {segment_id} & segments.keys()
    while more := {pk for pk in segments if pk not in found and asked[pk] & found}:
        found |= more
    return in_order(segments[pk] for pk in found)


def _free_name(name: str, but: Segment | None = None) -> str:
    name = name.strip()
    if not name:
        raise ValidationError("Give the segment a name.")
    if len(name) > 120:
        raise ValidationError("Give the segment a name of at most 120 characters.")
    if Segment.objects.filter(Q(name=name) & ~Q(pk=but.pk if but else None)).exists():
        raise ValidationError("Another segment has this name.")
    return name


def _allow(by: User | None) -> None:
    """Staff need the verb; the program itself (demo, imports) passes nobody."""
    if by is not None:
        check(by, "segment.edit")
