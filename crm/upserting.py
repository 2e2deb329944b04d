"""Making or changing a customer by the caller's own id: the same call twice is one customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.permissions import check
from crm.matching import ID, Match, match
from crm.models import Customer
from crm.services import (
    Handle,
    IdentityTaken,
    attach_identity,
    create_customer,
    identity_key,
    speaker,
    update_customer,
)
from crm.trees import again_on_deadlock

TRIES = 3


class SeveralCustomers(ValueError):
    """The id and the identities given belong to different customers; `customers` are their numbers."""

    def __init__(self, customers: Sequence[int]) -> None:
        told = ", ".join(str(one) for one in customers)
        super().__init__(
            f"These identities belong to different customers: {told}. Merge them in Rapport, or send "
            "only the identities of one."
        )
        self.customers = list(customers)


@dataclass(frozen=True)
class Upserted:
    """The customer, whether it was made just now, and fields kept as a person had them."""

    customer: Customer
    made: bool
    kept: tuple[str, ...] = ()


def find_by_own_id(source: str, external_id: str) -> Customer | None:
    """The customer that carries this id of this source today."""
    key = identity_key(ID, external_id, source)
    found = match([key]).customer
    return None if found is None else Customer.objects.get(pk=found)


def upsert_customer(
    *,
    source: str,
    external_id: str,
    values: Mapping[str, Any],
    identities: Sequence[Handle] = (),
    by: User,
) -> Upserted:
    """Make the customer of this id, or change them; identities that nobody has are attached.

    Raises SeveralCustomers where the identities disagree, ValidationError for a value that cannot be meant.
    Two calls at once meet on the identity's unique key: whoever comes second begins anew, and finds it.
    """
    check(by, "customer.edit")
    handles = [Handle(ID, external_id, issuer=source), *identities]
    for left in reversed(range(TRIES)):
        try:
            return _upsert(handles, values, by)
        except IdentityTaken:
            if not left:
                raise
    raise AssertionError("the last try returns or raises")


@again_on_deadlock
@transaction.atomic
def _upsert(handles: Sequence[Handle], values: Mapping[str, Any], by: User) -> Upserted:
    found = _match(handles)
    if found.is_conflict:
        raise SeveralCustomers(sorted(found.customers))
    if found.customer is None:
        customer = create_customer(values=values, identities=handles, source=speaker(by), by=by)
        return Upserted(customer, made=True)
    customer = Customer.objects.get(pk=found.customer)
    for handle in handles:
        attach_identity(customer=customer, handle=handle, source=speaker(by), by=by)
    taken = update_customer(customer=customer, values=values, by=by)
    return Upserted(customer, made=False, kept=tuple(sorted(taken.kept)))


def _match(handles: Sequence[Handle]) -> Match:
    keys = [identity_key(handle.network, handle.external_id, handle.issuer) for handle in handles]
    return match(keys, lock=True)
