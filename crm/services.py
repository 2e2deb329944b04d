"""Writes about single customers: making one, changing one, attaching a handle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core import networks
from core.events import emit
from core.models import Workspace
from core.text import clean_text
from crm import journey
from crm.custom_fields import clean_values
from crm.facts import CUSTOM, FIELDS, PEOPLE, STAFF, Taken, origin, take
from crm.identities import MAX_LENGTH, BadIdentity, IdentityKey, normalize
from crm.models import Customer, CustomerTouch, Identity
from crm.trees import hold_unmerged

DECIDED = ("kind", "owner", "profiling_refused", "referred_by")
"""What is decided about a customer rather than known of them: the last word counts, whoever spoke."""
EDITABLE = frozenset({*FIELDS, *DECIDED})
LINKS = ("owner", "merged_into", "referred_by", "home_referred_by")


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
    customer = Customer()
    _write(customer, values, by=by)
    if not customer.name and identities:
        customer.name = clean_text(identities[0].name, limit=200)
    customer.full_clean(exclude=LINKS)
    customer.save()
    for handle in identities:
        _attach(customer, handle, source)
    _tell("customer.created", customer, by=by)
    return customer


@transaction.atomic
def update_customer(*, customer: Customer, values: Mapping[str, Any], by: User) -> Taken:
    """Change fields of a customer, by name or "custom.<key>"; what a person said stays before a key's word.

    Raises ValidationError for a bad value, or a customer merged away.
    """
    check(by, "customer.edit")
    customer = hold_unmerged(customer)
    stage, referrer = customer.stage, customer.referred_by_id
    taken = _write(customer, values, by=by)
    if taken.changed:
        customer.full_clean(exclude=LINKS)
        customer.save(update_fields=_columns(taken.changed))
        if "stage" in taken.changed:
            journey.note_told(customer, before=stage, is_person=speaker(by) == STAFF, by=by)
        if "referred_by" in taken.changed and referrer is not None:
            CustomerTouch.objects.create(customer_id=referrer)
        _tell("customer.updated", customer, by=by, fields=sorted(taken.changed))
    return taken


def speaker(by: User) -> str:
    """How the origin of what this caller writes is named: staff, or the API key that acts for them."""
    return f"api:{by.api_key.name}" if by.api_key else STAFF


def _write(customer: Customer, values: Mapping[str, Any], *, by: User) -> Taken:
    """Set what this caller may change, in memory."""
    wanted, source = _clean(values), speaker(by)
    told = {name: value for name, value in wanted.items() if name not in DECIDED}
    who = by.pk if source == STAFF else None
    taken = take(customer, told, source=source, by=who)
    for name in DECIDED:
        if name not in wanted or getattr(customer, name) == wanted[name]:
            continue
        if _is_refusal_of_a_person(customer, name) and source not in PEOPLE:
            taken.kept[name] = wanted[name]
            continue
        setattr(customer, name, wanted[name])
        customer.origins[name] = origin(source, by=who)
        taken.changed[name] = wanted[name]
    if "referred_by" in taken.changed:
        _refer(customer)
    return taken


def _is_refusal_of_a_person(customer: Customer, name: str) -> bool:
    """Whether somebody said that no picture is to be made of them; no machine takes that back."""
    told = customer.origins.get(name)
    return name == "profiling_refused" and bool(told) and told["source"] in PEOPLE


def _refer(customer: Customer) -> None:
    referrer = customer.referred_by
    if referrer is not None and (referrer.pk == customer.pk or referrer.is_merged):
        message = _("Choose somebody else who is a customer today.")
        raise ValidationError({"referred_by": ValidationError(message, code="invalid")})
    customer.home_referred_by = referrer


def _columns(changed: Mapping[str, Any]) -> list[str]:
    columns = {"custom" if name.startswith(CUSTOM) else name for name in changed} | {"origins"}
    return sorted(columns | ({"home_referred_by"} if "referred_by" in columns else set()))


@transaction.atomic
def attach_identity(
    *, customer: Customer, handle: Handle, source: str = "staff", by: User
) -> tuple[Identity, bool]:
    """Attach a new identity; (identity, whether it is new). Raises IdentityTaken where another has it."""
    check(by, "customer.edit")
    customer = hold_unmerged(customer)
    identity, made = _attach(customer, handle, source)
    if made:
        CustomerTouch.objects.create(customer=customer)
        record_audit(
            by=by, verb="identity.attached", target=identity, name="", detail={"customer": customer.pk}
        )
        emit("identity.attached", channels=["staff"], identity=identity.pk, customer=customer.pk)
    return identity, made


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
    own = {name.removeprefix(CUSTOM): raw for name, raw in values.items() if name.startswith(CUSTOM)}
    wanted = {name: raw for name, raw in values.items() if not name.startswith(CUSTOM)}
    if unknown := set(wanted) - EDITABLE:
        raise KeyError(f"not a customer's field: {sorted(unknown)}")
    cleaned = {name: _clean_one(name, value) for name, value in wanted.items()}
    return {**cleaned, **_clean_own(own)} if own else cleaned


def _clean_one(name: str, value: Any) -> Any:
    if name == "interests":
        words = [clean_text(word, limit=60).strip() for word in value]
        return list(dict.fromkeys(word for word in words if word))
    return clean_text(value).strip() if isinstance(value, str) else value


def _clean_own(values: Mapping[str, Any]) -> dict[str, Any]:
    good, bad = clean_values(values)
    if bad:
        raise ValidationError(
            {f"{CUSTOM}{key}": ValidationError(message, code="invalid") for key, message in bad.items()}
        )
    return {f"{CUSTOM}{key}": value for key, value in good.items()}


def _tell(verb: str, customer: Customer, *, by: User, **detail: Any) -> None:
    """Names stay out of the audit trail, which is never erased."""
    CustomerTouch.objects.create(customer=customer)
    record_audit(by=by, verb=verb, target=customer, name="", detail=detail)
    emit(verb, channels=["staff"], customer=customer.pk, **detail)
