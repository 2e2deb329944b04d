"""What every page behind a signed link keeps to: no cookie, no trace, no stranger's script, a limit."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from csp.constants import NONE, SELF
from csp.decorators import csp
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from accounts.middleware import workspace_of
from accounts.origin import client_ip
from crm.preferences import limits
from crm.preferences.links import LinkBroken, LinkEnded

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
POLICY = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "font-src": [SELF],
    "img-src": [SELF, "data:"],
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}
HEADERS = {
    # The address holds the token: it goes to nobody as a referrer, into no index and into no cache.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cache-Control": "no-store, private",
}


def public(view: View[P]) -> View[P]:
    """Open a view to whoever holds its link.

    The token in the address is the only right, and no cookie adds to it; so a forged form of another site has
    nothing to ride on, and needs no token of its own. A page without a referrer sends `Origin: null`, which
    that check would refuse.
    """

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        with timezone.override(workspace_of(request).tz):
            answer = _answer(view, request, *args, **kwargs)
        for name, value in HEADERS.items():
            answer[name] = value
        return answer

    return cast("View[P]", csrf_exempt(csp(POLICY)(guarded)))


def _answer(view: View[P], request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
    allowed = limits.may_read if request.method in ("GET", "HEAD") else limits.may_write
    if not allowed(client_ip()):
        return said(request, "busy", status=429)
    try:
        return view(request, *args, **kwargs)
    except LinkEnded:
        return said(request, "ended", status=410)
    except LinkBroken:
        return said(request, "broken", status=404)


def said(request: HttpRequest, what: str, *, status: int = 200, **more: object) -> HttpResponse:
    """A page that says one thing."""
    return render(request, "crm/preferences_said.html", {"what": what, **more}, status=status)
