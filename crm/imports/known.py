"""What is known about the customers of one page, read with the same number of statements for any page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.import_keys import hashed
from core.imports import Page
from crm.arrivals import Owner
from crm.erased import erased_before
from crm.erased import identity_key as erased_key
from crm.identities import IdentityKey
from crm.imports.person import PersonIn
from crm.matching import Match, match_rows, owners_of
from crm.models import Affiliation, Consent, Customer, CustomerTag, ErasedKey

Refused = dict[tuple[int, str], bool]


@dataclass
class Known:
    """The customers of a page as they stand: by identity, with tags, organizations and consents."""

    matches: list[Match]
    organizations: dict[IdentityKey, Owner] = field(default_factory=dict)
    customers: dict[int, Customer] = field(default_factory=dict)
    tags: dict[int, set[str]] = field(default_factory=dict)
    roles: dict[tuple[int, int], str] = field(default_factory=dict)
    """The role of a person at an organization."""
    said: Refused = field(default_factory=dict)
    """The newest word of an identity about a purpose."""
    refused: set[tuple[int, str]] = field(default_factory=set)
    """Purposes that the whole person refused since."""
    erased: set[IdentityKey] = field(default_factory=set)


def key_of(key: IdentityKey) -> int:
    """How the rows of a file remember an identity."""
    return hashed("identity", key.network, key.issuer, key.external_id)


def customer_key(customer_id: int) -> int:
    """How the rows of a file remember that they were about this customer."""
    return hashed("customer", customer_id)


def look_up(page: Page, people: Sequence[PersonIn]) -> Known:
    """Everything that deciding about these rows needs; with `page.write` what will be written is locked."""
    page.seen.load({key_of(key) for person in people for key in person.keys})
    known = Known(match_rows([person.keys for person in people], lock=page.write))
    known.organizations = owners_of(
        {person.organization.key for person in people if person.organization}, lock=page.write
    )
    ids = sorted({pk for match in known.matches for pk in match.customers})
    page.seen.load({customer_key(pk) for pk in ids})
    if ids:
        _customers(known, ids, lock=page.write)
        _consents(known, people)
    if not page.run.options.get("anew"):
        known.erased = _erased(key for person in people for key in person.keys)
    return known


def _customers(known: Known, ids: Sequence[int], *, lock: bool) -> None:
    found = Customer.objects.filter(pk__in=ids).order_by("pk")
    known.customers = {one.pk: one for one in (found.select_for_update(no_key=True) if lock else found)}
    tags = CustomerTag.objects.filter(customer__in=ids).values_list("customer_id", "tag__name")
    for customer_id, name in tags:
        known.tags.setdefault(customer_id, set()).add(name.casefold())
    belongs = Affiliation.objects.filter(person__in=ids).values_list("person_id", "organization_id", "role")
    known.roles = {(person, organization): role for person, organization, role in belongs}


def _consents(known: Known, people: Sequence[PersonIn]) -> None:
    """The newest word on each identity, and whether the whole person refused after it."""
    purposes = {purpose for person in people for purpose in person.consents}
    if not purposes:
        return
    said = Consent.objects.filter(customer__in=list(known.customers), purpose__in=purposes)
    newest: dict[tuple[int, str], tuple[datetime, int]] = {}
    refusals: dict[tuple[int, str], tuple[datetime, int]] = {}
    for one in said.order_by("at", "pk"):
        known.said[one.identity_id, one.purpose] = one.given
        newest[one.identity_id, one.purpose] = (one.at, one.pk)
        if one.whole_person:
            refusals[one.customer_id, one.purpose] = (one.at, one.pk)
    owners = {
        owner.identity_id: owner.customer_id for match in known.matches for owner in match.owners.values()
    }
    for identity_id, customer_id in owners.items():
        for purpose in purposes:
            refusal = refusals.get((customer_id, purpose))
            if refusal and refusal >= newest.get((identity_id, purpose), refusal):
                known.refused.add((identity_id, purpose))
    known.refused |= {(-customer_id, purpose) for customer_id, purpose in refusals}


def _erased(keys: Iterable[IdentityKey]) -> set[IdentityKey]:
    if not ErasedKey.objects.exists():
        return set()
    wanted = {erased_key(key): key for key in keys}
    return {wanted[key] for key in erased_before(wanted)}
