"""The shop that `benchmarks/nightly.py` rebuilds, made by the database itself from a seed.

Everything is drawn by a hash of the seed and the row's number, so the same seed makes the same rows, dated
back from the day they are made on; the statements stand in `crowd.sql`. Customers are of five kinds that
differ in habits; a few speak and buy very often and many hardly ever. Buying is drawn as BG/NBD has it: gaps
by each one's own rate, and after every order a chance to leave for good. Full-text indexes of messages and
handles are left off: a rebuild neither reads nor writes them, and they would take longer than all the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = 20_261_122
DAYS = 730
MIXER = 2_654_435_761
"""Shares no factor with any size: ranks times this visit every customer once, far apart."""
FRAGMENTS = 2_048
TOPICS = (
    "delivery", "sizing", "returns", "payment", "quality", "packaging", "stock", "price", "warranty", "care",
    "gift cards", "opening hours",
)  # fmt: skip
CATEGORIES = ("shirts", "shoes", "coats", "bags", "hats", "socks", "kitchen", "garden", "books", "toys")
TAGS = ("vip", "press", "wholesale", "returns often", "student", "newsletter", "local", "partner")
# (country, language, city, zone), as often as they stand here
PLACES = (
    *[("DE", "de", "Berlin", "Europe/Berlin")] * 6,
    *[("AT", "de", "Vienna", "Europe/Vienna")] * 2,
    *[("FR", "fr", "Lyon", "Europe/Paris")] * 3,
    *[("GB", "en", "Leeds", "Europe/London")] * 3,
    *[("US", "en", "Denver", "America/Denver")] * 4,
    *[("", "", "", "")] * 2,
)
NETWORKS = ("email", "instagram", "facebook", "whatsapp", "x", "phone", "google", "webchat", "shop")
"""One channel account each; visits come over the last."""
# For each kind of customer ten networks, by their place in NETWORKS from 1, as often as they are used.
HABITS = (
    (1, 1, 1, 1, 1, 1, 6, 6, 8, 3),
    (2, 2, 2, 2, 2, 2, 2, 4, 4, 5),
    (3, 3, 3, 3, 4, 4, 4, 4, 2, 8),
    (5, 5, 5, 5, 7, 7, 7, 2, 3, 1),
    (8, 8, 8, 8, 8, 1, 1, 4, 6, 7),
)
# Reasons, ten a kind of customer.
REASONS = (
    ("order", "order", "order", "question", "question", "complaint", "", "other", "praise", "order"),
    ("praise", "praise", "praise", "praise", "question", "question", "", "other", "order", "praise"),
    ("question", "question", "question", "question", "question", "order", "", "other", "praise", "complaint"),
    (*["complaint"] * 5, "question", "", "other", "order", "praise"),
    ("question", "order", "order", "complaint", "praise", "other", "", "question", "order", "other"),
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    customers: int
    interactions: int
    orders: int

    @property
    def visits(self) -> int:
        """Interactions that are page views."""
        return self.interactions // 10

    @property
    def conversations(self) -> int:
        """Four lines each, on average."""
        return (self.interactions - self.visits) // 4


FULL = Size(1_000_000, 10_000_000, 2_000_000)
SMALL = Size(5_000, 50_000, 10_000)


def fill(connection: Any, size: Size) -> None:
    """Fill empty tables."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        cursor.execute("SET maintenance_work_mem = '512MB'; SET work_mem = '256MB'; SET jit = off")
        values = _values(cursor, size)
        parts = _parts()
        cursor.execute(parts["drawing"], values)
        tables = {name: text for name, text in parts.items() if name not in ("drawing", "later")}
        for table, statement in tables.items():
            with _without_indexes(cursor, table):
                cursor.execute(statement, values)
        for table in ({*tables} | {"crm_tag"}) - {"engagement_visitcontent"}:
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")
        cursor.execute("RESET ALL")
        cursor.execute("VACUUM (ANALYZE)")


def change_some(connection: Any, size: Size, part: int = 100) -> int:
    """One more message for every hundredth customer, and an order for every fifth of those; how many."""
    with connection.cursor() as cursor:
        values = _values(cursor, size) | {"part": part}
        parts = _parts()
        cursor.execute(parts["drawing"], values)
        cursor.execute(parts["later"], values)
        found: int = cursor.rowcount
    return found


def _parts() -> dict[str, str]:
    """The statements of `crowd.sql` by the table they fill."""
    text = (Path(__file__).parent / "crowd.sql").read_text("utf-8")
    parts = (part.partition("\n") for part in text.split("-- == ")[1:])
    return {name: statements for name, _newline, statements in parts}


def _values(cursor: Any, size: Size) -> dict[str, Any]:
    cursor.execute(
        "SELECT array_agg(id ORDER BY id), min(team_id) FROM engagement_channelaccount"
        " WHERE connector = 'api'"
    )
    accounts, team = cursor.fetchone()
    return {
        "seed": SEED,
        "days": DAYS,
        "mixer": MIXER,
        "customers": size.customers,
        "conversations": size.conversations,
        "visits": size.visits,
        "orders": size.orders,
        "accounts": accounts,
        "team": team,
        "topics": list(TOPICS),
        "categories": list(CATEGORIES),
        "tags": list(TAGS),
        "n_fragments": FRAGMENTS,
        "countries": [place[0] for place in PLACES],
        "languages": [place[1] for place in PLACES],
        "cities": [place[2] for place in PLACES],
        "zones": [place[3] for place in PLACES],
        "networks": list(NETWORKS),
        "habits": [list(row) for row in HABITS],
        "reasons": [list(row) for row in REASONS],
    }


@contextmanager
def _without_indexes(cursor: Any, table: str) -> Iterator[None]:
    """Take the table's plain indexes off and build them anew behind the rows, which is far faster."""
    cursor.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = %s::regclass AND NOT indisprimary AND NOT EXISTS"
        " (SELECT FROM pg_constraint WHERE conindid = indexrelid)",
        [table],
    )
    found = cursor.fetchall()
    for name, _definition in found:
        cursor.execute(f"DROP INDEX {name}")
    yield
    for name, definition in found:
        if name not in _LEFT_OFF:
            cursor.execute(definition)


_LEFT_OFF = frozenset({"engagement_int_said", "crm_identity_shown"})
