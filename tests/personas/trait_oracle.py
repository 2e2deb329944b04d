"""The traits that personas are found by, computed by pandas from the demo generator's output.

Without the database and without the SQL of the rebuild: the quick way to try clustering on the demo. What a
text says (reason and sentiment) comes from a function given by the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from analytics.demo.generator import Demo, Interaction, generate
from engagement.reading.sentiment import compound

ZONE = "Europe/Luxembourg"
NOW = datetime(2026, 11, 20, 18, tzinfo=ZoneInfo(ZONE))
SEED = 20_260

Reader = Callable[[Interaction, str], tuple[str, float | None]]
"""(interaction, language of the person) to (reason, sentiment)."""


def read_plainly(row: Interaction, language: str) -> tuple[str, float | None]:
    """The reason a text was made for, and VADER's mood of English ones."""
    return row.meant, compound(row.text) if language == "en" else None


@cache
def demo_shop(
    seed: int = SEED, customers: int = 2000, now: datetime = NOW
) -> tuple[Demo, pd.DataFrame, pd.Series]:
    """A demo with its traits and hidden kinds, by the person's number."""
    demo = generate(seed=seed, now=now, customers=customers)
    frame = traits(demo, today=now.date(), zone=ZONE, read=read_plainly)
    return demo, frame, pd.Series(demo.kinds).reindex(frame.index)


def traits(demo: Demo, *, today: date, zone: str, read: Reader) -> pd.DataFrame:
    """One row a person with every column of the catalogue, indexed by the person's number."""
    people = pd.DataFrame(
        {
            "customer": person.number,
            "birth_year": person.birth_year,
            "language": person.language,
            "country": person.country,
            "identities": len(person.identities),
            "tags": len(person.tags),
            "visits_30": 0,
            "consents": sum(consent.granted for consent in person.consents),
        }
        for person in demo.people
    ).set_index("customer")
    said, orders = _said(demo, read, zone), _orders(demo, zone)
    touches = pd.concat([said[said.inbound][["person", "at"]], orders[["person", "at"]]])
    parts = [
        _activity(said, orders, touches, today),
        _speaking(said[said.inbound]),
        _times(touches),
        _buying(orders),
        _lines(demo, orders),
    ]
    frame = people.join(parts)
    counts = [name for name in frame if name in _COUNTS]
    frame = frame.fillna(dict.fromkeys([*counts, "revenue_365"], 0))
    return frame.astype(dict.fromkeys(counts, "int64"))


_COUNTS = {
    "inbound_30", "inbound_90", "inbound_365", "outbound_90", "active_days_365", "orders_365",
    "inbound_total", "orders_total", "networks", "categories", "consents",
}  # fmt: skip


def _said(demo: Demo, read: Reader, zone: str) -> pd.DataFrame:
    language = {person.number: person.language for person in demo.people}
    rows = []
    for row in demo.interactions:
        inbound = row.direction == "inbound"
        reason, sentiment = read(row, language[row.person]) if inbound else ("", None)
        rows.append(
            (
                row.person,
                row.occurred_at,
                inbound,
                row.public,
                row.kind,
                row.network,
                reason,
                sentiment,
                len(row.text),
            )
        )
    names = ["person", "at", "inbound", "public", "kind", "network", "reason", "sentiment", "length"]
    frame = pd.DataFrame(rows, columns=names).astype({"sentiment": "float64"})
    return frame.assign(at=pd.to_datetime(frame["at"], utc=True).dt.tz_convert(ZoneInfo(zone)))


def _orders(demo: Demo, zone: str) -> pd.DataFrame:
    rows = [
        (row.external_id, row.person, row.placed_at, row.total, row.units, row.discount, row.refunded)
        for row in demo.orders
    ]
    frame = pd.DataFrame(rows, columns=["order", "person", "at", "total", "units", "discount", "refunded"])
    return frame.assign(at=pd.to_datetime(frame["at"], utc=True).dt.tz_convert(ZoneInfo(zone)))


def _within(frame: pd.DataFrame, today: date, days: int) -> pd.DataFrame:
    local = frame["at"].dt.date
    return frame[(local > today - timedelta(days=days)) & (local <= today)]


def _activity(said: pd.DataFrame, orders: pd.DataFrame, touches: pd.DataFrame, today: date) -> pd.DataFrame:
    inbound, outbound = said[said.inbound], said[~said.inbound]
    count = {
        f"inbound_{days}": _within(inbound, today, days).groupby("person").size() for days in (30, 90, 365)
    }
    lately = _within(touches, today, 365)
    paid = _within(orders, today, 365)
    seen = touches.groupby("person")["at"]
    bought = orders.groupby("person")["at"]
    return pd.DataFrame(
        {
            **count,
            "outbound_90": _within(outbound, today, 90).groupby("person").size(),
            "active_days_365": lately["at"].dt.date.groupby(lately["person"]).nunique(),
            "orders_365": paid.groupby("person").size(),
            "revenue_365": (paid["total"] - paid["refunded"]).groupby(paid["person"]).sum(),
            "sentiment_90": _within(inbound, today, 90).groupby("person")["sentiment"].mean(),
            "first_seen_at": seen.min(),
            "last_seen_at": seen.max(),
            "first_order_at": bought.min(),
            "last_order_at": bought.max(),
        }
    )


def _speaking(said: pd.DataFrame) -> pd.DataFrame:
    people = said.groupby("person")
    top = said.groupby(["person", "network"]).size().rename("n").reset_index()
    top = top.sort_values(["person", "n", "network"], ascending=[True, False, True]).groupby("person").first()
    named = {"question": "question", "complaint": "complaint", "praise": "praise", "order_talk": "order"}
    reasons = {
        f"{name}_share": (said["reason"] == reason).groupby(said["person"]).mean()
        for name, reason in named.items()
    }
    return pd.DataFrame(
        {
            "inbound_total": people.size(),
            "networks": people["network"].nunique(),
            "top_network": top["network"],
            "public_share": people["public"].mean(),
            "call_share": (said["kind"] == "call").groupby(said["person"]).mean(),
            "review_share": (said["kind"] == "review").groupby(said["person"]).mean(),
            **reasons,
            "sentiment": people["sentiment"].mean(),
            "message_length": people["length"].mean(),
        }
    )


def _times(touches: pd.DataFrame) -> pd.DataFrame:
    at, person = touches["at"].dt, touches["person"]
    office = (at.weekday < 5) & (at.hour >= 9) & (at.hour < 17)
    return pd.DataFrame(
        {
            "office_share": office.groupby(person).mean(),
            "evening_share": (at.hour >= 18).groupby(person).mean(),
            "festive_share": at.month.isin([11, 12]).groupby(person).mean(),
            "morning_share": (at.hour < 12).groupby(person).mean(),
            "payday_share": ((at.day >= 26) | (at.day <= 4)).groupby(person).mean(),
            "weekend_share": (at.weekday >= 5).groupby(person).mean(),
        }
    )


def _buying(orders: pd.DataFrame) -> pd.DataFrame:
    person = orders["person"]
    people = orders.groupby("person")
    total, units, discount = people["total"].sum(), people["units"].sum(), people["discount"].sum()
    days = (people["at"].max() - people["at"].min()).dt.total_seconds() / 86400
    return pd.DataFrame(
        {
            "orders_total": people.size(),
            "average_order": people["total"].mean(),
            "units_per_order": people["units"].mean(),
            "unit_price": total / units,
            "discount_share": discount / (total + discount),
            "refund_share": (orders["refunded"] > 0).groupby(person).mean(),
            "order_gap_days": (days / (people.size() - 1)).replace([np.inf], np.nan),
        }
    )


def _lines(demo: Demo, orders: pd.DataFrame) -> pd.DataFrame:
    lines = pd.DataFrame(
        {"order": order.external_id, "product": line.product, "category": line.category}
        for order in demo.orders
        for line in order.lines
    ).drop_duplicates(["order", "product"])
    lines = lines.merge(orders[["order", "person", "at"]], on="order")
    first_order = lines.groupby("person")["at"].transform("min")
    known_since = lines.groupby(["person", "product"])["at"].transform("min")
    later = lines[lines["at"] > first_order]
    again = known_since[later.index] < later["at"]
    return pd.DataFrame(
        {
            "repeat_share": again.groupby(later["person"]).mean(),
            "products_per_order": lines.groupby("person").size() / lines.groupby("person")["order"].nunique(),
            "categories": lines.groupby("person")["category"].nunique(),
        }
    )
