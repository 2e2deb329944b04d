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
from crm.trees import root_of


@transaction.atomic
def ask_staff(keys: Sequence[IdentityKey], *, title: str, due_on: date, source: str) -> list[Task]:
    """A task for an admin about each customer who has one of these identities; the same one only once.

    Nobody known is answered by a line in the audit trail: there was nothing to hand out or erase.
    """
    customers = _customers(keys)
    title = clean_text(title, limit=200).strip()
    made = [_add(customer, title, due_on) for customer in customers if not _is_asked(customer, title)]
    record_audit(
        by=None, verb="privacy.asked", name=source, detail={"customers": [one.pk for one in customers]}
    )
    return made


def _customers(keys: Sequence[IdentityKey]) -> list[Customer]:
    found: dict[int, Customer] = {}
    for key in keys:
        rows = Identity.objects.filter(network=key.network, issuer=key.issuer, external_id=key.external_id)
        for identity in rows.select_related("customer"):
            root = root_of(identity.customer)
            found[root.pk] = root
    return list(found.values())


def _is_asked(customer: Customer, title: str) -> bool:
    return Task.objects.filter(customer=customer, title=title).exists()


def _add(customer: Customer, title: str, due_on: date) -> Task:
    admins = User.objects.filter(role=Role.ADMIN, is_active=True)
    task = Task.objects.create(
        title=title,
        due_on=due_on,
        assignee=admins.order_by("created_at", "pk").first(),
        customer=customer,
        home_customer=customer,
    )
    told = {"staff", *({f"user:{task.assignee_id}"} if task.assignee_id else set())}
    emit("task.created", channels=sorted(told), task=task.pk, customer=customer.pk)
    return task
