"""Asking by mail: nothing is allowed until the person presses the button behind the link (double opt-in).

The mail goes out through whatever `register_mailer` was given, since this app sends nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.events import emit
from core.models import Workspace
from core.text import clean_text
from crm.arrivals import own_identities
from crm.consents import ConsentIn, effective_consent, record_consents
from crm.identities import EMAIL, BadIdentity, normalize
from crm.models import Consent, ConsentRequest, Identity
from crm.preferences.links import CONFIRM_LIFE, LinkEnded, confirm_url
from crm.purposes import PURPOSES, check_purposes, label_of

AGAIN_AFTER = timedelta(days=1)
SOURCE = "double opt-in"


@dataclass(frozen=True)
class Letter:
    """A mail about a consent. `shown` is what staff may read of it: the text without the link."""

    subject: str
    text: str
    shown: str


class Mailer(Protocol):
    """What sends the letters."""

    def mailboxes(self) -> Sequence[tuple[int, str]]:
        """(id, name) of each mailbox that can send, the usual one first."""

    def send(self, *, identity: Identity, letter: Letter, mailbox: int, by: User | None) -> None:
        """Queue a letter in the caller's transaction. Raises ValidationError where it cannot leave."""


_mailers: list[Mailer] = []


def register_mailer(mailer: Mailer) -> None:
    """Make known what sends letters; the last one registered counts."""
    _mailers[:] = [mailer]


def mailboxes() -> Sequence[tuple[int, str]]:
    """(id, name) of each mailbox that a request can be sent from; none where none is connected."""
    return _mailers[0].mailboxes() if _mailers else []


@transaction.atomic
def ask_for_consent(
    *, identity: Identity, purpose: str, source: str, by: User | None = None, mailbox: int | None = None
) -> ConsentRequest:
    """Write the request down and queue its mail; asked again, the same request is sent once more.

    `by` is None where the person asked for it themselves by a form. Raises ValidationError (code `lately`)
    within a day of the last mail, and where the identity, the purpose or the mailbox does not fit.
    """
    if by is not None:
        check(by, "customer.edit")
    check_purposes([purpose])
    _refuse_pointless(identity, purpose)
    chosen = _mailbox(mailbox)
    request = _open_request(identity, purpose, source)
    _mailers[0].send(identity=identity, letter=letter_for(request), mailbox=chosen, by=by)
    detail = {"purpose": purpose, "identity": identity.pk, "source": source}
    record_audit(by=by, verb="consent.asked", target=request.customer, name="", detail=detail)
    emit(
        "consent.asked",
        channels=["staff"],
        customer=request.customer_id,
        identity=identity.pk,
        purpose=purpose,
    )
    return request


@transaction.atomic
def ask_stranger(*, email: str, purpose: str, source: str) -> None:
    """Ask an address that somebody typed into a form, known or not; nothing happens where asking is no use.

    Nobody learns from it whether the address is known here. Raises ValidationError for what is no address.
    """
    try:
        address = normalize(EMAIL, clean_text(email))
    except BadIdentity as error:
        raise ValidationError({"email": ValidationError(str(error), code="invalid")}) from error
    author = {
        "network": EMAIL,
        "issuer": "",
        "external_id": address,
        "handle": address,
        "name": "",
        "verified": False,
    }
    (owner,) = own_identities([author], source=source).values()
    identity = Identity.objects.get(pk=owner.identity_id)
    try:
        with transaction.atomic():
            ask_for_consent(identity=identity, purpose=purpose, source=source)
    except ValidationError as error:
        if error.code not in ("lately", "given"):
            raise


def _refuse_pointless(identity: Identity, purpose: str) -> None:
    if identity.network != EMAIL:
        raise ValidationError(_("Only an e-mail address can be asked by mail."), code="network")
    if not PURPOSES[purpose].suits(identity.network) or not PURPOSES[purpose].needs_yes:
        words = _("“%(purpose)s” is not asked of an e-mail address.") % {"purpose": label_of(purpose)}
        raise ValidationError(words, code="purpose")
    if effective_consent(identity, purpose):
        raise ValidationError(_("This was allowed already."), code="given")


def _mailbox(wanted: int | None) -> int:
    known = [pk for pk, _name in mailboxes()]
    if not known:
        raise ValidationError(_("Connect a mailbox first: the question goes out by mail."), code="mailbox")
    if wanted is None:
        return known[0]
    if wanted not in known:
        raise ValidationError(_("There is no such mailbox."), code="mailbox")
    return wanted


def _open_request(identity: Identity, purpose: str, source: str) -> ConsentRequest:
    """The open request, made or asked again. Its identity is locked: two clicks send one mail."""
    locked = Identity.objects.select_for_update(no_key=True).get(pk=identity.pk)
    known = ConsentRequest.objects.filter(identity=locked, purpose=purpose, confirmed_at=None).first()
    now = timezone.now()
    if known is None:
        return ConsentRequest.objects.create(
            identity=locked,
            purpose=purpose,
            source=source,
            asked_at=now,
            home_customer_id=locked.home_customer_id,
            customer_id=locked.customer_id,
        )
    if now - known.asked_at < AGAIN_AFTER:
        raise ValidationError(_("They were asked within the last day. Ask again tomorrow."), code="lately")
    known.asked_at, known.source = now, source
    known.save(update_fields=["asked_at", "source"])
    return known


def letter_for(request: ConsentRequest) -> Letter:
    """The mail, in the customer's language where we speak it."""
    with translation.override(language_of(request.customer.language)):
        name = Workspace.current().name
        label = label_of(request.purpose)
        until = date_format(timezone.localtime(request.asked_at + CONFIRM_LIFE), "DATE_FORMAT")
        subject = _("%(name)s: please confirm “%(purpose)s”") % {"name": name, "purpose": label}
        text = _(
            "Hello,\n\nsomebody gave us this address for “%(purpose)s”. %(explanation)s\n\n"
            "If that was you and you want it, open this page and press the button:\n\n%(link)s\n\n"
            "It works until %(until)s. If you do nothing, nothing happens: without your yes we send"
            " nothing of the kind.\n\n%(name)s"
        )
        said = {
            "purpose": label,
            "explanation": PURPOSES[request.purpose].explanation,
            "until": until,
            "name": name,
        }
        shown = text % {**said, "link": _("[a link that only they see]")}
        return Letter(subject, text % {**said, "link": confirm_url(request)}, shown)


def language_of(code: str) -> str:
    """The language of ours that is nearest to a customer's; the workspace's usual one for any other."""
    usual = translation.get_language() or settings.LANGUAGE_CODE
    try:
        return translation.get_supported_language_variant(code) if code else usual
    except LookupError:
        return usual


@transaction.atomic
def confirm(request: ConsentRequest, *, wording: str, place: str) -> Consent | None:
    """The person pressed the button: their consent with its proof; None where they had done so before.

    `wording` is what the page said, `place` the coarse network address they came from. The address is proven
    to be theirs by it. Raises LinkEnded for a request that lapsed.
    """
    # The identity comes first, as in a merge.
    Identity.objects.select_for_update(no_key=True).get(pk=request.identity_id)
    locked = ConsentRequest.objects.select_for_update(of=("self",)).get(pk=request.pk)
    if locked.confirmed_at is not None:
        return None
    now = timezone.now()
    if now - locked.asked_at > CONFIRM_LIFE:
        raise LinkEnded
    proof = _(
        "Pressed the button on the page behind the link in our mail. Shown: “%(wording)s” Asked at %(asked)s"
        " (%(source)s), confirmed at %(at)s from %(place)s, request %(pk)s."
    ) % {
        "wording": wording,
        "asked": locked.asked_at.isoformat(timespec="seconds"),
        "source": locked.source,
        "at": now.isoformat(timespec="seconds"),
        "place": place or _("an unknown network"),
        "pk": locked.pk,
    }
    said = ConsentIn(locked.identity_id, locked.purpose, True, proof=proof)
    (consent,) = record_consents([said], source=SOURCE)
    locked.confirmed_at = now
    locked.save(update_fields=["confirmed_at"])
    Identity.objects.filter(pk=locked.identity_id).update(verified=True)
    return consent
