"""By what segments and personas are filtered."""

from __future__ import annotations

import django_filters

from core.filters import FlagFilter, SearchFilter
from core.paging import Sort, asc, desc
from personas.models import Persona, Segment

SEGMENT_SORTS = {
    "name": Sort(asc("name")),
    "-size": Sort(desc("size")),
    "-id": Sort(desc("pk")),
    "id": Sort(asc("pk")),
}
PERSONA_SORTS = {"rank": Sort(asc("rank")), "-members": Sort(desc("members"))}
SEGMENT_MEMBER_SORTS = {"-since": Sort(desc("since")), "since": Sort(asc("since"))}
SEGMENT_CHANGE_SORTS = {"-at": Sort(desc("at")), "at": Sort(asc("at"))}
SEGMENT_PICK_SORTS = {"-at": Sort(desc("at")), "at": Sort(asc("at"))}
PERSONA_MEMBER_SORTS = {"-confidence": Sort(desc("confidence")), "confidence": Sort(asc("confidence"))}


class SegmentFilter(django_filters.FilterSet):
    """Filters of segments."""

    q = SearchFilter(field_name="name", lookup_expr="icontains", label="Any part of the name")
    is_frozen = FlagFilter(label="Frozen")

    class Meta:
        model = Segment
        fields: tuple[str, ...] = ()


class PersonaFilter(django_filters.FilterSet):
    """Filters of personas."""

    is_active = FlagFilter(label="In the current model")

    class Meta:
        model = Persona
        fields: tuple[str, ...] = ()
