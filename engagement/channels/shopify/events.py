"""What a Shopify shop tells, as orders and people: nodes of GraphQL, and bodies of webhooks, which look
different. No network, no database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from core.text import parse_when
from crm.identities import EMAIL, PHONE, BadIdentity, normalize
from crm.models import OrderStatus
from crm.orders import LineIn, OrderIn
from engagement.channels.base import Author, Direction, Event, Kind, Parcel, PrivacyAsk

STATUS = {
    "paid": OrderStatus.PAID, "partially_refunded": OrderStatus.PAID, "refunded": OrderStatus.REFUNDED,
    "voided": OrderStatus.CANCELLED, "expired": OrderStatus.CANCELLED, "pending": OrderStatus.PENDING,
    "authorized": OrderStatus.PENDING, "partially_paid": OrderStatus.PENDING, "": OrderStatus.PENDING,
}  # fmt: skip
IGNORED = frozenset({"orders/delete", "customers/delete", "customers/disable", "customers/enable"})
"""Told by an id alone, or of no use: what was bought stays, and erasing a person is asked for by redact."""
DAYS = 14
"""So long staff have for a customer's request; Shopify gives thirty days."""
REMOVED = "The app was removed from the shop. Connect it again, or disconnect the channel."
REDACTED = "Shopify asks to erase what came from this shop: disconnect the channel together with its data."
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Told:
    """One order, whichever way it was told."""

    number: str
    name: str
    placed_at: datetime
    as_of: datetime
    created_at: datetime
    status: str
    currency: str
    total: Decimal
    discount: Decimal
    refunded: Decimal
    buyer: Author | None
    note: str
    is_test: bool
    lines: Sequence[LineIn] = field(default_factory=tuple)


# Bodies


def parcels(body: bytes, topic: str, *, shop: str, sender: str, settings: Mapping[str, Any]) -> list[Parcel]:
    """What a webhook of this topic, or a parked node of a pull, holds. `shop` is the account's own, `sender`
    what the header says. Raises ValueError with a reason."""
    try:
        item = json.loads(body)
    except ValueError as error:
        raise ValueError(f"The body is no JSON: {error}") from None
    if not isinstance(item, dict):
        raise ValueError("The body is no JSON object.")
    if not topic:
        return [_of_node(item, settings)]
    if topic in COMPLIANCE:
        named = _words(item.get("shop_domain"))
        return [COMPLIANCE[topic](item, "" if named == shop else named)]
    if sender and sender != shop:
        raise ValueError(f"The webhook is for {sender}.")
    if topic == "app/uninstalled":
        return [Parcel(revoked=REMOVED)]
    if topic in IGNORED:
        return []
    if topic.startswith("orders/"):
        return [parcel_of(order_of_hook(item), settings)]
    if topic.startswith("customers/"):
        return [people_of([person_of_hook(item)])]
    raise ValueError(f"The topic {topic[:60]!r} is none that was asked for.")


def _of_node(item: Mapping[str, Any], settings: Mapping[str, Any]) -> Parcel:
    kind = str(item.get("id") or "")
    if kind.startswith("gid://shopify/Order/"):
        return parcel_of(order_of_node(item), settings)
    if kind.startswith("gid://shopify/Customer/"):
        return people_of([person_of_node(item)])
    raise ValueError("id is neither an order's nor a customer's.")


def parcel_of(told: Told, settings: Mapping[str, Any]) -> Parcel:
    """An order and what its customer wrote with it; nothing for a test, or where it belongs to nobody."""
    if told.is_test or told.buyer is None:
        return Parcel()
    said = _said(told, told.buyer) if told.note and settings.get("notes_by_customers", True) else None
    return Parcel([said] if said else [], orders=[_order(told, told.buyer)])


def _order(told: Told, buyer: Author) -> OrderIn:
    return OrderIn(
        external_id=told.number,
        number=told.name or told.number,
        customer_id=buyer.external_id,
        customer_name=buyer.name,
        network=buyer.network or "shopify",
        facts=dict(buyer.facts),
        placed_at=told.placed_at,
        as_of=told.as_of,
        status=told.status,
        total=told.total,
        discount=told.discount,
        refunded=told.refunded,
        currency=told.currency,
        lines=tuple(told.lines),
    )


def _said(told: Told, buyer: Author) -> Event:
    return Event(
        external_id=f"order:{told.number}:note",
        kind=Kind.MESSAGE,
        direction=Direction.INBOUND,
        occurred_at=told.created_at,
        text=told.note,
        thread_keys=(f"order:{told.number}",),
        author=buyer,
        subject=f"Order {told.name or told.number}",
    )


# Reading


def _words(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _section(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = item.get(name)
    return found if isinstance(found, dict) else {}


def _id(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{name} is missing or no number.")
    return text


def moment(item: Mapping[str, Any], *names: str) -> datetime:
    """The first of these times that is told. Raises ValueError."""
    for name in names:
        if item.get(name):
            return parse_when(str(item[name]), UTC)
    raise ValueError(f"{names[0]} is missing.")


def _amount(value: Any, name: str) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{name} {str(value)[:40]!r} is no amount.") from None
    if not found.is_finite():
        raise ValueError(f"{name} {str(value)[:40]!r} is no amount.")
    return found


def _status(financial: Any, cancelled: Any) -> str:
    if cancelled:
        return OrderStatus.CANCELLED
    return STATUS.get(_words(financial).lower(), OrderStatus.PENDING)


def _normal(network: str, value: str, country: str = "") -> str:
    try:
        return normalize(network, value, country=country or "US") if value else ""
    except BadIdentity:
        return ""


def _facts(address: Mapping[str, Any], code: str, language: Any = "") -> dict[str, str]:
    facts = {
        "country": _words(address.get(code)).upper(),
        "city": _words(address.get("city")),
        "language": _words(language).partition("-")[0].lower(),
    }
    return {name: value for name, value in facts.items() if value}


def _guest(item: Mapping[str, Any], name: str, facts: Mapping[str, str]) -> Author | None:
    """A buyer without an account: by address, else by number, else nobody."""
    address = _normal(EMAIL, _words(item.get("email")))
    if address:
        return Author(address, handle=address, name=name, network=EMAIL, facts=facts)
    phone = _normal(PHONE, _words(item.get("phone")), facts.get("country", ""))
    return Author(phone, handle=phone, name=name, network=PHONE, facts=facts) if phone else None


# GraphQL


@dataclass(frozen=True)
class Person:
    """One customer of the shop, and the address that the shop knows to be theirs."""

    author: Author
    address: str = ""
    """Only where the shop says that it was verified."""


def people_of(found: Sequence[Person]) -> Parcel:
    """Customers, each one with their verified address."""
    return Parcel(people=[one.author for one in found], links=links_of(found))


def links_of(found: Sequence[Person]) -> list[tuple[Author, Author]]:
    """What the shop vouches for."""
    return [
        (one.author, Author(one.address, handle=one.address, network=EMAIL)) for one in found if one.address
    ]


def person_of_node(node: Mapping[str, Any]) -> Person:
    """A customer of GraphQL. Raises ValueError."""
    number = _id(node, "legacyResourceId")
    address = _normal(EMAIL, _words(_section(node, "defaultEmailAddress").get("emailAddress")))
    name = _words(node.get("displayName"))
    facts = _facts(_section(node, "defaultAddress"), "countryCodeV2", node.get("locale"))
    shown = "" if _normal(EMAIL, name) else name
    author = Author(number, handle=address or number, name=shown, facts=facts)
    return Person(author, address if node.get("verifiedEmail") is True else "")


def order_of_node(node: Mapping[str, Any]) -> Told:
    """An order of GraphQL, with the lines that are in it. Raises ValueError."""
    return Told(
        number=_id(node, "legacyResourceId"),
        name=_words(node.get("name")),
        placed_at=moment(node, "processedAt", "createdAt"),
        created_at=moment(node, "createdAt"),
        as_of=moment(node, "updatedAt"),
        status=_status(node.get("displayFinancialStatus"), node.get("cancelledAt")),
        currency=_words(_money(node, "totalPriceSet").get("currencyCode")),
        total=_amount(_money(node, "totalPriceSet").get("amount"), "totalPriceSet"),
        discount=_amount(_money(node, "totalDiscountsSet").get("amount", "0"), "totalDiscountsSet"),
        refunded=_amount(_money(node, "totalRefundedSet").get("amount", "0"), "totalRefundedSet"),
        buyer=_buyer_of_node(node),
        note=_words(node.get("note")),
        is_test=node.get("test") is True,
        lines=[_line_of_node(one) for one in _nodes(node, "lineItems")],
    )


def _nodes(node: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The nodes of a connection. Raises ValueError where they are none."""
    return objects(_section(node, name).get("nodes"), f"{name}.nodes")


def objects(found: Any, name: str) -> list[Mapping[str, Any]]:
    """A list of objects, none for nothing. Raises ValueError."""
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"{name} is no list of objects.")
    return found


def _money(node: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _section(_section(node, name), "shopMoney")


def _buyer_of_node(node: Mapping[str, Any]) -> Author | None:
    if isinstance(node.get("customer"), dict):
        return person_of_node(node["customer"]).author
    address = _section(node, "billingAddress")
    return _guest(node, _words(address.get("name")), _facts(address, "countryCodeV2"))


def _line_of_node(node: Mapping[str, Any]) -> LineIn:
    price = _money(node, "discountedUnitPriceAfterAllDiscountsSet").get("amount", "0")
    return LineIn(
        title=_words(node.get("title")) or "Product",
        sku=_words(node.get("sku")),
        units=_units(node.get("quantity")),
        price=abs(_amount(price, "price")).quantize(CENT),
    )


def _units(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


# Webhooks


def person_of_hook(item: Mapping[str, Any]) -> Person:
    """A customer as webhooks tell. Raises ValueError."""
    number = _id(item, "id")
    address = _normal(EMAIL, _words(item.get("email")))
    name = f"{_words(item.get('first_name'))} {_words(item.get('last_name'))}".strip()
    facts = _facts(_section(item, "default_address"), "country_code", item.get("locale"))
    author = Author(number, handle=address or number, name=name, facts=facts)
    return Person(author, address if item.get("verified_email") is True else "")


def order_of_hook(item: Mapping[str, Any]) -> Told:
    """An order as webhooks tell. Raises ValueError."""
    return Told(
        number=_id(item, "id"),
        name=_words(item.get("name")),
        placed_at=moment(item, "processed_at", "created_at"),
        created_at=moment(item, "created_at"),
        as_of=moment(item, "updated_at"),
        status=_status(item.get("financial_status"), item.get("cancelled_at")),
        currency=_words(item.get("currency")),
        total=_amount(item.get("total_price"), "total_price"),
        discount=_amount(item.get("total_discounts") or "0", "total_discounts"),
        refunded=_refunded(item),
        buyer=_buyer_of_hook(item),
        note=_words(item.get("note")),
        is_test=item.get("test") is True,
        lines=[_line_of_hook(one) for one in objects(item.get("line_items"), "line_items")],
    )


def _refunded(item: Mapping[str, Any]) -> Decimal:
    """Money that went back: successful transactions of refunds."""
    refunds = objects(item.get("refunds"), "refunds")
    moved = [one for refund in refunds for one in objects(refund.get("transactions"), "transactions")]
    back = [one for one in moved if one.get("kind") == "refund" and one.get("status") == "success"]
    return sum((abs(_amount(one.get("amount"), "amount")) for one in back), Decimal(0))


def _buyer_of_hook(item: Mapping[str, Any]) -> Author | None:
    if isinstance(item.get("customer"), dict):
        return person_of_hook(item["customer"]).author
    address = _section(item, "billing_address")
    name = _words(address.get("name"))
    return _guest(item, name, _facts(address, "country_code"))


def _line_of_hook(item: Mapping[str, Any]) -> LineIn:
    units, price = _units(item.get("quantity")), _amount(item.get("price") or "0", "price")
    taken = objects(item.get("discount_allocations"), "discount_allocations")
    off = sum((_amount(one.get("amount"), "amount") for one in taken), Decimal(0))
    each = price - off / units if units else price
    return LineIn(
        title=_words(item.get("title")) or "Product",
        sku=_words(item.get("sku")),
        units=units,
        price=max(each, Decimal(0)).quantize(CENT),
    )


# What the law asks


def _named(item: Mapping[str, Any]) -> tuple[Author, ...]:
    """Everything by which a request names its customer."""
    person, found = _section(item, "customer"), []
    if person.get("id"):
        found.append(Author(_id(person, "id")))
    address = _normal(EMAIL, _words(person.get("email")))
    if address:
        found.append(Author(address, network=EMAIL))
    if not found:
        raise ValueError("customer names nobody.")
    return tuple(found)


def _data_request(item: Mapping[str, Any], account: str) -> Parcel:
    number = _section(item, "data_request").get("id", "")
    title = f"Shopify: hand out what is held about this customer (request {number})"
    return Parcel(account=account, asks=[PrivacyAsk(_named(item), title, DAYS)])


def _redact(item: Mapping[str, Any], account: str) -> Parcel:
    number = _section(item, "customer").get("id", "")
    title = f"Shopify: erase this customer (customer {number})"
    return Parcel(account=account, asks=[PrivacyAsk(_named(item), title, DAYS)])


def _shop_redact(item: Mapping[str, Any], account: str) -> Parcel:
    return Parcel(account=account, revoked=REDACTED)


COMPLIANCE = {
    "customers/data_request": _data_request,
    "customers/redact": _redact,
    "shop/redact": _shop_redact,
}
