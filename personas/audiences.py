"""Segments and personas as groups that audiences for ads are made of."""

from __future__ import annotations

from django.urls import reverse

from crm.audiences import Group, register_group
from personas.models import Persona, PersonaMembership, Segment, SegmentMembership


def register() -> None:
    """Register both."""
    register_group("segment", _segment)
    register_group("persona", _persona)


def _segment(pk: int) -> Group | None:
    segment = Segment.objects.filter(pk=pk).first()
    if segment is None:
        return None
    members = SegmentMembership.objects.filter(segment=segment).values_list("customer_id")
    stale = reverse("personas:segment-stale", args=[pk])
    return Group(segment.name, members, reverse("personas:segment", args=[pk]), stale)


def _persona(pk: int) -> Group | None:
    persona = Persona.objects.filter(pk=pk).first()
    if persona is None:
        return None
    members = PersonaMembership.objects.filter(persona=persona).values_list("customer_id")
    url = reverse("personas:persona-members", args=[pk])
    return Group(persona.name, members, url, reverse("personas:stale"))
