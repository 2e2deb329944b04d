"""HTTP with Shopify's GraphQL Admin API, whose refusals mostly come with status 200."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core import http
from engagement.channels import calling
from engagement.channels.base import (
    AuthFailure,
    PermanentFailure,
    PermissionMissing,
    RateReached,
    SendFailed,
    TokenExpired,
    TransientFailure,
    Uncertain,
    from_http,
    platform_url,
)
from engagement.channels.shopify.forms import DOMAIN, NEWEST

if TYPE_CHECKING:
    from engagement.models import ChannelAccount

_OPERATION = re.compile(r"(?:query|mutation) (\w+)")
_SCOPE = re.compile(r"`?\b((?:read|write)_[a-z_]+)\b`?")
SLOWEST = 60.0
GONE = {
    402: "The shop's plan is not paid. Ask the shop's owner.",
    403: "Shopify does not let this app in. Install the app in the shop again.",
    404: "There is no shop of this name. Check it in the channel's settings.",
    423: "Shopify locked the shop. Ask the shop's owner.",
}
PROTECTED = (
    "Give the app this permission and install it again. Names, addresses and e-mail of customers also need"
    " “Protected customer data access” in the app's settings."
)


def shop_url(account_or_shop: ChannelAccount | str) -> str:
    """Where a shop is; never another host than one of Shopify's own. Raises AuthFailure."""
    given = account_or_shop if isinstance(account_or_shop, str) else account_or_shop.settings.get("shop", "")
    if not DOMAIN.fullmatch(str(given)):
        raise AuthFailure("This is no shop at Shopify: write name.myshopify.com.")
    return platform_url("shopify", f"https://{given}")


def client(account: ChannelAccount, *, bucket: str = "pull") -> http.Client:
    """A client for one job. Raises TokenExpired where a token is still to be asked for."""
    token = str(account.credentials.get("access_token") or "")
    if not token:
        raise TokenExpired("There is no access token yet.")
    version = account.settings.get("api_version") or NEWEST
    return calling.client(
        account,
        f"{shop_url(account)}/admin/api/{version}/graphql.json",
        bucket=bucket,
        limit_of=pages_left,
        headers={"X-Shopify-Access-Token": token},
    )


def pages_left(answer: http.Answer) -> http.RateLimit | None:
    """How many queries like this one the shop's points are still good for."""
    try:
        cost = json.loads(answer.body)["extensions"]["cost"]
        left = float(cost["throttleStatus"]["currentlyAvailable"])
        return http.RateLimit(remaining=int(left // max(float(cost["requestedQueryCost"]), 1.0)))
    except (ValueError, TypeError, KeyError):
        return None


def ask(link: http.Client, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a query gives. Raises SendFailed; one that only reads is never uncertain."""
    found = _OPERATION.search(query)
    body = {"query": query, "variables": dict(variables or {}), "operationName": found[1] if found else None}
    reads = query.lstrip().startswith("query")
    try:
        told = link.post(json=body).json()
    except http.HttpFailure as failure:
        raise explain(failure, reads=reads) from None
    if not isinstance(told, dict):
        raise TransientFailure("Shopify answered with something that is no object.")
    if told.get("errors"):
        raise refusal(told, reads=reads)
    if not isinstance(told.get("data"), dict):
        raise TransientFailure("Shopify answered without data.")
    return dict(told["data"])


def explain(failure: http.HttpFailure, *, reads: bool) -> SendFailed:
    """What a status other than 200 means."""
    if failure.status == 401:
        return TokenExpired(
            "Shopify does not accept the access token (401).", advice="Connect the shop again."
        )
    if failure.status in GONE and not isinstance(failure, http.RateLimited):
        return AuthFailure(f"Shopify answered {failure.status}.", advice=GONE[failure.status])
    told = from_http(failure)
    if reads and isinstance(told, Uncertain):
        return TransientFailure(str(told))
    if reads and failure.status == 200:
        return TransientFailure(str(told))
    return told


def refusal(told: Mapping[str, Any], *, reads: bool) -> SendFailed:
    """What the errors of an answer with status 200 mean, by their code."""
    errors = [one for one in _listed(told.get("errors")) if isinstance(one, dict)]
    codes = {_section(one, "extensions").get("code") for one in errors}
    text = "; ".join(str(one.get("message") or "") for one in errors)[:300] or str(told.get("errors"))[:300]
    if "THROTTLED" in codes:
        return RateReached(f"Shopify: {text}", retry_after=_wait(told))
    if "ACCESS_DENIED" in codes:
        scope = _SCOPE.search(
            " ".join(str(_section(one, "extensions").get("requiredAccess")) for one in errors)
        )
        scope = scope or _SCOPE.search(text)
        return PermissionMissing(f"Shopify: {text}", scope=scope[1] if scope else "", advice=PROTECTED)
    if "SHOP_INACTIVE" in codes:
        return AuthFailure(f"Shopify: {text}", advice=GONE[402])
    if codes & {"INTERNAL_SERVER_ERROR", "TIMEOUT"}:
        return TransientFailure(f"Shopify: {text}") if reads else Uncertain(f"Shopify: {text}")
    return PermanentFailure(f"Shopify: {text}")


def _wait(told: Mapping[str, Any]) -> float:
    """Seconds until the points are there that the query needs."""
    cost = _section(_section(told, "extensions"), "cost")
    status = _section(cost, "throttleStatus")
    try:
        missing = float(cost["requestedQueryCost"]) - float(status["currentlyAvailable"])
        return min(max(missing / float(status["restoreRate"]), 1.0), SLOWEST)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 5.0


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _section(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def pages(
    link: http.Client, query: str, name: str, variables: Mapping[str, Any]
) -> Iterator[tuple[list[dict[str, Any]], bool]]:
    """The nodes of each page, and whether there is more. Raises TransientFailure where pages repeat."""
    after: str | None = None
    seen: set[str | None] = {None}
    while True:
        found = ask(link, query, {**variables, "after": after}).get(name)
        if not isinstance(found, dict):
            raise TransientFailure(f"Shopify answered without {name}.")
        info = _section(found, "pageInfo")
        more = bool(info.get("hasNextPage"))
        after = str(info.get("endCursor") or "")
        if more and (not after or after in seen):
            raise TransientFailure(f"Shopify's list of {name} repeats itself and does not end.")
        seen.add(after)
        yield [node for node in _listed(found.get("nodes")) if isinstance(node, dict)], more
        if not more:
            return


def done(data: Mapping[str, Any], name: str) -> None:
    """Raise PermanentFailure where a mutation says what was wrong with it."""
    errors = _listed(_section(data, name).get("userErrors"))
    if errors:
        raise PermanentFailure("; ".join(str(one.get("message")) for one in errors if isinstance(one, dict)))
