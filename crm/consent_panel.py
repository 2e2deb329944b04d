"""The panel of the customer page about what they allow: the matrix, its proof, and what staff can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from accounts.permissions import can
from crm.consent_requests import mailboxes
from crm.consents import State, states_by
from crm.identities import EMAIL
from crm.models import Consent, ConsentRequest, Customer, Identity
from crm.preferences.links import CONFIRM_LIFE
from crm.purposes import PURPOSES, label_of

HISTORY = 30


@dataclass(frozen=True)
class Row:
    """One purpose of the matrix: what is in effect for each identity, in their order."""

    label: str
    explanation: str
    states: Sequence[State]


@dataclass(frozen=True)
class Panel:
    """Everything the panel shows.

    The matrix has `columns` for identities of which somebody ever spoke; purposes of which nobody did stand
    in `silent`.
    """

    identities: Sequence[Identity]
    columns: Sequence[Identity]
    rows: Sequence[Row]
    silent: Sequence[str]
    history: Sequence[Consent]
    waiting: Sequence[tuple[ConsentRequest, datetime]]
    purposes: Sequence[tuple[str, str]]
    can_be_mailed: Sequence[tuple[str, str]]
    addresses: Sequence[Identity]
    mailboxes: Sequence[tuple[int, str]]


def consents(request: HttpRequest, customer: Customer) -> Any:
    """What they allowed and refused, and how it is known."""
    identities = list(customer.identities.order_by("pk"))
    said = list(Consent.objects.filter(customer=customer).select_related("identity").order_by("at", "pk"))
    states = states_by([one.pk for one in identities], said)
    spoken = {name for by_purpose in states.values() for name, state in by_purpose.items() if state.at}
    columns = [one for one in identities if any(state.at for state in states[one.pk].values())]
    may_edit = can(request.user, "customer.edit")
    return Panel(
        identities=identities,
        columns=columns,
        rows=[_row(name, states, columns) for name in _in_order(spoken)],
        silent=[str(purpose.label) for purpose in PURPOSES.values() if purpose.name not in spoken],
        history=_labelled(said[: -HISTORY - 1 : -1]),
        waiting=_waiting(customer),
        purposes=[(purpose.name, str(purpose.label)) for purpose in PURPOSES.values()],
        can_be_mailed=[
            (purpose.name, str(purpose.label))
            for purpose in PURPOSES.values()
            if purpose.needs_yes and purpose.suits(EMAIL)
        ],
        addresses=[one for one in identities if one.network == EMAIL],
        mailboxes=mailboxes() if may_edit else [],
    )


def _in_order(names: set[str]) -> list[str]:
    return [*(name for name in PURPOSES if name in names), *sorted(names - set(PURPOSES))]


def _row(name: str, states: dict[int, dict[str, State]], identities: Sequence[Identity]) -> Row:
    purpose = PURPOSES.get(name)
    explanation = str(purpose.explanation) if purpose else ""
    return Row(label_of(name), explanation, [states[one.pk][name] for one in identities])


def _labelled(said: Sequence[Consent]) -> Sequence[Consent]:
    """These words, each with its purpose as people read it."""
    for one in said:
        one.label = label_of(one.purpose)  # type: ignore[attr-defined]
    return said


def _waiting(customer: Customer) -> list[tuple[ConsentRequest, datetime]]:
    """Requests that may still be confirmed, and until when."""
    asked = ConsentRequest.objects.filter(
        customer=customer, confirmed_at=None, asked_at__gt=timezone.now() - CONFIRM_LIFE
    ).select_related("identity")
    found = list(asked.order_by("-asked_at"))
    for one in found:
        one.label = label_of(one.purpose)  # type: ignore[attr-defined]
    return [(one, one.asked_at + CONFIRM_LIFE) for one in found]
