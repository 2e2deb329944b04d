"""From which address the current request came, for the audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from allauth.account.adapter import get_adapter
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)


@contextmanager
def serving(request: HttpRequest) -> Iterator[None]:
    """Remember this request until it is answered."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def client_ip() -> str | None:
    """The client's address behind the trusted proxies; None outside a request or when it cannot be told."""
    request = _request.get()
    if request is None:
        return None
    try:
        return str(get_adapter(request).get_client_ip(request))
    except PermissionDenied:
        return None
