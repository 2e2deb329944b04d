"""The same change for several customers at once."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.events import Happening, emit_many
from crm.facts import STAFF, origin
from crm.models import Customer, CustomerTag, CustomerTouch, Tag
from crm.services import speaker


def _held(ids: Sequence[int]) -> list[Customer]:
    """Those that are nobody else today, under lock in order of id."""
    return list(Customer.objects.roots().select_for_update().filter(pk__in=ids).order_by("pk"))


@transaction.atomic
def tag_customers(*, ids: Sequence[int], tag: Tag, by: User) -> int:
    """Put a tag on each; how many carry it now."""
    check(by, "customer.edit")
    customers = _held(ids)
    CustomerTag.objects.bulk_create(
        [CustomerTag(tag=tag, customer=one, home_customer=one) for one in customers], ignore_conflicts=True
    )
    _tell("customer.tagged", customers, by, tag=tag.pk)
    return len(customers)


@transaction.atomic
def assign_customers(*, ids: Sequence[int], owner: User | None, by: User) -> int:
    """Let one member of staff look after each, or nobody; how many changed."""
    check(by, "customer.edit")
    changed = [one for one in _held(ids) if one.owner_id != (owner.pk if owner else None)]
    source, now = speaker(by), timezone.now()
    for one in changed:
        one.owner = owner
        one.origins["owner"] = origin(source, by=by.pk if source == STAFF else None, at=now)
    Customer.objects.bulk_update(changed, ["owner", "origins"])
    _tell("customer.updated", changed, by, fields=["owner"])
    return len(changed)


def _tell(verb: str, customers: Sequence[Customer], by: User, **detail: object) -> None:
    if not customers:
        return
    CustomerTouch.objects.bulk_create([CustomerTouch(customer=one) for one in customers])
    ids = [one.pk for one in customers]
    record_audit(by=by, verb=verb, name="", detail={"customers": ids, **detail})
    emit_many([Happening(verb, {"customer": pk, **detail}, ("staff",)) for pk in ids])
