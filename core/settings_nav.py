"""The side navigation of Settings: each app adds its own sections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise


@dataclass(frozen=True)
class Section:
    """One page of Settings: where it is and whom it is for."""

    url_name: str
    label: str | Promise
    icon: str
    group: str | Promise
    allowed: Callable[[Any], bool]
    order: int = 100

    @property
    def url(self) -> str:
        """Its address, or '' while the page is not routed."""
        try:
            return reverse(self.url_name)
        except NoReverseMatch:
            return ""


_sections: dict[str, Section] = {}


def register(section: Section) -> None:
    """Add a section; the same url_name again replaces it."""
    _sections[section.url_name] = section


def sections_for(user: Any) -> list[Section]:
    """The sections this person may open: whole groups in the order of their first section."""
    found = [section for section in _sections.values() if section.url and section.allowed(user)]
    first: dict[str, int] = {}
    for section in found:
        first[str(section.group)] = min(section.order, first.get(str(section.group), section.order))
    return sorted(found, key=lambda one: (first[str(one.group)], str(one.group), one.order, one.url_name))
