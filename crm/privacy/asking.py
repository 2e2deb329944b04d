"""Somebody outside asks, for one of their customers, for what we hold or for its erasure.

Nothing is handed out or erased by itself: the customer may have written to us on other networks too, so a
person looks and decides. They find the task on the customer's page, where both can be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from django.db import transaction

from accounts.models import Role, User
from accounts.services import record_audit
from core.events import emit
from core.text import clean_text
from crm.identities import IdentityKey
from crm.models import Customer, Identity, Task
from crm.trees import hold_root


@transaction.atomic
def ask_staff(keys: Sequence[IdentityKey], *, title: str, due_on: date, source: str) -> list[Task]:
    """A task about each customer who has one of these identities; asked twice, it stays one task.

    Nobody known is a line in the audit trail: there was nothing to hand out or erase.
    """
    title = clean_text(title, limit=200).strip()
    held = [hold_root(pk) for pk in sorted(_owners(keys))]
    if not held:
        record_audit(by=None, verb="privacy.asked", name=source, detail={"known": False})
    made = [_add(customer, title, due_on, source) for customer in {one.pk: one for one in held}.values()]
    return [task for task in made if task is not None]


def _owners(keys: Sequence[IdentityKey]) -> set[int]:
    found: set[int] = set()
    for key in keys:
        rows = Identity.objects.filter(network=key.network, issuer=key.issuer, external_id=key.external_id)
        found.update(rows.values_list("customer_id", flat=True))
    return found


def _add(customer: Customer, title: str, due_on: date, source: str) -> Task | None:
    """The task, for whoever looks after the customer, else for the admin who is here longest."""
    if Task.objects.filter(customer=customer, title=title).exists():
        return None
    admins = User.objects.filter(role=Role.ADMIN, is_active=True).order_by("created_at", "pk")
    assignee = customer.owner or admins.first()
    task = Task.objects.create(
        title=title, due_on=due_on, assignee=assignee, customer=customer, home_customer=customer
    )
    detail = {"source": source, "task": task.pk}
    record_audit(by=None, verb="privacy.asked", target=customer, name="", detail=detail)
    told = {"staff", *({f"user:{assignee.pk}"} if assignee else set())}
    emit("task.created", channels=sorted(told), task=task.pk, customer=customer.pk)
    return task
