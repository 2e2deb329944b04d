"""Whom a shop's page asks for, by what proof, and what it is told.

Two proofs are believed: the token that our website script keeps for its visitor (it opens the visitor's own
chat, and is told to nobody else), and an identity signed by the shop's server under the key's secret, with
the second after which it is worth nothing inside the signed text. Who is unknown, refuses profiling, was
erased, or holds a token that opens nothing is answered alike: with nulls. Nothing personal is ever told.
"""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from django.db.models import Q

from accounts.authentication import hash_secret
from core.models import Workspace
from crm.identities import BadIdentity, normalize
from crm.models import Customer, Identity
from crm.trees import root_of
from engagement.models import ChatVisitor
from personas.models import PersonaMembership, Prediction, PublishableKey, SegmentMembership

LONGEST_SECONDS = 24 * 3600
"""So far ahead a signature may expire: one that leaked is worth nothing after a day."""
LONGEST_IDENTITY = 500


class BadProof(ValueError):
    """A proof that is none; `code` is for programs. It says nothing about whether anybody is known."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True)
class Told:
    """What the page may know."""

    persona: dict[str, Any] | None = None
    segments: list[dict[str, Any]] = field(default_factory=list)
    next_category: str | None = None


def signed_text(key: str, identity: str, expires: int) -> str:
    """What the shop's server signs: key, identity and expiry, a line each."""
    return f"{key}\n{identity}\n{expires}"


def sign(secret: str, key: str, identity: str, expires: int) -> str:
    """HMAC-SHA256 as hexadecimal digits."""
    return hmac.new(secret.encode(), signed_text(key, identity, expires).encode(), "sha256").hexdigest()


def customer_of_identity(
    key: PublishableKey, *, identity: str, expires: str, signature: str, now: float | None = None
) -> Customer | None:
    """The customer of a signed identity: `network:id` or `network/issuer:id`, percent-encoded.

    Raises BadProof.
    """
    moment = time.time() if now is None else now
    until = int(expires) if expires.isascii() and expires.isdigit() and len(expires) < 13 else 0
    expected = sign(str(key.secrets.get("signing", "")), key.key, identity, until)
    given = signature.strip().lower()
    is_signed = hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
    if not is_signed or not key.secrets.get("signing"):
        raise BadProof("bad_signature", "The signature does not fit this key, identity and expiry.")
    if until < moment:
        raise BadProof("expired", "The signature has expired; sign a new one.")
    if until > moment + LONGEST_SECONDS:
        raise BadProof("too_long", "A signature expires within 24 hours.")
    return _owner(identity)


def _owner(identity: str) -> Customer | None:
    if len(identity) > LONGEST_IDENTITY:
        return None
    where, _colon, given = unquote(identity).partition(":")
    network, _slash, issuer = where.partition("/")
    try:
        external_id = normalize(network, given, country=Workspace.current().country)
    except BadIdentity:
        return None
    if "\x00" in f"{network}{issuer}{external_id}":
        return None
    found = Identity.objects.select_related("customer").filter(
        network=network, issuer=issuer, external_id=external_id
    )
    known = found.first()
    return known.customer if known else None


def customer_of_visitor(token: str) -> Customer | None:
    """The customer of a visitor's own token, at a website of ours that is connected; None for any other."""
    if not token or len(token) > 200:
        return None
    given = hash_secret(token)
    found = ChatVisitor.objects.filter(
        Q(token_hash=given) | Q(previous_hash=given), account__is_active=True, identity__isnull=False
    )
    visitor = found.select_related("identity__customer").first()
    return visitor.identity.customer if visitor is not None and visitor.identity is not None else None


def tell(key: PublishableKey, customer: Customer | None) -> Told:
    """What this key may tell of somebody; of nobody, and of who refuses profiling, nulls."""
    if customer is None:
        return Told()
    root = root_of(customer)
    if root.profiling_refused or customer.profiling_refused:
        return Told()
    return Told(
        persona=_persona(root) if key.tells_persona else None,
        segments=_segments(key, root),
        next_category=_next_category(root) if key.tells_category else None,
    )


def _persona(customer: Customer) -> dict[str, Any] | None:
    found = PersonaMembership.objects.filter(customer=customer, persona__is_active=True)
    one = found.values("persona_id", "persona__name").first()
    return {"id": one["persona_id"], "name": one["persona__name"]} if one else None


def _segments(key: PublishableKey, customer: Customer) -> list[dict[str, Any]]:
    found = SegmentMembership.objects.filter(customer=customer, segment__in=key.segments.all())
    rows = found.order_by("segment_id").values_list("segment_id", "segment__name")
    return [{"id": pk, "name": name} for pk, name in rows]


def _next_category(customer: Customer) -> str | None:
    found = Prediction.objects.filter(customer=customer).values_list("next_category", flat=True).first()
    return found or None
