"""Members of segments and personas to take along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from accounts.permissions import requires, staff
from accounts.services import record_audit
from core.tables import format_of, table_response
from crm.exports import CHUNK, customer_header, rows_of
from personas.models import Persona, PersonaMembership, Segment, SegmentMembership


@require_GET
@requires("export.run")
def segment_export(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Everybody of a segment, with all that is known of them and since when they belong."""
    segment = get_object_or_404(Segment, pk=pk)
    members = SegmentMembership.objects.filter(segment=segment)
    return _export(request, segment, members.order_by("pk"), {"since": "since"})


@require_GET
@requires("export.run")
def persona_export(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Everybody of a persona, with how well they fit and why."""
    persona = get_object_or_404(Persona, pk=pk)
    members = PersonaMembership.objects.filter(persona=persona).order_by("-confidence", "-customer_id")
    return _export(request, persona, members, {"since": "since", "fit": "confidence", "reasons": "reasons"})


def _export(
    request: HttpRequest, group: Model, members: QuerySet[Any], columns: Mapping[str, str]
) -> StreamingHttpResponse:
    """`columns` are those of the membership, by their name in the file."""
    count, kind, header = members.count(), str(group._meta.model_name), customer_header()
    rows = _rows(members, header, list(columns.values()))
    answer = table_response(request, f"{kind}-{group.pk}", [*header, *columns], rows)
    detail = {"count": count, "format": format_of(request)}
    record_audit(by=staff(request), verb=f"{kind}.exported", target=group, detail=detail)
    return answer


def _rows(members: QuerySet[Any], header: Sequence[str], columns: Sequence[str]) -> Iterator[list[Any]]:
    found = members.values_list("customer_id", *columns).iterator(chunk_size=CHUNK)
    while chunk := list(islice(found, CHUNK)):
        about = {customer: more for customer, *more in chunk}
        for row in rows_of(list(about), header):
            yield [*row, *about[row[0]]]
