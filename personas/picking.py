"""People put into a segment, or left out of it, by hand: what a person decided counts before the rule.

Members change at once, for those people alone, and it is told like any other coming and going. A rebuild
finds the same, as it asks the picks in the statement of the rule. Of merged customers the newest pick counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import record_audit
from core.conditions import RuleInvalid, fieldset, matching
from core.events import emit, emit_many
from core.models import Workspace
from crm.models import Customer, CustomerTouch
from personas.building import PICKED, happenings, segment_rule
from personas.memberships import follow_segments
from personas.models import (
    Segment,
    SegmentChange,
    SegmentKind,
    SegmentMembership,
    SegmentPick,
    SegmentSize,
)
from personas.quick_counts import current_context
from personas.segments import allow, begin_build, hold_segment, used_by

MOST = 5_000
"""As many people as may be picked at once."""


@transaction.atomic
def pick_customers(*, segment: Segment, ids: Sequence[int], is_in: bool, by: User | None) -> int:
    """Put customers in, or leave them out, whatever the rule says; how many there are of those ids.

    Raises ValidationError where the segment is frozen.
    """
    segment = _held(segment, by, ids)
    found = list(Customer.objects.roots().filter(pk__in=ids).order_by("pk").values_list("pk", flat=True))
    SegmentPick.objects.bulk_create(
        [
            SegmentPick(
                segment=segment, home_customer_id=pk, customer_id=pk, is_in=is_in, by=by, at=timezone.now()
            )
            for pk in found
        ],
        update_conflicts=True,
        unique_fields=["segment", "home_customer"],
        update_fields=["is_in", "by", "at"],
    )
    _settle(segment, found, by, "segment.put_in" if is_in else "segment.left_out")
    return len(found)


@transaction.atomic
def unpick_customers(*, segment: Segment, ids: Sequence[int], by: User | None) -> int:
    """Let the rule decide again; how many picks are gone. A list by hand then has them no more."""
    segment = _held(segment, by, ids)
    gone, _each = SegmentPick.objects.filter(segment=segment, customer_id__in=ids).delete()
    _settle(segment, list(ids), by, "segment.unpicked")
    return gone


def picks_of(segment: Segment) -> QuerySet[SegmentPick]:
    """The pick that counts of each customer; one statement, newest first within a customer."""
    return (
        SegmentPick.objects.filter(segment=segment, customer__merged_into=None)
        .order_by("customer_id", "-at", "-pk")
        .distinct("customer_id")
    )


def pick_of(segment: Segment, customer_id: int) -> SegmentPick | None:
    """What somebody decided about one customer, if anybody did."""
    found = SegmentPick.objects.filter(segment=segment, customer_id=customer_id).select_related("by")
    return found.order_by("-at", "-pk").first()


def _held(segment: Segment, by: User | None, ids: Sequence[int]) -> Segment:
    allow(by)
    if len(ids) > MOST:
        raise ValidationError(_("Choose at most %(most)s customers at once.") % {"most": f"{MOST:,}"})
    segment = hold_segment(segment)
    if segment.is_frozen:
        raise ValidationError(_("This segment is frozen. Thaw it before you change who is in it."))
    return segment


def _settle(segment: Segment, ids: Sequence[int], by: User | None, verb: str) -> None:
    """Bring the membership of these customers up to date, and tell it."""
    record_audit(by=by, verb=verb, target=segment, detail={"customers": list(ids)})
    emit("segment.changed", channels=["staff"], segment=segment.pk)
    if segment.built_at is None:
        return
    belong = belonging(segment, ids)
    members = set(
        SegmentMembership.objects.filter(segment=segment, customer_id__in=ids).values_list(
            "customer_id", flat=True
        )
    )
    came, left, now = sorted(belong - members), sorted(members - belong), timezone.now()
    if not came and not left:
        return
    _write(segment, came, left, now)
    follow_segments(now)
    if used_by(segment):
        begin_build(segment, by=by)


def belonging(segment: Segment, ids: Sequence[int]) -> set[int]:
    """Who of these customers belongs by what was picked and by the rule at this moment.

    A rule that cannot be read any more changes nobody: those that are members still count.
    """
    picked = _picked(segment, ids)
    asked = [pk for pk in ids if pk not in picked]
    put_in = {pk for pk, is_in in picked.items() if is_in}
    try:
        sql, params = matching(segment_rule(segment), fieldset("customer"), current_context(), keys=asked)
    except RuleInvalid:
        kept = SegmentMembership.objects.filter(segment=segment, customer_id__in=asked)
        return put_in | set(kept.values_list("customer_id", flat=True))
    return put_in | {row[0] for row in _rows(sql, params)}


def _picked(segment: Segment, ids: Sequence[int]) -> dict[int, bool]:
    found = _rows(
        f"SELECT * FROM ({PICKED}) p WHERE p.customer_id = ANY(%s::bigint[])",  # noqa: S608 (own SQL)
        [segment.pk, list(ids)],
    )
    return dict(found)


def _rows(sql: str, params: Iterable[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(params))
        return list(cursor.fetchall())


def _write(segment: Segment, came: Sequence[int], left: Sequence[int], now: datetime) -> None:
    version = segment.built_version
    SegmentMembership.objects.bulk_create(
        [SegmentMembership(segment=segment, customer_id=pk, version=version, since=now) for pk in came]
    )
    SegmentMembership.objects.filter(segment=segment, customer_id__in=left).delete()
    SegmentChange.objects.bulk_create(
        [
            SegmentChange(segment=segment, customer_id=pk, entered=entered, version=version, at=now)
            for entered, ids in ((True, came), (False, left))
            for pk in ids
        ]
    )
    segment.size += len(came) - len(left)
    if segment.kind == SegmentKind.LIST:
        segment.built_at = now
    segment.save(update_fields=["size", "built_at"])
    SegmentSize.objects.update_or_create(
        segment=segment, day=Workspace.current().today(), defaults={"size": segment.size}
    )
    CustomerTouch.objects.bulk_create([CustomerTouch(customer_id=pk) for pk in (*came, *left)])
    emit_many([*happenings("segment.entered", segment, came), *happenings("segment.left", segment, left)])
