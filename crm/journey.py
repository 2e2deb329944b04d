"""The customer journey: a stage on the record, the steps that led there, and who said so.

What moves somebody is computed in `personas.stages`, from what happened, and written here by `set_stages`:
one statement for a page of customers, the same steps from the same rows however often and in whatever order
it is asked. A stage that staff chose stays until they let it follow what happens again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.events import Happening, emit_many
from core.sql import statement
from crm import facts
from crm.models import Customer, CustomerTouch, Stage, StageChange
from crm.trees import hold_unmerged

SOURCE = "journey"
"""Whose word a computed stage is in `Customer.origins`."""
BY_HAND, RELEASED, TOLD = "by_hand", "released", "told"
IDS_IN_EVENT = 500


@dataclass(frozen=True)
class Journeys:
    """The whole journeys of some customers: a query that yields (customer_id, place, at, before, after, why,
    cause, cause_id), one row a step, and its parameters.
    """

    customers: Sequence[int]
    sql: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Moved:
    """One record that stands at another stage."""

    customer: int
    before: str
    after: str


@dataclass
class Written:
    """What a page of journeys changed: steps added or taken away, records written, and who moved."""

    steps: int = 0
    records: int = 0
    moved: list[Moved] = field(default_factory=list)


Compute = Callable[[Sequence[int]], Written]
_computes: list[Compute] = []


def register_compute(compute: Compute) -> None:
    """`compute(customers)` computes and writes their journeys in the current transaction; of a higher app."""
    _computes[:] = [compute]


def follow(customers: Sequence[int]) -> None:
    """Compute the journeys of these customers at once: something obvious happened, such as an order."""
    for compute in _computes:
        if customers:
            compute(sorted(set(customers)))


def set_stages(journeys: Journeys, *, told: bool = True) -> Written:
    """Write what differs, by one statement. `told=False` emits no events: a first build, or changed rules."""
    continued = statement("crm", "set_stages")
    params = {
        **journeys.params,
        "customers": list(journeys.customers),
        "source": SOURCE,
        "people": sorted(facts.PEOPLE),
    }
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"WITH moves AS MATERIALIZED (\n{journeys.sql}\n),\n{continued}", params)
            steps, records, moved = cursor.fetchone() or (0, 0, "[]")
        who = [Moved(row["id"], row["before"], row["after"]) for row in json.loads(moved)]
        found = Written(steps, records, who)
        if told:
            emit_many(_happenings(found.moved))
    return found


def _happenings(moved: Sequence[Moved]) -> list[Happening]:
    """Who moved from where to where, some hundred ids an event."""
    ways: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one in moved:
        ways[one.before, one.after].append(one.customer)
    return [
        Happening(
            "customer.stage_changed",
            {"before": before, "after": after, "customers": ids[start : start + IDS_IN_EVENT]},
        )
        for (before, after), ids in sorted(ways.items())
        for start in range(0, len(ids), IDS_IN_EVENT)
    ]


# By hand


def is_by_hand(customer: Customer) -> bool:
    """Whether a person chose the stage, so that nothing that happens changes it."""
    told = customer.origins.get("stage")
    return bool(told) and told["source"] in facts.PEOPLE


@transaction.atomic
def set_stage(*, customer: Customer, stage: str, by: User) -> Customer:
    """Put a customer at a stage and keep them there. Raises ValidationError: no stage, or a merged record."""
    check(by, "customer.edit")
    if stage not in Stage.values:
        words, said = _("“%(stage)s” is no stage of the journey."), {"stage": stage, "allowed": Stage.values}
        raise ValidationError({"stage": ValidationError(words, code="invalid_choice", params=said)})
    customer = hold_unmerged(customer)
    before, was_by_hand = customer.stage, is_by_hand(customer)
    if before == stage and was_by_hand:
        return customer
    customer.stage = stage
    customer.origins["stage"] = facts.origin(facts.STAFF, by=by.pk)
    customer.save(update_fields=["stage", "origins"])
    _note(customer, before=before, why=BY_HAND, by=by)
    CustomerTouch.objects.create(customer=customer)
    return customer


@transaction.atomic
def release_stage(*, customer: Customer, by: User) -> Customer:
    """Let the stage follow what happens again; what happened meanwhile counts at once."""
    check(by, "customer.edit")
    customer = hold_unmerged(customer)
    if not is_by_hand(customer):
        return customer
    before = customer.stage
    customer.origins["stage"] = facts.origin(SOURCE)
    customer.save(update_fields=["origins"])
    follow([customer.pk])
    customer.refresh_from_db()
    _note(customer, before=before, why=RELEASED, by=by)
    CustomerTouch.objects.create(customer=customer)
    return customer


def note_told(customer: Customer, *, before: str, is_person: bool, by: User) -> None:
    """Write down that the profile's stage was changed, by a person or another system; it is saved."""
    _note(customer, before=before, why=BY_HAND if is_person else TOLD, by=by)


def _note(customer: Customer, *, before: str, why: str, by: User) -> None:
    StageChange.objects.create(
        before=before,
        after=customer.stage,
        at=timezone.now(),
        why=why,
        by=None if why == TOLD else by,
        home_customer=customer,
        customer=customer,
    )
    detail = {"before": before, "after": customer.stage}
    record_audit(by=by, verb=f"customer.stage_{why}", target=customer, name="", detail=detail)
    if before != customer.stage:
        emit_many(_happenings([Moved(customer.pk, before, customer.stage)]))
