"""Attaching a handle to a customer, and taking it off again, from any pane."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models, transaction
from django.utils import timezone

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.events import emit
from crm.merge_fields import fill_blanks
from crm.merging import merge_customers, move_identity, undo_merge
from crm.models import Customer, Identity, MergeRecord, Suspect, SuspectState
from crm.trees import (
    Changed,
    again_on_deadlock,
    following,
    has_identity,
    hold_customers,
    roots_of,
    until_steady,
)

DETACHED = "detached"
"""The field of a suspect's evidence that says somebody took a handle off."""


@dataclass(frozen=True)
class Outcome:
    """What an attach or a detach came to.

    `customer` has the handle now; `merge` is the merge that it took, or that it undid.
    """

    customer: Customer
    merge: MergeRecord | None = None
    is_new: bool = False
    """Whether the customer was made for the handle."""


@dataclass(frozen=True)
class Plan:
    """What detaching a handle would do, to be said before it is done."""

    to: Customer | None = None
    """Whom it goes back to; None where a customer is made for it."""
    merge: MergeRecord | None = None
    """The merge that is undone."""


@again_on_deadlock
def attach_existing(*, identity: Identity, to: Customer, by: User) -> Outcome:
    """Give a handle that somebody has to another customer, with everything that came by it.

    Where it is all that its customer has, the two are merged, so that the old page leads on; a person and an
    organization are never merged, so there the handle moves alone. Raises CannotMerge.
    """
    check(by, "customer.merge")
    with transaction.atomic():
        row, held, target = until_steady(lambda: _hold_both(identity.pk, to.pk))
        if row.customer_id == target.pk:
            return Outcome(target)
        source = held[row.customer_id]
        is_all = not source.identities.exclude(pk=row.pk).exists()
        if is_all and source.kind == target.kind:
            # Whoever gets a handle keeps their name; what came with it fills only blanks.
            blanks = fill_blanks(target, [source])
            return Outcome(target, merge_customers(keep=target, drop=source, fields=blanks, by=by))
        move_identity(identity=row, to=target, by=by)
    return Outcome(target)


def _hold_both(identity_id: int, to: int) -> tuple[Identity, dict[int, Customer], Customer]:
    """The handle, and both customers with all their handles, under lock."""
    owner = Identity.objects.values_list("customer_id", flat=True).get(pk=identity_id)
    target = roots_of([to])[to]
    held = hold_customers({owner, target})
    row = Identity.objects.get(pk=identity_id)
    if row.customer_id != owner or held[target].merged_into_id is not None:
        raise Changed
    return row, held, held[target]


def plan_detach(identity: Identity) -> Plan:
    """What detaching would do: back to where the handle came, out of a merge, or to a customer of its own."""
    owner = identity.customer_id
    home = roots_of([identity.home_customer_id])[identity.home_customer_id]
    if home != owner:
        return Plan(to=Customer.objects.get(pk=home))
    node = identity.attached_to_id or identity.home_customer_id
    if node != owner:
        record = MergeRecord.objects.select_related("drop").get(drop_id=node, undone_at=None)
        return Plan(to=record.drop, merge=record)
    return Plan()


@again_on_deadlock
def detach_identity(*, identity: Identity, by: User) -> Outcome:
    """Take a handle off its customer, with everything that came by it; nothing of it is lost.

    It goes back to the customer it came with. Where a merge brought it, that merge is undone; where it has
    always been here, a customer is made for it. The two are noted as two, so that nobody suspects them again.
    """
    check(by, "customer.merge")
    with transaction.atomic():
        before = until_steady(lambda: _hold_owner(identity.pk))
        row = Identity.objects.select_related("customer").get(pk=identity.pk)
        plan = plan_detach(row)
        if plan.merge is not None:
            undo_merge(record=plan.merge, by=by)
        else:
            move_identity(identity=row, to=plan.to or _make_customer(row, before), by=by)
        row = Identity.objects.select_related("customer").get(pk=identity.pk)
        _tell_apart(before.pk, row.customer_id, by)
    return Outcome(row.customer, plan.merge, is_new=plan.to is None)


def _hold_owner(identity_id: int) -> Customer:
    owner = Identity.objects.values_list("customer_id", flat=True).get(pk=identity_id)
    held = hold_customers({owner})
    if Identity.objects.values_list("customer_id", flat=True).get(pk=identity_id) != owner:
        raise Changed
    return held[owner]


def _make_customer(identity: Identity, before: Customer) -> Customer:
    """A record for a handle that had none of its own; what the person refused holds here too."""
    made = Customer.objects.create(
        kind=before.kind,
        name=identity.name or str(identity)[:200],
        profiling_refused=before.profiling_refused,
    )
    emit("customer.created", channels=["staff"], customer=made.pk)
    return made


def _tell_apart(one: int, other: int, by: User) -> None:
    low, high = sorted((one, other))
    said = {
        "state": SuspectState.REJECTED,
        "decided_by": by,
        "decided_at": timezone.now(),
        "later_until": None,
    }
    evidence = [{"field": DETACHED, "left": "", "right": "", "level": "by_hand", "weight": -10.0}]
    Suspect.objects.update_or_create(
        low_id=low,
        high_id=high,
        defaults=said,
        create_defaults={**said, "probability": 0.0, "evidence": evidence},
    )
    record_audit(by=by, verb="suspect.rejected", target=None, name="", detail={"low": low, "high": high})


def what_moves(identity: Identity) -> dict[type[models.Model], int]:
    """How many rows of each table came by this handle, and go where it goes."""
    counts = {
        holding.model: holding.model._default_manager.filter(identity_id=identity.pk).count()
        for holding in following()
        if has_identity(holding)
    }
    return {model: n for model, n in counts.items() if n}
