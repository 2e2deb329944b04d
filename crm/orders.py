"""Purchases come in here, from a shop, an import or the API: set-based and idempotent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db import transaction

from core import sql
from core.events import emit
from core.models import Workspace
from core.text import clean_text, is_far_future
from crm import journey
from crm.arrivals import fill_blanks, own_identities
from crm.erased import erased_before, identity_key, order_key
from crm.identities import MAX_LENGTH, BadIdentity, IdentityKey, normalize
from crm.models import OrderStatus

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST = Decimal("999999999999.99")


@dataclass(frozen=True)
class LineIn:
    """One product of an order; `price` is for one unit, after discounts."""

    title: str
    sku: str = ""
    category: str = ""
    units: int = 1
    price: Decimal = Decimal(0)


@dataclass(frozen=True)
class OrderIn:
    """One purchase as the shop tells it.

    The buyer is named by an identity: `network` and `customer_id` (with the source as issuer, unless the
    network's ids are world-wide: email, phone). Amounts are in `currency`; `total` is what was paid.
    """

    external_id: str
    customer_id: str
    placed_at: datetime
    total: Decimal
    currency: str
    network: str = "shop"
    issuer: str | None = None
    customer_name: str = ""
    number: str = ""
    status: str = OrderStatus.PAID
    units: int = 0
    discount: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    lines: tuple[LineIn, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    as_of: datetime | None = None
    """When it was so in the shop: what is told late of an earlier state changes nothing."""


class OrderOutcome(StrEnum):
    """What became of one order."""

    STORED = "stored"
    CHANGED = "changed"
    REPEATED = "repeated"
    REJECTED = "rejected"
    ERASED = "erased"
    """Its buyer was erased after it was placed, so it stays out."""


@dataclass
class OrderResult:
    """What became of each order, in the order given; reasons by position; ids by external id."""

    outcomes: list[OrderOutcome]
    reasons: dict[int, str]
    ids: dict[str, int]

    def count(self, outcome: OrderOutcome) -> int:
        return self.outcomes.count(outcome)


class BadOrder(ValueError):
    """An order that cannot be stored, with the reason for whoever sent it."""


def store_orders(source: str, orders: Sequence[OrderIn], *, live: bool = True) -> OrderResult:
    """Store one page of orders of one source. A repeated order changes only what differs.

    The same number of statements for 1 and for 1,000 orders. Bad ones are answered one by one. `live=False`
    is an import: nobody is told, and journeys wait for the next rebuild.
    """
    result = OrderResult([OrderOutcome.REPEATED] * len(orders), {}, {})
    workspace = Workspace.current()
    good: dict[str, tuple[int, dict[str, Any]]] = {}
    for position, order in enumerate(orders):
        try:
            row = _row(source, order, workspace)
        except BadOrder as error:
            result.outcomes[position] = OrderOutcome.REJECTED
            result.reasons[position] = str(error)
            continue
        good[row["external_id"]] = (position, row)
    for external_id in _store_without_erased(good, result, source, workspace, live=live):
        result.outcomes[good[external_id][0]] = OrderOutcome.ERASED
    return result


def _store_without_erased(
    good: dict[str, tuple[int, dict[str, Any]]],
    result: OrderResult,
    source: str,
    workspace: Workspace,
    *,
    live: bool,
) -> set[str]:
    """Store the rows by external id and fill in what became of them; those that are left out as erased."""
    left_out: set[str] = set()
    while len(left_out) < len(good):
        rows = [row for external_id, (_, row) in good.items() if external_id not in left_out]
        try:
            with transaction.atomic():
                written = _store(rows, source, workspace, live=live)
        except _ErasedMet as met:
            left_out |= met.orders
            continue
        for row in written:
            position = good[row["external_id"]][0]
            result.ids[row["external_id"]] = row["id"]
            result.outcomes[position] = OrderOutcome.STORED if row["inserted"] else OrderOutcome.CHANGED
        break
    return left_out


class _ErasedMet(Exception):
    """Some orders were placed by people who were erased since, by external id."""

    def __init__(self, orders: set[str]) -> None:
        super().__init__(f"{len(orders)} erased orders")
        self.orders = orders


def _refuse_erased(rows: Sequence[dict[str, Any]], source: str) -> None:
    """Raise _ErasedMet; asked under the lock of the buyers' identities, one statement."""
    keys = {order_key(source, row["external_id"]) for row in rows}
    found = erased_before(keys | {identity_key(_buyer(row)) for row in rows})
    gone = {
        row["external_id"]
        for row in rows
        if order_key(source, row["external_id"]) in found
        or (
            identity_key(_buyer(row)) in found
            and datetime.fromisoformat(row["placed_at"]) <= found[identity_key(_buyer(row))]
        )
    }
    if gone:
        raise _ErasedMet(gone)


def _store(
    rows: list[dict[str, Any]], source: str, workspace: Workspace, *, live: bool
) -> list[dict[str, Any]]:
    people: dict[IdentityKey, dict[str, Any]] = {}
    for row in rows:
        known = people.setdefault(_buyer(row), row["person"])
        known["name"] = known["name"] or row["person"]["name"]
    owners = own_identities(list(people.values()), source=source)
    _refuse_erased(rows, source)
    for row in rows:
        owner = owners[_buyer(row)]
        row["identity_id"], row["customer_id"] = owner.identity_id, owner.customer_id
        row["home_customer_id"] = owner.home_customer_id
    parameters = {
        "orders": json.dumps(rows),
        "source": source,
        "currency": workspace.currency,
        "zone": workspace.zone,
    }
    written = sql.rows("crm", "store_orders", parameters)
    ids = {row["external_id"]: row["id"] for row in written}
    lines = json.dumps(_lines(rows, ids))
    sql.run("crm", "store_order_lines", {"lines": lines, "orders": sorted(ids.values())})
    fill_blanks(list(people.values()), owners, source=source)
    sql.run("crm", "touch_buyers", {"ids": sorted(ids.values()), "zone": workspace.zone})
    if written and live:
        journey.follow([row["customer_id"] for row in rows if row["external_id"] in ids])
        emit("orders.stored", source=source, orders=sorted(ids.values())[:500])
    return written


def _buyer(row: dict[str, Any]) -> IdentityKey:
    return IdentityKey(row["network"], row["issuer"], row["customer_external_id"])


def _lines(rows: Sequence[dict[str, Any]], ids: dict[str, int]) -> list[dict[str, Any]]:
    return [
        {**line, "order_id": ids[row["external_id"]]}
        for row in rows
        if row["external_id"] in ids
        for line in row["lines"]
    ]


def _row(source: str, order: OrderIn, workspace: Workspace) -> dict[str, Any]:
    _check(order)
    world_wide = order.network in ("email", "phone")
    issuer = order.issuer if order.issuer is not None else ("" if world_wide else source)
    try:
        buyer = normalize(
            order.network, clean_text(order.customer_id, limit=MAX_LENGTH + 1), country=workspace.country
        )
    except BadIdentity as error:
        raise BadOrder(f"customer: {error}") from error
    units = order.units or sum(line.units for line in order.lines)
    return {
        "external_id": order.external_id,
        "number": clean_text(order.number or order.external_id, limit=60),
        "status": order.status,
        "placed_at": order.placed_at.isoformat(),
        "as_of": order.as_of and order.as_of.isoformat(),
        "units": units,
        "total": str(order.total),
        "discount": str(order.discount),
        "refunded": str(order.refunded),
        "currency": order.currency.upper(),
        "network": order.network,
        "issuer": issuer,
        "customer_external_id": buyer,
        "person": _person(order, issuer, buyer),
        "lines": [_line(position, line) for position, line in enumerate(order.lines)],
    }


def _person(order: OrderIn, issuer: str, buyer: str) -> dict[str, Any]:
    year = order.facts.get("birth_year")
    return {
        "network": order.network,
        "issuer": issuer,
        "external_id": buyer,
        "handle": buyer,
        "name": clean_text(order.customer_name, limit=200),
        "language": clean_text(str(order.facts.get("language") or ""), limit=8),
        "country": clean_text(str(order.facts.get("country") or ""), limit=2),
        "city": clean_text(str(order.facts.get("city") or ""), limit=120),
        "birth_year": year if isinstance(year, int) and 1900 <= year <= 2100 else None,
    }


def _line(position: int, line: LineIn) -> dict[str, Any]:
    return {
        "position": position,
        "sku": clean_text(line.sku, limit=80),
        "title": clean_text(line.title, limit=300),
        "category": clean_text(line.category, limit=120),
        "units": line.units,
        "price": str(line.price),
    }


def _check(order: OrderIn) -> None:
    if not order.external_id or len(order.external_id) > 120 or "\x00" in order.external_id:
        raise BadOrder("order_id must have 1 to 120 characters")
    if order.placed_at.tzinfo is None:
        raise BadOrder("placed_at has no time zone")
    if order.placed_at < EARLIEST or is_far_future(order.placed_at):
        raise BadOrder(f"placed_at {order.placed_at.isoformat()} is before 1970 or in the future")
    if order.as_of is not None and order.as_of.tzinfo is None:
        raise BadOrder("as_of has no time zone")
    for name, amount in (("total", order.total), ("discount", order.discount), ("refunded", order.refunded)):
        if not amount.is_finite() or not 0 <= amount <= LARGEST:
            raise BadOrder(f"{name} {amount} is not an amount from 0 to {LARGEST}")
    if len(order.currency) != 3 or not order.currency.isascii() or not order.currency.isalpha():
        raise BadOrder(f"currency {order.currency!r} is not a three-letter code")
    if not 0 <= order.units <= 2_000_000_000 or any(not 0 <= line.units <= 1_000_000 for line in order.lines):
        raise BadOrder("units must be zero or more")
    if order.status not in OrderStatus.values:
        raise BadOrder(f"status {order.status!r} is not one of {', '.join(OrderStatus.values)}")
