"""Whose visits a website sends: the same visitor as in the chat, so that both are one customer."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.authentication import hash_secret
from engagement.channels.base import Event
from engagement.channels.webchat.limits import WINDOW, address_may
from engagement.channels.webchat.visitors import author_of, join_identity, visitor_of
from engagement.models import ChannelAccount, ChatVisitor
from engagement.visits import keeping
from engagement.visits.keeping import Agreement, Kept
from engagement.visits.reading import PRODUCT_PAGES

CALLS_AN_ADDRESS = 600
CALLS_A_VISITOR = 120
SOURCE = "webchat"


class NoVisitor(ValueError):
    """Visits of nobody who may be believed, with the reason."""


def visitor_for(site: ChannelAccount, *, token: str, visitor_id: str) -> ChatVisitor:
    """The visitor of a chat's token; without one, of a UUID that an app made and keeps to itself.

    A UUID that came with a token is believed with it only. Raises NoVisitor.
    """
    if token:
        found = visitor_of(site, token)
        if found is None:
            raise NoVisitor(_("This token opens no chat; ask for a new one."))
        return found
    try:
        wanted = uuid.UUID(visitor_id)
    except ValueError as error:
        raise NoVisitor(_("Name the visitor: the token of a chat session, or a UUID of your own.")) from error
    own = _own_token(site, wanted)
    return visitor_of(site, own) or _new(site, wanted, own)


def _new(site: ChannelAccount, wanted: uuid.UUID, own: str) -> ChatVisitor:
    try:
        with transaction.atomic():
            return ChatVisitor.objects.create(account=site, visitor_id=wanted, token_hash=hash_secret(own))
    except IntegrityError:
        # made by another call at this moment, or by a chat session that has a token
        found = visitor_of(site, own)
        if found is None:
            raise NoVisitor(_("This visitor has a token; send it along.")) from None
        return found


def _own_token(site: ChannelAccount, visitor_id: uuid.UUID) -> str:
    """What opens a visitor whom an app named itself: nothing but the name, which only that app knows."""
    return f"visitor:{site.external_id}:{visitor_id}"


def product_pages(site: ChannelAccount) -> Sequence[str]:
    """Under which pieces of addresses this site shows products and prices."""
    return site.settings.get("product_pages") or PRODUCT_PAGES


def address_may_track(address: str | None) -> bool:
    """Whether this address is below its limit; asked first, since each new visitor is a row that stays."""
    return address_may("track", address, CALLS_AN_ADDRESS)


def may_track(visitor: ChatVisitor) -> bool:
    """Whether this visitor is below their limit; with Redis away, yes."""
    key = f"chat:track:{visitor.pk}"
    cache.add(key, 0, timedelta(seconds=WINDOW).seconds)
    try:
        return cache.incr(key) <= CALLS_A_VISITOR
    except ValueError:
        return True


def keep(visitor: ChatVisitor, events: Sequence[Event], agreement: Agreement) -> Kept:
    """Store the visits of a visitor; the first one makes them a customer."""
    kept = keeping.keep_visits(visitor.account, author_of(visitor), events, agreement, source=SOURCE)
    if kept.identity is not None and visitor.identity_id is None:
        ChatVisitor.objects.filter(pk=visitor.pk).update(identity_id=kept.identity)
        visitor.identity_id = kept.identity
        join_identity(visitor)
    return kept


def forget(visitor: ChatVisitor, *, place: str) -> int:
    """Delete the visits of a visitor who took their word back."""
    if visitor.identity is None:
        return 0
    return keeping.forget_visits(visitor.identity, source=SOURCE, place=place)
