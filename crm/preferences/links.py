"""Signed links for customers: to their own page, to confirm a consent, to say no more.

A link is all its holder needs, so it is made for one identity and one end, each with a salt of its own. It
names an identity and not a customer: whatever is merged or taken apart later, it leads to whoever that
identity belongs to at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from crm.models import ConsentRequest, Customer, Identity
from crm.purposes import PURPOSES

PAGE_LIFE = timedelta(days=30)
CONFIRM_LIFE = timedelta(days=7)
_PAGE = "crm.preferences.page"
_CONFIRM = "crm.preferences.confirm"
_UNSUBSCRIBE = "crm.preferences.unsubscribe"
ONE_CLICK = "List-Unsubscribe=One-Click"


class LinkEnded(Exception):
    """A link of ours that is too old or was ended; a new one can be asked for."""


class LinkBroken(Exception):
    """A link that is not ours, or was changed on its way."""


@dataclass(frozen=True)
class PageLink:
    """A new link to somebody's own page, and until when it opens."""

    url: str
    until: Any


# The page


def page_token(identity: Identity) -> str:
    """What stands in the address of somebody's own page."""
    return _sign(_PAGE, [identity.pk, identity.link_version])


def page_identity(token: str) -> Identity:
    """Whose page a link opens. Raises LinkEnded or LinkBroken."""
    pk, version = _read(_PAGE, token, PAGE_LIFE)
    identity = _identity(pk)
    if identity.link_version != version:
        raise LinkEnded
    return identity


@transaction.atomic
def make_page_link(*, identity: Identity, by: User) -> PageLink:
    """A link to be given to the person behind this identity."""
    check(by, "customer.edit")
    detail = {"identity": identity.pk}
    record_audit(by=by, verb="page_link.made", target=identity.customer, name="", detail=detail)
    url = _absolute("preferences:page", page_token(identity))
    return PageLink(url, timezone.now() + PAGE_LIFE)


@transaction.atomic
def end_page_links(*, customer: Customer, by: User) -> int:
    """End every link to this customer's page that was given out; the number of identities concerned."""
    check(by, "customer.edit")
    count = Identity.objects.filter(customer=customer).update(link_version=F("link_version") + 1)
    record_audit(by=by, verb="page_links.ended", target=customer, name="", detail={"identities": count})
    return count


# Confirming, and saying no more


def confirm_url(request: ConsentRequest) -> str:
    """The address in the mail that asks for a consent."""
    return _absolute("preferences:confirm", _sign(_CONFIRM, [request.pk]))


def confirm_request(token: str) -> ConsentRequest:
    """The request that a link confirms. Raises LinkEnded or LinkBroken."""
    (pk,) = _read(_CONFIRM, token, CONFIRM_LIFE)
    rows = ConsentRequest.objects.select_related("identity", "customer")
    found: ConsentRequest | None = rows.filter(pk=pk).first()
    if found is None:
        raise LinkEnded
    return found


def unsubscribe_url(identity: Identity, purpose: str) -> str:
    """The address that ends one purpose on one identity, for the foot and the head of a mail.

    It never ends by age: somebody who finds an old mail must still be able to say no.
    """
    if purpose not in PURPOSES:
        raise KeyError(purpose)
    return _absolute("preferences:unsubscribe", _sign(_UNSUBSCRIBE, [identity.pk, purpose]))


def unsubscribe_headers(identity: Identity, purpose: str) -> dict[str, str]:
    """The two headers of a mail by which mail programs unsubscribe with one click (RFC 8058)."""
    return {
        "List-Unsubscribe": f"<{unsubscribe_url(identity, purpose)}>",
        "List-Unsubscribe-Post": ONE_CLICK,
    }


def unsubscribe_of(token: str) -> tuple[Identity, str]:
    """Who says no to what. Raises LinkEnded or LinkBroken."""
    pk, purpose = _read(_UNSUBSCRIBE, token, None)
    return _identity(pk), purpose


# Signing


def _signer(salt: str) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=salt, sep=".")


def _sign(salt: str, what: list[Any]) -> str:
    return _signer(salt).sign_object(what)


def _read(salt: str, token: str, life: timedelta | None) -> Any:
    try:
        return _signer(salt).unsign_object(token, max_age=life)
    except signing.SignatureExpired as error:
        raise LinkEnded from error
    except (signing.BadSignature, ValueError) as error:
        raise LinkBroken from error


def _identity(pk: int) -> Identity:
    found: Identity | None = Identity.objects.select_related("customer").filter(pk=pk).first()
    if found is None:
        raise LinkEnded
    return found


def _absolute(name: str, token: str) -> str:
    return settings.PUBLIC_URL + reverse(name, args=[token])
