"""Pages about personas: the gallery, and who belongs to each."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.permissions import requires
from core.paging import Sort, desc, page_for
from personas.models import Persona, PersonaMembership, PersonaModel
from personas.nightly import newest_rebuild

FIT_SORTS = {"-fit": Sort(desc("confidence"), desc("customer_id"))}


@require_GET
@requires("persona.read")
def persona_list(request: HttpRequest) -> HttpResponse:
    """The gallery."""
    context = {
        "personas": Persona.objects.filter(is_active=True).order_by("-is_rule", "rank", "-members", "pk"),
        "model": PersonaModel.objects.filter(is_current=True).first(),
        "rebuild": newest_rebuild(),
    }
    return render(request, "personas/persona_list.html", context)


@require_GET
@requires("persona.read")
def persona_members(request: HttpRequest, pk: int) -> HttpResponse:
    """Everybody of a persona, the surest first, with the reasons."""
    persona = get_object_or_404(Persona, pk=pk)
    members = PersonaMembership.objects.filter(persona=persona).select_related("customer")
    page = page_for(request, members, sorts=FIT_SORTS, default="-fit")
    return render(request, "personas/persona_members.html", {"persona": persona, "page": page})
