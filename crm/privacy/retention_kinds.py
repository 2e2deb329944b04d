"""Which of the shared rows and of this app's may go once they are old."""

from __future__ import annotations

from datetime import datetime

from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from accounts.models import AuditEntry
from core import privacy
from core.models import Job
from core.privacy import Kind, register_retention
from crm.models import Customer, Task
from crm.privacy.erasing import erase_customer
from crm.privacy.stored_files import EXPORT_KIND

BATCH = 2_000
PEOPLE = 20
"""An erasure searches every text, so few are done between two looks at the clock."""


def _exports(before: datetime) -> QuerySet[Job]:
    return Job.objects.filter(kind=EXPORT_KIND, finished_at__lt=before, result__has_key="file")


def purge_exports(before: datetime) -> int:
    """Delete archives of single people."""
    found = list(_exports(before).order_by("pk")[:BATCH])
    for job in found:
        default_storage.delete(job.result["file"])
        Job.objects.filter(pk=job.pk).update(result={"deleted": True})
    return len(found)


def _jobs(before: datetime) -> QuerySet[Job]:
    ended = Job.objects.filter(finished_at__lt=before).exclude(kind=EXPORT_KIND)
    return ended.exclude(result={}, input={}, error="", cursor={}, steps=[])


def purge_jobs(before: datetime) -> int:
    """Blank what ended jobs were given and what they answered; that they ran stays."""
    ids = list(_jobs(before).order_by("pk").values_list("pk", flat=True)[:BATCH])
    return Job.objects.filter(pk__in=ids).update(result={}, input={}, error="", cursor={}, steps=[])


def _looks(before: datetime) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(verb="customer.viewed", at__lt=before)


def purge_looks(before: datetime) -> int:
    """Delete who looked at whom; what was changed stays in the trail for good."""
    with transaction.atomic():
        ids = list(_looks(before).order_by("pk").values_list("pk", flat=True)[:BATCH])
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL rapport.forgetting = 'on'")
        rows = AuditEntry.objects.filter(pk__in=ids)
        gone = int(rows._raw_delete(rows.db)) if ids else 0
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL rapport.forgetting = 'off'")
    return gone


def _idle(before: datetime) -> QuerySet[Customer]:
    """Roots nobody heard of since: nothing that shows them, and no task that waits."""
    quiet = Customer.objects.filter(merged_into=None, created_at__lt=before)
    quiet = quiet.annotate(seen=Coalesce("last_seen_at", "created_at")).filter(seen__lt=before)
    for holding in privacy.holdings():
        if not holding.seen_field:
            continue
        theirs = Q(**{holding.customer_field: OuterRef("pk"), f"{holding.seen_field}__gte": before})
        quiet = quiet.exclude(Exists(holding.model._default_manager.filter(theirs)))
    return quiet.exclude(Exists(Task.objects.filter(customer=OuterRef("pk"), done_at=None)))


def purge_idle(before: datetime) -> int:
    """Erase customers of whom nothing was heard for so long, as if they had asked."""
    found = list(_idle(before).order_by("pk")[:PEOPLE])
    for customer in found:
        erase_customer(customer=customer, by=None, reason="retention")
    return len(found)


def register() -> None:
    """Add the kinds of this app."""
    for kind in (
        Kind(
            "exports", _("Exports of single people"), _("The archives that were made for people who asked."),
            7, lambda before, most: _exports(before)[:most].count(), purge_exports, is_on=True, order=70,
        ),
        Kind(
            "jobs", _("Results of jobs"),
            _("What imports, rebuilds and other jobs were given and answered. That they ran stays."),
            90, lambda before, most: _jobs(before)[:most].count(), purge_jobs, order=80,
        ),
        Kind(
            "looks", _("Who looked at a customer"), _("In the audit trail. Changes stay there for good."),
            365, lambda before, most: _looks(before)[:most].count(), purge_looks, order=90,
        ),
        Kind(
            "customers", _("Customers nobody heard from"),
            _("No message, visit or order for so long and no open task: they are erased, as if they asked."),
            1825, lambda before, most: _idle(before)[:most].count(), purge_idle, order=100,
        ),
    ):  # fmt: skip
        register_retention(kind)
