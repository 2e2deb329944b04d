"""Who owns what: moving identities, merging two customers, and undoing a merge.

`move_identity` is the primitive. A merge moves every identity of one customer, and the rows that came by
none; an undo moves them back. Rows keep the home they were written for, so nothing needs to be remembered
about them. Identities are locked FOR UPDATE first: an ingest holds them FOR SHARE while it writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Q
from django.utils import timezone

from accounts.services import record_audit
from core import privacy
from core.events import emit
from crm.models import Customer, CustomerTouch, Identity, MergeRecord


class CannotMerge(ValueError):
    """These two cannot be merged, with the reason."""


def root_of(customer: Customer) -> Customer:
    """The record that owns this one's rows; the customer itself where it was not merged."""
    while customer.merged_into_id is not None:
        customer = Customer.objects.get(pk=customer.merged_into_id)
    return customer


def move_identity(*, identity: Identity, to: Customer, by: Any = None) -> None:
    """Attach one handle, and everything that came by it, to another customer."""
    with transaction.atomic():
        _lock_identities([identity.pk])
        target = root_of(Customer.objects.select_for_update().get(pk=to.pk))
        identity.refresh_from_db()
        source_id = identity.customer_id
        if source_id == target.pk:
            return
        _move([identity.pk], [], target.pk)
        _touch([source_id, target.pk])
        detail = {"from": source_id, "to": target.pk}
        record_audit(by=by, verb="identity.moved", target=identity, name="", detail=detail)
        emit("identity.moved", channels=["staff"], identity=identity.pk, before=source_id, customer=target.pk)


def merge_customers(
    *, keep: Customer, drop: Customer, by: Any = None, fields: dict[str, Any] | None = None
) -> MergeRecord:
    """Make one customer of two; `fields` are values to write on the kept one. Raises CannotMerge."""
    with transaction.atomic():
        keep, drop = _lock_customers(keep, drop)
        tree = _tree(drop.pk)
        moved = _lock_identities_of(drop.pk)
        record = MergeRecord.objects.create(
            keep=keep, drop=drop, tree=tree, identities=moved, fields=_choose(keep, fields or {}), by=by
        )
        _move(moved, tree, keep.pk)
        drop.merged_into = keep
        drop.save(update_fields=["merged_into"])
        _refresh_seen([keep.pk])
        _touch([keep.pk, drop.pk])
        detail = {"drop": drop.pk, "record": record.pk}
        record_audit(by=by, verb="customer.merged", target=keep, name="", detail=detail)
        emit("customer.merged", channels=["staff"], customer=keep.pk, merged=drop.pk, record=record.pk)
    return record


def undo_merge(*, record: MergeRecord, by: Any = None) -> MergeRecord:
    """Give back what a merge moved; what came since by those identities goes with them.

    Raises CannotMerge when it was undone before.
    """
    with transaction.atomic():
        record = MergeRecord.objects.select_for_update().get(pk=record.pk)
        if record.undone_at:
            raise CannotMerge("This merge was undone already.")
        drop = Customer.objects.select_for_update().get(pk=record.drop_id)
        home = root_of(Customer.objects.get(pk=record.keep_id))
        identities = _lock_identities(record.identities)
        theirs = [pk for pk, owner in identities.items() if owner == home.pk]
        drop.merged_into = None
        drop.save(update_fields=["merged_into"])
        _move(theirs, record.tree, drop.pk)
        _restore(record, home)
        record.undone_at, record.undone_by = timezone.now(), by
        record.save(update_fields=["undone_at", "undone_by"])
        _refresh_seen([home.pk, drop.pk])
        _touch([home.pk, drop.pk])
        record_audit(by=by, verb="customer.unmerged", target=drop, name="", detail={"record": record.pk})
        emit("customer.unmerged", channels=["staff"], customer=drop.pk, kept=home.pk, record=record.pk)
    return record


def _lock_customers(keep: Customer, drop: Customer) -> tuple[Customer, Customer]:
    """Both records under lock, in order of id so that two merges of one pair wait for each other."""
    ids = sorted((keep.pk, drop.pk))
    found = Customer.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    locked = {one.pk: one for one in found}
    if keep.pk == drop.pk:
        raise CannotMerge("A customer cannot be merged with itself.")
    keep, drop = locked[keep.pk], locked[drop.pk]
    for one in (keep, drop):
        if one.merged_into_id:
            raise CannotMerge(f"{one} was merged into another customer already.")
    if keep.kind != drop.kind:
        raise CannotMerge("A person and an organization cannot be one.")
    return keep, drop


def _tree(customer_id: int) -> list[int]:
    """The customer and all it has absorbed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE tree AS (
                SELECT id FROM crm_customer WHERE id = %s
                UNION ALL
                SELECT c.id FROM crm_customer c JOIN tree ON c.merged_into_id = tree.id
            )
            SELECT id FROM tree ORDER BY id
            """,
            [customer_id],
        )
        return [row[0] for row in cursor.fetchall()]


def _lock_identities(ids: Iterable[int]) -> dict[int, int]:
    found = Identity.objects.select_for_update().filter(pk__in=list(ids)).order_by("pk")
    return dict(found.values_list("pk", "customer_id"))


def _lock_identities_of(customer_id: int) -> list[int]:
    found = Identity.objects.select_for_update().filter(customer_id=customer_id).order_by("pk")
    return list(found.values_list("pk", flat=True))


def _move(identities: Sequence[int], homes: Sequence[int], to: int) -> None:
    """Re-point identities, the rows that came by them, and the rows of these homes that came by none.

    A row is found by its identity where it has one, so that a handle which was moved alone stays where it is.
    """
    Identity.objects.filter(pk__in=identities).update(customer_id=to)
    for holding in privacy.holdings():
        if holding.on_merge != "follow" or holding.model is Identity:
            continue
        rows = Q(pk__in=[])
        if _has(holding.model, "identity"):
            rows |= Q(identity_id__in=list(identities))
            rows |= Q(**{f"{holding.home_field}_id__in": list(homes)}, identity__isnull=True)
        else:
            rows |= Q(**{f"{holding.home_field}_id__in": list(homes)})
        holding.model._default_manager.filter(rows).update(**{holding.customer_field: to})


def _has(model: Any, name: str) -> bool:
    return any(field.name == name for field in model._meta.get_fields())


def _choose(keep: Customer, fields: dict[str, Any]) -> dict[str, Any]:
    """Write the chosen values and remember what stood there: {field: [before, chosen]}."""
    allowed = {"name", "language", "country", "city", "zone", "birth_year", "job", "company", "note", "stage"}
    unknown = set(fields) - allowed
    if unknown:
        raise CannotMerge(f"{', '.join(sorted(unknown))} cannot be chosen in a merge.")
    before = {name: [getattr(keep, name), value] for name, value in fields.items()}
    if fields:
        Customer.objects.filter(pk=keep.pk).update(**fields)
    return before


def _restore(record: MergeRecord, home: Customer) -> None:
    """Values chosen in the merge go back, unless somebody changed them since."""
    for name, (before, chosen) in record.fields.items():
        Customer.objects.filter(pk=home.pk, **{name: chosen}).update(**{name: before})


def _refresh_seen(ids: Sequence[int]) -> None:
    """When they were last seen, as the rows that count as seeing say today."""
    seen: dict[int, datetime] = {}
    for holding in privacy.holdings():
        if not holding.seen_field:
            continue
        owned = holding.model._default_manager.filter(**{f"{holding.customer_field}_id__in": list(ids)})
        newest = (
            owned.order_by().values_list(f"{holding.customer_field}_id").annotate(Max(holding.seen_field))
        )
        for customer_id, at in newest:
            seen[customer_id] = max(at, seen.get(customer_id, at))
    for customer_id in ids:
        Customer.objects.filter(pk=customer_id).update(last_seen_at=seen.get(customer_id))


def _touch(ids: Sequence[int]) -> None:
    CustomerTouch.objects.bulk_create([CustomerTouch(customer_id=pk) for pk in ids])
