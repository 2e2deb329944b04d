"""How lines of the audit trail are read."""

from __future__ import annotations

from typing import Any

from django import template

from accounts.audit import verb_label

register = template.Library()
register.filter("verb_label", verb_label)


@register.filter
def detail_text(detail: dict[str, Any]) -> str:
    """A detail as `from: agent, to: manager`; lists are joined."""
    return ", ".join(f"{name.replace('_', ' ')}: {_plain(value)}" for name, value in detail.items())


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(str(item) for item in value) or "–"
    if isinstance(value, dict):
        return detail_text(value)
    return str(value)
