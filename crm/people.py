"""Many new people at once, with what is known about them: set-based, for the demo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from core.models import Workspace
from core.text import clean_text
from crm.facts import take
from crm.identities import IdentityKey, normalize
from crm.models import Consent, Customer, CustomerTag, CustomerTouch, Identity, Tag


@dataclass(frozen=True)
class Agreement:
    """What somebody allowed or refused, for one purpose."""

    purpose: str
    given: bool
    at: datetime


@dataclass(frozen=True)
class PersonIn:
    """A person and their handles (network, issuer, id, as read); the first one carries the consents."""

    name: str
    handles: Sequence[tuple[str, str, str, str]]
    language: str = ""
    country: str = ""
    city: str = ""
    birth_year: int | None = None
    job: str = ""
    profession: str = ""
    interests: Sequence[str] = ()
    tags: Sequence[str] = ()
    consents: Sequence[Agreement] = ()


@transaction.atomic
def store_people(people: Sequence[PersonIn], *, source: str) -> list[int | None]:
    """Make a customer of each person none of whose handles is known; None for one that is.

    The same number of statements whatever the number. Raises BadIdentity for a handle that cannot be one.
    """
    keys = [_keys(person) for person in people]
    known = _known({key for row in keys for key in row})
    fresh = [at for at, row in enumerate(keys) if row and not known.intersection(row)]
    made = Customer.objects.bulk_create([_customer(people[at], source) for at in fresh])
    owners = dict(zip(fresh, made, strict=True))
    identities = Identity.objects.bulk_create(
        [
            _identity(key, handle, owners[at], people[at].name, source)
            for at in fresh
            for key, handle in zip(keys[at], people[at].handles, strict=True)
        ]
    )
    first = {identity.customer_id: identity for identity in reversed(identities)}
    _store_tags([(owners[at], people[at].tags) for at in fresh])
    Consent.objects.bulk_create(
        [
            _consent(agreement, owners[at], first[owners[at].pk], source)
            for at in fresh
            for agreement in people[at].consents
        ]
    )
    CustomerTouch.objects.bulk_create([CustomerTouch(customer=one) for one in made])
    return [owners[at].pk if at in owners else None for at in range(len(people))]


def _keys(person: PersonIn) -> list[IdentityKey]:
    country = Workspace.current().country
    return [
        IdentityKey(network, issuer, normalize(network, external_id, country=country))
        for network, issuer, external_id, _read in person.handles
    ]


def _known(keys: Iterable[IdentityKey]) -> set[IdentityKey]:
    wanted = list(keys)
    rows = Identity.objects.filter(
        network__in={key.network for key in wanted}, external_id__in=[key.external_id for key in wanted]
    )
    return {IdentityKey(*row) for row in rows.values_list("network", "issuer", "external_id")} & set(wanted)


def _customer(person: PersonIn, source: str) -> Customer:
    told = {
        "name": clean_text(person.name, limit=200),
        "language": person.language,
        "country": person.country,
        "city": clean_text(person.city, limit=120),
        "birth_year": person.birth_year,
        "job": clean_text(person.job, limit=120),
        "profession": clean_text(person.profession, limit=120),
        "interests": [clean_text(one, limit=60) for one in person.interests],
    }
    customer = Customer()
    take(customer, told, source=source)
    return customer


def _identity(
    key: IdentityKey, handle: tuple[str, str, str, str], owner: Customer, name: str, source: str
) -> Identity:
    return Identity(
        network=key.network,
        issuer=key.issuer,
        external_id=key.external_id,
        handle=handle[3] or key.external_id,
        name=clean_text(name, limit=200),
        source=source,
        customer=owner,
        home_customer=owner,
    )


def _store_tags(wanted: Sequence[tuple[Customer, Sequence[str]]]) -> None:
    names = sorted({name for _owner, tags in wanted for name in tags})
    Tag.objects.bulk_create([Tag(name=name) for name in names], ignore_conflicts=True)
    tags: Mapping[str, Tag] = {tag.name: tag for tag in Tag.objects.filter(name__in=names)}
    CustomerTag.objects.bulk_create(
        CustomerTag(tag=tags[name], customer=owner, home_customer=owner)
        for owner, given in wanted
        for name in given
    )


def _consent(agreement: Agreement, owner: Customer, identity: Identity, source: str) -> Consent:
    return Consent(
        identity=identity,
        purpose=agreement.purpose,
        given=agreement.given,
        source=source,
        at=agreement.at,
        customer=owner,
        home_customer=owner,
    )
