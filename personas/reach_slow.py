"""What a page says where a plan or a figure took too long."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from personas.reach.bounding import ReachTooSlow

View = Callable[..., HttpResponse]


def says_when_slow(view: View) -> View:
    """A view whose reading may be stopped: the page then says why, and what to do."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except ReachTooSlow as error:
            return render(request, "personas/reach_slow.html", {"words": str(error)}, status=503)

    return guarded
