"""Whoever arrives, by a message, an order or because we write first, becomes a customer here alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError

from core import sql
from crm.facts import origin
from crm.identities import IdentityKey

TRIES = 5
TOLD = ("name", "language", "country", "city", "zone", "birth_year")
"""What a channel or a shop may tell about a person."""


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
    wanted = {_key(person) for person in people}
    for _attempt in range(TRIES):
        sql.run("crm", "store_identities", {"authors": given, "source": source, "origin": _origin(source)})
        owners = {
            IdentityKey(row["network"], row["issuer"], row["external_id"]): Owner(
                row["id"], row["customer_id"], row["home_customer_id"]
            )
            for row in sql.rows("crm", "lock_identities", {"keys": given})
        }
        # somebody who was erased while we waited for the lock is somebody new
        if wanted <= owners.keys():
            return owners
    raise OperationalError("These people come and go all the time. Try again in a moment.")


def fill_blanks(
    people: Sequence[Mapping[str, Any]], owners: Mapping[IdentityKey, Owner], *, source: str
) -> None:
    """Let what a source tells about people who are known fill what is blank; one statement.

    `people` are those given to `own_identities`, `owners` what it answered. Locks customers in order of id,
    so it stands where a transaction comes to customers.
    """
    told = [
        {**person, "customer_id": owners[_key(person)].customer_id}
        for person in people
        if any(person.get(name) for name in TOLD)
    ]
    if told:
        sql.run("crm", "fill_blanks", {"people": json.dumps(told), "origin": _origin(source)})


def _key(person: Mapping[str, Any]) -> IdentityKey:
    return IdentityKey(person["network"], person["issuer"], person["external_id"])


def _origin(source: str) -> str:
    return json.dumps(origin(source))


def hold_owner(identity_id: int) -> Owner:
    """One identity under the lock of an ingest, and whose it is until the caller's transaction ends.

    Taken before conversations are locked, as an ingest takes it. Raises LookupError where it is gone.
    """
    for row in sql.rows("crm", "hold_owner", {"id": identity_id}):
        return Owner(row["id"], row["customer_id"], row["home_customer_id"])
    raise LookupError(f"identity {identity_id} is gone")
