"""Where platforms send their webhooks: no session, no cookie, only a signature."""

from __future__ import annotations

import re

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from engagement import hooks
from engagement.channels import connector, paths
from engagement.channels.base import Connector, Forged, Hook
from engagement.models import ChannelAccount

log = structlog.get_logger(__name__)

MOST_BYTES = 8 * 1024 * 1024
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


@csrf_exempt
@never_cache
def hook_app(request: HttpRequest, name: str) -> HttpResponse:
    """One address for all accounts of an app."""
    link = _link(name, "app")
    return _unknown() if link is None else _receive(request, link, None)


@csrf_exempt
@never_cache
def hook_account(request: HttpRequest, name: str, key: str) -> HttpResponse:
    """The address of one account."""
    link = _link(name, "account")
    if link is None or not _KEY.fullmatch(key):
        return _unknown()
    try:
        account = ChannelAccount.objects.filter(connector=name, hook_key=key, is_active=True).first()
    except DatabaseError as error:
        return _again(name, error)
    return _unknown() if account is None else _receive(request, link, account)


def _link(name: str, scope: str) -> Connector | None:
    if name not in paths():
        return None
    link = connector(name)
    return link if link.takes_hooks and link.hook_scope == scope else None


def _receive(request: HttpRequest, link: Connector, account: ChannelAccount | None) -> HttpResponse:
    if _length(request) > MOST_BYTES:
        return _plain("This is larger than any webhook.", 413)
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        return _plain("Send it without Content-Encoding: signatures are over the bytes as they are.", 415)
    try:
        answer = hooks.receive(link, _hook(request), account)
    except UnreadablePostError:
        return _plain("The body ended too early.", 400)
    except Forged:
        return _plain("The signature does not fit.", 401)
    except hooks.Unexpected:
        refused = _plain("Webhooks are sent here by POST.", 405)
        refused["Allow"] = "POST"
        return refused
    except DatabaseError as error:
        return _again(link.name, error)
    return HttpResponse(answer.body, status=answer.status, content_type=answer.content_type)


def _length(request: HttpRequest) -> int:
    try:
        return int(request.headers.get("Content-Length") or 0)
    except ValueError:
        return 0


def _hook(request: HttpRequest) -> Hook:
    return Hook(
        method=request.method or "GET",
        url=f"{settings.PUBLIC_URL}{request.get_full_path()}",
        headers={name.lower(): value for name, value in request.headers.items()},
        query=request.GET.dict(),
        body=request.body,
    )


def _again(name: str, error: DatabaseError) -> HttpResponse:
    """It is not stored, so the platform is to send it again."""
    log.error("webhook not stored", connector=name, error=type(error).__name__)
    answer = _plain("It could not be stored. Send it again.", 503)
    answer["Retry-After"] = "30"
    return answer


def _unknown() -> HttpResponse:
    return _plain("Nothing listens here.", 404)


def _plain(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain")
