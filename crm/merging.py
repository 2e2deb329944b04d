"""Merging customers, undoing it in any order, and moving one handle.

A merge is an edge between two records (`MergeRecord`). Rows keep the home they were written for, handles the
record somebody moved them to; who owns them is the root of that, so an undo takes the edge out and nothing
needs to be remembered about rows. What only the moment knew, the values it wrote, stands on the edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.permissions import check
from accounts.services import record_audit
from core.events import emit
from crm import merge_fields
from crm.merge_fields import CannotPick
from crm.models import Customer, CustomerTouch, Identity, MergeRecord, MergeWhy, Suspect, SuspectState
from crm.trees import (
    Changed,
    again_on_deadlock,
    forget_computed,
    hold_customers,
    hold_identities,
    hold_rows,
    refer_again,
    repoint,
    repoint_rows,
    roots_of,
    tree_of,
    until_steady,
)

__all__ = [
    "AT_ONCE",
    "CannotMerge",
    "merge_customers",
    "merge_several",
    "move_identity",
    "undo_merge",
]

AT_ONCE = 10
"""So many records can be merged into one in one step."""


class CannotMerge(ValueError):
    """These cannot be merged, or not undone, with the reason."""


@dataclass(frozen=True)
class _Reason:
    """Who merged, and on what ground."""

    by: Any
    why: str
    proof: str


def merge_customers(
    *,
    keep: Customer,
    drop: Customer,
    fields: Mapping[str, int] | None = None,
    by: Any = None,
    why: str = MergeWhy.BY_HAND,
    proof: str = "",
) -> MergeRecord:
    """Make one customer of two; see `merge_several`."""
    (record,) = merge_several(keep=keep, drops=[drop], fields=fields, by=by, why=why, proof=proof)
    return record


@again_on_deadlock
def merge_several(
    *,
    keep: Customer,
    drops: Sequence[Customer],
    fields: Mapping[str, int] | None = None,
    by: Any = None,
    why: str = MergeWhy.BY_HAND,
    proof: str = "",
) -> list[MergeRecord]:
    """Make one customer of several, all or none; one record for each that was dropped.

    `fields` says by field from which customer (id) its value is taken; {} leaves all as they stand on `keep`,
    None lets a person's word count before a machine's and then the newest. Raises CannotMerge.
    """
    if by is not None:
        check(by, "customer.merge")
    reason = _Reason(by, why, proof[:200])
    with transaction.atomic():
        held = hold_customers({keep.pk, *(one.pk for one in drops)})
        keep, drops = _mergeable(keep, drops, held)
        chosen = merge_fields.propose(keep, drops) if fields is None else fields
        try:
            taken = merge_fields.take_over(keep, drops, chosen)
        except CannotPick as error:
            raise CannotMerge(str(error)) from error
        records = [_merge(keep, drop, taken[drop.pk], reason) for drop in drops]
        keep.save()
        refer_again(tree_of(keep.pk))
        if any(drop.profiling_refused for drop in drops):
            forget_computed(keep.pk)
        _touch([keep.pk, *(one.pk for one in drops)])
    return records


def _mergeable(
    keep: Customer, drops: Sequence[Customer], held: Mapping[int, Customer]
) -> tuple[Customer, list[Customer]]:
    """The records as they are under lock, once they may be merged."""
    wanted = [keep.pk, *dict.fromkeys(one.pk for one in drops)]
    if len(wanted) < 2 or wanted.count(keep.pk) > 1:
        raise CannotMerge(_("A customer cannot be merged with itself."))
    if len(wanted) > AT_ONCE + 1:
        raise CannotMerge(_("At most %(n)s customers can be merged into one at once.") % {"n": AT_ONCE})
    for pk in wanted:
        if pk not in held:
            raise CannotMerge(_("Customer %(pk)s is not there any more.") % {"pk": pk})
        if held[pk].merged_into_id is not None:
            raise CannotMerge(_("%(who)s was merged into another customer already.") % {"who": held[pk]})
    if len({held[pk].kind for pk in wanted}) > 1:
        raise CannotMerge(_("A person and an organization cannot be one."))
    return held[keep.pk], [held[pk] for pk in wanted[1:]]


def _merge(keep: Customer, drop: Customer, taken: merge_fields.Entries, reason: _Reason) -> MergeRecord:
    tree = tree_of(drop.pk)
    drop.merged_into = keep
    drop.save(update_fields=["merged_into"])
    moved = repoint(tree, keep.pk)
    record = MergeRecord.objects.create(
        keep=keep, drop=drop, tree=tree, identities=moved, fields=taken, by=reason.by, why=reason.why,
        proof=reason.proof,
    )  # fmt: skip
    _settle_suspect(keep, drop, reason.by)
    forget_computed(drop.pk)
    detail = {"drop": drop.pk, "record": record.pk, "why": reason.why}
    record_audit(by=reason.by, verb="customer.merged", target=keep, name="", detail=detail)
    emit("customer.merged", channels=["staff"], customer=keep.pk, merged=drop.pk, record=record.pk)
    return record


@again_on_deadlock
def undo_merge(*, record: MergeRecord, by: Any = None) -> MergeRecord:
    """Give back what a merge moved; what came since by those identities goes with them.

    Raises CannotMerge when it was undone before.
    """
    if by is not None:
        check(by, "customer.merge")
    with transaction.atomic():
        record, root = until_steady(lambda: _hold_merge(record.pk))
        drop = record.drop
        tree, whole = tree_of(drop.pk), tree_of(root)
        if merge_fields.refused_since(record):
            drop.profiling_refused = True
        drop.merged_into = None
        drop.save(update_fields=["merged_into", "profiling_refused"])
        record.undone_at, record.undone_by = timezone.now(), by
        record.save(update_fields=["undone_at", "undone_by"])
        repoint(tree, drop.pk)
        merge_fields.give_back(record)
        merge_fields.rejoin_moments(record)
        merge_fields.refresh_seen(drop.pk)
        refer_again(whole)
        _reopen_suspect(record)
        _touch([root, drop.pk])
        record_audit(by=by, verb="customer.unmerged", target=drop, name="", detail={"record": record.pk})
        emit("customer.unmerged", channels=["staff"], customer=drop.pk, kept=root, record=record.pk)
    return record


def _hold_merge(pk: int) -> tuple[MergeRecord, int]:
    """The merge, and the root of its tree, under lock."""
    keep_id, drop_id = MergeRecord.objects.values_list("keep_id", "drop_id").get(pk=pk)
    root = roots_of([keep_id])[keep_id]
    held = hold_customers({root, keep_id, drop_id})
    record: MergeRecord = MergeRecord.objects.select_for_update().get(pk=pk)
    if record.undone_at:
        raise CannotMerge(_("This merge was undone already."))
    if roots_of([keep_id])[keep_id] != root:
        raise Changed
    record.drop = held[drop_id]
    return record, root


# One handle


@again_on_deadlock
def move_identity(*, identity: Identity, to: Customer, by: Any = None) -> None:
    """Attach one handle, and everything that came by it, to another customer."""
    if by is not None:
        check(by, "customer.merge")
    with transaction.atomic():
        held, source, target = until_steady(lambda: _hold_move(identity.pk, to.pk))
        if source == target:
            return
        sign = merge_fields.newest_of(source, held.pk)
        node = held.attached_to_id or held.home_customer_id
        Identity.objects.filter(pk=held.pk).update(
            attached_to_id=None if target == held.home_customer_id else target,
            # whoever has a link made for the handle must not read another person's page by it
            link_version=F("link_version") + 1,
        )
        repoint_rows([held.pk], [], target)
        merge_fields.forget_sign(node, sign)
        merge_fields.refresh_seen(source, gone=sign)
        merge_fields.refresh_seen(target)
        _touch([source, target])
        detail = {"from": source, "to": target}
        record_audit(by=by, verb="identity.moved", target=held, name="", detail=detail)
        emit("identity.moved", channels=["staff"], identity=held.pk, before=source, customer=target)


def _hold_move(identity_id: int, to: int) -> tuple[Identity, int, int]:
    """A handle, whose it is and whose it becomes, under lock."""
    held = hold_identities(Identity.objects.filter(pk=identity_id)).get(identity_id)
    if held is None:
        raise Identity.DoesNotExist
    target = roots_of([to])[to]
    customers = hold_rows({held.customer_id, target})
    if customers[target].merged_into_id is not None:
        raise Changed
    return held, held.customer_id, target


# What depends on it


def _touch(ids: Iterable[int]) -> None:
    CustomerTouch.objects.bulk_create([CustomerTouch(customer_id=pk) for pk in ids])


def _pair(one: int, other: int) -> Any:
    return Suspect.objects.filter(low_id=min(one, other), high_id=max(one, other))


def _settle_suspect(keep: Customer, drop: Customer, by: Any) -> None:
    """A pair of suspects is answered by its merge, whatever was said before."""
    asked = _pair(keep.pk, drop.pk).exclude(state=SuspectState.CONFIRMED)
    asked.update(state=SuspectState.CONFIRMED, decided_by=by, decided_at=timezone.now())


def _reopen_suspect(record: MergeRecord) -> None:
    """Whoever takes a merge back leaves the question open."""
    answered = _pair(record.keep_id, record.drop_id).filter(state=SuspectState.CONFIRMED)
    answered.update(state=SuspectState.OPEN, decided_by=None, decided_at=None)
