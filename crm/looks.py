"""Who looked at a customer: a line in the audit trail for every page and every answer that shows one."""

from __future__ import annotations

from collections.abc import Sequence

from accounts.models import AuditEntry, User
from accounts.services import record_audit
from crm.models import Customer

VIEWED = "customer.viewed"
SHOWN = 20


def note_look(customer: Customer, *, by: User) -> None:
    """Write down that somebody was shown this record; one statement, and no name in it."""
    record_audit(by=by, verb=VIEWED, target=customer, name="")


def entries_about(customer: Customer, most: int = SHOWN) -> Sequence[AuditEntry]:
    """The newest lines about a customer: looks, changes, exports."""
    found = AuditEntry.objects.filter(object_kind="crm.customer", object_id=str(customer.pk))
    return list(found.select_related("actor", "api_key").order_by("-at", "-id")[:most])
