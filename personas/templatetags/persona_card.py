"""Parts of a persona's card: {% load persona_card %}."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from core import formatting
from personas.models import Persona

register = template.Library()
HALF = 55
LONGEST = 52


@register.simple_tag
def shares(rows: Sequence[Mapping[str, Any]]) -> SafeString:
    """Write the commonest values as in LU 73%, GB 8%, with the base on hover."""
    return format_html_join(
        ", ",
        '<span title="{}">{} {}</span>',
        (
            (
                _("of %(n)s customers") % {"n": formatting.number(row["base"])},
                row["value"],
                formatting.percent(row["share"]),
            )
            for row in rows[:3]
        ),
    )


@register.filter
def plain_figures(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The single numbers of a model card, named and rounded for people; tables stay with the API."""
    return [
        (name.replace("_", " ").capitalize(), _figure(value))
        for name, value in found.items()
        if not isinstance(value, (list, dict))
    ]


def _figure(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float):
        return formatting.number(value, 0 if abs(value) >= 1000 else 4 if abs(value) < 1 else 2)
    return formatting.number(value) if isinstance(value, int) else str(value)


@register.simple_tag
def speak(persona: Persona) -> SafeString:
    """How to speak to them: what to do, and behind a leading dash what not to do."""
    lines = [line.strip() for line in persona.how_to_speak.splitlines() if line.strip()]
    if not lines:
        return format_html('<p class="r-sm r-muted">{}</p>', _("Nobody has written it down yet."))
    rows = (
        ("ti-x r-neg", _("Do not"), line.lstrip("- "))
        if line.startswith("-")
        else ("ti-check r-pos", _("Do"), line)
        for line in lines
    )
    row = '<li><i class="ti {}" role="img" aria-label="{}"></i><span>{}</span></li>'
    return format_html('<ul class="r-plain r-proof">{}</ul>', format_html_join("", row, rows))


@register.simple_tag
def heat(hours: Mapping[str, Any], weekdays: Sequence[str]) -> SafeString:
    """Activity by weekday and hour as a table whose cells carry a step from 0 to 5."""
    best = {(one["weekday"], one["hour"]) for one in hours.get("best", ())}
    head = format_html_join(
        "",
        '<th scope="col">{}</th>',
        (
            (
                (str(hour),)
                if hour % 3 == 0
                else (format_html('<span class="visually-hidden">{}</span>', hour),)
            )
            for hour in range(24)
        ),
    )
    rows = format_html_join(
        "",
        '<tr><th scope="row">{}</th>{}</tr>',
        (
            (weekdays[day], _cells(steps, hours["counts"][day], day + 1, best))
            for day, steps in enumerate(hours["steps"])
        ),
    )
    return format_html(
        '<table class="r-heat"><caption class="visually-hidden">{}</caption>'
        '<thead><tr><th scope="col"><span class="visually-hidden">{}</span></th>{}</tr></thead>'
        "<tbody>{}</tbody></table>",
        _("Touches by weekday and hour"),
        _("Day"),
        head,
        rows,
    )


def _cells(
    steps: Sequence[int], counts: Sequence[int], weekday: int, best: set[tuple[int, int]]
) -> SafeString:
    return format_html_join(
        "",
        '<td data-h="{}"{}><span class="visually-hidden">{}</span></td>',
        (
            (step, format_html(' class="best"') if (weekday, hour) in best else "", counts[hour])
            for hour, step in enumerate(steps)
        ),
    )


@register.simple_tag
def apart(rows: Sequence[Mapping[str, Any]] | None) -> SafeString:
    """What is more, or less, than in everybody else: bars to both sides of "as all"."""
    if not rows:
        return format_html('<p class="r-sm r-muted">{}</p>', _("Nothing stands out."))
    return format_html(
        '<ul class="r-plain r-apart">{}</ul>', format_html_join("", "{}", ((_bar(row),) for row in rows))
    )


def _bar(row: Mapping[str, Any]) -> SafeString:
    length = min(LONGEST, max(2.0, abs(row["log"]) * 40))
    start = HALF if row["log"] >= 0 else HALF - length
    base = _("%(n)s customers: %(here)s here, %(all)s in all") % {
        "n": formatting.number(row["base"]),
        "here": formatting.number(row["here"], 2),
        "all": formatting.number(row["all"], 2),
    }
    return format_html(
        '<li title="{}"><span>{}</span><svg viewBox="0 0 110 12" aria-hidden="true">'
        '<rect class="r-rest" x="54.5" width="1" height="12"/>'
        '<rect class="r-svgfill" x="{}" y="2" width="{}" height="8" rx="2"/></svg>'
        '<span class="num r-num r-strong">{}×</span></li>',
        base,
        row["label"],
        f"{start:.1f}",
        f"{length:.1f}",
        formatting.number(row["times"], 1),
    )
