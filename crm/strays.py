"""Rows that are not where they belong: none, unless something wrote without the locks of `crm.trees`.

The rule that everything keeps: a handle's customer is the root of whom it was moved to, else of its home; a
row that came by a handle has that handle's customer; any other row has the root of its home.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from core import privacy
from core.privacy import Holding
from crm.models import Customer
from crm.trees import following, has_identity

_ROOTS = """
WITH RECURSIVE up AS (
    SELECT id, id AS at, merged_into_id FROM crm_customer
    UNION ALL
    SELECT up.id, c.id, c.merged_into_id FROM up JOIN crm_customer c ON c.id = up.merged_into_id
), root AS MATERIALIZED (SELECT id, at FROM up WHERE merged_into_id IS NULL)
"""
_MERGED = _ROOTS.replace("FROM crm_customer\n", "FROM crm_customer WHERE merged_into_id IS NOT NULL\n", 1)
"""The roots of those who were merged away."""


def find_strays() -> dict[str, int]:
    """How many rows of each table are not where they belong; reads every row, so it takes its time."""
    found = {"crm.Identity": _count(_identities())}
    for holding in following():
        found[f"{holding.model._meta.label}.{holding.customer_field}"] = _count(_misplaced(holding))
    found |= {f"{name} computed": n for name, n in _computed().items()}
    return {name: n for name, n in found.items() if n}


def _identities() -> str:
    return (
        "crm_identity i JOIN root ON root.id = coalesce(i.attached_to_id, i.home_customer_id) "
        "WHERE root.at <> i.customer_id"
    )


def _misplaced(holding: Holding) -> str:
    table, owner, home = _names(holding)
    if not has_identity(holding):
        return f"{table} r JOIN root ON root.id = r.{home} WHERE r.{owner} IS DISTINCT FROM root.at"
    return (
        f"{table} r JOIN root ON root.id = r.{home} LEFT JOIN crm_identity i ON i.id = r.identity_id "
        f"WHERE r.{owner} IS DISTINCT FROM coalesce(i.customer_id, root.at)"
    )


def _names(holding: Holding) -> tuple[str, str, str]:
    fields = {field.name: field for field in holding.model._meta.concrete_fields}
    owner, home = fields[holding.customer_field], fields[holding.home_field]
    return holding.model._meta.db_table, str(owner.column), str(home.column)


def _count(source: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"{_ROOTS} SELECT count(*) FROM {source}")  # noqa: S608 (names of tables and columns)
        return int((cursor.fetchone() or (0,))[0])


def _computed() -> dict[str, int]:
    """Computed rows of customers who were merged away."""
    return {
        holding.model._meta.label: _of_merged(holding).count()
        for holding in privacy.holdings()
        if holding.on_merge == "recompute" and holding.model._meta.app_label != "crm"
    }


def _of_merged(holding: Holding) -> Any:
    merged = Customer.objects.filter(merged_into__isnull=False)
    return holding.model._default_manager.filter(**{f"{holding.customer_field}__in": merged})


def mend_strays() -> dict[str, int]:
    """Put right what stands with customers who were merged away; how many rows of which table.

    What a rebuild computed while somebody merged is dropped, everything else goes to its root. Cheap: it
    looks only at merged customers, by the indexes on the customer.
    """
    mended: dict[str, int] = {}
    with transaction.atomic():
        for holding in privacy.holdings():
            if holding.on_merge == "recompute" and holding.model._meta.app_label != "crm":
                rows = _of_merged(holding)
                mended[holding.model._meta.label] = rows._raw_delete(rows.db)
        for holding in following():
            mended[f"{holding.model._meta.label}.{holding.customer_field}"] = _bring_home(holding)
    return {name: n for name, n in mended.items() if n}


def _bring_home(holding: Holding) -> int:
    table, owner, _home = _names(holding)
    identity = "(SELECT customer_id FROM crm_identity i WHERE i.id = r.identity_id)"
    by_identity = f"coalesce({identity}, root.at)" if has_identity(holding) else "root.at"
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_MERGED} UPDATE {table} r SET {owner} = {by_identity} FROM root "  # noqa: S608 (names of columns)
            f"WHERE root.id = r.{owner}"
        )
        return int(cursor.rowcount)
