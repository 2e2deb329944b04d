"""Correcting the mood of a message in its thread."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from accounts.permissions import requires, staff
from engagement.flow import messages
from engagement.models import Interaction, MoodLabel
from engagement.moods import MOODS, set_mood, take_back


@require_POST
@requires("reading.correct")
def mood_set(request: HttpRequest, pk: int, mood: str) -> HttpResponse:
    """Say the mood, or take back what was said (`read`); answers the line again, or a word why not."""
    interaction: Interaction = get_object_or_404(Interaction.objects.visible_to(request.user), pk=pk)
    if mood not in (*MOODS, "read"):
        return HttpResponse(status=404)
    try:
        if mood in MOODS:
            set_mood(interaction=interaction, mood=MOODS[mood], by=staff(request))
        elif (label := MoodLabel.objects.filter(interaction=interaction).first()) is not None:
            take_back(label=label, by=staff(request))
    except ValidationError as error:
        told = {"text": " ".join(error.messages), "level": "error"}
        return trigger_client_event(HttpResponse(status=204), "toast", told)
    shown = messages().get(pk=interaction.pk)
    return render(request, "engagement/_message.html", {"interaction": shown})
