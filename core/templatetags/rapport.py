"""Filters and small widgets of every page: {% load rapport %}."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, RadioSelect, Select, Textarea
from django.template import Context
from django.urls import NoReverseMatch, reverse
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from core import formatting, networks

register = template.Library()

register.filter("number", formatting.number)
register.filter("capped", formatting.capped)
register.filter("duration", formatting.duration)
register.filter("age", formatting.age)
register.filter("moment", formatting.moment)
register.filter("initials", formatting.initials)
register.filter("tone", formatting.tone)
register.filter("mood", formatting.mood)
register.filter("percent", formatting.percent)

MOOD_ICONS = {"positive": "mood-smile", "neutral": "mood-neutral", "negative": "mood-sad"}


@register.simple_tag(takes_context=True)
def money(context: Context, amount: Any, currency: str = "") -> str:
    """{% money order.total order.currency %}; without a currency, the workspace's."""
    if amount is None or amount == "":
        return "–"
    workspace = context.get("workspace")
    return formatting.money(amount, currency or (workspace.currency if workspace else ""))


@register.simple_tag(name="ago")
def ago(value: Any) -> str:
    """{% ago conversation.last_at %}: the age in a <time> that tells the full moment on hover."""
    if not value:
        return ""
    full = formatting.moment(value) if hasattr(value, "hour") else str(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', value.isoformat(), full, formatting.age(value)
    )


def _network_name(thing: Any) -> str:
    return str(thing if isinstance(thing, str) else getattr(thing, "network", "") or "")


@register.filter
def network_label(thing: Any) -> str:
    """The network's name for people, from its key or from anything with a `network`."""
    return networks.get(_network_name(thing)).label


@register.simple_tag
def network_icon(thing: Any, size: str = "", *, beside_label: bool = False) -> SafeString:
    """{% network_icon account %}: the tinted square icon. `beside_label` hides it from screen readers."""
    network = networks.get(_network_name(thing))
    said = (
        mark_safe('aria-hidden="true"')
        if beside_label
        else format_html('role="img" aria-label="{0}" title="{0}"', network.label)
    )
    return format_html(
        '<span class="r-net{}" data-net="{}" {}><i class="ti ti-{}" aria-hidden="true"></i></span>',
        f" {size}" if size else "",
        network.hue,
        said,
        network.icon,
    )


@register.simple_tag
def avatar(who: Any, size: str = "", network: str = "") -> SafeString:
    """{% avatar customer "lg" network="email" %}: initials, round for people, square for organizations."""
    name = who if isinstance(who, str) else _name_of(who)
    key = getattr(who, "tone", None)
    color = key if isinstance(key, int) else formatting.tone(getattr(who, "pk", None) or name)
    classes = " ".join(["r-av", *([size] if size else []), *(["org"] if _is_organization(who) else [])])
    return format_html(
        '<span class="{}" data-tone="{}"><span aria-hidden="true">{}</span>{}</span>',
        classes,
        color,
        formatting.initials(name),
        network_icon(network) if network else "",
    )


def _name_of(who: Any) -> str:
    return str(getattr(who, "display_name", "") or getattr(who, "name", "") or (who or ""))


def _is_organization(who: Any) -> bool:
    return bool(getattr(who, "is_organization", False))


@register.simple_tag
def mood_icon(sentiment: Any) -> SafeString | str:
    """{% mood_icon interaction.sentiment %}: a face with its word; nothing when nothing was read."""
    mood = formatting.mood(sentiment)
    if not mood:
        return ""
    words = {
        "positive": _("Positive sentiment"),
        "neutral": _("Neutral sentiment"),
        "negative": _("Negative sentiment"),
    }
    return format_html(
        '<span class="r-mood {0}" role="img" aria-label="{1}" title="{1}">'
        '<i class="ti ti-{2}" aria-hidden="true"></i></span>',
        mood,
        words[mood],
        MOOD_ICONS[mood],
    )


@register.simple_tag
def share(part: float | None, whole: float | None) -> SafeString:
    """{% share 253 312 %}: 81% with its base on hover and for screen readers."""
    base = _("%(part)s of %(whole)s") % {
        "part": formatting.number(part or 0),
        "whole": formatting.number(whole or 0),
    }
    return format_html(
        '<span title="{0}">{1}<span class="visually-hidden">, {0}</span></span>',
        base,
        formatting.percent(part, whole),
    )


@register.filter(name="marked", is_safe=True)
def marked(text: str, wanted: str) -> SafeString:
    """The text with what was searched for in <mark>, whatever its accents and capitals."""
    words = [re.escape(_plain(word)) for word in re.split(r"[\s\"*@#]+", str(wanted or "")) if _plain(word)]
    if not words:
        return conditional_escape(text)
    parts: list[SafeString] = []
    done = 0
    letters, places = _folded(str(text))
    for found in re.finditer("|".join(words), letters):
        begin, end = places[found.start()], places[found.end() - 1] + 1
        parts += [
            conditional_escape(str(text)[done:begin]),
            format_html("<mark>{}</mark>", str(text)[begin:end]),
        ]
        done = end
    return format_html_join("", "{}", ((part,) for part in (*parts, str(text)[done:])))


def _plain(text: str) -> str:
    return _folded(text)[0]


def _folded(text: str) -> tuple[str, list[int]]:
    """Letters without accents in lower case, and the place in the text that each comes from."""
    pairs = [
        (letter, place)
        for place, given in enumerate(text)
        for letter in unicodedata.normalize("NFKD", given).casefold()
        if not unicodedata.combining(letter)
    ]
    return "".join(letter for letter, _ in pairs), [place for _, place in pairs]


@register.simple_tag
def url_or_blank(name: str, *args: Any, **kwargs: Any) -> str:
    """The address of a view, or '' while no app routes it."""
    try:
        return reverse(name, args=args, kwargs=kwargs)
    except NoReverseMatch:
        return ""


@register.simple_tag(takes_context=True)
def query_with(context: Context, **changes: Any) -> str:
    """{% query_with sort="name" %}: the page's query string with these changes; None takes a key out.

    The page token never survives: another order or filter begins on its first page.
    """
    query = context["request"].GET.copy()
    query.pop("page", None)
    for key, value in changes.items():
        query.pop(key, None)
        if value not in (None, ""):
            query[key] = str(value)
    return f"?{query.urlencode()}"


@register.inclusion_tag("core/_form_field.html")
def field(
    bound: BoundField,
    *,
    label: str = "",
    hide_label: bool = False,
    suffix: str = "",
    placeholder: str | None = None,
) -> dict[str, Any]:
    """{% field form.name %}: label, input, help and errors, tied together for screen readers."""
    widget = bound.field.widget
    described = [f"{bound.auto_id}-error"] if bound.errors else []
    if bound.help_text:
        described.append(f"{bound.auto_id}-help")
    attrs: dict[str, str | bool] = {"class": _classes(bound)}
    if placeholder is not None:
        attrs["placeholder"] = placeholder
    if described:
        attrs["aria-describedby"] = " ".join(described)
    if bound.errors:
        attrs["aria-invalid"] = "true"
    is_group = isinstance(widget, CheckboxSelectMultiple | RadioSelect)
    if is_group:
        widget.attrs["class"] = "form-check-input"
    return {
        "field": bound,
        "control": "" if is_group else bound.as_widget(attrs=attrs),
        "is_group": is_group,
        "is_check": isinstance(widget, CheckboxInput),
        "label": label or bound.label,
        "hide_label": hide_label,
        "suffix": suffix,
    }


def _classes(bound: BoundField) -> str:
    widget = bound.field.widget
    if isinstance(widget, CheckboxInput):
        kind = "form-check-input"
    elif isinstance(widget, Select):
        kind = "form-select"
    else:
        kind = "form-control"
    own = widget.attrs.get("class", "")
    extra = " r-area" if isinstance(widget, Textarea) else ""
    return f"{kind}{extra} {own}{' is-invalid' if bound.errors else ''}".strip()
