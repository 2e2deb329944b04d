"""Reading a shop's customers and orders from where the last reading ended.

Page numbers shift while a shop works: an order that changes moves, and a deleted one pulls all behind it
forward. So orders are asked by `modified_after`, whose set only grows, sorted by id, which never changes, and
each page begins a few orders before the last one ended. What changed during a reading belongs to the next
one, which begins before this one began, by the shop's own clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from core import http
from core.text import parse_when
from engagement.channels.base import (
    Author,
    Bad,
    Event,
    Listed,
    Page,
    PermanentFailure,
    PermissionMissing,
    TransientFailure,
)
from engagement.channels.woocommerce import events
from engagement.channels.woocommerce.client import client, clock, get, items

if TYPE_CHECKING:
    from crm.orders import OrderIn
    from engagement.models import ChannelAccount

SIZE = 50
STEP = 40
"""A page begins where ten of the last one are read again."""
OVERLAP = timedelta(minutes=15)
EARLIEST = "1970-01-01T00:00:00"
KINDS = ("customers", "orders")
IN_ORDER = {"orderby": "id", "order": "asc", "status": "any", "dates_are_gmt": "true"}
NOTES_OF = timedelta(days=90)
"""Notes are read of orders that changed so recently: each costs a request."""


def read(account: ChannelAccount) -> Iterator[Page]:
    """Pages since the cursor: new customers first, so that they are known when their orders come."""
    cursor = dict(account.cursor)
    history = "since" not in cursor
    walk = dict(cursor.get("walk") or {})
    with client(account) as link:
        if not walk:
            _, answer = get(link, "orders", {"per_page": 1, "_fields": "id"})
            walk = {"started": _written(clock(answer)), "kind": 0, "offset": 0}
        before: list[Any] = []
        while walk["kind"] < len(KINDS):
            found = _found(link, account, cursor, walk)
            if walk["offset"] and found and [one.get("id") for one in found] == before:
                raise TransientFailure("The shop gives the same page again and again; it was stopped.")
            before = [one.get("id") for one in found]
            page, walk = _page(link, account, cursor, walk, found, history=history)
            yield page


def _found(
    link: http.Client, account: ChannelAccount, cursor: Mapping[str, Any], walk: Mapping[str, Any]
) -> list[dict[str, Any]]:
    kind = KINDS[walk["kind"]]
    params = _asked(account, cursor, kind) | {"per_page": SIZE, "offset": walk["offset"]}
    return items(link, kind, params)


def _page(
    link: http.Client,
    account: ChannelAccount,
    cursor: Mapping[str, Any],
    walk: Mapping[str, Any],
    found: Sequence[Mapping[str, Any]],
    *,
    history: bool,
) -> tuple[Page, dict[str, Any]]:
    kind = KINDS[walk["kind"]]
    more = len(found) == SIZE and not (kind == "customers" and _reaches_known(cursor, found))
    following = dict(walk) | {"newest": max([int(walk.get("newest") or 0), *_ids(kind, found)])}
    following |= {"offset": walk["offset"] + STEP} if more else {"kind": walk["kind"] + 1, "offset": 0}
    ended = following["kind"] == len(KINDS)
    kept: dict[str, Any] = {name: cursor[name] for name in ("since", "customers") if name in cursor}
    kept["walk"] = None if ended else following
    if ended:
        kept["since"] = _written(parse_when(walk["started"]) - OVERLAP)
        kept["customers"] = max(int(cursor.get("customers") or 0), following["newest"])
    made = people_page(account, found) if kind == "customers" else orders_page(link, account, found)
    page = Page(
        made.events, kept, made.bad, more=not ended, history=history, orders=made.orders,
        people=made.people, links=made.links,
    )  # fmt: skip
    return page, following


def _asked(account: ChannelAccount, cursor: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Customers have no filter by time: newest first until known ones come; orders by their last change."""
    if kind == "customers":
        return {"orderby": "id", "order": "desc", "role": "customer"}
    since = str(cursor.get("since") or "")
    if not since:
        since = _written(account.created_at) if account.settings.get("only_new") else EARLIEST
    return {**IN_ORDER, "modified_after": since}


def _ids(kind: str, found: Sequence[Mapping[str, Any]]) -> list[int]:
    return [one["id"] for one in found if isinstance(one.get("id"), int)] if kind == "customers" else []


def _reaches_known(cursor: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> bool:
    """Whether this page of customers holds one that an earlier reading had."""
    return "customers" in cursor and min(_ids("customers", found), default=0) <= int(cursor["customers"])


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S")


def people_page(account: ChannelAccount, found: Sequence[Mapping[str, Any]]) -> Page:
    """Registered customers, and their addresses where the shop confirms them."""
    people: list[Author] = []
    links: list[tuple[Author, Author]] = []
    bad: list[Bad] = []

    def take(item: Mapping[str, Any]) -> None:
        people.append(events.customer(item))
        pair = events.link_of(item) if account.settings.get("emails_confirmed") else None
        if pair:
            links.append(pair)

    _each(found, take, bad, "customer")
    return Page((), {}, bad, people=people, links=links)


def orders_page(link: http.Client, account: ChannelAccount, found: Sequence[Mapping[str, Any]]) -> Page:
    """Orders, what was written with them, and the notes that were sent about them."""
    orders: list[OrderIn] = []
    said: list[Event] = []
    bad: list[Bad] = []

    def take(item: Mapping[str, Any]) -> None:
        parcel = events.of_order(item)
        orders.extend(parcel.orders)
        said.extend(one for one in parcel.events if isinstance(one, Event))
        if parcel.orders and account.settings.get("read_notes", True) and _is_recent(parcel.orders[0]):
            said.extend(events.with_notes(item, _notes(link, item["id"])))

    _each(found, take, bad, "order")
    return Page(said, {}, bad, orders=orders)


def _is_recent(order: OrderIn) -> bool:
    return order.as_of is None or order.as_of > timezone.now() - NOTES_OF


def _each(
    found: Sequence[Mapping[str, Any]], take: Callable[[Mapping[str, Any]], None], bad: list[Bad], kind: str
) -> None:
    for item in found:
        try:
            take(item)
        except ValueError as error:
            bad.append(Bad(f"{kind}:{item.get('id')}", str(error), json.dumps(item).encode()))


def _notes(link: http.Client, order_id: int) -> list[dict[str, Any]]:
    """The notes to the customer; none where the order went meanwhile."""
    try:
        return items(link, f"orders/{order_id}/notes", {"type": "customer"})
    except PermissionMissing:
        raise
    except PermanentFailure:
        return []


def listed(account: ChannelAccount, since: datetime, until: datetime) -> Iterator[Sequence[Listed]]:
    """Orders that were placed in the window, by their ids."""
    params = {
        **IN_ORDER,
        "after": _written(since - timedelta(seconds=1)),
        "before": _written(until + timedelta(seconds=1)),
        "per_page": SIZE,
    }
    offset = 0
    with client(account) as link:
        while True:
            found = items(link, "orders", {**params, "offset": offset})
            yield [one for one in map(_listed, found) if one is not None and since <= one.at < until]
            offset += STEP
            if len(found) < SIZE:
                return


def _listed(item: Mapping[str, Any]) -> Listed | None:
    """An order that we would take in; one of nobody, and a cart, are not counted."""
    try:
        order = events.of_order(item).orders
    except ValueError:
        at = events.moment(item, "date_created_gmt", "date_modified_gmt")
        return Listed(str(item.get("id")), at)
    return Listed(order[0].external_id, order[0].placed_at) if order else None


def fetched(account: ChannelAccount, external_ids: Sequence[str]) -> Page:
    """These orders, whole."""
    wanted = ",".join(one for one in external_ids if one.isdigit())
    with client(account) as link:
        found = items(link, "orders", {"include": wanted, "per_page": 100, "status": "any"})
        return orders_page(link, account, found)


def tried(account: ChannelAccount, path: str) -> None:
    """Ask for one thing of this list. Raises SendFailed."""
    with client(account) as link:
        items(link, path, {"per_page": 1})
