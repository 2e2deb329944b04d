"""A WooCommerce shop as far as Rapport uses it: orders, customers, notes and webhooks, by page and offset."""

from __future__ import annotations

import base64
import copy
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from tests.channels.platform import Call, Platform, route

KEY, SECRET = "ck_" + "a" * 40, "cs_" + "b" * 40
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
API = "/wp-json/wc/v3"
PAYLOADS = Path(__file__).parent / "payloads"
ORDER = json.loads((PAYLOADS / "order.json").read_text())
CUSTOMER = json.loads((PAYLOADS / "customer.json").read_text())


def gmt(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S")


def refusal(code: str, message: str, status: int) -> dict[str, Any]:
    """An error as WordPress writes it."""
    return {"code": code, "message": message, "data": {"status": status}}


class Shop(Platform):
    """One shop whose clock stands still unless it is moved."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.orders: dict[int, dict[str, Any]] = {}
        self.customers: dict[int, dict[str, Any]] = {}
        self.notes: dict[int, list[dict[str, Any]]] = {}
        self.hooks: dict[int, dict[str, Any]] = {}
        self.now = NOW
        self.between: list[Any] = []
        """What happens in the shop after each page of orders, one each."""

    # What happens there

    def order(self, number: int, **more: Any) -> dict[str, Any]:
        """An order placed a minute after the one before."""
        at = gmt(NOW + timedelta(minutes=number))
        made = copy.deepcopy(ORDER) | {"id": number, "number": str(number), "date_created_gmt": at}
        made |= {"date_modified_gmt": at, **more}
        self.orders[number] = made
        return made

    def change(self, number: int, at: datetime, **more: Any) -> None:
        self.orders[number] |= {"date_modified_gmt": gmt(at), **more}

    def customer(self, number: int, **more: Any) -> dict[str, Any]:
        made = copy.deepcopy(CUSTOMER) | {"id": number, "email": f"c{number}@example.com", **more}
        self.customers[number] = made
        return made

    def note(
        self, order: int, text: str, *, at: datetime | None = None, author: str = "Sam"
    ) -> dict[str, Any]:
        number = sum(len(one) for one in self.notes.values()) + 1
        made = {
            "id": number, "author": author, "date_created_gmt": gmt(at or self.now), "note": text,
            "customer_note": True,
        }  # fmt: skip
        self.notes.setdefault(order, []).append(made)
        return made

    # Its API

    def answer(self, call: Call) -> Any:
        given = call.headers.get("Authorization", "").removeprefix("Basic ")
        if base64.b64decode(given or "").decode() != f"{KEY}:{SECRET}":
            code = "woocommerce_rest_authentication_error" if given else "woocommerce_rest_cannot_view"
            return 401, refusal(code, "Consumer key is invalid.", 401), {}
        return super().answer(call)

    def _handler(self) -> Any:
        shop = self

        class Clocked(super()._handler()):  # type: ignore[misc]
            def date_time_string(self, timestamp: float | None = None) -> str:
                return format_datetime(shop.now, usegmt=True)

        return Clocked

    @route("GET", rf"{API}/orders")
    def list_orders(self, call: Call) -> Any:
        asked = call.query
        found = sorted(self.orders.values(), key=lambda one: one["id"])
        for name, field, keep in (
            ("modified_after", "date_modified_gmt", lambda value, edge: value > edge),
            ("after", "date_created_gmt", lambda value, edge: value > edge),
            ("before", "date_created_gmt", lambda value, edge: value < edge),
        ):
            if name in asked:
                assert asked["dates_are_gmt"] == "true"
                found = [one for one in found if keep(one[field], asked[name])]
        if "include" in asked:
            found = [one for one in found if str(one["id"]) in asked["include"].split(",")]
        page = copy.deepcopy(self._cut(call, found))
        if self.between and int(asked["per_page"]) > 1:
            self.between.pop(0)()
        return 200, page

    @route("GET", rf"{API}/orders/(?P<id>[0-9]+)")
    def one_order(self, call: Call) -> Any:
        found = self.orders.get(int(call.groups["id"]))
        return (
            (200, found)
            if found
            else (404, refusal("woocommerce_rest_shop_order_invalid_id", "Invalid ID.", 404))
        )

    @route("GET", rf"{API}/orders/(?P<id>[0-9]+)/notes")
    def list_notes(self, call: Call) -> Any:
        if int(call.groups["id"]) not in self.orders:
            return 404, refusal("woocommerce_rest_order_invalid_id", "Invalid order ID.", 404)
        return 200, list(reversed(self.notes.get(int(call.groups["id"]), [])))

    @route("POST", rf"{API}/orders/(?P<id>[0-9]+)/notes")
    def add_note(self, call: Call) -> Any:
        return 201, self.note(int(call.groups["id"]), call.json["note"])

    @route("GET", rf"{API}/customers")
    def list_customers(self, call: Call) -> Any:
        assert call.query.get("orderby", "id") == "id"
        return 200, self._cut(call, sorted(self.customers.values(), key=lambda one: -one["id"]))

    @route("GET", rf"{API}/webhooks")
    def list_hooks(self, call: Call) -> Any:
        return 200, list(self.hooks.values())

    @route("POST", rf"{API}/webhooks")
    def add_hook(self, call: Call) -> Any:
        number = len(self.hooks) + 1
        self.hooks[number] = {"id": number, **call.json}
        return 201, self.hooks[number]

    @route("PUT", rf"{API}/webhooks/(?P<id>[0-9]+)")
    def change_hook(self, call: Call) -> Any:
        self.hooks[int(call.groups["id"])] |= call.json
        return 200, self.hooks[int(call.groups["id"])]

    @route("DELETE", rf"{API}/webhooks/(?P<id>[0-9]+)")
    def drop_hook(self, call: Call) -> Any:
        assert call.query["force"] == "true"
        return 200, self.hooks.pop(int(call.groups["id"]))

    def _cut(self, call: Call, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        begin, size = int(call.query.get("offset", 0)), int(call.query.get("per_page", 10))
        assert size <= 100
        return found[begin : begin + size]
