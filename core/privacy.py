"""Which tables hold a person, and what merging, exporting and erasing does with their rows.

Each app registers every table that points at a customer; a test walks the models and fails for one
that did not. `crm.merging` moves rows and `crm.privacy` exports and erases by what stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models


@dataclass(frozen=True)
class Holding:
    """How one table holds a person.

    `customer_field` is the column that follows a merge, `home_field` the one that never changes and by
    which an undo finds its way back; "" where the table has none. `on_merge` is one of
    - "follow": rows whose home moved get the new root (the table keeps a home column);
    - "recompute": the table is computed; rows of both sides are dropped and computed again;
    - "stay": rows stay with the customer they name (history of one record).
    """

    model: type[models.Model]
    customer_field: str
    home_field: str = ""
    on_merge: str = "follow"
    seen_field: str = ""
    """The time at which a row shows that the customer was there; "" where it does not."""
    export: Callable[[Sequence[int]], Sequence[dict[str, Any]]] | None = None
    erase: Callable[[Sequence[int]], int] | None = None


_holdings: dict[tuple[str, str], Holding] = {}
_demo_tables: list[type[models.Model]] = []


def register(holding: Holding) -> None:
    """Make a table known, once for each column that names a customer; apps call it when they are ready."""
    _holdings[holding.model._meta.label, holding.customer_field] = holding


def register_customer_data(*models_: type[models.Model]) -> None:
    """Tables without a customer column that are emptied with the demo (conversations, posts, rollups)."""
    _demo_tables.extend(models_)


def holdings() -> list[Holding]:
    """Every table that holds a person."""
    return list(_holdings.values())


def customer_data_tables() -> list[str]:
    """Every table about customers, for emptying the demo workspace."""
    held = [holding.model for holding in _holdings.values()]
    return sorted({model._meta.db_table for model in [*held, *_demo_tables]})
