"""Whether a page is asked for whole or in part."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a piece of the page; a boosted link asks for all of it."""
    htmx: Any = getattr(request, "htmx", None)
    return bool(htmx) and not htmx.boosted
