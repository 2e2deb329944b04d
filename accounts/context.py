"""What every page's shell needs: workspace, the reader's rights, rail and sections of Settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from accounts.middleware import workspace_of
from accounts.permissions import rights
from core import settings_nav


@dataclass(frozen=True)
class Place:
    """One entry of the rail, shown to those who hold `verb` once an app routes `url_name`."""

    url_name: str
    label: Promise
    icon: str
    verb: str
    count_name: str = ""
    """A view that answers the number beside the entry as a fragment."""


RAIL = (
    Place("engagement:inbox", _("Inbox"), "inbox", "conversation.read", "engagement:inbox-count"),
    Place("crm:customer-list", _("Customers"), "users", "customer.read"),
    Place("crm:task-list", _("Tasks"), "checklist", "customer.read", "crm:task-count"),
    Place("personas:segment-list", _("Segments"), "chart-circles", "segment.read"),
    Place("personas:persona-list", _("Personas"), "masks-theater", "persona.read"),
    Place("analytics:overview", _("Analytics"), "chart-histogram", "analytics.read"),
)


def resolve_or_blank(name: str) -> str:
    """The address of a view without arguments, '' while no app routes it."""
    try:
        return reverse(name) if name else ""
    except NoReverseMatch:
        return ""


def rail_for(user: Any, path: str) -> list[dict[str, Any]]:
    """The rail's entries that this person may open, each with whether the current page lies in it."""
    held = rights(user)
    found = [(place, resolve_or_blank(place.url_name)) for place in RAIL if place.verb in held]
    return [
        {
            "label": place.label,
            "icon": place.icon,
            "url": url,
            "count_url": resolve_or_blank(place.count_name),
            "current": path.startswith(url),
        }
        for place, url in found
        if url
    ]


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: workspace, rights, rail, settings_sections; nothing is asked before it is used."""
    # An error page may be drawn before any middleware knew who asks.
    user = getattr(request, "user", AnonymousUser())
    return {
        "workspace": SimpleLazyObject(lambda: workspace_of(request)),
        "rights": SimpleLazyObject(lambda: rights(user)),
        "rail": SimpleLazyObject(lambda: rail_for(user, request.path)),
        "settings_sections": SimpleLazyObject(lambda: settings_nav.sections_for(user)),
    }
