"""What the bell tells about personas: a model that was found and waits to be taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.permissions import can
from core.notices import Notice, register
from personas.models import PersonaModel


def proposals(user: Any, limit: int) -> Sequence[Notice]:
    """A model that waits to be taken or put away, for whoever may do that."""
    if not can(user, "rebuild.start"):
        return []
    found = PersonaModel.objects.filter(is_current=False, taken_at=None).order_by("-fitted_at")[:limit]
    return [
        Notice(
            at=model.fitted_at,
            text=_("Personas were found anew, and wait for you"),
            url=reverse("personas:model"),
            icon="masks-theater",
            detail=_("Customers have drifted from the present ones.") if model.reason == "drift" else "",
        )
        for model in found
    ]


def announce() -> None:
    """Called once, when the app is ready."""
    register("personas", proposals)
