"""The trait catalogue in plain Python over rows of the sources: an oracle that imports none of the code."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
KINDS = {"message", "comment", "mention", "review", "call"}


def mean(values: Sequence[Any]) -> float | None:
    exact = [Fraction(str(value)) for value in values]
    return float(sum(exact) / len(exact)) if exact else None


def share(part: int, base: int) -> float | None:
    return part / base if base else None


def once(said: list[Row]) -> list[Row]:
    """Of rows with one object key the earliest."""
    seen: dict[str, Row] = {}
    plain = []
    for row in sorted(said, key=lambda row: (row["occurred_at"], row["id"])):
        if row["object_key"]:
            seen.setdefault(row["object_key"], row)
        else:
            plain.append(row)
    return [*plain, *seen.values()]


def traits(sources: dict[str, list[Row]], *, today: date, zone: str) -> dict[int, Row]:
    """Every trait of every customer that was not merged away.

    `sources`: customers, said (inbound, with its network), written (outbound, with the customer of its
    conversation), orders, lines, consents, identities and tags, as rows of their tables.
    """
    by: dict[str, dict[int, list[Row]]] = {}
    for name in ("said", "written", "orders", "consents", "identities", "tags"):
        grouped: dict[int, list[Row]] = defaultdict(list)
        for row in sources[name]:
            grouped[row["customer_id"]].append(row)
        by[name] = grouped
    lines: dict[int, list[Row]] = defaultdict(list)
    for line in sources["lines"]:
        lines[line["order_id"]].append(line)
    found = {}
    for customer in sources["customers"]:
        if customer["merged_into_id"] is None:
            own = {name: by[name].get(customer["id"], []) for name in by}
            found[customer["id"]] = one(customer, own, lines, today, ZoneInfo(zone))
    return found


def one(customer: Row, own: dict[str, list[Row]], lines: dict[int, list[Row]], today: date, zone: Any) -> Row:
    def ago(at: Any) -> int:
        return (today - at.astimezone(zone).date()).days

    kept = [row for row in own["said"] if row["deleted_at"] is None and row["kind"] != "note"]
    said = [row for row in once(kept) if row["kind"] in KINDS]
    visits = [row["occurred_at"] for row in once(kept) if row["kind"] == "visit"]
    written = [row for row in own["written"] if row["deleted_at"] is None and row["kind"] in KINDS]
    orders = [row for row in own["orders"] if row["status"] in ("paid", "refunded")]
    priced = [row for row in orders if row["base_total"] is not None]
    deeds = [row["occurred_at"] for row in said] + [row["placed_at"] for row in orders]
    local = [at.astimezone(zone) for at in deeds]
    touches = [*deeds, *visits]

    def within(days: int, at: Any) -> bool:
        return 0 <= ago(at) < days

    def money(row: Row, name: str) -> Decimal:
        return row[name] if not row["total"] else row[name] * row["base_total"] / row["total"]

    networks = Counter(row["network"] for row in said)
    known = [row["reason"] for row in said if row["reason"]]
    placed = sorted(row["placed_at"] for row in orders)
    lately = [row for row in priced if within(365, row["placed_at"])]
    units = sum(row["units"] for row in priced)
    full = sum((row["base_total"] + money(row, "discount") for row in priced), Decimal(0))
    return {
        "inbound_30": sum(within(30, row["occurred_at"]) for row in said),
        "inbound_90": sum(within(90, row["occurred_at"]) for row in said),
        "inbound_365": sum(within(365, row["occurred_at"]) for row in said),
        "visits_30": sum(within(30, at) for at in visits),
        "outbound_90": sum(within(90, row["occurred_at"]) for row in written),
        "active_days_365": len({ago(at) for at in touches if within(365, at)}),
        "orders_365": sum(within(365, at) for at in placed),
        "revenue_365": sum((row["base_total"] - money(row, "refunded") for row in lately), Decimal(0)),
        "sentiment_90": mean(
            [
                row["sentiment"]
                for row in said
                if row["sentiment"] is not None and within(90, row["occurred_at"])
            ]
        ),
        "first_seen_at": min(touches, default=None),
        "last_seen_at": max(touches, default=None),
        "first_order_at": min(placed, default=None),
        "last_order_at": max(placed, default=None),
        "inbound_total": len(said),
        "networks": len(networks),
        "top_network": min(networks, key=lambda name: (-networks[name], name), default=None),
        "public_share": share(sum(row["is_public"] for row in said), len(said)),
        "call_share": share(sum(row["kind"] == "call" for row in said), len(said)),
        "review_share": share(sum(row["kind"] == "review" for row in said), len(said)),
        "question_share": share(known.count("question"), len(known)),
        "complaint_share": share(known.count("complaint"), len(known)),
        "praise_share": share(known.count("praise"), len(known)),
        "order_talk_share": share(known.count("order"), len(known)),
        "sentiment": mean([row["sentiment"] for row in said if row["sentiment"] is not None]),
        "message_length": mean([len(row["text"]) for row in said]),
        "office_share": share(sum(at.weekday() < 5 and 9 <= at.hour < 17 for at in local), len(local)),
        "evening_share": share(sum(at.hour >= 18 for at in local), len(local)),
        "weekend_share": share(sum(at.weekday() >= 5 for at in local), len(local)),
        "morning_share": share(sum(at.hour < 12 for at in local), len(local)),
        "payday_share": share(sum(at.day >= 26 or at.day <= 4 for at in local), len(local)),
        "festive_share": share(sum(at.month >= 11 for at in local), len(local)),
        "orders_total": len(orders),
        "average_order": mean([row["base_total"] for row in priced]),
        "units_per_order": mean([row["units"] for row in orders]),
        "unit_price": float(sum(row["base_total"] for row in priced) / units) if units else None,
        "discount_share": float(sum(money(row, "discount") for row in priced) / full) if full else None,
        "refund_share": share(
            sum(row["refunded"] > 0 or row["status"] == "refunded" for row in orders), len(orders)
        ),
        "repeat_share": repeated(orders, lines),
        "products_per_order": products_an_order(orders, lines),
        "categories": len({line["category"] for row in orders for line in lines[row["id"]]} - {""}),
        "order_gap_days": (
            (placed[-1] - placed[0]).total_seconds() / 86400 / (len(placed) - 1) if len(placed) > 1 else None
        ),
        "birth_year": customer["birth_year"],
        "language": customer["language"] or None,
        "country": customer["country"] or None,
        "consents": consents(own["consents"]),
        "identities": len(own["identities"]),
        "tags": len({row["tag_id"] for row in own["tags"]}),
    }


def repeated(orders: list[Row], lines: dict[int, list[Row]]) -> float | None:
    """Of the products in orders after the first one: the share bought before."""
    if not orders:
        return None
    first = min(row["placed_at"] for row in orders)
    bought = {
        (row["placed_at"], row["id"], line["sku"] or line["title"])
        for row in orders
        for line in lines[row["id"]]
    }
    later = [(at, product) for at, _order, product in bought if at > first]
    again = sum(
        any(before < at and other == product for before, _o, other in bought) for at, product in later
    )
    return share(again, len(later))


def products_an_order(orders: list[Row], lines: dict[int, list[Row]]) -> float | None:
    """Different products of an order, over the orders that have lines."""
    counts = [len({line["sku"] or line["title"] for line in lines[row["id"]]}) for row in orders]
    filled = [count for count in counts if count]
    return sum(filled) / len(filled) if filled else None


def consents(given: list[Row]) -> int:
    """Purposes whose newest answer is a grant; of equal times the refusal counts."""
    newest: dict[str, tuple[Any, bool, bool]] = {}
    for row in given:
        rank = (row["at"], row["whole_person"], not row["given"])
        newest[row["purpose"]] = max(newest.get(row["purpose"], rank), rank)
    return sum(not refused for _at, _person, refused in newest.values())


def days(sources: dict[str, list[Row]], *, zone: str) -> dict[tuple[Any, ...], tuple[int, int, float, int]]:
    """(customer, local day, network, kind, direction) to (n, public, sum of sentiment, how many had one)."""
    counted: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    own: dict[int, list[Row]] = defaultdict(list)
    for row in sources["said"]:
        if row["deleted_at"] is None and row["kind"] != "note":
            own[row["customer_id"]].append(row)
    touches = [(row, row["occurred_at"], "inbound") for rows in own.values() for row in once(rows)]
    touches += [
        (row, row["occurred_at"], "outbound")
        for row in sources["written"]
        if row["deleted_at"] is None and row["kind"] != "note"
    ]
    for order in sources["orders"]:
        if order["status"] in ("paid", "refunded"):
            row = {"kind": "order", "network": order["source"], "customer_id": order["customer_id"]}
            touches.append((row, order["placed_at"], "inbound"))
    for row, at, direction in touches:
        day = at.astimezone(ZoneInfo(zone)).date()
        counted[(row["customer_id"], day, row["network"], row["kind"], direction)].append(row)
    return {key: summed(rows, key[4] == "inbound") for key, rows in counted.items()}


def summed(rows: list[Row], inbound: bool) -> tuple[int, int, float, int]:
    moods = [Fraction(str(row["sentiment"])) for row in rows if inbound and row.get("sentiment") is not None]
    return len(rows), sum(bool(row.get("is_public")) for row in rows), float(sum(moods)), len(moods)
