"""What a WooCommerce shop tells, as orders, people and notes. No network, no database."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from core.text import parse_when
from crm.identities import EMAIL, PHONE, BadIdentity, normalize
from crm.models import OrderStatus
from crm.orders import LineIn, OrderIn
from engagement.channels.base import Author, Direction, Event, Kind, Parcel

STATUS = {
    "pending": OrderStatus.PENDING, "on-hold": OrderStatus.PENDING, "processing": OrderStatus.PAID,
    "completed": OrderStatus.PAID, "cancelled": OrderStatus.CANCELLED, "failed": OrderStatus.CANCELLED,
    "trash": OrderStatus.CANCELLED, "refunded": OrderStatus.REFUNDED,
}  # fmt: skip
DRAFTS = frozenset({"checkout-draft", "auto-draft", "draft"})
"""A cart that somebody is filling is no order."""
MACHINES = frozenset({"", "system", "woocommerce"})
_TAG = re.compile(r"<[^<>]{0,2000}>")
_BREAK = re.compile(r"<(br|/p|/div|/li)\b[^<>]{0,200}>", re.IGNORECASE)
CENT = Decimal("0.01")


def parcels(body: bytes, topic: str) -> list[Parcel]:
    """What a webhook of this topic, or a parked item of a pull, holds. Raises ValueError with a reason."""
    try:
        item = json.loads(body)
    except ValueError as error:
        raise ValueError(f"The body is no JSON: {error}") from None
    if not isinstance(item, dict):
        raise ValueError("The body is no JSON object.")
    if topic.endswith(".deleted"):
        return []
    if "note" in item and "order" in item:
        event = note_event(item["note"], item["order"])
        return [Parcel([event])] if event else []
    if "line_items" in item or topic.startswith("order."):
        return [of_order(item)]
    if "email" in item or topic.startswith("customer."):
        return [Parcel(people=[customer(item)])]
    raise ValueError("The body is neither an order nor a customer.")


def of_order(item: Mapping[str, Any]) -> Parcel:
    """An order, and what its customer wrote when placing it; nothing where it belongs to nobody."""
    if _words(item.get("status")) in DRAFTS:
        return Parcel()
    order = order_of(item)
    if order is None:
        return Parcel()
    said = said_with(item)
    return Parcel([said] if said else [], orders=[order])


# Reading


def _number(item: Mapping[str, Any], name: str) -> int:
    value = item.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is missing or no number.")
    return value


def _amount(item: Mapping[str, Any], name: str) -> Decimal:
    value = item.get(name)
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{name} {str(value)[:40]!r} is no amount.") from None
    if not found.is_finite():
        raise ValueError(f"{name} {str(value)[:40]!r} is no amount.")
    return found


def moment(item: Mapping[str, Any], *names: str) -> datetime:
    """The first of these times that is told; *_gmt is UTC, while the others are the shop's own zone."""
    for name in names:
        value = item.get(name)
        if value:
            return parse_when(str(value), UTC)
    raise ValueError(f"{names[0]} is missing.")


def _section(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = item.get(name)
    return found if isinstance(found, dict) else {}


def _words(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def plain(text: str) -> str:
    """A note's HTML as text."""
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", text))).strip()


# People


def buyer(item: Mapping[str, Any]) -> Author | None:
    """Whoever placed an order: the shop's own customer, else a guest by address or number, else nobody."""
    billing = _section(item, "billing")
    name = f"{_words(billing.get('first_name'))} {_words(billing.get('last_name'))}".strip()
    facts = _facts(billing)
    number = _number(item, "customer_id") if item.get("customer_id") is not None else 0
    address = _normal(EMAIL, _words(billing.get("email")), "")
    if number:
        return Author(str(number), handle=address or str(number), name=name, facts=facts)
    if address:
        return Author(address, handle=address, name=name, network=EMAIL, facts=facts)
    phone = _normal(PHONE, _words(billing.get("phone")), _words(billing.get("country")))
    return Author(phone, handle=phone, name=name, network=PHONE, facts=facts) if phone else None


def _normal(network: str, value: str, country: str) -> str:
    try:
        return normalize(network, value, country=country or "US") if value else ""
    except BadIdentity:
        return ""


def _facts(billing: Mapping[str, Any]) -> dict[str, str]:
    facts = {"country": _words(billing.get("country")).upper(), "city": _words(billing.get("city"))}
    return {name: value for name, value in facts.items() if value}


def customer(item: Mapping[str, Any]) -> Author:
    """One of the shop's registered customers."""
    number = _number(item, "id")
    if not number:
        raise ValueError("id is missing or no number.")
    billing = _section(item, "billing")
    name = f"{_words(item.get('first_name'))} {_words(item.get('last_name'))}".strip()
    other = f"{_words(billing.get('first_name'))} {_words(billing.get('last_name'))}".strip()
    address = _normal(EMAIL, _words(item.get("email")), "")
    handle = address or _words(item.get("username")) or str(number)
    return Author(str(number), handle=handle, name=name or other, facts=_facts(billing))


def link_of(item: Mapping[str, Any]) -> tuple[Author, Author] | None:
    """A registered customer and the address of the account; only for shops that confirm addresses."""
    address = _normal(EMAIL, _words(item.get("email")), "")
    if not address:
        return None
    return customer(item), Author(address, handle=address, network=EMAIL)


# Orders


def order_of(item: Mapping[str, Any]) -> OrderIn | None:
    """One order; None where nobody is named as its buyer."""
    number, who = _number(item, "id"), buyer(item)
    if who is None:
        return None
    return OrderIn(
        external_id=str(number),
        customer_id=who.external_id,
        customer_name=who.name,
        network=who.network or "woocommerce",
        facts=dict(who.facts),
        number=_words(item.get("number")) or str(number),
        placed_at=moment(item, "date_created_gmt", "date_modified_gmt"),
        as_of=moment(item, "date_modified_gmt", "date_created_gmt"),
        total=_amount(item, "total"),
        currency=_currency(item),
        status=_status(item),
        discount=_amount(item, "discount_total") if item.get("discount_total") else Decimal(0),
        refunded=_refunded(item),
        lines=tuple(_lines(item)),
    )


def _currency(item: Mapping[str, Any]) -> str:
    found = _words(item.get("currency"))
    if not found:
        raise ValueError("currency is missing.")
    return found


def _status(item: Mapping[str, Any]) -> str:
    """A status that a plugin made counts as paid once there is a day of payment."""
    found = _words(item.get("status"))
    if not found:
        raise ValueError("status is missing.")
    if found in STATUS:
        return STATUS[found]
    return OrderStatus.PAID if item.get("date_paid_gmt") or item.get("date_paid") else OrderStatus.PENDING


def _refunded(item: Mapping[str, Any]) -> Decimal:
    refunds = item.get("refunds")
    found = refunds if isinstance(refunds, list) else []
    return sum((abs(_amount(one, "total")) for one in found if isinstance(one, dict)), Decimal(0))


def _lines(item: Mapping[str, Any]) -> list[LineIn]:
    found = item.get("line_items")
    if not isinstance(found, list):
        raise ValueError("line_items is missing or no list.")
    return [_line(one) for one in found if isinstance(one, dict)]


def _line(item: Mapping[str, Any]) -> LineIn:
    quantity = item.get("quantity")
    units = quantity if isinstance(quantity, int) and quantity > 0 else 1
    total = _amount(item, "total") if item.get("total") not in (None, "") else Decimal(0)
    return LineIn(
        title=plain(_words(item.get("name"))) or "Product",
        sku=_words(item.get("sku")),
        units=units,
        price=(abs(total) / units).quantize(CENT),
    )


# What was said


def thread(order_id: int) -> str:
    """All that is said about one order is one thread."""
    return f"order:{order_id}"


def said_with(item: Mapping[str, Any]) -> Event | None:
    """What the customer wrote into the checkout's field for notes; None for nothing."""
    text, who = plain(_words(item.get("customer_note"))), buyer(item)
    if not text or who is None:
        return None
    number = _number(item, "id")
    return Event(
        external_id=f"order:{number}:note",
        kind=Kind.MESSAGE,
        direction=Direction.INBOUND,
        occurred_at=moment(item, "date_created_gmt", "date_modified_gmt"),
        text=text,
        thread_keys=(thread(number),),
        author=who,
        subject=f"Order #{_words(item.get('number')) or number}",
    )


def note_event(note: Any, order: Any) -> Event | None:
    """A note that the shop sent to the customer; None for one that only the shop sees."""
    if not isinstance(note, dict) or not isinstance(order, dict):
        raise ValueError("The note or its order is no JSON object.")
    if not note.get("customer_note"):
        return None
    number, author = _number(order, "id"), _words(note.get("author"))
    machine, who = author.lower() in MACHINES, buyer(order)
    return Event(
        external_id=note_id(number, _number(note, "id")),
        kind=Kind.MESSAGE,
        direction=Direction.OUTBOUND,
        occurred_at=moment(note, "date_created_gmt"),
        text=plain(_words(note.get("note"))),
        thread_keys=(thread(number),),
        subject=f"Order #{_words(order.get('number')) or number}",
        participants=(("other", who),) if who else (),
        is_automatic=machine,
        staff_name="" if machine else author,
    )


def note_id(order_id: int, note: int) -> str:
    """Id of a note: notes count anew in each shop, and we name the order with it."""
    return f"note:{order_id}:{note}"


def with_notes(item: Mapping[str, Any], notes: Sequence[Mapping[str, Any]]) -> list[Event]:
    """The events of an order's notes to the customer."""
    found = [note_event(note, item) for note in notes]
    return [event for event in found if event is not None]
