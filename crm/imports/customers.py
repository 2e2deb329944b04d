"""Customers from a file: what becomes of each row of a page, decided without writing and then written."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from core.imports import BAD, CHANGED, CONFLICTING, ERASED, NEW, UNCHANGED, Page, Taken
from crm import facts
from crm.identities import IdentityKey
from crm.imports.known import Known, customer_key, key_of, look_up
from crm.imports.person import BadPerson, HandleIn, PersonIn, PersonReader
from crm.matching import Match
from crm.models import Customer, CustomerKind
from crm.purposes import label_of


@dataclass
class Decision:
    """One row that will be stored: its customer, and what is new about them."""

    person: PersonIn
    taken: Taken
    customer: Customer
    fields: dict[str, list[Any]] = field(default_factory=dict)
    """{field: [value before, value after, origin before]} of a customer who was known."""
    handles: list[HandleIn] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    consents: dict[str, bool] = field(default_factory=dict)
    carrier: IdentityKey | None = None
    """The identity that carries the consents."""
    organization: HandleIn | None = None
    """The one they are new at."""
    before: dict[str, Any] = field(default_factory=dict)

    @property
    def is_new(self) -> bool:
        return self.customer.pk is None


@dataclass
class Plan:
    """What a page will write."""

    source: str
    at: datetime
    decisions: list[Decision]
    known: Known
    proof: str


def take_people(page: Page) -> list[Taken]:
    """One page of persons."""
    return take_page(page, CustomerKind.PERSON)


def take_organizations(page: Page) -> list[Taken]:
    """One page of organizations."""
    return take_page(page, CustomerKind.ORGANIZATION)


def take_page(page: Page, kind: str) -> list[Taken]:
    """Decide about each row; with `page.write` store what was decided, in statements for the whole page."""
    reader = PersonReader(page.run, kind)
    people: list[PersonIn] = []
    taken: list[Taken] = []
    for row, given in page.rows:
        try:
            people.append(reader.read(row.number, given))
        except BadPerson as error:
            taken.append(Taken(row.number, BAD, str(error)))
    if not people:
        return taken
    known = look_up(page, people)
    source, at = f"import:{page.run.source}"[:60], page.run.started_at or timezone.now()
    decider = _Decider(page, known, kind, source, at)
    for person, match in zip(people, known.matches, strict=True):
        decider.decide(person, match)
    if page.write:
        from crm.imports.writing import write

        write(Plan(source, at, decider.decisions, known, f"{page.run.name}, import {page.run.pk}"))
    return taken + decider.taken


class _Decider:
    """Decides row by row, in the order of the file."""

    def __init__(self, page: Page, known: Known, kind: str, source: str, at: datetime) -> None:
        self.seen = page.seen
        self.known = known
        self.kind = kind
        self.source = source
        self.at = at
        self.taken: list[Taken] = []
        self.decisions: list[Decision] = []

    def decide(self, person: PersonIn, match: Match) -> None:
        """Note what becomes of the row."""
        keys = [key_of(key) for key in person.keys]
        known_id = match.customer
        if known_id is not None:
            keys.append(customer_key(known_id))
        digest = person.digest()
        found = self._second(person, keys, digest) or self._refused(person, match)
        if found is None:
            decision = self._new(person) if known_id is None else self._matched(person, match, known_id)
            self.seen.add(keys, number=person.number, digest=digest)
            found = decision.taken
            if found.outcome != UNCHANGED:
                self.decisions.append(decision)
        self.taken.append(found)

    def _second(self, person: PersonIn, keys: Sequence[int], digest: int) -> Taken | None:
        """A row about a customer whom a row above was about already."""
        first = self.seen.first(keys)
        if first is None:
            return None
        number, said = first
        if said == digest:
            return Taken(person.number, UNCHANGED, f"the same as row {number}", title=person.name)
        reason = f"row {number} of this file is about the same customer and says something else"
        return Taken(person.number, CONFLICTING, reason, title=person.name)

    def _refused(self, person: PersonIn, match: Match) -> Taken | None:
        erased = [key for key in person.keys if key in self.known.erased]
        if erased:
            reason = "this customer was erased and does not come back by a file"
            return Taken(person.number, ERASED, reason)
        if not match.is_conflict:
            return None
        told = ", ".join(
            f"{key.network} {key.external_id} is of customer {owner.customer_id}"
            for key, owner in match.owners.items()
        )
        return Taken(person.number, CONFLICTING, f"two customers: {told}", title=person.name)

    def _new(self, person: PersonIn) -> Decision:
        customer = Customer(kind=self.kind, profession="")
        values = {**person.values, "name": person.name}
        said = facts.take(customer, values, source=self.source, at=self.at)
        changes = [[name, "", _shown(value)] for name, value in said.changed.items()]
        changes += [[handle.key.network, "", handle.handle] for handle in person.handles]
        changes += [["tags", "", ", ".join(person.tags)]] if person.tags else []
        changes += [["organization", "", person.organization.handle]] if person.organization else []
        changes += [[label_of(name), "", _word(given)] for name, given in person.consents.items()]
        taken = Taken(person.number, NEW, title=person.name, changes=changes, before={})
        decision = Decision(person, taken, customer, handles=person.handles, tags=person.tags)
        decision.consents, decision.organization = person.consents, person.organization
        decision.carrier = person.keys[0]
        return decision

    def _matched(self, person: PersonIn, match: Match, customer_id: int) -> Decision:
        stored = self.known.customers[customer_id]
        customer = copy.copy(stored)
        customer.origins, customer.custom = dict(stored.origins), dict(stored.custom)
        said = facts.take(customer, person.values, source=self.source, at=self.at)
        taken = Taken(person.number, UNCHANGED, object_id=customer_id, title=str(stored))
        decision = Decision(person, taken, customer)
        for name, value in said.changed.items():
            before = facts.value_of(stored, name)
            decision.fields[name] = [before, value, stored.origins.get(name)]
            taken.changes.append([name, _shown(before), _shown(value)])
        taken.kept = [
            [name, _shown(facts.value_of(stored, name)), _shown(value)] for name, value in said.kept.items()
        ]
        self._add_handles(decision, match)
        self._add_tags(decision)
        self._add_organization(decision)
        self._add_consents(decision, match)
        if taken.changes:
            taken.outcome, taken.before = CHANGED, decision.before
        return decision

    def _add_handles(self, decision: Decision, match: Match) -> None:
        decision.handles = [one for one in decision.person.handles if one.key in match.unknown]
        decision.taken.changes += [[one.key.network, "", one.handle] for one in decision.handles]

    def _add_tags(self, decision: Decision) -> None:
        has = self.known.tags.get(decision.customer.pk, set())
        decision.tags = [tag for tag in decision.person.tags if tag.casefold() not in has]
        if decision.tags:
            decision.taken.changes.append(["tags", "", ", ".join(decision.tags)])

    def _add_organization(self, decision: Decision) -> None:
        """Belonging to an organization once is enough; the role of who belongs already stays."""
        wanted = decision.person.organization
        if wanted is None:
            return
        owner = self.known.organizations.get(wanted.key)
        if owner and (
            owner.customer_id == decision.customer.pk
            or (decision.customer.pk, owner.customer_id) in self.known.roles
        ):
            return
        decision.organization = wanted
        decision.taken.changes.append(["organization", "", wanted.handle])

    def _add_consents(self, decision: Decision, match: Match) -> None:
        """A yes in a file does not undo a refusal; everything else that is news is written down."""
        if not decision.person.consents:
            return
        decision.carrier = decision.person.keys[0]
        owner = match.owners.get(decision.carrier)
        mark = owner.identity_id if owner else -int(decision.customer.pk)
        for purpose, given in decision.person.consents.items():
            refused = (mark, purpose) in self.known.refused
            stands = False if refused else self.known.said.get((mark, purpose))
            if stands is given:
                continue
            shown = [label_of(purpose), _word(stands), _word(given)]
            if given and stands is False:
                decision.taken.kept.append(shown)
            else:
                decision.consents[purpose] = given
                decision.taken.changes.append(shown)


def _word(given: bool | None) -> str:
    return "" if given is None else "yes" if given else "no"


def _shown(value: Any) -> str:
    if value in facts.EMPTY:
        return ""
    if isinstance(value, bool):
        return _word(value)
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)[:200]
