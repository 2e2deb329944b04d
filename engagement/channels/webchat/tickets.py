"""One-time tickets: an event stream cannot send a header, and a token in an address would end up in logs."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.utils import timezone

from accounts.authentication import hash_secret
from engagement.channels.webchat.transcript import channel
from engagement.models import ChatTicket, ChatVisitor

LASTS = timedelta(minutes=1)


def give_ticket(visitor: ChatVisitor, *, origin: str) -> str:
    """A ticket for this visitor's page; what expired is swept out on the way."""
    now = timezone.now()
    ChatTicket.objects.filter(visitor=visitor, expires_at__lt=now).delete()
    ticket = secrets.token_urlsafe(32)
    ChatTicket.objects.create(
        token_hash=hash_secret(ticket), visitor=visitor, origin=origin, expires_at=now + LASTS
    )
    return ticket


def take_ticket(ticket: str, *, origin: str) -> int | None:
    """The visitor's row id if the ticket is good; it is used up in any case. None: refuse the stream."""
    found = ChatTicket.objects.filter(token_hash=hash_secret(ticket)) if ticket else ChatTicket.objects.none()
    for row in found:
        used, _kinds = ChatTicket.objects.filter(pk=row.pk).delete()
        if used and row.expires_at > timezone.now() and row.origin == origin:
            return row.visitor_id
    return None


def visitor_channels(visitor_pk: int) -> frozenset[str] | None:
    """What the visitor is told; None once the chat was switched off."""
    visitor = ChatVisitor.objects.filter(pk=visitor_pk, account__is_active=True).first()
    return frozenset({channel(visitor)}) if visitor else None
