"""Reading a shop's customers and orders by their last change.

Sorted by last change, an order that changes meanwhile moves to the end and is met again; Shopify's cursors
name the place by value, so nothing is skipped. Each reading begins ten minutes before the newest change that
is known, because changes may become visible out of order; what is read twice changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from core import http
from core.text import parse_when
from engagement.channels.base import Bad, Event, Listed, Page, PermissionMissing
from engagement.channels.shopify import events, queries
from engagement.channels.shopify.client import ask, client, pages

if TYPE_CHECKING:
    from crm.orders import OrderIn
    from engagement.models import ChannelAccount

ORDERS_AT_ONCE = 10
PEOPLE_AT_ONCE = 50
OVERLAP = timedelta(minutes=10)


def read(account: ChannelAccount) -> Iterator[Page]:
    """Pages since the cursor: customers first, so that they are known when their orders come."""
    cursor = dict(account.cursor)
    history = not cursor.get("read")
    with client(account) as link:
        try:
            for nodes, _more in _changed(link, account, cursor, "customers"):
                cursor = _moved(cursor, "customers", nodes)
                made = people_page(nodes)
                yield Page((), cursor, made.bad, True, history, people=made.people, links=made.links)
        except PermissionMissing:
            # orders alone are worth reading; the self-test says what is missing
            pass
        for nodes, more in _changed(link, account, cursor, "orders"):
            cursor = _moved(cursor, "orders", nodes)
            if not more:
                cursor["read"] = True
            made = orders_page(link, account, nodes)
            yield Page(made.events, cursor, made.bad, more, history, orders=made.orders)


def _changed(
    link: http.Client, account: ChannelAccount, cursor: Mapping[str, Any], name: str
) -> Iterator[tuple[list[dict[str, Any]], bool]]:
    since = parse_when(str(cursor[name])) - OVERLAP if cursor.get(name) else None
    if since is None and account.settings.get("only_new"):
        since = account.created_at
    size = PEOPLE_AT_ONCE if name == "customers" else ORDERS_AT_ONCE
    variables = {"first": size, "query": f"updated_at:>='{_written(since)}'" if since else None}
    query = queries.CUSTOMERS if name == "customers" else queries.ORDERS
    return pages(link, query, name, variables)


def _moved(cursor: Mapping[str, Any], name: str, nodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The cursor with the newest change of this page; times of one format compare as text does."""
    times = [str(node["updatedAt"]) for node in nodes if node.get("updatedAt")]
    return {**cursor, name: max([str(cursor.get(name) or ""), *times])}


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def people_page(nodes: Sequence[Mapping[str, Any]]) -> Page:
    """Customers with their verified addresses."""
    found: list[events.Person] = []
    bad: list[Bad] = []
    _each(nodes, lambda node: found.append(events.person_of_node(node)), bad)
    return Page((), {}, bad, people=[one.author for one in found], links=events.links_of(found))


def orders_page(link: http.Client, account: ChannelAccount, nodes: Sequence[Mapping[str, Any]]) -> Page:
    """Orders with all of their lines, and what was written with them."""
    orders: list[OrderIn] = []
    said: list[Event] = []
    bad: list[Bad] = []

    def take(node: Mapping[str, Any]) -> None:
        parcel = events.parcel_of(events.order_of_node(_whole(link, node)), account.settings)
        orders.extend(parcel.orders)
        said.extend(one for one in parcel.events if isinstance(one, Event))

    _each(nodes, take, bad)
    return Page(said, {}, bad, orders=orders)


def _whole(link: http.Client, node: Mapping[str, Any]) -> Mapping[str, Any]:
    """The node with the lines that did not fit into its page."""
    lines = node.get("lineItems")
    info = lines.get("pageInfo") if isinstance(lines, dict) else None
    if not isinstance(lines, dict) or not isinstance(info, dict) or not info.get("hasNextPage"):
        return node
    found, after = events.objects(lines.get("nodes"), "lineItems.nodes"), info.get("endCursor")
    for _ in range(50):
        told = ask(link, queries.MORE_LINES, {"id": node.get("id"), "after": after}).get("order") or {}
        more = told.get("lineItems") or {}
        found = [*found, *events.objects(more.get("nodes"), "lineItems.nodes")]
        after = (more.get("pageInfo") or {}).get("endCursor")
        if not (more.get("pageInfo") or {}).get("hasNextPage"):
            break
    return {**node, "lineItems": {"nodes": found}}


def _each(
    nodes: Sequence[Mapping[str, Any]], take: Callable[[Mapping[str, Any]], None], bad: list[Bad]
) -> None:
    for node in nodes:
        try:
            take(node)
        except ValueError as error:
            bad.append(Bad(str(node.get("id")), str(error), json.dumps(node).encode()))


def listed(account: ChannelAccount, since: datetime, until: datetime) -> Iterator[Sequence[Listed]]:
    """Orders that were placed in the window, by their ids; tests and those of nobody are not counted."""
    within = f"created_at:>='{_written(since)}' AND created_at:<'{_written(until + timedelta(seconds=1))}'"
    with client(account) as link:
        for nodes, _more in pages(link, queries.PLACED, "orders", {"first": 100, "query": within}):
            found = [
                Listed(str(node.get("legacyResourceId")), events.moment(node, "createdAt"))
                for node in nodes
                if not node.get("test") and (node.get("customer") or node.get("email") or node.get("phone"))
            ]
            yield [one for one in found if since <= one.at < until]


def fetched(account: ChannelAccount, external_ids: Sequence[str]) -> Page:
    """These orders, whole."""
    wanted = [f"gid://shopify/Order/{one}" for one in external_ids if one.isdigit()]
    nodes: list[dict[str, Any]] = []
    with client(account) as link:
        for begin in range(0, len(wanted), ORDERS_AT_ONCE):
            told = ask(link, queries.SOME_ORDERS, {"ids": wanted[begin : begin + ORDERS_AT_ONCE]})
            nodes += [node for node in told.get("nodes") or () if isinstance(node, dict) and node]
        return orders_page(link, account, nodes)
