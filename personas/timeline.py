"""What personas put into the customer page: entering and leaving segments, and moving between personas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy

from core import timeline
from core.timeline import Before, Entry, Filter
from personas.models import PersonaChange, SegmentChange

SEGMENT, PERSONA = "segment", "persona"
ICONS = {SEGMENT: "chart-circles", PERSONA: "masks-theater"}
TEMPLATES = {SEGMENT: "personas/_timeline_segment.html", PERSONA: "personas/_timeline_persona.html"}


def segment_changes(
    customer_ids: Sequence[int], user: Any, before: Before | None, wanted: Filter, limit: int
) -> Sequence[Entry]:
    """Segments these customers entered or left, newest first."""
    changes = SegmentChange.objects.filter(customer_id__in=customer_ids).select_related("segment")
    return _entries(SEGMENT, changes, before, wanted, limit)


def persona_changes(
    customer_ids: Sequence[int], user: Any, before: Before | None, wanted: Filter, limit: int
) -> Sequence[Entry]:
    """Personas these customers moved between, newest first."""
    changes = PersonaChange.objects.filter(customer_id__in=customer_ids).select_related("before", "after")
    return _entries(PERSONA, changes, before, wanted, limit)


def _entries(source: str, changes: Any, before: Before | None, wanted: Filter, limit: int) -> Sequence[Entry]:
    """One walk by (customer, at, id); a filter on networks or text leaves nothing of these."""
    if wanted.leaves_out(source) or wanted.network or wanted.text or wanted.visibility:
        return []
    bound = timeline.is_older(source, before)
    if bound is not None:
        at, pk = bound
        changes = changes.filter(Q(at__lt=at) | Q(at=at, pk__lt=pk))
    return [
        Entry(row.at, source, row.pk, source, TEMPLATES[source], row, ICONS[source])
        for row in changes.order_by("-at", "-pk")[:limit]
    ]


def register() -> None:
    """Called once, when the app is ready."""
    timeline.register(SEGMENT, segment_changes, kinds={SEGMENT: gettext_lazy("Segments")})
    timeline.register(PERSONA, persona_changes, kinds={PERSONA: gettext_lazy("Personas")})
