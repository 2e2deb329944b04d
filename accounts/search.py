"""Pages that the palette goes to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from accounts.context import rail_for
from core.search import Hit, actions_for
from core.settings_nav import sections_for


def find_places(text: str, user: Any, limit: int) -> list[Hit]:
    """Entries of the rail and of Settings whose name holds the text."""
    wanted = text.casefold()
    return [hit for hit in _places(user) if wanted in hit.label.casefold()][:limit]


def find_actions(text: str, user: Any, limit: int) -> list[Hit]:
    """What can be begun from anywhere, by name."""
    wanted = text.casefold()
    return [hit for hit in actions_for(user) if wanted in hit.label.casefold()][:limit]


def _places(user: Any) -> Iterator[Hit]:
    for place in rail_for(user, ""):
        yield Hit(str(place["label"]), place["url"], icon=f"ti-{place['icon']}")
    for section in sections_for(user):
        yield Hit(str(section.label), section.url, detail=_("Settings"), icon=f"ti-{section.icon}")
