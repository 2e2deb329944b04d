"""A Shopify shop behind its GraphQL Admin API: it knows our operations by their names."""

from __future__ import annotations

import copy
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.channels.platform import Call, Platform, route

SHOP = "snowdevil.myshopify.com"
ID, SECRET, TOKEN = "a-client-id", "a-client-secret-of-the-app", "shpat_a_token_of_the_shop"
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NODE = json.loads((Path(__file__).parent / "payloads" / "node-order.json").read_text())
COST = {"maximumAvailable": 2000.0, "currentlyAvailable": 1400.0, "restoreRate": 100.0}


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def errors(code: str, message: str, *, left: float = 1400.0, **more: Any) -> dict[str, Any]:
    """A refusal, which comes with status 200."""
    status = {**COST, "currentlyAvailable": left}
    return {
        "errors": [{"message": message, "extensions": {"code": code, **more}}],
        "extensions": {"cost": {"requestedQueryCost": 700, "throttleStatus": status}},
    }


def signed(query: dict[str, str]) -> dict[str, str]:
    """The parts of an address that a browser comes back with, and Shopify's hmac over them."""
    told = "&".join(f"{name}={query[name]}" for name in sorted(query))
    return {**query, "hmac": hmac.new(SECRET.encode(), told.encode(), sha256).hexdigest()}


class Shop(Platform):
    """One shop."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.orders: dict[int, dict[str, Any]] = {}
        self.customers: dict[int, dict[str, Any]] = {}
        self.hooks: list[dict[str, str]] = []
        self.scopes = ["read_orders", "read_customers"]
        self.tokens = {TOKEN}
        self.refresh_tokens = {"a-refresh-token-1"}
        self.grants = 0
        self.between: list[Any] = []
        """What happens in the shop after each page, one each."""

    # What happens there

    def order(self, number: int, at: datetime | None = None, **more: Any) -> dict[str, Any]:
        """An order placed and changed at that time, by default so many minutes after the beginning."""
        when = iso(at or NOW + timedelta(minutes=number))
        made = copy.deepcopy(NODE)
        made |= {"id": f"gid://shopify/Order/{number}", "legacyResourceId": str(number), "name": f"#{number}"}
        made |= {"createdAt": when, "processedAt": when, "updatedAt": when, **more}
        self.orders[number] = made
        return made

    def customer(self, number: int, **more: Any) -> dict[str, Any]:
        made = copy.deepcopy(NODE["customer"]) | {
            "id": f"gid://shopify/Customer/{number}",
            "legacyResourceId": str(number),
            "defaultEmailAddress": {"emailAddress": f"c{number}@example.com"},
            "updatedAt": iso(NOW + timedelta(minutes=number)),
        }
        self.customers[number] = made | more
        return self.customers[number]

    # Its API

    @route("POST", r"/admin/api/2026-10/graphql\.json")
    def graphql(self, call: Call) -> Any:
        given = {name.lower(): value for name, value in call.headers.items()}
        if given.get("x-shopify-access-token") not in self.tokens:
            return 401, {
                "errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"
            }
        operation = call.json["operationName"]
        assert operation in call.json["query"]
        data = getattr(self, f"do_{operation}")(call.json["variables"])
        if self.between and operation == "Orders":
            self.between.pop(0)()
        cost = {"requestedQueryCost": 70, "actualQueryCost": 12, "throttleStatus": COST}
        return 200, {"data": copy.deepcopy(data), "extensions": {"cost": cost}}

    def do_Orders(self, asked: dict[str, Any]) -> Any:
        return {"orders": self._page(self.orders.values(), asked, "updatedAt")}

    do_Placed = do_Orders

    def do_Customers(self, asked: dict[str, Any]) -> Any:
        return {"customers": self._page(self.customers.values(), asked, "updatedAt")}

    def do_SomeOrders(self, asked: dict[str, Any]) -> Any:
        by_id = {one["id"]: one for one in self.orders.values()}
        return {"nodes": [by_id.get(one) for one in asked["ids"]]}

    def do_MoreLines(self, asked: dict[str, Any]) -> Any:
        line = NODE["lineItems"]["nodes"][0]
        last = asked["after"] == "page-3"
        more = {"hasNextPage": not last, "endCursor": "page-3"}
        return {"order": {"lineItems": {"nodes": [line] * 100, "pageInfo": more}}}

    def do_Shop(self, asked: dict[str, Any]) -> Any:
        granted = [{"handle": one} for one in self.scopes]
        return {
            "shop": {"name": "Snowdevil", "myshopifyDomain": SHOP, "currencyCode": "USD"},
            "currentAppInstallation": {"accessScopes": granted},
        }

    def do_Hooks(self, asked: dict[str, Any]) -> Any:
        return {"webhookSubscriptions": {"nodes": self.hooks, "pageInfo": {"hasNextPage": False}}}

    def do_AddHook(self, asked: dict[str, Any]) -> Any:
        bad = (
            []
            if asked["uri"].startswith("https://")
            else [{"field": "uri", "message": "Address is not allowed"}]
        )
        if not bad:
            number = len(self.hooks) + 1
            self.hooks.append({"id": f"gid://shopify/WebhookSubscription/{number}", **asked})
        return {"webhookSubscriptionCreate": {"webhookSubscription": None, "userErrors": bad}}

    def do_DropHook(self, asked: dict[str, Any]) -> Any:
        self.hooks = [one for one in self.hooks if one["id"] != asked["id"]]
        return {"webhookSubscriptionDelete": {"userErrors": []}}

    @route("POST", r"/admin/oauth/access_token")
    def grant(self, call: Call) -> Any:
        asked = call.json
        if (asked.get("client_id"), asked.get("client_secret")) != (ID, SECRET):
            return 400, {"error": "invalid_client"}
        kind = asked.get("grant_type") or "code"
        if kind == "refresh_token":
            if asked["refresh_token"] not in self.refresh_tokens:
                return 401, {"error": "invalid_grant"}
            self.refresh_tokens.remove(asked["refresh_token"])
        if kind == "code" and asked["code"] != "a-code":
            return 400, {"error": "invalid_request"}
        self.grants += 1
        told = {"access_token": f"shpat_granted_{self.grants}", "scope": ",".join(self.scopes)}
        self.tokens.add(told["access_token"])
        if kind == "client_credentials":
            return 200, {**told, "expires_in": 86399}
        fresh = f"a-refresh-token-{self.grants + 1}"
        self.refresh_tokens.add(fresh)
        more = {"refresh_token": fresh, "expires_in": 3600, "refresh_token_expires_in": 7776000}
        return 200, {**told, **(more if kind == "refresh_token" or asked.get("expiring") == "1" else {})}

    def _page(self, items: Any, asked: dict[str, Any], key: str) -> dict[str, Any]:
        """A page behind a cursor, which names the place by value, as Shopify's do."""
        found = sorted(items, key=lambda one: (one[key], one["legacyResourceId"]))
        for name, keep, edge in re.findall(r"(\w+):(>=|<)'([^']+)'", asked.get("query") or ""):
            value = "updatedAt" if name == "updated_at" else "createdAt"
            found = [one for one in found if (one[value] >= edge if keep == ">=" else one[value] < edge)]
        if asked.get("after"):
            found = [one for one in found if f"{one[key]}|{one['legacyResourceId']}" > asked["after"]]
        page = found[: asked["first"]]
        end = f"{page[-1][key]}|{page[-1]['legacyResourceId']}" if page else None
        return {"nodes": page, "pageInfo": {"hasNextPage": len(found) > len(page), "endCursor": end}}
