"""Who does not want a picture made of them: out of personas, predictions and what rests on them."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from accounts.services import record_audit
from core.events import emit
from crm import facts
from crm.models import Customer, CustomerTouch
from crm.trees import hold_root

FLAG = "profiling_refused"


def refuse_profiling(*, customer: Customer, source: str, by: User | None = None) -> bool:
    """Take a customer out at once, and keep them out; whether that was new.

    `source` is who says so: staff, the customer, or a channel.
    """
    return _set(customer, True, source, by)


def allow_profiling(*, customer: Customer, source: str, by: User | None = None) -> bool:
    """Let the next rebuild take a customer in again; whether that was new."""
    return _set(customer, False, source, by)


@transaction.atomic
def _set(customer: Customer, refused: bool, source: str, by: User | None) -> bool:
    root = hold_root(customer.pk)
    if root.profiling_refused == refused:
        return False
    root.profiling_refused = refused
    root.origins[FLAG] = facts.origin(source, by=by.pk if by else None)
    root.save(update_fields=[FLAG, "origins"])
    CustomerTouch.objects.create(customer=root)
    verb = "customer.profiling_refused" if refused else "customer.profiling_allowed"
    record_audit(by=by, verb=verb, target=root, name="", detail={"source": source})
    emit("customer.updated", channels=["staff"], customer=root.pk, fields=[FLAG])
    return True
