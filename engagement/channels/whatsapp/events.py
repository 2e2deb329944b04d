"""WhatsApp's webhooks as events: pure functions.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from crm.models import OrderStatus
from crm.orders import LineIn, OrderIn
from engagement.channels.meta.messaging import joined, our_key
from engagement.channels.meta.reading import (
    Json,
    ident,
    inner,
    items,
    maybe,
    maybe_ident,
    moment,
    whole,
    words,
)
from engagement.channels.shapes import Author, Change, Direction, Event, File, Kind, Parcel
from engagement.channels.whatsapp.people import Person, changed, known_people, person_of, sender_of

NETWORK = "whatsapp"
STATUSES = {"sent": "sent", "delivered": "delivered", "read": "read", "played": "read", "failed": "failed"}
MEDIA = {
    "image": "image/jpeg", "video": "video/mp4", "audio": "audio/ogg", "voice": "audio/ogg",
    "document": "application/octet-stream", "sticker": "image/webp",
}  # fmt: skip
MOVES = frozenset({"user_changed_number", "user_changed_user_id"})
WINDOW_CODE = 131047
MAX_ORDER_ID = 120


@dataclass
class Found:
    """What one change of a webhook holds."""

    events: list[Event | Change] = field(default_factory=list)
    orders: list[OrderIn] = field(default_factory=list)
    links: list[tuple[Author, Author]] = field(default_factory=list)


def parcels(body: Json) -> Iterator[Parcel]:
    """One parcel for each number that a webhook is about. Raises ValueError."""
    if body.get("object") != "whatsapp_business_account":
        raise ValueError(f"object {str(body.get('object'))[:40]!r} is not whatsapp_business_account")
    for position, entry in enumerate(items(body, "entry")):
        for number, change in enumerate(items(entry, "changes", f"entry[{position}]")):
            where = f"entry[{position}].changes[{number}]"
            kind, value = words(change, "field", where), inner(change, "value", where)
            if kind not in ("messages", "smb_message_echoes"):
                continue
            found = _found(value, f"{where}.value")
            if found.events or found.orders or found.links:
                phone = ident(inner(value, "metadata", where), "phone_number_id", f"{where}.metadata")
                yield Parcel(found.events, account=phone, orders=found.orders, links=found.links)


def _found(value: Json, where: str) -> Found:
    found, known = Found(), known_people(value, where)
    for position, one in enumerate(items(value, "messages", where)):
        _take(one, known, f"{where}.messages[{position}]", found)
    for position, one in enumerate(items(value, "message_echoes", where)):
        found.events.append(_echo(one, known, f"{where}.message_echoes[{position}]"))
    for position, one in enumerate(items(value, "statuses", where)):
        found.events += _status(one, f"{where}.statuses[{position}]")
    return found


def _take(one: Json, known: Sequence[Person], where: str, found: Found) -> None:
    person, kind = sender_of(one, known, where), words(one, "type", where)
    keys = person.keys
    if kind == "system" and words(inner(one, "system", where), "type", where) in MOVES:
        after = changed(one, person, where)
        if after is not None:
            found.links += [(person.author(), after.author()), *after.links()]
            # The old key leads to the thread; the new ones are remembered for it.
            keys = tuple(dict.fromkeys((*keys, *after.keys)))
    group = maybe_ident(one, "group_id", where)
    found.links += person.links()
    found.events.append(_event(one, kind, where, keys=(f"group:{group}",) if group else keys, person=person))
    if kind == "order":
        found.orders.append(_order(one, person, where))


def _event(one: Json, kind: str, where: str, *, keys: tuple[str, ...], person: Person | None) -> Event:
    """A message; without a person it is one of ours."""
    text, files = said(one, kind, where)
    context = maybe(one, "context", where)
    reacts = maybe(one, "reaction", where) if kind == "reaction" else {}
    return Event(
        external_id=ident(one, "id", where),
        kind=Kind.MESSAGE,
        direction=Direction.INBOUND if person else Direction.OUTBOUND,
        occurred_at=moment(one, "timestamp", where),
        text=joined(text, [_about_product(context, where)]),
        thread_keys=keys,
        author=person.author() if person else None,
        in_reply_to=maybe_ident(reacts, "message_id", where) or maybe_ident(context, "id", where),
        files=files,
        is_automatic=kind in ("system", "reaction"),
    )


def _about_product(context: Json, where: str) -> str:
    """Which product of the catalogue is asked about."""
    product = maybe_ident(maybe(context, "referred_product", where), "product_retailer_id", where)
    return f"[product: {product}]" if product else ""


def _echo(one: Json, known: Sequence[Person], where: str) -> Event:
    """What staff wrote in the WhatsApp Business app on the telephone."""
    person = person_of(maybe_ident(one, "to", where), maybe_ident(one, "to_user_id", where), known)
    if not person.id:
        raise ValueError(f"{where}.to is missing")
    return _event(one, words(one, "type", where), where, keys=person.keys, person=None)


def _status(one: Json, where: str) -> Iterator[Change]:
    status = STATUSES.get(words(one, "status", where))
    if status is None:
        return
    yield Change(
        ident(one, "id", where), "status", moment(one, "timestamp", where), status=status,
        error=_reasons(one, where), our_key=our_key(words(one, "biz_opaque_callback_data", where)),
    )  # fmt: skip


def _reasons(one: Json, where: str) -> str:
    """Why it did not arrive, and what can be done where that is known."""
    found = []
    for error in items(one, "errors", where):
        details = words(maybe(error, "error_data", where), "details", where)
        told = details or words(error, "message", where) or words(error, "title", where)
        found.append(f"{told} ({whole(error, 'code')})" if told else f"Error {whole(error, 'code')}")
        if whole(error, "code") == WINDOW_CODE:
            found.append("Send an approved template in WhatsApp Manager, or use another channel.")
    return " ".join(found)


# What was said


def said(one: Json, kind: str, where: str) -> tuple[str, tuple[File, ...]]:
    """The words of a message and its file; what we cannot show is named in brackets."""
    if kind in MEDIA:
        return _media(inner(one, kind, where), kind, f"{where}.{kind}")
    readers = {
        "text": lambda: words(inner(one, "text", where), "body", where),
        "button": lambda: words(inner(one, "button", where), "text", where),
        "interactive": lambda: _chosen(inner(one, "interactive", where), where),
        "reaction": lambda: words(maybe(one, "reaction", where), "emoji", where) or "[reaction taken back]",
        "location": lambda: _place(inner(one, "location", where), where),
        "contacts": lambda: _cards(items(one, "contacts", where), where),
        "order": lambda: _ordered(inner(one, "order", where), where),
        "system": lambda: words(inner(one, "system", where), "body", where),
    }
    if kind in readers:
        return readers[kind](), ()
    name = "message" if kind in ("", "unsupported", "unknown") else kind
    return joined(f"[unsupported: {name}]", [_reasons(one, where)]), ()


def _media(media: Json, kind: str, where: str) -> tuple[str, tuple[File, ...]]:
    """A file is told by its id, for which a worker asks with the token."""
    name = words(media, "filename", where) or kind
    content_type = words(media, "mime_type", where).partition(";")[0].strip() or MEDIA[kind]
    file = File(name, content_type, url=ident(media, "id", where))
    return words(media, "caption", where), (file,)


def _chosen(interactive: Json, where: str) -> str:
    """What was chosen from a list or pressed, or the answer of a form."""
    for key in ("list_reply", "button_reply"):
        chosen = maybe(interactive, key, where)
        if chosen:
            parts = (words(chosen, "title", where), words(chosen, "description", where))
            return "\n".join(part for part in parts if part)
    form = maybe(interactive, "nfm_reply", where)
    return words(form, "body", where) or words(form, "response_json", where) or "[unsupported: interactive]"


def _place(location: Json, where: str) -> str:
    at = f"{location.get('latitude')}, {location.get('longitude')}"
    parts = (words(location, key, where) for key in ("name", "address", "url"))
    return "\n".join(part for part in ("[location]", *parts, at) if part)


def _cards(cards: Sequence[Json], where: str) -> str:
    lines = []
    for card in cards:
        name = words(maybe(card, "name", where), "formatted_name", where)
        phones = [words(one, "phone", where) for one in items(card, "phones", where)]
        mails = [words(one, "email", where) for one in items(card, "emails", where)]
        lines.append(", ".join(part for part in (name, *phones, *mails) if part))
    return joined("[contact]", lines)


# Purchases inside WhatsApp


def _order(one: Json, person: Person, where: str) -> OrderIn:
    """A basket that somebody sent out of our catalogue: wanted, and not paid yet."""
    order, number = inner(one, "order", where), ident(one, "id", where)
    products = items(order, "product_items", f"{where}.order")
    lines = tuple(_line(product, f"{where}.order.product_items") for product in products)
    if not lines:
        raise ValueError(f"{where}.order.product_items is empty")
    at = moment(one, "timestamp", where)
    return OrderIn(
        external_id=number[-MAX_ORDER_ID:], customer_id=person.id, placed_at=at,
        total=sum((line.price * line.units for line in lines), Decimal(0)),
        currency=words(products[0], "currency", where), network=NETWORK, issuer="",
        customer_name=person.name, status=OrderStatus.PENDING, lines=lines,
    )  # fmt: skip


def _line(product: Json, where: str) -> LineIn:
    sku = ident(product, "product_retailer_id", where)
    try:
        price = Decimal(str(product.get("item_price")))
        units = int(str(product.get("quantity")))
    except (InvalidOperation, ValueError):
        raise ValueError(f"{where}.item_price or quantity is not a number") from None
    if not price.is_finite():
        raise ValueError(f"{where}.item_price is not a number")
    return LineIn(title=sku, sku=sku, units=units, price=price)


def _ordered(order: Json, where: str) -> str:
    """The basket in words."""
    found = [
        f"{product.get('quantity')} × {product.get('product_retailer_id')}, "
        f"{product.get('item_price')} {words(product, 'currency', where)}"
        for product in items(order, "product_items", where)
    ]
    return "\n".join(part for part in (words(order, "text", where), "[order]", *found) if part)
