"""Whoever arrives, by a message, an order or because we write first, becomes a customer here alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import sql
from crm.identities import IdentityKey


@dataclass(frozen=True)
class Owner:
    """An identity under lock, and the customer it belongs to at this moment."""

    identity_id: int
    customer_id: int
    home_customer_id: int


def own_identities(people: Sequence[Mapping[str, Any]], *, source: str) -> dict[IdentityKey, Owner]:
    """Make the identities nobody has seen, each with a customer of its own, and lock all of them FOR SHARE.

    `people` are rows of `sql/store_identities.sql`, with ids normalized. Two statements whatever the number;
    runs in the caller's transaction, whose rows no merge can move until it ends.
    """
    given = json.dumps(list(people))
    sql.run("crm", "store_identities", {"authors": given, "source": source})
    return {
        IdentityKey(row["network"], row["issuer"], row["external_id"]): Owner(
            row["id"], row["customer_id"], row["home_customer_id"]
        )
        for row in sql.rows("crm", "lock_identities", {"keys": given})
    }
