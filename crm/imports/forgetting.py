"""What imports keep of persons is forgotten with time."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from core.import_files import KEEP_ROWS, old_rows
from core.models import ImportedRow, ImportKey, ImportRun
from core.privacy import Kind, register_customer_data, register_retention


def register_forgetting() -> None:
    """The nightly look at what is old asks us, and so does removing the demo."""
    register_retention(
        Kind(
            "imports",
            _("What undoing an import needs"),
            _("What stood in changed fields, and why rows were rejected. Without it an import stays."),
            days=KEEP_ROWS.days,
            count=lambda before, most: old_rows(before)[:most].count(),
            purge=_purge,
            is_on=True,
        )
    )
    register_customer_data(ImportRun, ImportedRow, ImportKey)


def _purge(before: datetime) -> int:
    ids = list(old_rows(before).values_list("pk", flat=True)[:10_000])
    return ImportedRow.objects.filter(pk__in=ids).delete()[0]
