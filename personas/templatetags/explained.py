"""What the conditions of a rule found: {% load explained %}."""

from __future__ import annotations

import re
from datetime import date

from django import template
from django.utils.formats import date_format

from core import formatting

register = template.Library()
ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")
LONG_FRACTION = re.compile(r"-?\d+\.\d{3,}")


@register.filter
def found_text(value: str) -> str:
    """{{ node.found|found_text }}: days and long fractions as people read them, all else as it stands."""
    text = str(value)
    if ISO_DAY.fullmatch(text):
        return date_format(date.fromisoformat(text), "j M Y")
    if LONG_FRACTION.fullmatch(text):
        return formatting.number(float(text), 2)
    return text
