"""Files that hold an erased person beside others: exports of single people, uploads of imports."""

from __future__ import annotations

from core.import_files import forget_customers
from core.models import Job
from core.privacy import Erasing

EXPORT_KIND = "export_customer"
FOLDER = "exports"


def search(erasing: Erasing) -> None:
    """Their exports go; uploads that wait and lists of rejected rows may hold anybody, so all of them go."""
    forget_customers(erasing.subject.customers, kinds=("import_customers", "import_organizations"))
    for job in Job.objects.filter(kind=EXPORT_KIND, input__customer__in=list(erasing.subject.customers)):
        name = job.result.get("file", "")
        if name:
            erasing.files.append(name)
        Job.objects.filter(pk=job.pk).update(result={"deleted": True})
