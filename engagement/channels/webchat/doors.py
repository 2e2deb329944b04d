"""What every request of the widget passes: the site, the page it comes from, its size, its token.

These views are exempt from CSRF checks because no cookie opens them: a visitor is known by a token that the
widget sends in the Authorization header, which a foreign page can neither read nor make a browser add. The
session cookie of staff is never looked at, and answers never allow credentials.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from core.text import clean_text
from engagement.channels.webchat.sites import allows, find_site
from engagement.channels.webchat.visitors import visitor_of
from engagement.models import ChannelAccount, ChatVisitor

MAX_BODY = 64 * 1024
"""10,000 characters of four bytes each, escaped, and the rest of a message."""
PREFLIGHT_LASTS = 600

Door = Callable[..., HttpResponse]


class Refusal(Exception):
    """An answer other than what was asked for."""

    def __init__(
        self, status: int, code: str, detail: str, *, attr: str | None = None, retry: int = 0
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.attr, self.retry = status, code, detail, attr, retry

    def response(self) -> HttpResponse:
        """The refusal in the one shape that errors of our API have."""
        kind = "validation_error" if self.attr else "client_error"
        errors = [{"code": self.code, "detail": self.detail, "attr": self.attr}]
        answer = JsonResponse({"type": kind, "errors": errors}, status=self.status)
        if self.retry:
            answer["Retry-After"] = str(self.retry)
        return answer


def door(*methods: str) -> Callable[[Door], Door]:
    """Open a view to pages of the site's list, by these methods: `view(request, site, …)`."""

    def decorate(view: Door) -> Door:
        @csrf_exempt
        @wraps(view)
        def guarded(request: HttpRequest, site_key: str, **more: Any) -> HttpResponse:
            site = find_site(site_key)
            origin = request.headers.get("Origin", "")
            if site is None:
                return Refusal(404, "not_found", _("There is no chat of this key.")).response()
            if not _may_ask(request, site, origin):
                why = _("The page %(origin)s is not on the list of this chat.") % {"origin": origin or "?"}
                return Refusal(403, "origin_not_allowed", why).response()
            answer = _answer(request, site, view, methods, more)
            return _with_cors(answer, origin, methods)

        return guarded

    return decorate


def _may_ask(request: HttpRequest, site: ChannelAccount, origin: str) -> bool:
    """A browser names the page in every request that writes or crosses origins; only a read of our own
    page comes without.
    """
    if not origin:
        return request.method == "GET"
    return allows(site, origin, f"{request.scheme}://{request.get_host()}")


def _answer(
    request: HttpRequest, site: ChannelAccount, view: Door, methods: tuple[str, ...], more: dict[str, Any]
) -> HttpResponse:
    if request.method == "OPTIONS":
        return HttpResponse(status=204)
    try:
        if request.method not in methods:
            raise Refusal(405, "method_not_allowed", _("Use %(methods)s.") % {"methods": ", ".join(methods)})
        return view(request, site, **more)
    except Refusal as refusal:
        return refusal.response()


def _with_cors(answer: HttpResponse, origin: str, methods: tuple[str, ...]) -> HttpResponse:
    patch_vary_headers(answer, ["Origin"])
    answer.headers.setdefault("Cache-Control", "no-store")
    if origin:
        answer["Access-Control-Allow-Origin"] = origin
        answer["Access-Control-Allow-Methods"] = ", ".join([*methods, "OPTIONS"])
        answer["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        answer["Access-Control-Expose-Headers"] = "Retry-After"
        answer["Access-Control-Max-Age"] = str(PREFLIGHT_LASTS)
    return answer


def body_of(request: HttpRequest) -> dict[str, Any]:
    """The JSON object that was sent; {} for an empty body."""
    length = request.headers.get("Content-Length", "")
    if (length.isdigit() and int(length) > MAX_BODY) or len(request.body) > MAX_BODY:
        raise Refusal(413, "too_large", _("A message has at most 10,000 characters."))
    if not request.body:
        return {}
    try:
        found = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "parse_error", _("This is not JSON: %(why)s") % {"why": error}) from error
    if not isinstance(found, dict):
        raise Refusal(400, "parse_error", _("Send a JSON object."))
    return found


def text_of(body: dict[str, Any], name: str) -> str:
    """A text of the body, fit to be stored; '' where it is missing."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refusal(400, "invalid", _("This must be a text."), attr=name)
    return clean_text(value)


def number_of(request: HttpRequest, name: str) -> int | None:
    """A sequence number of the query, None where it is missing."""
    given = request.GET.get(name, "")
    if not given:
        return None
    if not (given.isascii() and given.isdigit()) or len(given) > 18:
        raise Refusal(400, "invalid", _("This must be a number that an answer of ours gave you."), attr=name)
    return int(given)


def visitor_who_asks(request: HttpRequest, site: ChannelAccount) -> ChatVisitor:
    """The visitor of the token in the Authorization header."""
    kind, _space, token = request.headers.get("Authorization", "").partition(" ")
    visitor = visitor_of(site, token.strip()) if kind.lower() == "bearer" else None
    if visitor is None:
        raise Refusal(401, "not_authenticated", _("This token opens no chat; ask for a new one."))
    return visitor
