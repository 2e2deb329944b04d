"""How figures are shown: {% load figures %}."""

from __future__ import annotations

from urllib.parse import urlencode

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from analytics.figures import Compared
from core import formatting

register = template.Library()
SMALL = 0.5


def _delta(direction: float, text: str, *, good: str) -> SafeString:
    if abs(direction) < SMALL:
        return format_html('<span class="r-delta">{}</span>', _("unchanged"))
    is_up = direction > 0
    tone = "" if good == "none" else (" good" if (good == "up") == is_up else " bad")
    return format_html(
        '<span class="r-delta{}"><i class="ti ti-arrow-{}-right" aria-hidden="true"></i>'
        '<span class="visually-hidden">{} </span>{}</span>',
        tone,
        "up" if is_up else "down",
        _("up") if is_up else _("down"),
        text,
    )


@register.simple_tag
def change(count: Compared, good: str = "none") -> SafeString:
    """Relative change against the period before; `good` says which direction is welcome: up, down, none."""
    if count.change is None:
        return format_html('<span class="r-xs r-muted">{}</span>', _("new") if count.now else "")
    return _delta(count.change, f"{abs(count.change):.0f}%", good=good)


@register.simple_tag
def points(share: Compared, good: str = "up") -> SafeString:
    """Difference of two percentages, in points."""
    text = _("%(n)s points") % {"n": formatting.number(abs(share.difference), 1)}
    return _delta(share.difference, text, good=good)


@register.simple_tag(takes_context=True)
def rows_query(context: Context, **more: object) -> str:
    """The query that shows the rows behind a figure of this page: its days and filters, and `more`."""
    filters = context["filters"]
    found = {
        "first": filters.period.first.isoformat(),
        "last": filters.period.last.isoformat(),
        "network": filters.network,
        "persona": filters.persona,
        **more,
    }
    return "?" + urlencode({name: value for name, value in found.items() if value})


@register.filter
def minutes(value: float | None) -> str:
    """Minutes as people say them."""
    return "–" if value is None else formatting.duration(value * 60)
