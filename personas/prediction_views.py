"""Pages about the predictive models: how far each can be trusted."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.permissions import requires
from personas.models import ModelCard


@require_GET
@requires("persona.read")
def model_cards(request: HttpRequest) -> HttpResponse:
    """How far each prediction can be trusted."""
    return render(request, "personas/model_cards.html", {"cards": ModelCard.objects.order_by("name")})
