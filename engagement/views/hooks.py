"""Where platforms send their webhooks: no session, no cookie, only a signature."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from engagement import hooks
from engagement.channels import connector, paths
from engagement.channels.base import Connector, Forged, Hook, HookAnswer
from engagement.models import ChannelAccount

MOST_BYTES = 8 * 1024 * 1024


@csrf_exempt
def hook_app(request: HttpRequest, name: str) -> HttpResponse:
    """One address for all accounts of an app."""
    link = _link(name, "app")
    return _unknown() if link is None else _receive(request, link, None)


@csrf_exempt
def hook_account(request: HttpRequest, name: str, key: str) -> HttpResponse:
    """The address of one account."""
    link = _link(name, "account")
    account = ChannelAccount.objects.filter(connector=name, hook_key=key, is_active=True).first()
    return _unknown() if link is None or account is None else _receive(request, link, account)


def _link(name: str, scope: str) -> Connector | None:
    if name not in paths():
        return None
    link = connector(name)
    return link if link.takes_hooks and link.hook_scope == scope else None


def _receive(request: HttpRequest, link: Connector, account: ChannelAccount | None) -> HttpResponse:
    try:
        length = int(request.headers.get("Content-Length") or 0)
    except ValueError:
        length = 0
    if length > MOST_BYTES:
        return HttpResponse("This is larger than any webhook.", status=413, content_type="text/plain")
    try:
        answer = hooks.receive(link, _hook(request), account)
    except Forged:
        return HttpResponse("The signature does not fit.", status=401, content_type="text/plain")
    return _response(answer)


def _hook(request: HttpRequest) -> Hook:
    return Hook(
        method=request.method or "GET",
        url=f"{settings.PUBLIC_URL}{request.get_full_path()}",
        headers={name.lower(): value for name, value in request.headers.items()},
        query=request.GET.dict(),
        body=request.body,
    )


def _response(answer: HookAnswer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, content_type=answer.content_type)


def _unknown() -> HttpResponse:
    return HttpResponse("Nothing listens here.", status=404, content_type="text/plain")
