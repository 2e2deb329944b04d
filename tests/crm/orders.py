"""Short ways to write orders in tests."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from crm.orders import OrderIn


def order(key: str, *, buyer: str = "b1", total: str = "20.00", **more: Any) -> OrderIn:
    """An order of one euro-free shop in the workspace's currency."""
    return OrderIn(
        **{
            "external_id": key,
            "customer_id": buyer,
            "placed_at": datetime(2026, 3, 2, 9, tzinfo=UTC),
            "total": Decimal(total),
            "currency": "USD",
            **more,
        }
    )
