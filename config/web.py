"""What every page needs to know about where the event stream is."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port

Answer = Callable[[HttpRequest], HttpResponse]


def live_origin(request: HttpRequest) -> str:
    """Return the origin of the event stream as this browser reaches it; "" is the page's own."""
    if not settings.LIVE_URL.startswith(":"):
        return settings.LIVE_URL
    host, _port = split_domain_port(request.get_host())
    return f"{request.scheme}://{host}{settings.LIVE_URL}"


def live_address(request: HttpRequest) -> dict[str, str]:
    """Give templates `live_origin`, to be put before /live/."""
    return {"live_origin": live_origin(request)}


class LiveOriginMiddleware:
    """Allow pages to open the event stream where it is on another origin."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if settings.LIVE_URL:
            updates = dict(getattr(response, "_csp_update", None) or {})
            updates["connect-src"] = [*updates.get("connect-src", []), live_origin(request)]
            response._csp_update = updates  # type: ignore[attr-defined]
        return response
