"""What a customer may choose on their own page, and how their choice is written down."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from core import networks
from crm import facts
from crm.consents import ConsentIn, State, record_consents, states_of
from crm.identities import EMAIL, PHONE
from crm.models import Consent, Customer, Identity
from crm.purposes import PROFILING, PURPOSES, Purpose
from crm.trees import hold_identities

SPEAKS = frozenset({"mail", "message", "comment", "call"})
"""Kinds of networks on which somebody can be spoken to at all."""
MOST_HANDLES = 20


@dataclass(frozen=True)
class Choice:
    """One box on the page. One that `may_turn_on` only where the link was sent can be turned off anywhere."""

    name: str
    identity: Identity
    purpose: Purpose
    state: State
    may_turn_on: bool

    @property
    def is_on(self) -> bool:
        return self.state.is_allowed

    @property
    def is_fixed(self) -> bool:
        """Whether there is nothing to choose: off, and not to be turned on by this link."""
        return not self.is_on and not self.may_turn_on


@dataclass(frozen=True)
class Handle:
    """One handle and what may be chosen for it. Only the one that the link was made for is shown in full."""

    identity: Identity
    shown: str
    is_own: bool
    choices: Sequence[Choice]


@dataclass(frozen=True)
class Choices:
    """Everything a customer may choose, and a mark by which a page that is too old is known."""

    handles: Sequence[Handle]
    of_person: Sequence[Choice]
    seen: int

    @property
    def has_others(self) -> bool:
        """Whether there are handles that the link was not made for."""
        return any(not handle.is_own for handle in self.handles)

    def all(self) -> list[Choice]:
        """Every box."""
        return [*self.of_person, *(one for handle in self.handles for one in handle.choices)]


def choices_of(link: Identity) -> Choices:
    """What stands on the page that was opened by a link for this identity."""
    customer = link.customer
    states = states_of(customer)
    seen = Consent.objects.filter(customer=customer).aggregate(newest=Max("pk"))["newest"] or 0
    mine = sorted(customer.identities.order_by("pk"), key=lambda one: (one.pk != link.pk, one.pk))
    spoken = [one for one in mine if one.pk == link.pk or networks.get(one.network).kind in SPEAKS]
    return Choices(
        [_handle(one, states[one.pk], link) for one in spoken[:MOST_HANDLES]],
        [
            _choice(link, purpose, _of_person(customer, states[link.pk][purpose.name]), may_turn_on=True)
            for purpose in PURPOSES.values()
            if purpose.of_person
        ],
        seen,
    )


def _of_person(customer: Customer, state: State) -> State:
    """What is in effect for the person: whether they are profiled stands on the record, whoever set it."""
    if state.purpose != PROFILING or state.is_allowed != customer.profiling_refused:
        return state
    return replace(state, given=False if customer.profiling_refused else None)


def _handle(identity: Identity, states: dict[str, State], link: Identity) -> Handle:
    is_own = identity.pk == link.pk
    choices = [
        _choice(identity, purpose, states[purpose.name], may_turn_on=is_own or not purpose.needs_yes)
        for purpose in PURPOSES.values()
        if not purpose.of_person and purpose.suits(identity.network)
    ]
    shown = str(identity) if is_own else masked(identity)
    return Handle(identity, shown, is_own, choices)


def _choice(identity: Identity, purpose: Purpose, state: State, *, may_turn_on: bool) -> Choice:
    return Choice(f"{identity.pk}-{purpose.name}", identity, purpose, state, may_turn_on)


def masked(identity: Identity) -> str:
    """A handle as its owner knows it again, and nobody else learns it."""
    text = str(identity)
    if identity.network == EMAIL and "@" in text:
        name, _at, host = text.rpartition("@")
        return f"{name[:1]}•••@{host}"
    if identity.network == PHONE or text.startswith("+"):
        return f"••• {text[-2:]}"
    return f"{text.lstrip('@')[:2]}•••"


@transaction.atomic
def save_choices(link: Identity, on: Collection[str], *, seen: int, place: str) -> int:
    """Write down what was turned on or off; how many words that were.

    Raises ValidationError (code `stale`) where something was written down since the page was opened.
    """
    # Two pages open at once: the second one waits here, and then is seen to be too old.
    hold_identities(Identity.objects.filter(customer=link.customer_id))
    found = choices_of(link)
    if found.seen != seen:
        raise ValidationError(
            _("Something was changed since you opened this page. Look again, please."), code="stale"
        )
    changed = [
        _said(choice, choice.name in on, place)
        for choice in found.all()
        if (choice.name in on) != choice.is_on and not choice.is_fixed
    ]
    record_consents(changed, source=facts.CUSTOMER)
    return len(changed)


def _said(choice: Choice, given: bool, place: str) -> ConsentIn:
    purpose = choice.purpose
    return ConsentIn(
        choice.identity.pk,
        purpose.name,
        given,
        proof=_proof(_("turned on") if given else _("turned off"), purpose, place),
        whole_person=purpose.of_person and not given,
    )


@transaction.atomic
def refuse_everything(link: Identity, *, place: str) -> int:
    """No to all that needs a yes, for the whole person; how many purposes that were."""
    refused = [purpose for purpose in PURPOSES.values() if purpose.needs_yes]
    written = record_consents(
        [
            ConsentIn(link.pk, one.name, False, proof=_proof(_("refused"), one, place), whole_person=True)
            for one in refused
        ],
        source=facts.CUSTOMER,
    )
    return len(written)


def refuse_one(identity: Identity, purpose: str, *, source: str, place: str) -> bool:
    """No to one purpose on one identity; False where that was said before."""
    if states_of(identity.customer)[identity.pk][purpose].given is False:
        return False
    proof = _proof(_("refused"), PURPOSES[purpose], place)
    record_consents([ConsentIn(identity.pk, purpose, False, proof=proof)], source=source)
    return True


def _proof(what: str, purpose: Purpose, place: str) -> str:
    words = _("By a signed link: %(what)s “%(label)s: %(explanation)s”, from %(place)s.")
    said = {"what": what, "label": purpose.label, "explanation": purpose.explanation}
    return words % {**said, "place": place or _("an unknown network")}
