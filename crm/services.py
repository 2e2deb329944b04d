"""Writes about single customers: making one, changing one, attaching a handle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core import networks
from core.events import emit
from core.models import Workspace
from core.text import clean_text
from crm.identities import MAX_LENGTH, BadIdentity, IdentityKey, normalize
from crm.models import Customer, CustomerTouch, Identity

EDITABLE = (
    "kind", "name", "language", "country", "city", "zone", "birth_year", "job", "company", "note", "stage",
    "profiling_refused", "owner",
)  # fmt: skip


@dataclass(frozen=True)
class Handle:
    """An identity to be attached, as somebody typed it."""

    network: str
    external_id: str
    issuer: str = ""
    handle: str = ""
    name: str = ""
    verified: bool = False


class IdentityTaken(ValueError):
    """Another customer has this identity; `identity` is that row."""

    def __init__(self, identity: Identity) -> None:
        label = networks.get(identity.network).label
        super().__init__(
            f"{label} {identity.external_id} belongs to customer {identity.customer_id} already."
        )
        self.identity = identity


def identity_key(network: str, external_id: str, issuer: str = "") -> IdentityKey:
    """The normalized key of an identity. Raises ValidationError for an id that cannot be one."""
    try:
        found = normalize(network, external_id, country=Workspace.current().country)
    except BadIdentity as error:
        message = str(error)
        raise ValidationError({"external_id": ValidationError(message, code="invalid")}) from error
    return IdentityKey(network, issuer, found)


@transaction.atomic
def create_customer(
    *, values: Mapping[str, Any], identities: Sequence[Handle] = (), source: str = "staff", by: User
) -> Customer:
    """Make a customer with their identities; all of it or nothing.

    Raises ValidationError for a value that cannot be meant, IdentityTaken for somebody else's identity.
    """
    check(by, "customer.edit")
    customer = Customer(**_clean(values))
    if not customer.name and identities:
        customer.name = clean_text(identities[0].name, limit=200)
    customer.full_clean(exclude=["owner", "merged_into"])
    customer.save()
    for handle in identities:
        _attach(customer, handle, source)
    _tell("customer.created", customer, by=by)
    return customer


@transaction.atomic
def update_customer(*, customer: Customer, values: Mapping[str, Any], by: User) -> Customer:
    """Change fields of a customer. Raises ValidationError for a bad value, or a customer merged away."""
    check(by, "customer.edit")
    customer = _locked(customer)
    wanted = _clean(values)
    changed = [name for name, value in wanted.items() if getattr(customer, name) != value]
    if not changed:
        return customer
    for name in changed:
        setattr(customer, name, wanted[name])
    customer.full_clean(exclude=["owner", "merged_into"])
    customer.save(update_fields=changed)
    _tell("customer.updated", customer, by=by, fields=sorted(changed))
    return customer


@transaction.atomic
def attach_identity(
    *, customer: Customer, handle: Handle, source: str = "staff", by: User
) -> tuple[Identity, bool]:
    """Attach a new identity; (identity, whether it is new). Raises IdentityTaken where another has it."""
    check(by, "customer.edit")
    customer = _locked(customer)
    identity, made = _attach(customer, handle, source)
    if made:
        CustomerTouch.objects.create(customer=customer)
        record_audit(
            by=by, verb="identity.attached", target=identity, name="", detail={"customer": customer.pk}
        )
        emit("identity.attached", channels=["staff"], identity=identity.pk, customer=customer.pk)
    return identity, made


def _locked(customer: Customer) -> Customer:
    """The customer under the lock that a merge takes too."""
    found = Customer.objects.select_for_update().get(pk=customer.pk)
    if found.merged_into_id is not None:
        raise ValidationError(f"This customer was merged into {found.merged_into_id}.", code="merged")
    return found


def _attach(customer: Customer, handle: Handle, source: str) -> tuple[Identity, bool]:
    key = identity_key(handle.network, handle.external_id, handle.issuer)
    values = {
        "handle": clean_text(handle.handle or key.external_id, limit=MAX_LENGTH),
        "name": clean_text(handle.name, limit=200),
        "verified": handle.verified,
        "source": source,
    }
    try:
        with transaction.atomic():
            made = Identity.objects.create(
                network=key.network, issuer=key.issuer, external_id=key.external_id,
                customer=customer, home_customer=customer, **values,
            )  # fmt: skip
    except IntegrityError:
        known = Identity.objects.get(network=key.network, issuer=key.issuer, external_id=key.external_id)
        if known.customer_id != customer.pk:
            raise IdentityTaken(known) from None
        return known, False
    return made, True


def _clean(values: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(values) - set(EDITABLE)
    if unknown:
        raise KeyError(f"not a customer's field: {sorted(unknown)}")
    return {
        name: clean_text(value).strip() if isinstance(value, str) else value for name, value in values.items()
    }


def _tell(verb: str, customer: Customer, *, by: User, **detail: Any) -> None:
    """Names stay out of the audit trail, which is never erased."""
    CustomerTouch.objects.create(customer=customer)
    record_audit(by=by, verb=verb, target=customer, name="", detail=detail)
    emit(verb, channels=["staff"], customer=customer.pk, **detail)
