"""Pages about the predictive models: how far each can be trusted."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.permissions import requires
from core.models import Workspace
from personas.model_cards import MODELS
from personas.models import ModelCard
from personas.prediction_pages import page_of, runs_of


@require_GET
@requires("persona.read")
def model_cards(request: HttpRequest) -> HttpResponse:
    """Every predictive model in short: whether it is used, and by how much it beats its baseline."""
    currency = Workspace.current().currency
    found = {card.name: card for card in ModelCard.objects.filter(name__in=MODELS)}
    pages = [page_of(found[name], currency) for name in MODELS if name in found]
    return render(request, "personas/model_cards.html", {"pages": pages})


@require_GET
@requires("persona.read")
def model_card(request: HttpRequest, name: str) -> HttpResponse:
    """One model: its data, figures on held-out time, calibration, record, and what it is not good for."""
    if name not in MODELS:
        raise Http404
    card = get_object_or_404(ModelCard, name=name)
    page, runs = page_of(card, Workspace.current().currency), runs_of(card)
    context = {
        "page": page,
        "card": card,
        "about": page.about,
        "runs": page.told(runs),
        "charts": page.charts(runs),
    }
    return render(request, "personas/model_card.html", context)
