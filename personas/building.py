"""Building segments: the members a rule finds, in dependency order, one transaction each.

Readers see the members of one build and never a mixture. Only differences are written.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db import DatabaseError, connection, transaction

from core.conditions import (
    Condition,
    Context,
    Group,
    Node,
    Occurrence,
    RuleInvalid,
    fieldset,
    leaves,
    matching,
    parse,
    references,
)
from core.events import Happening, emit_many
from core.sql import statement
from personas.models import Segment, SegmentKind, SegmentPick, SegmentSize

IDS_IN_EVENT = 500
BUILD_LOCK = 0x5365_676D
RELATIVE = frozenset({"in_last_days", "not_in_last_days", "more_than_days_ago", "in_next_days"})


@dataclass(frozen=True)
class Built:
    """What one build did. `told` is False where nobody is told: a first build, or a changed rule."""

    size: int
    came: int = 0
    left: int = 0
    told: bool = False
    error: str = ""


def customer_rule(rule: object) -> Node:
    """The tree of a rule over customers. Raises RuleInvalid."""
    return parse(rule, fieldset("customer"))


def segment_rule(segment: Segment) -> Node:
    """The tree of a segment's rule; a list by hand finds nobody by rule. Raises RuleInvalid."""
    return Group("any", ()) if segment.kind == SegmentKind.LIST else customer_rule(segment.rule)


def segments_in(rule: Node) -> set[int]:
    """The segments that a rule asks about."""
    return {int(found.value) for found in references(rule) if found.kind == "segment"}


def moves_with_the_day(rule: Node) -> bool:
    """Whether the same data can give other members on another day."""
    return any(
        leaf.days is not None if isinstance(leaf, Occurrence) else leaf.op in RELATIVE
        for leaf in leaves(rule)
    )


def in_order(segments: Iterable[Segment]) -> list[Segment]:
    """Segments after those they ask about. Those in a circle come last, by id, and are each built once."""
    return [segment for level in in_levels(segments) for segment in level]


def in_levels(segments: Iterable[Segment]) -> list[list[Segment]]:
    """Segments after those they ask about; those of one level ask nothing of each other.

    Those in a circle, and what asks about them, come last, each a level of its own.
    """
    waiting = {segment.pk: segment for segment in sorted(segments, key=lambda one: one.pk)}
    asked = {pk: asked_by(segment) & waiting.keys() for pk, segment in waiting.items()}
    levels: list[list[Segment]] = []
    while waiting:
        ready = [pk for pk in waiting if not asked[pk] & waiting.keys() - {pk}]
        if ready:
            levels.append([waiting.pop(pk) for pk in ready])
        else:
            levels += [[segment] for segment in waiting.values()]
            waiting.clear()
    return levels


def asked_by(segment: Segment) -> set[int]:
    """The segments that a segment's rule asks about; none where it cannot be read."""
    try:
        return segments_in(segment_rule(segment))
    except RuleInvalid:
        return set()


def asking_about(*fields: str) -> set[int]:
    """The segments whose rule asks about a field that begins so, itself or through segments it asks about."""
    segments = list(Segment.objects.all())
    asked = {segment.pk: asked_by(segment) for segment in segments}
    return with_askers({segment.pk for segment in segments if _names_any(segment, fields)}, asked)


def with_askers(segments: set[int], asked: Mapping[int, set[int]]) -> set[int]:
    """These segments and all that ask about them, by whatever detour; `asked` says what each asks about."""
    found = set(segments)
    while more := {pk for pk, others in asked.items() if pk not in found and others & found}:
        found |= more
    return found


def _names_any(segment: Segment, fields: tuple[str, ...]) -> bool:
    try:
        asked = list(leaves(segment_rule(segment)))
    except RuleInvalid:
        return False
    return any(isinstance(leaf, Condition) and leaf.field.name.startswith(fields) for leaf in asked)


def needs_build(segment: Segment, today: date, zone: str, built: set[int]) -> bool:
    """Whether the members can differ although no customer does.

    A changed rule, a failed build, another one it asks about that was just built, or a rule that moves with
    the day and was last built on another one.
    """
    if segment.version != segment.built_version or segment.error or segment.built_at is None:
        return True
    try:
        rule = segment_rule(segment)
    except RuleInvalid:
        return True
    if segments_in(rule) & built:
        return True
    return moves_with_the_day(rule) and segment.built_at.astimezone(ZoneInfo(zone)).date() != today


def build_segment(*, segment_id: int, today: date, zone: str, now: datetime) -> Built:
    """Bring the members of one segment up to date. A rule that fails leaves the old members and says why;
    one that was deleted meanwhile has none.

    The rule is worked out while people may go on to edit it; only writing what differs holds the segment.
    Where it was edited meanwhile, what the old rule found is thrown away and the new one worked out.
    """
    began = time.monotonic()
    context = Context(today=today, zone=ZoneInfo(zone))
    try:
        with transaction.atomic():
            _one_build_at_a_time(segment_id)
            segment = _found(segment_id, context)
            if segment.is_frozen:
                return Built(segment.size)
            built = _write(segment, now)
            segment.size, segment.built_version, segment.built_at = built.size, segment.version, now
            segment.build_seconds, segment.error = round(time.monotonic() - began, 3), ""
            segment.save(update_fields=["size", "built_version", "built_at", "build_seconds", "error"])
            SegmentSize.objects.update_or_create(segment=segment, day=today, defaults={"size": built.size})
            return built
    except Segment.DoesNotExist:
        return Built(0)
    except (RuleInvalid, DatabaseError) as error:
        text = str(error).strip()[:1000]
        Segment.objects.filter(pk=segment_id).update(error=text)
        return Built(0, error=text)


def _one_build_at_a_time(segment_id: int) -> None:
    """Two builds of one segment follow each other, so that the later one writes what it saw later."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [BUILD_LOCK, segment_id])


def _found(segment_id: int, context: Context) -> Segment:
    """The segment, locked, with the customers of exactly its version in nightly_members."""
    for is_last in (False, False, True):
        segments = Segment.objects.select_for_update() if is_last else Segment.objects.all()
        segment = segments.get(pk=segment_id)
        if segment.is_frozen:
            return segment
        find_members(segment_rule(segment), context)
        locked = Segment.objects.select_for_update().get(pk=segment_id)
        if is_last or locked.is_frozen or locked.version == segment.version:
            break
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE nightly_members")
    _pick(segment_id)
    return locked


def _write(segment: Segment, now: datetime) -> Built:
    told = segment.built_version == segment.version
    with connection.cursor() as cursor:
        cursor.execute(
            statement("personas", "segment_members"),
            {"segment": segment.pk, "version": segment.version, "now": now, "told": told},
        )
        came, left, entered, gone = cursor.fetchone() or (0, 0, [], [])
        cursor.execute("SELECT count(*) FROM nightly_members")
        size = (cursor.fetchone() or (0,))[0]
        cursor.execute("DROP TABLE nightly_members")
    emit_many([*happenings("segment.entered", segment, entered), *happenings("segment.left", segment, gone)])
    return Built(size, came, left, told)


PICKED = (
    "SELECT DISTINCT ON (k.customer_id) k.customer_id, k.is_in FROM personas_segmentpick k"
    " JOIN crm_customer o ON o.id = k.customer_id AND o.merged_into_id IS NULL"
    " WHERE k.segment_id = %s ORDER BY k.customer_id, k.at DESC, k.id DESC"
)
"""Who was put in or left out by hand; of the picks of a merged customer the newest."""


def find_members(rule: Node, context: Context) -> None:
    """Put the customers that a rule finds into nightly_members, by one statement."""
    sql, params = matching(rule, fieldset("customer"), context)
    with connection.cursor() as cursor:
        # A table that is made of a SELECT may be found by several processors, one that is filled may not.
        cursor.execute(
            "CREATE TEMPORARY TABLE nightly_members ON COMMIT DROP AS "  # noqa: S608 (compiled rule)
            f"SELECT found.id AS customer_id FROM ({sql}) AS found (id)",
            params,
        )
        cursor.execute("ANALYZE nightly_members")


def _pick(segment_id: int) -> None:
    """Let those picked by hand win over the rule, as the picks stand while the segment is held."""
    if not SegmentPick.objects.filter(segment_id=segment_id).exists():
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH picked AS MATERIALIZED ({PICKED}), gone AS ("  # noqa: S608 (a constant)
            "DELETE FROM nightly_members m USING picked k"
            " WHERE m.customer_id = k.customer_id AND NOT k.is_in)"
            " INSERT INTO nightly_members SELECT k.customer_id FROM picked k WHERE k.is_in"
            " AND NOT EXISTS (SELECT FROM nightly_members m WHERE m.customer_id = k.customer_id)",
            [segment_id],
        )


def happenings(name: str, segment: Segment, ids: Sequence[int]) -> list[Happening]:
    """Who came or left, some hundred ids an event."""
    return [
        Happening(name, {"segment": segment.pk, "customers": ids[start : start + IDS_IN_EVENT]})
        for start in range(0, len(ids), IDS_IN_EVENT)
    ]
