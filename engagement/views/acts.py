"""What is done to a single line on its network: its menu, and asking for an act."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import trigger_client_event

from accounts.permissions import requires, staff
from engagement import acting
from engagement.channels.base import Act
from engagement.flow import messages
from engagement.models import Interaction


def _seen(request: HttpRequest, pk: int) -> Interaction:
    rows = Interaction.objects.visible_to(request.user).select_related("account")
    found: Interaction = get_object_or_404(rows, pk=pk)
    return found


@require_GET
@requires("conversation.moderate")
def act_menu(request: HttpRequest, pk: int) -> HttpResponse:
    """What this person may do to the line."""
    interaction = _seen(request, pk)
    acts = [(act, acting.LABELS[act]) for act in acting.possible(interaction, staff(request))]
    return render(request, "engagement/_act_menu.html", {"interaction": interaction, "acts": acts})


@require_POST
@requires("conversation.moderate")
def act_do(request: HttpRequest, pk: int, act: str) -> HttpResponse:
    """Ask for an act; answers the line again, or only a word why not."""
    interaction = _seen(request, pk)
    if act not in list(Act):
        return HttpResponse(status=404)
    try:
        acting.ask_for(interaction=interaction, act=Act(act), by=staff(request))
    except ValidationError as error:
        told = {"text": " ".join(error.messages), "level": "error"}
        return trigger_client_event(HttpResponse(status=204), "toast", told)
    shown = messages().get(pk=interaction.pk)
    return render(request, "engagement/_message.html", {"interaction": shown})
