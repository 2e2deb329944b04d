"""The trait catalogue in plain Python over rows of the sources: an oracle that imports none of the code."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
KINDS = {"message", "comment", "mention", "review", "call"}
ONLY_ZONE = {"FR": "Europe/Paris", "DE": "Europe/Berlin", "JP": "Asia/Tokyo"}
"""Countries with one time; of those that the world draws, Chile and Spain have several."""
BANDS = [
    (18, "under 18"), (25, "18-24"), (35, "25-34"), (45, "35-44"), (55, "45-54"), (65, "55-64"),
    (121, "65 or older"),
]  # fmt: skip


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

    `sources`: customers, said (inbound, with its network and the media of its post), written (outbound, with
    the customer of its conversation), talk (both, with that customer as owner_id), orders, lines, consents,
    identities, tags and ledger, as rows of their tables.
    """
    by: dict[str, dict[int, list[Row]]] = {}
    for name in ("said", "written", "orders", "consents", "identities", "tags", "ledger"):
        grouped: dict[int, list[Row]] = defaultdict(list)
        for row in sources[name]:
            grouped[row["customer_id"]].append(row)
        by[name] = grouped
    lines: dict[int, list[Row]] = defaultdict(list)
    for line in sources["lines"]:
        lines[line["order_id"]].append(line)
    found = {}
    talks: dict[int, list[Row]] = defaultdict(list)
    for row in sources["talk"]:
        talks[row["owner_id"]].append(row)
    alive = [customer for customer in sources["customers"] if customer["merged_into_id"] is None]
    brought = Counter(row["referred_by_id"] for row in alive if row["referred_by_id"] != row["id"])
    for customer in sources["customers"]:
        if customer["merged_into_id"] is None:
            own = {name: by[name].get(customer["id"], []) for name in by}
            own["talk"], own["brought"] = talks[customer["id"]], [{}] * brought[customer["id"]]
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
    touches = [row["occurred_at"] for row in said] + [row["placed_at"] for row in orders] + visits
    return {
        **lately_said(said, ago),
        **lately_done(touches, visits, written, own["ledger"], ago),
        **ever_said(said),
        **clock(said, orders, zone_of(customer, zone), zone),
        **answers(own["talk"]),
        **surveys([row for row in once(kept) if row["kind"] == "survey"]),
        "referred": len(own["brought"]),
        "reach": reach(own["talk"], customer["id"]),
        **bought(orders, ago),
        **in_baskets(orders, lines),
        **on_record(customer, today),
        "first_seen_at": min(touches, default=None),
        "last_seen_at": max(touches, default=None),
        "consents": consents(own["consents"]),
        "identities": len(own["identities"]),
        "tags": len({row["tag_id"] for row in own["tags"]}),
    }


def within(days: int, ago: int) -> bool:
    return 0 <= ago < days


def lately_said(said: list[Row], ago: Any) -> Row:
    """What they said in windows that end today."""
    aged = [(ago(row["occurred_at"]), row) for row in said]
    quarter = [row for days, row in aged if within(90, days)]
    reasons = [row["reason"] for row in quarter if row["reason"]]
    return {
        "inbound_30": sum(within(30, days) for days, _row in aged),
        "inbound_90": len(quarter),
        "inbound_365": sum(within(365, days) for days, _row in aged),
        "public_90": sum(row["is_public"] for row in quarter),
        "private_90": sum(not row["is_public"] for row in quarter),
        "questions_90": reasons.count("question"),
        "complaints_90": reasons.count("complaint"),
        "praise_90": reasons.count("praise"),
        "sentiment_90": mean([row["sentiment"] for row in quarter if row["sentiment"] is not None]),
        "sentiment_trend": trend(said, ago),
    }


def lately_done(
    touches: list[Any], visits: list[Any], written: list[Row], ledger: list[Row], ago: Any
) -> Row:
    """What else happened in such windows: visits, what we wrote, and how often we contacted them."""
    contacts = [(ago(row["at"]), row["origin"]) for row in ledger]
    return {
        "visits_30": sum(within(30, ago(at)) for at in visits),
        "active_days_365": len({ago(at) for at in touches if within(365, ago(at))}),
        "outbound_90": sum(within(90, ago(row["occurred_at"])) for row in written),
        "contacted_30": sum(within(30, days) for days, _origin in contacts),
        "started_90": sum(within(90, days) for days, origin in contacts if origin == "started"),
    }


def ever_said(said: list[Row]) -> Row:
    """How and about what they speak, over the whole history."""
    networks = Counter(row["network"] for row in said)
    known = [row["reason"] for row in said if row["reason"]]
    return {
        "inbound_total": len(said),
        "networks": len(networks),
        "top_network": min(networks, key=lambda name: (-networks[name], name), default=None),
        "top_reason": most([row["reason"] for row in said if row["reason"] not in ("", "other")]),
        "top_topic": most(topics(said)),
        "top_complaint": most(topics([row for row in said if row["reason"] == "complaint"])),
        "top_media": most([row["media"] for row in said if row["media"]]),
        "recommendations": sum(row["is_public"] and row["reason"] == "praise" for row in said),
        "public_share": share(sum(row["is_public"] for row in said), len(said)),
        "call_share": share(sum(row["kind"] == "call" for row in said), len(said)),
        "review_share": share(sum(row["kind"] == "review" for row in said), len(said)),
        "question_share": share(known.count("question"), len(known)),
        "complaint_share": share(known.count("complaint"), len(known)),
        "praise_share": share(known.count("praise"), len(known)),
        "order_talk_share": share(known.count("order"), len(known)),
        "sentiment": mean([row["sentiment"] for row in said if row["sentiment"] is not None]),
        "message_length": mean([len(row["text"]) for row in said]),
    }


def clock(said: list[Row], orders: list[Row], theirs: Any, zone: Any) -> Row:
    """When they come, by their own clock; an order that is only a date, by the workspace's."""
    ordered = [(row["placed_at"], has_hour(row["placed_at"], zone)) for row in orders]
    spoken = [row["occurred_at"].astimezone(theirs) for row in said]
    local = spoken + [at.astimezone(theirs if is_timed else zone) for at, is_timed in ordered]
    hours = [at.hour for at in spoken] + [at.astimezone(theirs).hour for at, is_timed in ordered if is_timed]
    return {
        "usual_hour": most(hours),
        "usual_weekday": most([at.isoweekday() for at in local]),
        "office_share": share(sum(at.weekday() < 5 and 9 <= at.hour < 17 for at in local), len(local)),
        "evening_share": share(sum(at.hour >= 18 for at in local), len(local)),
        "weekend_share": share(sum(at.weekday() >= 5 for at in local), len(local)),
        "morning_share": share(sum(at.hour < 12 for at in local), len(local)),
        "payday_share": share(sum(at.day >= 26 or at.day <= 4 for at in local), len(local)),
        "festive_share": share(sum(at.month >= 11 for at in local), len(local)),
    }


def money(row: Row, name: str) -> Decimal:
    """An amount of an order in the workspace's currency, at the order's own rate."""
    return row[name] if not row["total"] else row[name] * row["base_total"] / row["total"]


def earned(priced: list[Row]) -> Decimal:
    return sum((row["base_total"] - money(row, "refunded") for row in priced), Decimal(0))


def bought(orders: list[Row], ago: Any) -> Row:
    """Orders and their money; without a rate an order counts, and its money does not."""
    priced = [row for row in orders if row["base_total"] is not None]
    placed = sorted(row["placed_at"] for row in orders)
    units = sum(row["units"] for row in priced)
    full = sum((row["base_total"] + money(row, "discount") for row in priced), Decimal(0))
    returned = sum(row["refunded"] > 0 or row["status"] == "refunded" for row in orders)
    span = (placed[-1] - placed[0]).total_seconds() / 86400 if placed else 0
    return {
        "orders_total": len(orders),
        "orders_365": sum(within(365, ago(at)) for at in placed),
        "first_order_at": min(placed, default=None),
        "last_order_at": max(placed, default=None),
        "order_gap_days": span / (len(placed) - 1) if len(placed) > 1 else None,
        "revenue_total": earned(priced),
        "revenue_365": earned([row for row in priced if within(365, ago(row["placed_at"]))]),
        "refunded_total": sum((money(row, "refunded") for row in priced), Decimal(0)),
        "average_order": mean([row["base_total"] for row in priced]),
        "units_per_order": mean([row["units"] for row in orders]),
        "unit_price": float(sum(row["base_total"] for row in priced) / units) if units else None,
        "discount_share": float(sum(money(row, "discount") for row in priced) / full) if full else None,
        "refund_share": share(returned, len(orders)),
    }


def in_baskets(orders: list[Row], lines: dict[int, list[Row]]) -> Row:
    """What was in their orders."""
    categories = [line["category"] for row in orders for line in lines[row["id"]] if line["category"]]
    return {
        "top_category": most(categories),
        "categories": len(set(categories)),
        "repeat_share": repeated(orders, lines),
        "products_per_order": products_an_order(orders, lines),
    }


def on_record(customer: Row, today: date) -> Row:
    """What the record itself says."""
    return {
        "stage": customer["stage"],
        "city": customer["city"] or None,
        "age_band": age_band(customer["birth_year"], today),
        "birth_year": customer["birth_year"],
        "profession": customer["profession"] or None,
        "interests": ", ".join(customer["interests"])[:400] or None,
        "language": customer["language"] or None,
        "country": customer["country"] or None,
    }


def zone_of(customer: Row, workspace: Any) -> Any:
    """That on the record if there is such a one, else of a country with one time, else the workspace's."""
    try:
        return ZoneInfo(customer["zone"])
    except (ValueError, KeyError, OSError):
        name = ONLY_ZONE.get(customer["country"])
        return ZoneInfo(name) if name else workspace


def has_hour(at: Any, zone: Any) -> bool:
    """Whether a time is more than a date: no midnight, neither here nor in UTC."""
    return time(0) not in (at.astimezone(zone).time(), at.astimezone(ZoneInfo("UTC")).time())


def most(values: Sequence[Any]) -> Any:
    """The commonest value, of several the smallest; None of none."""
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value), default=None)


def topics(said: list[Row]) -> list[str]:
    return [topic for row in said for topic in row["topics"] if not topic.startswith("#")]


def trend(said: list[Row], ago: Any) -> float | None:
    """Mean sentiment of the days 0 to 89 less that of 90 to 179."""
    felt = [(ago(row["occurred_at"]), row["sentiment"]) for row in said if row["sentiment"] is not None]
    late = [Fraction(str(value)) for days, value in felt if 0 <= days < 90]
    early = [Fraction(str(value)) for days, value in felt if 90 <= days < 180]
    return float(sum(late) / len(late) - sum(early) / len(early)) if late and early else None


def answers(talk: list[Row]) -> Row:
    """Of our messages that no other follows, surveys aside: whether an answer came within a day, and when."""
    turns: dict[int, list[Row]] = defaultdict(list)
    for row in talk:
        if row["deleted_at"] is None and row["kind"] not in ("note", "survey") and not row["is_automatic"]:
            turns[row["conversation_id"]].append(row)
    waits: list[timedelta | None] = []
    for rows in turns.values():
        rows.sort(key=lambda row: (row["occurred_at"], row["id"]))
        for row, after in zip(rows, [*rows[1:], None], strict=True):
            if row["direction"] == "outbound" and (after is None or after["direction"] == "inbound"):
                waits.append(after["occurred_at"] - row["occurred_at"] if after else None)
    soon = [wait for wait in waits if wait is not None and wait <= timedelta(days=1)]
    hours = sum(soon, timedelta(0)).total_seconds() / 3600 / len(soon) if soon else None
    return {"response_rate": share(len(soon), len(waits)), "response_hours": hours}


def surveys(answered: list[Row]) -> Row:
    rated = sorted(
        (row for row in answered if row["rating"] is not None),
        key=lambda row: (row["occurred_at"], row["id"]),
    )
    return {
        "surveys_answered": len(answered),
        "survey_score": mean([row["rating"] for row in rated]),
        "last_survey_score": float(rated[-1]["rating"]) if rated else None,
    }


def reach(talk: list[Row], customer: int) -> int:
    """Different others who wrote in public where this customer began the conversation."""
    others = {
        row["customer_id"]
        for row in talk
        if row["direction"] == "inbound"
        and row["is_public"]
        and row["deleted_at"] is None
        and row["kind"] != "note"
    }
    return len(others - {None, customer})


def age_band(born: int | None, today: date) -> str | None:
    if born is None or not 0 <= today.year - born < 121:
        return None
    return next(name for limit, name in BANDS if today.year - born < limit)


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


def days(sources: dict[str, list[Row]], *, zone: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """(customer, local day, network, kind, direction) to (n, public, sum of sentiment, how many had one,
    questions, complaints, praise, good mood, bad mood).
    """
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


def summed(rows: list[Row], inbound: bool) -> tuple[Any, ...]:
    moods = [Fraction(str(row["sentiment"])) for row in rows if inbound and row.get("sentiment") is not None]
    reasons = [row.get("reason") for row in rows if inbound]
    public = sum(bool(row.get("is_public")) for row in rows)
    return (
        len(rows),
        public,
        float(sum(moods)),
        len(moods),
        *(reasons.count(reason) for reason in ("question", "complaint", "praise")),
        sum(mood >= Fraction("0.05") for mood in moods),
        sum(mood <= Fraction("-0.05") for mood in moods),
    )
