"""Means of traits as people read them: {% load persona_figures %}."""

from __future__ import annotations

from django import template
from django.template import Context

from core import formatting
from core.templatetags.rapport import money
from personas.traits.catalogue import Trait

register = template.Library()


@register.simple_tag(takes_context=True)
def trait_value(context: Context, trait: Trait, mean: float) -> str:
    """The mean of a trait over some customers, with its unit."""
    if trait.type == "share":
        return formatting.percent(mean)
    if trait.type == "money" or trait.unit == "money":
        return money(context, round(mean, 2))
    shown = formatting.number(mean, 0 if abs(mean) >= 100 else 1 if abs(mean) >= 10 else 2)
    return f"{shown} {trait.unit}".strip()
