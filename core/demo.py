"""The demo workspace: made-up customers that never mix with real ones.

While `Workspace.demo_since` is set, everything in the tables about customers is demo data. What would bring
real customers in (an import, a real account, the API) asks `refuse_while_demo` first; removing the demo
empties those tables whole.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from core import privacy
from core.events import emit
from core.models import Workspace


class DemoIsPresent(Exception):
    """Real data would mix with the demo."""

    def __init__(self) -> None:
        super().__init__(
            "This workspace holds demo data. Remove the demo first; real and made-up customers never mix."
        )


def is_demo() -> bool:
    """Whether the customers here are made up."""
    return Workspace.current().demo_since is not None


def refuse_while_demo() -> None:
    """Raises DemoIsPresent."""
    if is_demo():
        raise DemoIsPresent


def remove_demo(*, by: Any = None) -> int:
    """Empty every table about customers in one transaction; staff, teams, keys and settings stay.

    Returns how many tables were emptied. Does nothing where there is no demo.
    """
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update().get(pk=Workspace.current().pk)
        if workspace.demo_since is None:
            return 0
        tables = privacy.customer_data_tables()
        with connection.cursor() as cursor:
            names = ", ".join(connection.ops.quote_name(table) for table in tables)
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(f"TRUNCATE {names} CASCADE")
        workspace.demo_since = workspace.demo_seed = None
        workspace.save(update_fields=["demo_since", "demo_seed"])
        emit("demo.removed", channels=["staff"], by=getattr(by, "pk", None))
    return len(tables)
