"""Signed tokens: who a visitor is, by the word of the shop they are signed in at."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.authentication import hash_secret
from crm.identities import BadIdentity
from crm.linking import LEEWAY, BadToken, Claims, Confirmed, link_confirmed, read_token
from engagement.channels.webchat.visitors import label_of, recognize
from engagement.models import ChannelAccount, ChatProof, ChatVisitor

SOURCE = "webchat"
LONGEST_TOKEN = 4096


class OtherPerson(ValueError):
    """A token for somebody else than whom the browser spoke for: it must begin anew."""


def identify(visitor: ChatVisitor, token: str) -> bool:
    """Make the visitor, and everybody the token names, one customer; whether there was something to link.

    A visitor who neither wrote nor agreed to visits is nobody's customer yet: the token is asked for again
    when they do. Raises BadToken for one that is expired, foreign or was shown by another browser, and
    OtherPerson.
    """
    if not token or len(token) > LONGEST_TOKEN:
        raise BadToken(_("A token has 1 to 4,096 characters."))
    site = visitor.account
    secret = str(site.credentials.get("identity_secret", ""))
    claims = read_token(token, secret, issuer=str(site.settings.get("token_issuer") or ""))
    if visitor.identifier and visitor.identifier != claims.subject[:200]:
        raise OtherPerson(_("This browser spoke for somebody else; begin a new chat."))
    _keep_proof(visitor, token, claims)
    if visitor.identity_id is None:
        _note_identifier(visitor, claims)
        return False
    try:
        link_confirmed(
            [*claims.identities(), *_own_handles(site, visitor, claims)], proof=claims.proof, source=SOURCE
        )
    except BadIdentity as error:
        raise BadToken(_("The token cannot be used: %(why)s") % {"why": error}) from error
    recognize(visitor, claims.subject[:200])
    return True


def _keep_proof(visitor: ChatVisitor, token: str, claims: Claims) -> None:
    """The first browser that shows a token keeps it until it expires. What expired goes on the way."""
    ChatProof.objects.filter(expires_at__lt=timezone.now() - LEEWAY).delete()
    with transaction.atomic():
        proof, _made = ChatProof.objects.get_or_create(
            token_hash=hash_secret(token),
            defaults={"visitor": visitor, "expires_at": claims.expires or timezone.now()},
        )
    if proof.visitor_id != visitor.pk:
        raise BadToken(_("This token was used in another browser already. Sign a new one for each."))


def _note_identifier(visitor: ChatVisitor, claims: Claims) -> None:
    visitor.identifier = claims.subject[:200]
    visitor.save(update_fields=["identifier"])


def _own_handles(site: ChannelAccount, visitor: ChatVisitor, claims: Claims) -> list[Confirmed]:
    """The browser, and the person as this site knows them."""
    network, issuer = site.network, site.issuer
    return [
        Confirmed(network, str(visitor.visitor_id), issuer=issuer, handle=label_of(visitor)),
        Confirmed(network, f"user:{claims.subject[:200]}", issuer=issuer, handle=claims.subject),
    ]


__all__ = ["BadToken", "OtherPerson", "identify"]
