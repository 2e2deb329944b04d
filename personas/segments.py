"""What people do with segments: write a rule or keep a list, freeze, copy, count and delete it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.conditions import Node, to_json
from core.events import emit
from core.holding import held
from core.jobs import JobIsOpen, Progress, start_job
from core.models import Job, Workspace
from personas.building import (
    Built,
    asked_by,
    build_segment,
    customer_rule,
    in_order,
    segments_in,
    with_askers,
)
from personas.memberships import follow_segments
from personas.models import Persona, PublishableKey, ReachPlan, Segment, SegmentKind, SegmentPick

RULES_LOCK = 0x5365_6752


def _one_at_a_time() -> None:
    """Who writes or deletes a segment waits for whoever does.

    Names, circles and what rules ask about are looked for in all segments, and nobody sees what another has
    not committed.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [RULES_LOCK])


@transaction.atomic
def create_segment(
    *,
    name: str,
    rule: Mapping[str, Any] | None = None,
    description: str = "",
    kind: str = SegmentKind.RULE,
    by: User | None = None,
) -> Segment:
    """Write a new segment; its members come with the first build, those of a list by hand one by one.

    Raises RuleInvalid or ValidationError.
    """
    allow(by)
    _one_at_a_time()
    if kind == SegmentKind.LIST and rule:
        raise ValidationError(_("A list by hand has no rule. Leave the rule out, or make a segment by rule."))
    spelled = {} if kind == SegmentKind.LIST else to_json(customer_rule({} if rule is None else rule))
    segment = Segment(
        name=_free_name(name), description=description.strip(), kind=kind, rule=spelled, created_by=by
    )
    if kind == SegmentKind.LIST:
        segment.built_version, segment.built_at, segment.build_seconds = 1, timezone.now(), 0.0
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
    allow(by)
    _one_at_a_time()
    segment = hold_segment(segment)
    if name is not None:
        segment.name = _free_name(name, but=segment)
    if description is not None:
        segment.description = description.strip()
    if rule is not None:
        _change_rule(segment, rule)
    segment.save(update_fields=["name", "description", "rule", "version", "error"])
    record_audit(by=by, verb="segment.updated", target=segment, detail={"version": segment.version})
    emit("segment.changed", channels=["staff"], segment=segment.pk)
    return segment


def _change_rule(segment: Segment, rule: Mapping[str, Any]) -> None:
    if segment.kind == SegmentKind.LIST:
        raise ValidationError(_("A list by hand has no rule. Copy it into a segment by rule instead."))
    node = customer_rule(rule)
    if segment.is_frozen:
        raise ValidationError(_("This segment is frozen. Thaw it before you change its rule."))
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
            raise ValidationError(_("This rule would ask about its own segment. Choose another one."))
        if pk in others and pk not in seen:
            seen.add(pk)
            waiting |= asked_by(others[pk]) - seen


@transaction.atomic
def freeze_segment(*, segment: Segment, frozen: bool, by: User | None = None) -> Segment:
    """Keep the members as they are, or let rebuilds change them again."""
    allow(by)
    segment = hold_segment(segment)
    if segment.is_frozen != frozen:
        segment.is_frozen = frozen
        segment.save(update_fields=["is_frozen"])
        record_audit(by=by, verb="segment.frozen" if frozen else "segment.unfrozen", target=segment)
        emit("segment.changed", channels=["staff"], segment=segment.pk)
    return segment


@transaction.atomic
def copy_segment(*, segment: Segment, by: User | None = None) -> Segment:
    """Another segment with the same rule, the same people by hand and a free name."""
    _one_at_a_time()
    taken = set(Segment.objects.values_list("name", flat=True))
    number = 1
    while (name := f"{segment.name[:100]} (copy{'' if number == 1 else f' {number}'})") in taken:
        number += 1
    made = create_segment(
        name=name, rule=segment.rule or None, description=segment.description, kind=segment.kind, by=by
    )
    SegmentPick.objects.bulk_create(
        SegmentPick(
            segment=made, home_customer_id=pick.home_customer_id, customer_id=pick.customer_id,
            is_in=pick.is_in, by=pick.by, at=pick.at,
        )
        for pick in segment.picks.order_by("pk")
    )  # fmt: skip
    if made.kind == SegmentKind.LIST:
        _build_now(made)
        made.refresh_from_db()
    return made


@transaction.atomic
def delete_segment(*, segment: Segment, by: User | None = None) -> None:
    """Delete a segment that nothing uses. Raises ValidationError with the names of what does."""
    allow(by)
    _one_at_a_time()
    segment = hold_segment(segment)
    users = ", ".join(use.name for use in uses_of(segment))
    if users:
        raise ValidationError(
            _("Used by %(names)s. Let them use another one first, or delete them.") % {"names": users}
        )
    record_audit(by=by, verb="segment.deleted", target=segment)
    emit("segment.deleted", channels=["staff"], segment=segment.pk)
    Segment.objects.filter(pk=segment.pk).delete()


def hold_segment(segment: Segment) -> Segment:
    """It as it is now, locked until the transaction ends. Raises Gone."""
    return held(Segment.objects.all(), segment.pk, _("Somebody deleted this segment meanwhile."))


@dataclass(frozen=True)
class Use:
    """Something that would break without a segment. `url` is '' where nobody may look."""

    kind: str
    name: str
    url: str = ""


def used_by(segment: Segment) -> list[Segment]:
    """Segments whose rule asks about this one, by name."""
    return [
        one for one in Segment.objects.exclude(pk=segment.pk).order_by("name") if segment.pk in asked_by(one)
    ]


def uses_of(segment: Segment) -> list[Use]:
    """All that uses a segment: other rules, personas made from it, plans, keys that may tell it."""
    found = [Use("segment", one.name, reverse("personas:segment", args=[one.pk])) for one in used_by(segment)]
    personas = Persona.objects.filter(segment=segment).order_by("name")
    found += [Use("persona", one.name, reverse("personas:persona-detail", args=[one.pk])) for one in personas]
    found += [Use("plan", plan.name) for plan in ReachPlan.objects.filter(segment=segment).order_by("name")]
    keys = PublishableKey.objects.filter(segments=segment, revoked_at=None).order_by("name")
    return found + [Use("key", key.name) for key in keys]


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
    todo = _with_dependents(int(progress.job.input["segment"]))
    built = Built(0)
    for place, segment in enumerate(todo):
        progress.beat(place, len(todo), phase=segment.name)
        one = _build_now(segment)
        built = one if segment.pk == progress.job.input["segment"] else built
    follow_segments(timezone.now())
    return {"size": built.size, "came": built.came, "left": built.left, "error": built.error}


def begin_build(segment: Segment, *, by: User | None = None) -> None:
    """Build it in a job, unless one is open, which reads the newest rule when it gets there."""
    try:
        start_build(segment=segment, by=by)
    except JobIsOpen:
        return


def _build_now(segment: Segment) -> Built:
    workspace = Workspace.current()
    return build_segment(
        segment_id=segment.pk, today=workspace.today(), zone=workspace.zone, now=timezone.now()
    )


def _with_dependents(segment_id: int) -> list[Segment]:
    """The segment and all that ask about it, by whatever detour, in order of building."""
    segments = {one.pk: one for one in Segment.objects.all()}
    asked = {pk: asked_by(one) for pk, one in segments.items()}
    return in_order(segments[pk] for pk in with_askers({segment_id} & segments.keys(), asked))


def _free_name(name: str, but: Segment | None = None) -> str:
    name = name.strip()
    if not name:
        raise ValidationError(_("Give the segment a name."))
    if len(name) > 120:
        raise ValidationError(_("Give the segment a name of at most 120 characters."))
    if Segment.objects.filter(Q(name=name) & ~Q(pk=but.pk if but else None)).exists():
        raise ValidationError(_("Another segment has this name."))
    return name


def allow(by: User | None) -> None:
    """Staff need the verb; the program itself (demo, imports) passes nobody."""
    if by is not None:
        check(by, "segment.edit")
