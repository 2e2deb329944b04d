"""Handles that somebody vouches for: what a signed token names is one person, and linked at once.

A shop that knows its customer signs a token (HS256, with a secret it shares with us); the web chat or a mail
about an order carries it here. What stands in it under one signature belongs together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.services import record_audit
from core.events import emit
from core.models import Workspace
from core.text import clean_text
from crm.identities import EMAIL, MAX_LENGTH, PHONE, IdentityKey, normalize
from crm.matching import ID
from crm.merging import merge_several
from crm.models import Customer, CustomerTouch, Identity, MergeRecord, MergeWhy, Suspect, SuspectState
from crm.trees import Changed, again_on_deadlock, hold_customers, tree_of, until_steady

LONGEST = timedelta(hours=24)
"""A token that is good for longer is refused: whoever finds it could be that customer for as long."""
LEEWAY = timedelta(seconds=60)
ALGORITHM = "HS256"
EVIDENCE = "signed_token"
"""The field of a suspect's evidence that says a proof asked."""
SURE = 0.99


# Tokens


class BadToken(ValueError):
    """A token that proves nothing, with the reason for whoever signs them."""


@dataclass(frozen=True)
class Claims:
    """What a signed token says about one customer of a shop."""

    issuer: str
    subject: str
    email: str = ""
    phone: str = ""
    name: str = ""
    expires: datetime | None = None

    @property
    def proof(self) -> str:
        """Who vouches, for the record of a merge."""
        return f"{self.issuer}: {self.subject}"[:200]

    def identities(self) -> list[Confirmed]:
        """The handles that this token vouches for."""
        found = [Confirmed(ID, self.subject, issuer=self.issuer, name=self.name)]
        if self.email:
            found.append(Confirmed(EMAIL, self.email, name=self.name))
        if self.phone:
            found.append(Confirmed(PHONE, self.phone, name=self.name))
        return found


def read_token(token: str, secret: str, *, issuer: str = "") -> Claims:
    """Check a token's signature and times, and read it.

    Required claims: `sub` (the shop's own id of its customer), `iss` (the shop; `issuer` where it is given),
    `exp` (at most 24 hours ahead). Optional: `email`, `phone`, `name`, `iat`, `nbf`. Raises BadToken.
    """
    if not secret:
        raise BadToken("There is no secret to check the token with.")
    try:
        read = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            leeway=LEEWAY,
            issuer=issuer or None,
            options={"require": ["exp", "sub", "iss"], "verify_aud": False},
        )
    except jwt.MissingRequiredClaimError as error:
        raise BadToken(f"The token says no {error.claim!r}; it must hold sub, iss and exp.") from error
    except jwt.ExpiredSignatureError as error:
        raise BadToken("The token has expired.") from error
    except jwt.InvalidIssuerError as error:
        raise BadToken(f"The token's iss is not {issuer!r}.") from error
    except jwt.InvalidSignatureError as error:
        raise BadToken("The token was not signed with this secret.") from error
    except jwt.InvalidAlgorithmError as error:
        raise BadToken(f"The token must be signed with {ALGORITHM}.") from error
    except jwt.PyJWTError as error:
        raise BadToken(f"This is no token that can be read: {error}") from error
    return _claims(read)


def _claims(read: dict[str, Any]) -> Claims:
    values = {name: read.get(name, "") for name in ("iss", "sub", "email", "phone", "name")}
    for name, value in values.items():
        if value is not None and not isinstance(value, str):
            raise BadToken(f"The token's {name} must be text.")
    texts = {name: clean_text(value or "").strip() for name, value in values.items()}
    if not texts["sub"] or len(texts["sub"]) > MAX_LENGTH:
        raise BadToken(f"The token's sub must have 1 to {MAX_LENGTH} characters.")
    if not texts["iss"] or len(texts["iss"]) > 120:
        raise BadToken("The token's iss must have 1 to 120 characters.")
    try:
        expires = datetime.fromtimestamp(int(read["exp"]), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BadToken("The token's exp must be in seconds since 1970, and not in milliseconds.") from error
    if expires > timezone.now() + LONGEST + LEEWAY:
        raise BadToken(f"The token is good for longer than {LONGEST.total_seconds() / 3600:.0f} hours.")
    return Claims(texts["iss"], texts["sub"], texts["email"], texts["phone"], texts["name"][:200], expires)


# Linking


@dataclass(frozen=True)
class Confirmed:
    """A handle that a proof names, as it was given; it is normalized here."""

    network: str
    external_id: str
    issuer: str = ""
    handle: str = ""
    name: str = ""

    def key(self, country: str) -> IdentityKey:
        """What makes it unique. Raises BadIdentity."""
        text = clean_text(self.external_id, limit=MAX_LENGTH + 1)
        return IdentityKey(self.network, self.issuer, normalize(self.network, text, country=country))


@dataclass
class Linked:
    """What a proof came to: the customer, the confirmed handles, what was merged, and who was left apart."""

    customer: Customer
    identities: list[Identity] = field(default_factory=list)
    merges: list[MergeRecord] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    """Customers who have one of these handles, but whom somebody said to be another, or who are of another
    kind: an open suspect asks a person."""


@again_on_deadlock
def link_confirmed(
    identities: Sequence[Confirmed], *, proof: str, source: str, why: str = MergeWhy.SIGNED_TOKEN
) -> Linked:
    """Make one customer of everybody who has one of these handles: the one known longest.

    Handles nobody has are made, all are marked verified. Pairs that somebody rejected stay apart. Raises
    BadIdentity for a handle that cannot be one, ValueError for none at all.
    """
    if not identities:
        raise ValueError("nothing to link")
    country = Workspace.current().country
    wanted = {one.key(country): one for one in identities}
    with transaction.atomic():
        return until_steady(lambda: _link(wanted, proof, source, why))


def _link(wanted: dict[IdentityKey, Confirmed], proof: str, source: str, why: str) -> Linked:
    """One attempt. Raises Changed where somebody else made one of these handles meanwhile."""
    known, held = _hold_all(wanted)
    people = sorted(held.values(), key=lambda one: (one.created_at, one.pk))
    customer = people[0] if people else _make_customer(wanted)
    linked = Linked(customer)
    drops = _mergeable(customer, people[1:], proof, linked)
    if drops:
        linked.merges = merge_several(keep=customer, drops=drops, why=why, proof=proof)
    linked.identities = _confirm(wanted, known, customer, source)
    if {row.customer_id for row in linked.identities} - {customer.pk, *linked.left}:
        raise Changed
    customer.refresh_from_db()
    return linked


def _hold_all(
    wanted: dict[IdentityKey, Confirmed],
) -> tuple[dict[IdentityKey, Identity], dict[int, Customer]]:
    """The known ones of these handles and whose they are, under the lock of a merge."""
    owners = {row.customer_id for row in _known(wanted).values()}
    held = hold_customers(owners)
    known = _known(wanted)
    if {row.customer_id for row in known.values()} != owners:
        raise Changed
    return known, held


def _known(wanted: dict[IdentityKey, Confirmed]) -> dict[IdentityKey, Identity]:
    either = Q(pk__in=[])
    for key in wanted:
        either |= Q(network=key.network, issuer=key.issuer, external_id=key.external_id)
    return {
        IdentityKey(row.network, row.issuer, row.external_id): row for row in Identity.objects.filter(either)
    }


def _make_customer(wanted: dict[IdentityKey, Confirmed]) -> Customer:
    name = next((one.name for one in wanted.values() if one.name), "")
    first = next(iter(wanted.values()))
    made = Customer.objects.create(name=clean_text(name or first.handle or first.external_id, limit=200))
    emit("customer.created", channels=["staff"], customer=made.pk)
    return made


def _confirm(
    wanted: dict[IdentityKey, Confirmed], known: dict[IdentityKey, Identity], customer: Customer, source: str
) -> list[Identity]:
    """All of these handles, the missing ones made, each marked as verified."""
    fresh = [
        Identity(
            network=key.network,
            issuer=key.issuer,
            external_id=key.external_id,
            handle=clean_text(one.handle or key.external_id, limit=MAX_LENGTH),
            name=clean_text(one.name, limit=200),
            verified=True,
            source=source,
            customer=customer,
            home_customer=customer,
        )
        for key, one in wanted.items()
        if key not in known
    ]
    Identity.objects.bulk_create(fresh, ignore_conflicts=True)
    Identity.objects.filter(pk__in=[row.pk for row in known.values()], verified=False).update(verified=True)
    if fresh:
        CustomerTouch.objects.create(customer=customer)
    return list(_known(wanted).values())


# Who stays apart


def _mergeable(customer: Customer, others: Sequence[Customer], proof: str, linked: Linked) -> list[Customer]:
    """Those of the others whom nobody told apart from the customer, nor from each other."""
    taken: list[Customer] = []
    trees = {customer.pk: set(tree_of(customer.pk))}
    for other in others:
        tree = set(tree_of(other.pk))
        against = [pk for pk, mine in trees.items() if _told_apart(mine, tree)]
        if not against and other.kind == customer.kind:
            taken.append(other)
            trees[other.pk] = tree
            continue
        linked.left.append(other.pk)
        _ask(against[0] if against else customer.pk, other.pk, proof)
    return taken


def _told_apart(one: set[int], other: set[int]) -> bool:
    """Whether a person said that two of them are two: rejected them, or took their merge back.

    Where a token asked again since, the pair waits for the answer.
    """
    crossing = Q(low__in=one, high__in=other) | Q(low__in=other, high__in=one)
    pairs = Suspect.objects.filter(crossing)
    if pairs.filter(Q(state=SuspectState.REJECTED) | Q(evidence__contains=[{"field": EVIDENCE}])).exists():
        return True
    crossing = Q(keep__in=one, drop__in=other) | Q(keep__in=other, drop__in=one)
    return MergeRecord.objects.filter(crossing, undone_by__isnull=False).exists()


def _ask(one: int, other: int, proof: str) -> None:
    """Put the pair before a person, once for all tokens: the answer given after that one counts."""
    low, high = sorted((one, other))
    evidence = {"field": EVIDENCE, "left": proof, "right": proof, "level": "signed", "weight": 10.0}
    pair = Suspect.objects.select_for_update().filter(low_id=low, high_id=high).first()
    if pair is None:
        Suspect.objects.create(low_id=low, high_id=high, probability=SURE, evidence=[evidence])
    elif not any(row.get("field") == EVIDENCE for row in pair.evidence):
        pair.evidence = [*pair.evidence, evidence]
        pair.state, pair.probability, pair.found_at = SuspectState.OPEN, SURE, timezone.now()
        pair.decided_by, pair.decided_at, pair.later_until = None, None, None
        pair.save()
    else:
        return
    record_audit(by=None, verb="suspect.asked", target=None, name="", detail={"low": low, "high": high})
