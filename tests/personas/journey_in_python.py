"""The rules of docs/journey.md in plain Python, over rows as the database holds them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

STAGES = ["", "awareness", "consideration", "purchase", "retention", "advocacy"]
QUIET = timedelta(days=365)
Step = tuple[datetime, str, str, str, str, int]
"""(at, before, after, why, cause, cause_id)"""


def journey(
    said: Iterable[dict[str, Any]],
    orders: Iterable[dict[str, Any]],
    referred: Iterable[dict[str, Any]],
    *,
    today: date,
    zone: ZoneInfo,
) -> list[Step]:
    """The steps of one customer, oldest first."""

    def day(at: datetime) -> date:
        return at.astimezone(zone).date()

    paid = sorted((o["placed_at"], o["id"]) for o in orders if o["status"] in ("paid", "refunded"))
    first = paid[0][0] if paid else None
    happened: list[Any] = []
    for at, pk in paid:
        is_first = day(at) == day(paid[0][0])
        happened.append((at, 3 if is_first else 4, "order", pk, "first_order" if is_first else "order_again"))
    products = 0
    for row in sorted(said, key=lambda r: (r["occurred_at"], r["id"])):
        if row["kind"] == "note" or row["deleted_at"] or row["is_automatic"]:
            continue
        products += row["intent"] == "product"
        why, rank = _meaning(row, first, products)
        happened.append((row["occurred_at"], rank, "interaction", row["id"], why))
    for row in referred:
        if first is not None and row["created_at"] >= first:
            happened.append((row["created_at"], 5, "customer", row["id"], "referral"))
    return _walk(sorted(happened), first, day, today, zone)


def _meaning(row: dict[str, Any], first: datetime | None, products: int) -> tuple[str, int]:
    bought = first is not None and row["occurred_at"] >= first
    if bought and row["kind"] == "review" and (row["rating"] or 0) >= 4:
        return "good_review", 5
    if bought and row["is_public"] and row["reason"] == "praise":
        return "praise", 5
    if row["intent"] == "cart":
        return "cart", 2
    if row["intent"] == "product" and products >= 2:
        return "products", 2
    if row["reason"] == "question":
        return "question", 2
    if not row["is_public"] and row["kind"] in ("message", "call"):
        return "private", 2
    return row["kind"], 1


def _walk(happened: list[Any], first: datetime | None, day: Any, today: date, zone: ZoneInfo) -> list[Step]:
    steps: list[Step] = []
    rank = 0

    def go(to: int, at: datetime, why: str, cause: str, pk: int) -> None:
        nonlocal rank
        steps.append((at, STAGES[rank], STAGES[to], why, cause, pk))
        rank = to

    ends: list[Any] = [*happened, None]
    for now, then in pairwise(ends):
        at, to, cause, pk, why = now
        if to > rank:
            go(to, at, why, cause, pk)
        quiet_from = day(at) + QUIET
        is_quiet = then is None or day(then[0]) >= quiet_from
        rest = 3 if first is not None and first <= at else 1
        if is_quiet and quiet_from <= today and rank > rest:
            go(rest, datetime.combine(quiet_from, time(), tzinfo=zone), "silence", cause, pk)
    return steps
