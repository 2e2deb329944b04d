"""Browsers that talk to us: their tokens, what they say of themselves, and whom the site vouches for."""

from __future__ import annotations

import secrets
import uuid
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.authentication import hash_secret
from core.text import clean_text
from crm.identities import BadIdentity, normalize
from crm.merging import move_identity
from crm.models import Customer, Identity
from engagement.channels.base import Author
from engagement.models import ChannelAccount, ChatVisitor

OLD_TOKEN_LASTS = timedelta(minutes=1)
"""So long after its successor came, the token before still opens: another tab may be using it."""
SEEN_WRITTEN_EVERY = timedelta(minutes=1)


def new_visitor(site: ChannelAccount, *, identifier: str = "") -> tuple[ChatVisitor, str]:
    """A browser we have not met, and its token, which is kept nowhere."""
    token = secrets.token_urlsafe(32)
    visitor = ChatVisitor.objects.create(
        account=site, visitor_id=uuid.uuid4(), token_hash=hash_secret(token), identifier=identifier
    )
    return visitor, token


def rotate_token(visitor: ChatVisitor) -> str:
    """A new token. The one before opens until the new one was used, so a lost answer locks nobody out."""
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        row = ChatVisitor.objects.select_for_update().get(pk=visitor.pk)
        row.previous_hash, row.token_hash = row.token_hash, hash_secret(token)
        row.rotated_at = timezone.now()
        row.save(update_fields=["previous_hash", "token_hash", "rotated_at"])
    return token


def visitor_of(site: ChannelAccount, token: str) -> ChatVisitor | None:
    """The visitor whom this token opens."""
    if not token:
        return None
    given = hash_secret(token)
    found = ChatVisitor.objects.select_related("identity", "account")
    visitor = found.filter(Q(token_hash=given) | Q(previous_hash=given), account=site).first()
    if visitor is not None:
        _note_use(visitor, given)
    return visitor


def _note_use(visitor: ChatVisitor, given: str) -> None:
    now = timezone.now()
    changes: dict[str, Any] = {}
    if visitor.previous_hash and given == visitor.token_hash and now - visitor.rotated_at > OLD_TOKEN_LASTS:
        changes["previous_hash"] = ""
    if now - visitor.seen_at > SEEN_WRITTEN_EVERY:
        changes["seen_at"] = now
    if changes:
        ChatVisitor.objects.filter(pk=visitor.pk).update(**changes)


def author_of(visitor: ChatVisitor) -> Author:
    """Who speaks. An address that was only typed is a label on the chat identity and no identity itself:
    anybody can type anybody's, so it joins no customer.
    """
    return Author(
        external_id=str(visitor.visitor_id),
        handle=label_of(visitor),
        name=visitor.name,
        verified=bool(visitor.identifier),
    )


def label_of(visitor: ChatVisitor) -> str:
    """How staff read this visitor's handle."""
    return (
        visitor.email or visitor.identifier or _("Visitor %(short)s") % {"short": str(visitor.visitor_id)[:4]}
    )


class BadDetails(ValueError):
    """What a visitor typed cannot be a name or an address."""


def checked_email(value: str) -> str:
    """The address normalized, or '' for none. Raises BadDetails."""
    value = clean_text(value).strip()
    if not value:
        return ""
    try:
        return normalize("email", value[:320])
    except BadIdentity as error:
        raise BadDetails(_("This is not an e-mail address.")) from error


def remember_details(visitor: ChatVisitor, *, name: str, email: str) -> None:
    """Keep what the visitor says of himself, and show it to staff. Empty values change nothing."""
    name, email = clean_text(name).strip().replace("\n", " ")[:200], checked_email(email)
    before = label_of(visitor)
    if (not name or name == visitor.name) and (not email or email == visitor.email):
        return
    visitor.name, visitor.email = name or visitor.name, email or visitor.email
    with transaction.atomic():
        visitor.save(update_fields=["name", "email"])
        if visitor.identity_id:
            _show_details(visitor, before)


def _show_details(visitor: ChatVisitor, before: str) -> None:
    """A name the customer got from this visitor's label follows; one that staff gave stays."""
    label = label_of(visitor)
    own = Identity.objects.filter(pk=visitor.identity_id or 0)
    own.update(handle=label, name=visitor.name)
    customers = Customer.objects.filter(identities__in=own, name__in=["", before])
    customers.update(name=visitor.name or label)


def join_identity(visitor: ChatVisitor) -> None:
    """Give a visitor whom the site vouches for the customer of that person, whichever browser they use.

    The person is a chat identity of its own, `user:<identifier>`. A typed address never gets here.
    """
    if not visitor.identifier or visitor.identity_id is None:
        return
    with transaction.atomic():
        own = Identity.objects.select_for_update().get(pk=visitor.identity_id)
        person = _person(visitor, own)
        if person.customer_id != own.customer_id:
            move_identity(identity=own, to=person.customer)


def _person(visitor: ChatVisitor, own: Identity) -> Identity:
    key = {"network": own.network, "issuer": own.issuer, "external_id": f"user:{visitor.identifier}"}
    row = Identity(
        **key,
        handle=visitor.identifier,
        name=visitor.name,
        verified=True,
        source="webchat",
        home_customer_id=own.customer_id,
        customer_id=own.customer_id,
    )
    Identity.objects.bulk_create([row], ignore_conflicts=True)
    return Identity.objects.select_related("customer").get(**key)


def recognize(visitor: ChatVisitor, identifier: str) -> None:
    """Note that the site vouches for a visitor who came as a stranger."""
    if identifier and not visitor.identifier:
        visitor.identifier = identifier
        visitor.save(update_fields=["identifier"])
        if visitor.identity_id:
            Identity.objects.filter(pk=visitor.identity_id).update(verified=True)
        join_identity(visitor)
