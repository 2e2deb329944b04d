"""What plans say, in words: {% load reach %}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from personas.reach import telling

register = template.Library()
register.filter("kind_label", telling.kind_label)
register.filter("post_evidence", telling.post_evidence)
register.filter("message_evidence", telling.message_evidence)
register.filter("kind_evidence", telling.kind_evidence)
register.filter("left_out", telling.left_out)
register.filter("topic_reason", telling.topic_reason)
register.filter("entry_title", telling.entry_title)
register.filter("entry_reason", telling.entry_reason)


@register.simple_tag
def week_hours(hours: Mapping[str, Any], weekdays: list[str]) -> SafeString:
    """When they are here by weekday and hour; hours that something is planned for are outlined."""
    head = format_html_join(
        "",
        '<th scope="col"><span{}>{}</span></th>',
        (("" if hour % 3 == 0 else format_html(' class="visually-hidden"'), hour) for hour in range(24)),
    )
    rows = format_html_join(
        "",
        '<tr><th scope="row">{}</th>{}</tr>',
        ((name, _cells(hours, day, name)) for day, name in enumerate(weekdays)),
    )
    return format_html(
        '<table class="r-heat"><caption class="visually-hidden">{}</caption><thead><tr><th><span'
        ' class="visually-hidden">{}</span></th>{}</tr></thead><tbody>{}</tbody></table>',
        _("Touches by weekday and hour; outlined where something is planned"),
        _("Weekday"),
        head,
        rows,
    )


def _cells(hours: Mapping[str, Any], day: int, name: str) -> SafeString:
    return format_html_join(
        "",
        '<td data-h="{}" title="{}"{}></td>',
        (
            (
                hours["steps"][day][hour],
                _said(hours, day, hour, name),
                format_html(' class="best"') if hours["planned"][day][hour] else "",
            )
            for hour in range(24)
        ),
    )


def _said(hours: Mapping[str, Any], day: int, hour: int, name: str) -> str:
    planned = hours["planned"][day][hour]
    said = _("%(day)s %(hour)s:00, %(n)s touches") % {
        "day": name,
        "hour": hour,
        "n": hours["counts"][day][hour],
    }
    return said + (_(", %(n)s planned") % {"n": planned} if planned else "")
