"""Age, work and interests by network."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounts.permissions import requires
from core.tables import table_response
from personas.models import PeopleFact, Persona
from personas.nightly import newest_rebuild
from personas.people import LEAST, LEAST_BASE, MOST_ROWS, table


def _asked(request: HttpRequest) -> tuple[PeopleFact, Persona | None]:
    """Which table is asked for; BadRequest for one that there is not."""
    fact = request.GET.get("fact") or PeopleFact.AGE
    if fact not in PeopleFact.values:
        raise BadRequest(_("fact is one of: %(names)s.") % {"names": ", ".join(PeopleFact.values)})
    given = request.GET.get("persona", "")
    if given and not (given.isascii() and given.isdecimal() and len(given) < 19):
        raise BadRequest(_("persona is the number of a persona."))
    return PeopleFact(fact), get_object_or_404(Persona, pk=given) if given else None


@require_GET
@requires("persona.read")
def people(request: HttpRequest) -> HttpResponse:
    """Who is on which network."""
    fact, persona = _asked(request)
    context: dict[str, Any] = {
        "fact": fact,
        "facts": PeopleFact.choices,
        "persona": persona,
        "personas": Persona.objects.filter(is_active=True).order_by("rank", "pk"),
        "table": table(fact, persona=persona.pk if persona else None),
        "rebuild": newest_rebuild(),
        "least": LEAST,
        "least_base": LEAST_BASE,
        "most": MOST_ROWS,
    }
    return render(request, "personas/people.html", context)


@require_GET
@requires("persona.read")
def people_export(request: HttpRequest) -> StreamingHttpResponse:
    """The table as a file: customers of each row and network, and the base of each."""
    fact, persona = _asked(request)
    found = table(fact, persona=persona.pk if persona else None)
    header = [fact.value, "customers", *(network.name for network in found.networks)]
    rows: list[list[Any]] = [["all known", found.known, *found.bases]]
    rows += [[line.value, line.customers, *(cell.customers for cell in line.cells)] for line in found.lines]
    return table_response(request, f"{fact.value}-by-network", header, rows)
