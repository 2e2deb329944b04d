"""Parts of a persona's card: {% load persona_card %}."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from core import formatting
from core.models import Workspace
from crm.countries import country_name
from crm.models.customer import Stage
from crm.profile import language_name
from personas.models import Persona, PersonaDay

register = template.Library()
HALF = 55
LONGEST = 52
A_DEVIATION = 40
"""Length of a bar that is one standard deviation from everybody's mean."""
WIDTH, HEIGHT = 96, 24


@register.simple_tag
def mark(what: str) -> SafeString:
    """{% mark "measured" %}: the sign of a line that says where it comes from; the legend tells the three."""
    icon, word, _explained = _marks()[what]
    return format_html(
        '<i class="ti ti-{} r-from" data-from="{}" role="img" aria-label="{}" title="{}"></i>',
        icon,
        what,
        word,
        word,
    )


@register.simple_tag
def legend() -> SafeString:
    """What the signs of the lines mean, each with its word."""
    return format_html(
        '<ul class="r-plain r-marks">{}</ul>',
        format_html_join(
            "",
            '<li><i class="ti ti-{} r-from" data-from="{}" aria-hidden="true"></i>'
            "<span><strong>{}</strong> {}</span></li>",
            ((icon, what, word, explained) for what, (icon, word, explained) in _marks().items()),
        ),
    )


def _marks() -> dict[str, tuple[str, str, str]]:
    return {
        "measured": ("ruler-2", _("measured"), _("computed from what customers did and said")),
        "research": ("book-2", _("from research"), _("found by people, with its source")),
        "assumed": ("bulb", _("assumed"), _("written by people, without a source")),
    }


@register.simple_tag
def shares(rows: Sequence[Mapping[str, Any]], what: str = "", most: int = 3) -> SafeString:
    """Write the commonest values as in Luxembourg 73%, Belgium 8%, with the base on hover."""
    return format_html_join(
        ", ",
        '<span title="{}">{} {}</span>',
        (
            (
                _("of %(n)s customers") % {"n": formatting.number(row["base"])},
                named(row["value"], what),
                formatting.percent(row["share"]),
            )
            for row in rows[:most]
        ),
    )


@register.filter
def known_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Of how many it is known: of 312."""
    return _("of %(n)s") % {"n": formatting.number(rows[0]["base"])} if rows else ""


def named(value: str, what: str) -> str:
    """A value as people say it: the country of a code, the language of another."""
    if what == "country":
        return country_name(value)
    if what == "language":
        return language_name(value)
    if what == "stage":
        return str(Stage(value).label) if value in Stage.values else value
    return value


@register.filter
def reason_label(reason: str) -> str:
    """What a reason for contact is called on a card."""
    known = {
        "question": _("questions"),
        "complaint": _("complaints"),
        "praise": _("praise"),
        "order": _("orders"),
        "other": _("other things"),
    }
    return known.get(reason, reason)


@register.simple_tag
def speak(persona: Persona) -> SafeString:
    """How to speak to them: what to do, and behind a leading dash what not to do."""
    lines = [line.strip() for line in persona.how_to_speak.splitlines() if line.strip()]
    if not lines:
        return format_html('<p class="r-sm r-muted">{}</p>', _("Nobody has written it down yet."))
    rows = (
        ("ti-x", "dont", _("Do not"), line.lstrip("- "))
        if line.startswith("-")
        else ("ti-check", "do", _("Do"), line)
        for line in lines
    )
    row = '<li class="{1}"><i class="ti {0}" role="img" aria-label="{2}"></i><span>{3}</span></li>'
    return format_html('<ul class="r-plain r-say">{}</ul>', format_html_join("", row, rows))


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


@register.simple_tag
def best_words(hours: Mapping[str, Any], weekdays: Sequence[str]) -> str:
    """The best hours in a sentence: Most often Sat 10 to 11 and Tue 9 to 10."""
    told = [
        _("%(day)s %(hour)s to %(next)s")
        % {"day": weekdays[one["weekday"] - 1], "hour": one["hour"], "next": one["hour"] + 1}
        for one in hours.get("best", ())
    ]
    return _("Most often %(when)s.") % {"when": _(" and ").join(told)} if told else ""


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
    """What is more, or less, than in everybody else: bars to both sides of "as all", by how unusual it is."""
    if not rows:
        return format_html('<p class="r-sm r-muted">{}</p>', _("Nothing stands out."))
    return format_html(
        '<ul class="r-plain r-apart">{}</ul>', format_html_join("", "{}", ((_bar(row),) for row in rows))
    )


def _bar(row: Mapping[str, Any]) -> SafeString:
    length = min(LONGEST, max(2.0, abs(row["effect"]) * A_DEVIATION))
    start = HALF if row["effect"] >= 0 else HALF - length
    words = {
        "here": _figure_of(row, row["here"]),
        "all": _figure_of(row, row["all"]),
        "n": formatting.number(row["base"]),
    }
    return format_html(
        '<li><span class="what"><span>{}</span><small>{}</small></span>'
        '<svg viewBox="0 0 110 12" aria-hidden="true">'
        '<rect class="r-rest" x="54.5" width="1" height="12"/>'
        '<rect class="r-svgfill{}" x="{}" y="2" width="{}" height="8" rx="2"/></svg>'
        '<span class="num r-num r-strong">{}</span></li>',
        row["label"],
        _("%(here)s, everybody %(all)s; %(n)s known") % words,
        "" if row["effect"] >= 0 else " less",
        f"{start:.1f}",
        f"{length:.1f}",
        times_of(row),
    )


@register.filter
def times_of(row: Mapping[str, Any]) -> str:
    """3.4× as much as everybody; without a ratio that makes sense, more or less."""
    if row["times"] is None or (row["type"] == "mean" and row["all"] <= 0):
        return _("more") if row["effect"] >= 0 else _("less")
    return f"{formatting.number(row['times'], 1)}×"


def _figure_of(row: Mapping[str, Any], value: float) -> str:
    if row["type"] == "share":
        return formatting.percent(value)
    if row["type"] == "money" or row["unit"] == "money":
        return formatting.money(round(value, 2), Workspace.current().currency)
    text = formatting.number(value, 0 if abs(value) >= 100 else 1)
    return f"{text} {row['unit']}" if row["unit"] else text


# How they changed


@register.simple_tag
def trends(days: Sequence[PersonaDay]) -> SafeString:
    """Members, share, expected value and mood over the last weeks, each a small line from then to now."""
    lines = [line for line in _lines_of(days) if len(line.values) > 1]
    if not lines:
        return format_html(
            '<p class="r-sm r-muted">{}</p>', _("A line is drawn from the second day of figures on.")
        )
    return format_html(
        '<ul class="r-plain r-trend">{}</ul>', format_html_join("", "{}", ((_trend(line),) for line in lines))
    )


@dataclass(frozen=True)
class _Line:
    """One figure over days, and how it is written."""

    label: str
    values: Sequence[float]
    write: Callable[[float], str]


def _lines_of(days: Sequence[PersonaDay]) -> list[_Line]:
    currency = Workspace.current().currency
    given: list[tuple[str, str, Callable[[float], str]]] = [
        (_("Members"), "members", formatting.number),
        (_("Share of all"), "share", lambda value: f"{formatting.number(value * 100, 1)}%"),
        (_("Value, 12 mo"), "value_365", lambda value: formatting.money(round(value), currency)),
        (_("Mood"), "sentiment", lambda value: formatting.number(value, 2)),
    ]
    return [
        _Line(label, [value for day in days if (value := getattr(day, name)) is not None], write)
        for label, name, write in given
    ]


def _trend(line: _Line) -> SafeString:
    first, last = line.write(line.values[0]), line.write(line.values[-1])
    told = _("%(what)s: from %(first)s to %(last)s") % {"what": line.label, "first": first, "last": last}
    return format_html(
        '<li><span class="r-cut">{}</span>'
        '<svg class="r-spark" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        "{}</svg>"
        '<span class="num r-num"><span class="r-muted">{} →</span> <strong>{}</strong></span></li>',
        line.label,
        WIDTH,
        HEIGHT,
        told,
        _path(line.values),
        first,
        last,
    )


def _path(values: Sequence[float]) -> SafeString:
    """The line, with a point where it ends; a figure that never moved is a line in the middle."""
    low, high = min(values), max(values)
    step = (WIDTH - 6) / (len(values) - 1)

    def y(value: float) -> float:
        return HEIGHT / 2 if high == low else HEIGHT - 3 - (value - low) / (high - low) * (HEIGHT - 6)

    points = [f"{3 + at * step:.1f} {y(value):.1f}" for at, value in enumerate(values)]
    x_end, _space, y_end = points[-1].partition(" ")
    return format_html('<path d="M{}"/><circle cx="{}" cy="{}" r="2.2"/>', " ".join(points), x_end, y_end)
