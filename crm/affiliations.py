"""Who belongs to which organization, and in which role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.events import emit
from core.text import clean_text
from crm.models import Affiliation, Customer, CustomerKind, CustomerTouch
from crm.services import speaker
from crm.trees import hold_unmerged

MOST_PEOPLE = 500
"""So many people of an organization are read at once, for its list and its timeline."""


def people_of(organization: Customer) -> list[Affiliation]:
    """Its people by name, each once, whatever merges brought together."""
    return each_once(
        list(organization.people.select_related("person").order_by("person__name", "pk")[:MOST_PEOPLE]),
        "person_id",
    )


def organizations_of(person: Customer) -> list[Affiliation]:
    """Where somebody belongs, each organization once."""
    found = person.affiliations.select_related("organization").order_by("organization__name", "pk")
    return each_once(list(found[:MOST_PEOPLE]), "organization_id")


def ids_about(customer: Customer) -> list[int]:
    """Whose orders and words its page shows: its own, and for an organization those of its people."""
    if customer.kind != CustomerKind.ORGANIZATION:
        return [customer.pk]
    people = Affiliation.objects.filter(organization=customer).order_by("person_id")
    return [customer.pk, *people.values_list("person_id", flat=True).distinct()[:MOST_PEOPLE]]


def panel(request: HttpRequest, customer: Customer) -> dict[str, Any]:
    """The people of an organization, or where a person belongs; `other` is whom the page is not about."""
    is_organization = customer.kind == CustomerKind.ORGANIZATION
    rows = people_of(customer) if is_organization else organizations_of(customer)
    others = [
        {"other": row.person if is_organization else row.organization, "role": row.role} for row in rows
    ]
    return {"is_organization": is_organization, "rows": others}


def each_once(rows: Sequence[Affiliation], column: str) -> list[Affiliation]:
    """One row of those that name the same customer; one with a role before one without."""
    found: dict[int, Affiliation] = {}
    for row in rows:
        key = getattr(row, column)
        if key not in found or (row.role and not found[key].role):
            found[key] = row
    return list(found.values())


@transaction.atomic
def affiliate(
    *, person: Customer, organization: Customer, role: str = "", by: User
) -> tuple[Affiliation, bool]:
    """Let a person belong to an organization; (the row, whether it is new). Again, it changes the role.

    Raises ValidationError where one is no person, the other no organization, or one was merged away.
    """
    check(by, "customer.edit")
    low, high = sorted([person, organization], key=lambda one: one.pk)
    both = {one.pk: one for one in (hold_unmerged(low), hold_unmerged(high))}
    person, organization = both[person.pk], both[organization.pk]
    _check_kinds(person, organization)
    role = clean_text(role, limit=120).strip()
    known = list(Affiliation.objects.filter(person=person, organization=organization))
    if known:
        Affiliation.objects.filter(pk__in=[row.pk for row in known]).update(role=role)
        return Affiliation.objects.get(pk=known[0].pk), False
    made = Affiliation.objects.create(
        home_person=person, person=person, home_organization=organization, organization=organization,
        role=role, source=speaker(by),
    )  # fmt: skip
    _tell("affiliation.created", made, by)
    return made, True


@transaction.atomic
def part(*, person: Customer, organization: Customer, by: User) -> bool:
    """End the belonging, also where a merge brought it twice; False where there was none."""
    check(by, "customer.edit")
    rows = list(Affiliation.objects.select_for_update().filter(person=person, organization=organization))
    for row in rows[:1]:
        _tell("affiliation.deleted", row, by)
    Affiliation.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return bool(rows)


def _check_kinds(person: Customer, organization: Customer) -> None:
    if person.kind != CustomerKind.PERSON:
        raise ValidationError({"person": ValidationError(_("This is an organization."), code="invalid")})
    if organization.kind != CustomerKind.ORGANIZATION:
        message = _("This is a person: change it to an organization first.")
        raise ValidationError({"organization": ValidationError(message, code="invalid")})


def _tell(verb: str, row: Affiliation, by: User) -> None:
    CustomerTouch.objects.bulk_create(
        [CustomerTouch(customer_id=row.person_id), CustomerTouch(customer_id=row.organization_id)]
    )
    ids = {"person": row.person_id, "organization": row.organization_id}
    record_audit(by=by, verb=verb, target=row, name="", detail=ids)
    emit(verb, channels=["staff"], customer=row.person_id, organization=row.organization_id)
