"""Personas and segments as groups by which lists of lower apps are narrowed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from crm.groups import Badge, GroupKind, register_kind
from personas.models import Persona, PersonaMembership, Segment, SegmentMembership


def register() -> None:
    """Register both kinds."""
    register_kind(GroupKind("persona", _("Persona"), _personas, _of_persona, _persona_badges, _stale))
    register_kind(GroupKind("segment", _("Segment"), _segments, _of_segment, _segment_badges, _stale_segment))


def _personas() -> list[tuple[int, str]]:
    found = Persona.objects.filter(is_active=True).order_by("rank", "pk")
    return list(found.values_list("pk", "name"))


def _segments() -> list[tuple[int, str]]:
    return list(Segment.objects.order_by("name", "pk").values_list("pk", "name"))


def _of_persona(pk: int | None) -> QuerySet[Any]:
    found = PersonaMembership.objects.order_by()
    return (found if pk is None else found.filter(persona=pk)).values("customer_id")


def _of_segment(pk: int | None) -> QuerySet[Any]:
    found = SegmentMembership.objects.order_by()
    return (found if pk is None else found.filter(segment=pk)).values("customer_id")


def _persona_badges(customers: Collection[int]) -> Mapping[int, Badge]:
    found = PersonaMembership.objects.filter(customer__in=customers).select_related("persona")
    return {
        one.customer_id: Badge(
            one.persona_id,
            one.persona.name,
            reverse("personas:persona-detail", args=[one.persona_id]),
            one.persona.icon,
            one.persona.tone,
        )
        for one in found
    }


def _segment_badges(customers: Collection[int]) -> Mapping[int, Badge]:
    """The segment that a customer came into last."""
    found = SegmentMembership.objects.filter(customer__in=customers).select_related("segment")
    newest = found.order_by("customer_id", "-since", "-pk").distinct("customer_id")
    return {
        one.customer_id: Badge(
            one.segment_id, one.segment.name, reverse("personas:segment", args=[one.segment_id])
        )
        for one in newest
    }


def _stale(pk: int | None) -> str:
    return reverse("personas:stale")


def _stale_segment(pk: int | None) -> str:
    return reverse("personas:segment-stale", args=[pk]) if pk else reverse("personas:stale")
