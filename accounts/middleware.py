"""Who reads, in which zone, and from where."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from accounts.models import User
from accounts.origin import serving
from core.models import Workspace

Handler = Callable[[HttpRequest], HttpResponseBase]


class OriginMiddleware:
    """Remembers the request while it is served, so that the audit trail knows the client's address."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with serving(request):
            return self.get_response(request)


class ReaderZoneMiddleware:
    """Shows times in the reader's zone, else in the workspace's."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not isinstance(request.user, User):
            return self.get_response(request)
        with timezone.override(
            ZoneInfo(request.user.zone) if request.user.zone else workspace_of(request).tz
        ):
            return self.get_response(request)


def workspace_of(request: HttpRequest) -> Workspace:
    """The workspace, asked of the database once a request."""
    known: Workspace | None = getattr(request, "_workspace", None)
    if known is None:
        known = Workspace.current()
        request._workspace = known  # type: ignore[attr-defined]
    return known
