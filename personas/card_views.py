"""The card of one persona: the page to read and to print, and what people write on it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from accounts.permissions import requires
from personas.forms import PersonaForm
from personas.models import Persona, PersonaMembership
from personas.nightly import newest_rebuild


@require_GET
@requires("persona.read")
def persona_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One persona as a page to read and to print."""
    persona = get_object_or_404(Persona, pk=pk)
    sample = PersonaMembership.objects.filter(persona=persona).select_related("customer")
    context = {
        "persona": persona,
        "card": persona.card,
        "sample": sample.order_by("-confidence", "-customer_id")[:6],
        "rebuild": newest_rebuild(),
        "weekdays": [_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun")],
    }
    return render(request, "personas/persona.html", context)


@require_http_methods(["GET", "POST"])
@requires("persona.edit")
def persona_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """What people write on a persona; the rebuild never touches it."""
    persona = get_object_or_404(Persona, pk=pk)
    form = PersonaForm(request.POST or None, instance=persona)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved. The next rebuild keeps it."))
        return redirect("personas:persona-detail", pk)
    context = {"form": form, "persona": persona}
    return render(request, "personas/persona_edit.html", context, status=422 if form.errors else 200)
