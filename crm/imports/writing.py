"""Writes what was decided about a page of customers, in the same number of statements for any page."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from django.db import connection

from core import sql
from core.imports import Raced
from crm.consents import ConsentIn, record_consents
from crm.facts import origin
from crm.identities import IdentityKey
from crm.imports.customers import Decision, Plan
from crm.models import Affiliation, Customer, CustomerKind, CustomerTouch, Tag

COLUMNS = (
    "id", "kind", "name", "language", "country", "city", "zone", "birth_year", "job", "company", "profession",
    "interests", "note", "custom", "origins",
)  # fmt: skip


def write(plan: Plan) -> None:
    """Store the page. Raises Raced where somebody took one of its new identities meanwhile."""
    organizations = _new_organizations(plan)
    fresh = [decision.customer for decision in plan.decisions if decision.is_new]
    _number([*organizations.values(), *fresh])
    _insert([*organizations.values(), *fresh])
    identities = _insert_identities(plan, organizations)
    save_facts([one.customer for one in plan.decisions if one.fields])
    _put_tags(plan.decisions)
    _affiliate(plan, organizations)
    _consent(plan, identities)
    touched = {decision.customer.pk for decision in plan.decisions}
    CustomerTouch.objects.bulk_create([CustomerTouch(customer_id=pk) for pk in sorted(touched)])
    for decision in plan.decisions:
        decision.taken.object_id = decision.customer.pk
        if decision.fields:
            decision.before["fields"] = decision.fields
        decision.taken.before = decision.before


def _new_organizations(plan: Plan) -> dict[IdentityKey, Customer]:
    """Organizations that the page names and nobody knows, each once; the row that named it first owns it."""
    made: dict[IdentityKey, Customer] = {}
    for decision in plan.decisions:
        wanted = decision.organization
        if wanted is None or wanted.key in plan.known.organizations or wanted.key in made:
            continue
        name = wanted.handle[:200]
        origins = {"name": origin(plan.source, at=plan.at)}
        made[wanted.key] = Customer(kind=CustomerKind.ORGANIZATION, name=name, profession="", origins=origins)
        decision.before["organization"] = True
    return made


def _number(customers: Sequence[Customer]) -> None:
    """Draw the ids of new customers."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('crm_customer', 'id')) FROM generate_series(1, %s)",
            [len(customers)],
        )
        for customer, (pk,) in zip(customers, cursor.fetchall(), strict=True):
            customer.pk = pk


def _insert(customers: Sequence[Customer]) -> None:
    if customers:
        sql.run("crm", "insert_customers", {"customers": json.dumps([_row(one) for one in customers])})


def _row(customer: Customer) -> dict[str, Any]:
    return {name: getattr(customer, name) for name in COLUMNS}


def save_facts(customers: Sequence[Customer]) -> None:
    """Write the fields and origins of customers whose rows are locked: one statement."""
    if customers:
        sql.run("crm", "update_customers", {"customers": json.dumps([_row(one) for one in customers])})


def _insert_identities(plan: Plan, organizations: dict[IdentityKey, Customer]) -> dict[IdentityKey, int]:
    """The ids of the identities of the page's rows, known and new."""
    rows = [
        _identity(handle.key, handle.handle, decision.customer)
        for decision in plan.decisions
        for handle in decision.handles
    ]
    handles = {one.organization.key: one.organization.handle for one in plan.decisions if one.organization}
    rows += [_identity(key, handles[key], customer) for key, customer in organizations.items()]
    found = {key: owner.identity_id for match in plan.known.matches for key, owner in match.owners.items()}
    if not rows:
        return found
    written = sql.rows("crm", "insert_identities", {"identities": json.dumps(rows), "source": plan.source})
    if len(written) < len(rows):
        raise Raced
    made = {IdentityKey(row["network"], row["issuer"], row["external_id"]): row["id"] for row in written}
    for decision in plan.decisions:
        if decision.fields or decision.handles:
            decision.before["identities"] = [made[handle.key] for handle in decision.handles]
    return found | made


def _identity(key: IdentityKey, handle: str, owner: Customer) -> dict[str, Any]:
    return {
        "network": key.network,
        "issuer": key.issuer,
        "external_id": key.external_id,
        "handle": handle,
        "name": owner.name,
        "customer_id": owner.pk,
    }


def _put_tags(decisions: Sequence[Decision]) -> None:
    """Tags are one whatever their capitals; new words become tags."""
    wanted = {tag.casefold(): tag for one in decisions for tag in one.tags}
    if not wanted:
        return
    Tag.objects.bulk_create([Tag(name=name) for _, name in sorted(wanted.items())], ignore_conflicts=True)
    tags = {tag.name.casefold(): tag.pk for tag in Tag.objects.filter(name__iregex=_any(wanted))}
    rows = {
        (decision.customer.pk, tags[tag.casefold()]): decision
        for decision in decisions
        for tag in decision.tags
    }
    pairs = sorted(rows)
    parameters = {"customers": [one for one, _ in pairs], "tags": [tag for _, tag in pairs]}
    for row in sql.rows("crm", "insert_customer_tags", parameters):
        before = rows[row["customer_id"], row["tag_id"]].before
        before.setdefault("tags", []).append(row["id"])


def _any(words: dict[str, str]) -> str:
    return "^(" + "|".join(re.escape(word) for word in sorted(words)) + ")$"


def _affiliate(plan: Plan, organizations: dict[IdentityKey, Customer]) -> None:
    owners = {key: owner.customer_id for key, owner in plan.known.organizations.items()}
    owners |= {key: customer.pk for key, customer in organizations.items()}
    rows = {
        (decision.customer.pk, owners[decision.organization.key]): decision
        for decision in plan.decisions
        if decision.organization and owners[decision.organization.key] != decision.customer.pk
    }
    made = Affiliation.objects.bulk_create(
        [
            Affiliation(
                home_person_id=person,
                person_id=person,
                home_organization_id=organization,
                organization_id=organization,
                role=decision.person.role,
                source=plan.source,
            )
            for (person, organization), decision in rows.items()
        ]
    )
    for one in made:
        rows[one.person_id, one.organization_id].before["affiliations"] = [one.pk]


def _consent(plan: Plan, identities: dict[IdentityKey, int]) -> None:
    rows = [
        ConsentIn(
            identities[decision.carrier],
            purpose,
            given,
            at=plan.at,
            proof=f"{plan.proof}, row {decision.person.number}",
        )
        for decision in plan.decisions
        if decision.carrier
        for purpose, given in decision.consents.items()
    ]
    if not rows:
        return
    by_identity = {identities[one.carrier]: one for one in plan.decisions if one.carrier and one.consents}
    for consent in record_consents(rows, source=plan.source):
        by_identity[consent.identity_id].before.setdefault("consents", []).append(consent.pk)
