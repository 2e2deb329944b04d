"""Which customer is this: by identities within their issuer, never by names.

Imports, the API and channels ask here. A page of rows takes one statement, whatever its size.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core import sql
from crm.arrivals import Owner
from crm.identities import IdentityKey

ID = "id"
"""The network of a caller's own ids; the issuer is the name of the source that gave them."""


@dataclass
class Match:
    """What the identities of one row say: the customers they belong to, and those nobody has yet."""

    owners: dict[IdentityKey, Owner] = field(default_factory=dict)
    unknown: list[IdentityKey] = field(default_factory=list)

    @property
    def customers(self) -> list[int]:
        """The customers whose identities these are, each once: two or more are a conflict."""
        return list(dict.fromkeys(owner.customer_id for owner in self.owners.values()))

    @property
    def customer(self) -> int | None:
        """The one customer; None for nobody, and where the identities disagree."""
        found = self.customers
        return found[0] if len(found) == 1 else None

    @property
    def is_conflict(self) -> bool:
        return len(self.customers) > 1


def match(keys: Sequence[IdentityKey], *, lock: bool = False) -> Match:
    """Whose these identities are; see `match_rows`."""
    return match_rows([keys], lock=lock)[0]


def match_rows(rows: Sequence[Sequence[IdentityKey]], *, lock: bool = False) -> list[Match]:
    """Whose the identities of each row are; keys must be normalized.

    With `lock` the identities found are locked FOR SHARE until the caller's transaction ends, so that no
    merge moves them meanwhile.
    """
    known = owners_of({key for row in rows for key in row}, lock=lock)
    return [
        Match(
            {key: known[key] for key in row if key in known},
            [key for key in dict.fromkeys(row) if key not in known],
        )
        for row in rows
    ]


def owners_of(keys: Iterable[IdentityKey], *, lock: bool = False) -> dict[IdentityKey, Owner]:
    """The owner of each identity that is known."""
    wanted = [
        {"network": key.network, "issuer": key.issuer, "external_id": key.external_id} for key in set(keys)
    ]
    if not wanted:
        return {}
    name = "lock_identities" if lock else "find_identities"
    return {
        IdentityKey(row["network"], row["issuer"], row["external_id"]): Owner(
            row["id"], row["customer_id"], row["home_customer_id"]
        )
        for row in sql.rows("crm", name, {"keys": json.dumps(wanted)})
    }
