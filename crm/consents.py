"""What somebody allowed or refused: how it is written down with its proof, and what is in effect.

`crm.Consent` is append-only: nothing is changed and nothing taken back; a later word stands beside the
earlier one. Everybody who learns of a consent (staff, the API, imports, the customer's own page, a link in a
mail) writes it through `record_consents`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.events import Happening, emit_many
from core.text import clean_text
from crm import facts
from crm.models import Consent, Customer, CustomerTouch, Identity
from crm.profiling import allow_profiling, refuse_profiling
from crm.purposes import PROFILING, PURPOSES, check_purposes

MAX_PROOF = 4000
AHEAD_SECONDS = 300
"""So far ahead of ours a caller's clock may be; a word dated later would silence every one until then."""


@dataclass(frozen=True)
class ConsentIn:
    """A word of somebody about one purpose. `at` is when it was said; None is this moment.

    `whole_person` is only for refusals: it covers every identity of the customer.
    """

    identity: int
    purpose: str
    given: bool
    at: datetime | None = None
    proof: str = ""
    whole_person: bool = False


@dataclass(frozen=True)
class State:
    """What is in effect for one identity and purpose: given, refused, or None where nobody asked."""

    purpose: str
    given: bool | None = None
    at: datetime | None = None
    source: str = ""
    proof: str = ""
    by_person: bool = False
    """Whether a refusal of the whole person decides it, and not a word on this identity."""

    @property
    def name(self) -> str:
        return "never_asked" if self.given is None else "given" if self.given else "refused"

    @property
    def is_allowed(self) -> bool:
        """Whether we may: by a yes, or, for what goes on until somebody refuses, by no refusal."""
        known = PURPOSES.get(self.purpose)
        return bool(self.given) or (self.given is None and known is not None and not known.needs_yes)


# Reading


def effective_consent(identity: Identity, purpose: str) -> bool | None:
    """Whether this purpose is allowed on this identity: its newest consent, unless the person refused since.

    None where nobody ever asked. A refusal that names the whole person covers all their identities until the
    identity itself gives a newer consent.
    """
    own = Consent.objects.filter(identity=identity, purpose=purpose).order_by("-at", "-pk").first()
    refusals = Consent.objects.filter(customer_id=identity.customer_id, purpose=purpose, whole_person=True)
    refused = refusals.order_by("-at", "-pk").first()
    if refused is not None and (own is None or (refused.at, refused.pk) >= (own.at, own.pk)):
        return False
    return None if own is None else own.given


def states_of(customer: Customer) -> dict[int, dict[str, State]]:
    """What is in effect, by identity and purpose."""
    identities = customer.identities.order_by("pk").values_list("pk", flat=True)
    return states_by(identities, Consent.objects.filter(customer=customer).order_by("at", "pk"))


def states_by(identities: Iterable[int], words: Iterable[Consent]) -> dict[int, dict[str, State]]:
    """The same from the words of one customer that were read already, the oldest first."""
    said = list(words)
    own = {(one.identity_id, one.purpose): one for one in said}
    refused = {one.purpose: one for one in said if one.whole_person}
    purposes = [*PURPOSES, *sorted({one.purpose for one in said} - set(PURPOSES))]
    return {
        pk: {name: _state(name, own.get((pk, name)), refused.get(name)) for name in purposes}
        for pk in identities
    }


def _state(purpose: str, own: Consent | None, refused: Consent | None) -> State:
    counts = own
    if refused is not None and (own is None or (refused.at, refused.pk) >= (own.at, own.pk)):
        counts = refused
    if counts is None:
        return State(purpose)
    return State(purpose, counts.given, counts.at, counts.source, counts.proof, by_person=counts is refused)


# Writing


@transaction.atomic
def record_consents(rows: Sequence[ConsentIn], *, source: str, by: User | None = None) -> list[Consent]:
    """Write down what was said, in the order of `rows`; the same number of statements whatever their number.

    A row that stands there already (same identity, purpose, word, source and time of its own) is left out, so
    that a file read twice says nothing twice. Identities are locked as an ingest locks them: no merge comes
    between. Raises ValidationError for an unknown purpose, an unknown identity, a moment that is still to
    come, or a consent for the whole person.
    """
    now = timezone.now()
    _refuse_impossible(rows, now)
    owners = _locked_owners({row.identity for row in rows})
    fresh = _unknown(rows, source)
    written = Consent.objects.bulk_create(_consent(row, owners[row.identity], source, now) for row in fresh)
    if written:
        _follow(written, source=source, by=by)
    return written


@transaction.atomic
def record_by_staff(
    *, customer: Customer, rows: Sequence[ConsentIn], source: str = facts.STAFF, by: User
) -> list[Consent]:
    """What staff or a caller of the API say a customer told them.

    Raises ValidationError where an identity is not the customer's, or there is no proof.
    """
    check(by, "customer.edit")
    own = set(Identity.objects.filter(customer=customer).values_list("pk", flat=True))
    if any(row.identity not in own for row in rows):
        words = _("This customer has no such identity.")
        raise ValidationError({"identity": ValidationError(words, code="does_not_exist")})
    if any(not row.proof.strip() for row in rows):
        words = _("Say what was said, and where: without it nobody can show this consent.")
        raise ValidationError({"proof": ValidationError(words, code="required")})
    return record_consents(rows, source=source, by=by)


def _refuse_impossible(rows: Sequence[ConsentIn], now: datetime) -> None:
    check_purposes(row.purpose for row in rows)
    if any(row.whole_person and row.given for row in rows):
        words = _("Only a refusal can be for the whole person; consent is given for one identity at a time.")
        raise ValidationError({"whole_person": ValidationError(words, code="invalid")})
    if any(row.at and (row.at - now).total_seconds() > AHEAD_SECONDS for row in rows):
        words = _("A consent cannot be dated ahead.")
        raise ValidationError({"at": ValidationError(words, code="invalid")})


def _locked_owners(ids: Iterable[int]) -> Mapping[int, Identity]:
    """The identities under the lock of an ingest. Raises ValidationError for one that is not there."""
    wanted = sorted(set(ids))
    marks = "SELECT * FROM crm_identity WHERE id = ANY(%s) ORDER BY id FOR SHARE"
    found = {identity.pk: identity for identity in Identity.objects.raw(marks, [wanted])}
    missing = [pk for pk in wanted if pk not in found]
    if missing:
        words = _("There is no identity %(pk)s.") % {"pk": missing[0]}
        raise ValidationError({"identity": ValidationError(words, code="does_not_exist")})
    return found


def _unknown(rows: Sequence[ConsentIn], source: str) -> list[ConsentIn]:
    """Rows that are not written down yet, each once."""
    dated = [row for row in rows if row.at is not None]
    known: set[tuple[int, str, bool, bool, datetime | None]] = set(
        Consent.objects.filter(
            identity__in={row.identity for row in dated}, source=source, at__in={row.at for row in dated}
        ).values_list("identity_id", "purpose", "given", "whole_person", "at")
    )
    fresh = []
    for row in rows:
        key = (row.identity, row.purpose, row.given, row.whole_person, row.at)
        if row.at is None or key not in known:
            fresh.append(row)
            known.add(key)
    return fresh


def _consent(row: ConsentIn, identity: Identity, source: str, now: datetime) -> Consent:
    return Consent(
        identity=identity,
        purpose=row.purpose,
        given=row.given,
        whole_person=row.whole_person,
        source=source,
        proof=clean_text(row.proof, limit=MAX_PROOF).strip(),
        at=row.at or now,
        home_customer_id=identity.home_customer_id,
        customer_id=identity.customer_id,
    )


def _follow(written: Sequence[Consent], *, source: str, by: User | None) -> None:
    """What a word changes: traits, the audit trail, the change feed, and whether somebody is profiled."""
    customers = sorted({one.customer_id for one in written})
    CustomerTouch.objects.bulk_create([CustomerTouch(customer_id=pk) for pk in customers])
    _audit(written, customers, source=source, by=by)
    emit_many(
        [
            Happening(
                "consent.given" if one.given else "consent.refused",
                {"customer": one.customer_id, "identity": one.identity_id, "purpose": one.purpose},
                ("staff",),
            )
            for one in written
        ]
    )
    _follow_profiling(sorted({one.customer_id for one in written if one.purpose == PROFILING}), source, by)


def _audit(written: Sequence[Consent], customers: Sequence[int], *, source: str, by: User | None) -> None:
    """One line for a customer, or one for a whole page of a file: the consents themselves are the record."""
    if len(customers) > 1:
        detail = {"source": source, "customers": len(customers), "consents": len(written)}
        record_audit(by=by, verb="consents.recorded", detail=detail)
        return
    words = [
        {"purpose": one.purpose, "given": one.given, "identity": one.identity_id, "all": one.whole_person}
        for one in written
    ]
    customer = Customer.objects.get(pk=customers[0])
    detail = {"source": source, "consents": words}
    record_audit(by=by, verb="consent.recorded", target=customer, name="", detail=detail)


def _follow_profiling(customers: Sequence[int], source: str, by: User | None) -> None:
    """Keep `profiling_refused` as the newest word about the picture of somebody says."""
    if not customers:
        return
    newest = Consent.objects.filter(customer__in=customers, purpose=PROFILING).select_related("customer")
    for one in newest.order_by("customer_id", "-at", "-whole_person", "-pk").distinct("customer_id"):
        follow = allow_profiling if one.given else refuse_profiling
        if one.customer.profiling_refused == one.given:
            follow(customer=one.customer, source=source, by=by)
