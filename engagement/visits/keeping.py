"""Keeps visits of people who agreed to it, with the proof, and forgets them when they take it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from celery import current_app
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from core import privacy
from core.models import Workspace
from crm.consents import ConsentIn, record_consents
from crm.identities import BadIdentity, IdentityKey, normalize
from crm.models import Consent, Customer, CustomerTouch, Identity, StageChange
from crm.privacy.erasing import erase_customer
from crm.trees import again_on_deadlock
from engagement.channels.base import Author, Event
from engagement.ingest import Outcome, ingest
from engagement.models import ChannelAccount, Interaction

PURPOSE = "visits"


@dataclass(frozen=True)
class Agreement:
    """When somebody agreed, to which wording, and where it was said."""

    at: datetime
    wording: str
    place: str = ""

    @property
    def proof(self) -> str:
        return f"wording {self.wording}" + (f" on {self.place}" if self.place else "")


@dataclass
class Kept:
    """What became of visits: one outcome and reason each, or why none was kept."""

    outcomes: list[Outcome] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    refused: str = ""
    identity: int | None = None


@again_on_deadlock
def keep_visits(
    account: ChannelAccount, author: Author, events: Sequence[Event], agreement: Agreement, *, source: str
) -> Kept:
    """Store visits of one person, and once for each wording and moment that they agreed.

    Somebody who took it back after the moment of this agreement is left alone: `refused` is "withdrawn".
    """
    key = key_of(account, author)
    with transaction.atomic():
        known = Identity.objects.filter(**asdict(key)).first()
        if known is not None and _took_back(known, agreement.at):
            return Kept(refused="withdrawn")
        result = ingest(account, events)
        identity = known or Identity.objects.filter(**asdict(key)).first()
        if identity is None:
            return Kept(result.outcomes, result.reasons)
        if not _is_written(identity, agreement, source):
            word = ConsentIn(identity.pk, PURPOSE, given=True, at=agreement.at, proof=agreement.proof)
            record_consents([word], source=source)
    return Kept(result.outcomes, result.reasons, result.ids, identity=identity.pk)


def key_of(account: ChannelAccount, author: Author) -> IdentityKey:
    """The identity of an author, as an ingest into this account knows it. Raises BadIdentity."""
    network = author.network or account.network
    issuer = author.issuer if author.network else (author.issuer or account.issuer)
    external_id = normalize(network, author.external_id, country=Workspace.current().country)
    return IdentityKey(network, issuer, external_id)


def _took_back(identity: Identity, since: datetime) -> bool:
    own = Q(identity=identity) | Q(customer_id=identity.customer_id, whole_person=True)
    return Consent.objects.filter(own, purpose=PURPOSE, given=False, at__gt=since).exists()


def _is_written(identity: Identity, agreement: Agreement, source: str) -> bool:
    said = Consent.objects.filter(identity=identity, purpose=PURPOSE, given=True)
    return said.filter(at=agreement.at, source=source).exists()


# Taken back


@again_on_deadlock
def forget_visits(identity: Identity, *, source: str, place: str = "") -> int:
    """Delete every visit by this handle and note the refusal; how many there were.

    A customer of whom nothing else is known goes too, soon after.
    """
    with transaction.atomic():
        identity = Identity.objects.select_for_update(no_key=True).get(pk=identity.pk)
        found = Interaction.objects.filter(identity=identity, kind="visit")
        gone = found.delete()[1].get(Interaction._meta.label, 0)
        CustomerTouch.objects.create(customer_id=identity.customer_id)
        proof = f"taken back on {place}" if place else "taken back"
        record_consents(
            [ConsentIn(identity.pk, PURPOSE, given=False, at=timezone.now(), proof=proof)], source=source
        )
        if is_nobody(identity.customer):
            pk = identity.customer_id
            transaction.on_commit(lambda: _erase_later(pk), robust=True)
    return gone


def forget_key(key: IdentityKey, *, source: str) -> int:
    """Delete the visits of whoever has this handle; 0 where nobody has."""
    identity = Identity.objects.filter(**asdict(key)).first()
    return forget_visits(identity, source=source) if identity else 0


def is_nobody(customer: Customer) -> bool:
    """Whether all we have of a customer is one handle, and what was agreed and computed."""
    if customer.merged_into_id or customer.merged.exists() or customer.identities.count() != 1:
        return False
    return not any(
        holding.model._default_manager.filter(**{f"{holding.customer_field}_id": customer.pk}).exists()
        for holding in privacy.holdings()
        if holding.on_merge == "follow" and holding.model not in (Customer, Identity, Consent, StageChange)
    )


def _erase_later(customer: int) -> None:
    current_app.send_task("engagement.tasks.erase_nobody", [customer], queue="default")


def erase_nobody(customer_id: int) -> bool:
    """Erase a customer of whom still nothing is known; whether there was one."""
    customer = Customer.objects.filter(pk=customer_id).first()
    if customer is None or not is_nobody(customer):
        return False
    erase_customer(customer=customer, by=None, reason="withdrawn")
    return True


__all__ = [
    "Agreement",
    "BadIdentity",
    "Kept",
    "erase_nobody",
    "forget_key",
    "forget_visits",
    "is_nobody",
    "keep_visits",
    "key_of",
]
