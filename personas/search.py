"""What the palette finds among segments and personas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.permissions import can
from core import search
from core.finding import Fold, holds
from core.search import Action, Finder, Hit
from personas.models import Persona, Segment


def find_segments(text: str, user: Any, limit: int) -> Sequence[Hit]:
    """Segments by any part of their name."""
    if not can(user, "segment.read"):
        return []
    rows = Segment.objects.filter(holds(Fold("name"), text)).order_by("name", "pk")[:limit]
    return [_segment(row) for row in rows]


def find_personas(text: str, user: Any, limit: int) -> Sequence[Hit]:
    """Personas by any part of their name."""
    if not can(user, "persona.read"):
        return []
    rows = Persona.objects.filter(holds(Fold("name"), text), is_active=True).order_by("name", "pk")[:limit]
    return [_persona(row) for row in rows]


def _segment(segment: Segment) -> Hit:
    return Hit(
        label=segment.name,
        url=reverse("personas:segment", args=[segment.pk]),
        detail=_("Segment"),
        icon="ti-chart-circles",
        object="segment",
        id=segment.pk,
    )


def _persona(persona: Persona) -> Hit:
    return Hit(
        label=persona.name,
        url=reverse("personas:persona-detail", args=[persona.pk]),
        detail=_("Persona"),
        icon="ti-masks-theater",
        object="persona",
        id=persona.pk,
    )


def name_segments(ids: Sequence[int], user: Any) -> dict[int, Hit]:
    """Segments that were opened before."""
    rows = Segment.objects.filter(pk__in=ids) if can(user, "segment.read") else Segment.objects.none()
    return {row.pk: _segment(row) for row in rows}


def name_personas(ids: Sequence[int], user: Any) -> dict[int, Hit]:
    """Personas that were opened before."""
    rows = Persona.objects.filter(pk__in=ids) if can(user, "persona.read") else Persona.objects.none()
    return {row.pk: _persona(row) for row in rows}


def register() -> None:
    """What personas give to the palette."""
    search.register(Finder("segments", _lazy("Segments"), find_segments, order=60))
    search.register(Finder("personas", _lazy("Personas"), find_personas, order=65))
    search.register_place("personas:segment", name_segments)
    search.register_place("personas:persona-detail", name_personas)
    search.register_action(
        Action(
            "personas:segment-new",
            _lazy("New segment"),
            "chart-circles",
            lambda user: can(user, "segment.edit"),
        )
    )
