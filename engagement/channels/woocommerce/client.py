"""HTTP with a WooCommerce shop: a server that somebody named, so never at a private address."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.utils import timezone

from core import http
from core.addresses import allowed_by_operator
from engagement.channels import calling
from engagement.channels.base import (
    AuthFailure,
    PermanentFailure,
    PermissionMissing,
    RateReached,
    SendFailed,
    TransientFailure,
    from_http,
    translated,
)

if TYPE_CHECKING:
    from engagement.models import ChannelAccount

NO_KEY = frozenset({"woocommerce_rest_authentication_error", "rest_not_logged_in"})
HIDDEN = "Make a new key in WooCommerce, Settings, Advanced, REST API, with read and write."
STRIPPED = (
    "Check the key's permission. Where it is right, the shop's server takes the Authorization header away:"
    " ask the host to pass it on to PHP. Rapport never puts keys into addresses, where logs would keep them."
)
FIREWALL = "A firewall before the shop refuses us. Ask the host to let this server in."
NO_API = "Is WooCommerce active there, and are permalinks (WordPress, Settings) other than “Plain”?"


def is_sealed(site: str) -> bool:
    """Whether keys may travel there: by https, or inside a network that the operator named."""
    parts = urlsplit(site)
    if parts.scheme == "https":
        return True
    host = parts.hostname or ""
    try:
        return allowed_by_operator(host, ipaddress.ip_address(host))
    except ValueError:
        return allowed_by_operator(host)


def client(account: ChannelAccount, *, bucket: str = "pull") -> http.Client:
    """A client for one job, signed in by HTTP basic."""
    site, given = str(account.settings.get("site") or ""), account.credentials
    key, secret = str(given.get("consumer_key") or ""), str(given.get("consumer_secret") or "")
    if not key or not secret:
        raise AuthFailure("Give the consumer key and its secret.")
    if not is_sealed(site):
        raise AuthFailure("The shop's address has no https, and keys are not sent without it.")
    return calling.client(
        account, f"{site}/wp-json/wc/v3/", bucket=bucket, user_given=True, auth=(key, secret)
    )


def explain(failure: http.HttpFailure) -> SendFailed:
    """What a refused request means; many hosts answer by their firewall and not by WooCommerce."""
    code, text = _told(failure)
    if code in NO_KEY:
        return AuthFailure(text, advice=HIDDEN)
    if code.startswith("woocommerce_rest_cannot"):
        missing = "read_write" if code.endswith(("create", "edit", "delete", "batch")) else "read"
        if failure.status == 401:
            return AuthFailure(text, advice=STRIPPED)
        return PermissionMissing(text, scope=missing, advice=HIDDEN)
    if code == "rest_no_route":
        return AuthFailure(text, advice=NO_API)
    if code and isinstance(failure, http.Permanent):
        return PermanentFailure(text)
    if failure.status == 403 and not isinstance(failure, http.RateLimited):
        return TransientFailure(text, advice=FIREWALL)
    if failure.status == 404:
        return AuthFailure(text, advice=NO_API)
    if failure.status == 401:
        return AuthFailure(text, advice=STRIPPED)
    told = from_http(failure)
    told.advice = FIREWALL if isinstance(told, RateReached) else told.advice
    return told


def _told(failure: http.HttpFailure) -> tuple[str, str]:
    try:
        told = json.loads(failure.body)
        return str(told["code"]), f"{told['message']} ({told['code']})"
    except (ValueError, TypeError, KeyError):
        return "", str(failure)


def get(link: http.Client, path: str, params: Mapping[str, Any] | None = None) -> tuple[Any, http.Answer]:
    """What a path gives, and the answer itself. Raises SendFailed."""
    with translated(explain):
        answer = link.get(path, params=params)
    return _json(answer), answer


def items(link: http.Client, path: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """One page of a list. Raises SendFailed."""
    found, _answer = get(link, path, params)
    if not isinstance(found, list):
        raise TransientFailure("The shop answered with something that is no list.")
    return [item for item in found if isinstance(item, dict)]


def write(link: http.Client, method: str, path: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Create or change something. Raises SendFailed."""
    with translated(explain):
        answer = link.request(method, path, json=dict(data))
    try:
        found = _json(answer)
    except TransientFailure as failure:
        raise SendFailed(str(failure)) from None
    return found if isinstance(found, dict) else {}


def _json(answer: http.Answer) -> Any:
    """The body as JSON; plugins put notices of PHP before it, and maintenance pages are 200 too."""
    try:
        return json.loads(answer.body)
    except ValueError:
        pass
    raise TransientFailure(
        f"The shop answered with a page instead of data: {answer.text[:80]!r}",
        advice="Open the shop: it may be in maintenance, or a plugin writes warnings into every answer.",
    )


def clock(answer: http.Answer) -> datetime:
    """The time it is on the shop's server, whose clock wrote the times of its orders."""
    try:
        found = parsedate_to_datetime(answer.headers.get("Date", ""))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError):
        return timezone.now()
