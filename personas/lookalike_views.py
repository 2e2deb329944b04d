"""Prospects who are like a persona: the page, its file, and a list made of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import requires, staff
from accounts.services import record_audit
from core.paging import page_for
from core.tables import format_of, table_response
from crm.exports import CHUNK, customer_header, rows_of
from personas.features import BY_NAME
from personas.models import Lookalike, LookalikeRun, Persona
from personas.reach.listing import list_lookalikes
from personas.reach_filters import LOOKALIKE_SORTS


@require_GET
@requires("persona.read")
def lookalikes(request: HttpRequest, pk: int) -> HttpResponse:
    """The prospects nearest to a persona, with what makes them so."""
    persona = get_object_or_404(Persona, pk=pk)
    found = Lookalike.objects.filter(persona=persona).select_related("customer")
    run = LookalikeRun.objects.filter(persona=persona).first()
    context = {
        "persona": persona,
        "run": run,
        "habits": [BY_NAME[name].more for name in run.features if name in BY_NAME] if run else [],
        "page": page_for(request, found, sorts=LOOKALIKE_SORTS, default="-typicality"),
    }
    return render(request, "personas/lookalikes.html", context)


@require_POST
@requires("segment.edit")
def lookalike_list(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a list by hand of them."""
    persona = get_object_or_404(Persona, pk=pk)
    try:
        segment, count = list_lookalikes(persona=persona, by=staff(request))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("personas:lookalikes", pk)
    messages.success(request, _("%(n)s prospects are on a list of their own.") % {"n": count})
    return redirect("personas:segment", segment.pk)


@require_GET
@requires("export.run")
def lookalike_export(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """All of them with what is known, how typical and why."""
    persona = get_object_or_404(Persona, pk=pk)
    header = customer_header()
    rows = _rows(persona, header)
    answer = table_response(request, f"lookalikes-{persona.pk}", [*header, "typicality", "reasons"], rows)
    count = Lookalike.objects.filter(persona=persona).count()
    detail = {"count": count, "format": format_of(request)}
    record_audit(by=staff(request), verb="lookalikes.exported", target=persona, detail=detail)
    return answer


def _rows(persona: Persona, header: list[str]) -> Iterator[list[Any]]:
    found = Lookalike.objects.filter(persona=persona).order_by("-typicality", "-customer_id")
    rows = found.values_list("customer_id", "typicality", "reasons").iterator(chunk_size=CHUNK)
    while chunk := list(islice(rows, CHUNK)):
        about = {customer: more for customer, *more in chunk}
        for row in rows_of(list(about), header):
            yield [*row, *about[row[0]]]
