"""Words that staff put on customers."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from accounts.services import record_audit
from core.events import emit
from crm.models import Customer, CustomerTag, CustomerTouch, Tag
from crm.trees import hold_root


def tag_called(name: str) -> Tag:
    """The tag of this name, whatever its case; made where it is new."""
    name = name.strip()
    known = Tag.objects.filter(name__iexact=name).first()
    return known or Tag.objects.get_or_create(name=name)[0]


def add_tag(*, customer: Customer, tag: Tag, by: Any) -> None:
    """Put a tag on a customer, or on the record they were merged into; once is enough."""
    with transaction.atomic():
        customer = hold_root(customer.pk)
        _put, made = CustomerTag.objects.get_or_create(
            home_customer=customer, tag=tag, defaults={"customer": customer}
        )
        if made:
            _tell("customer.tagged", customer, tag, by)


def remove_tag(*, customer: Customer, tag: Tag, by: Any) -> None:
    """Take a tag off a customer, also where a merge brought it twice."""
    with transaction.atomic():
        customer = hold_root(customer.pk)
        gone, _each = CustomerTag.objects.filter(customer=customer, tag=tag).delete()
        if gone:
            _tell("customer.untagged", customer, tag, by)


def _tell(verb: str, customer: Customer, tag: Tag, by: Any) -> None:
    CustomerTouch.objects.create(customer=customer)
    record_audit(by=by, verb=verb, target=customer, name="", detail={"tag": tag.pk})
    emit(verb, channels=["staff"], customer=customer.pk, tag=tag.pk)
