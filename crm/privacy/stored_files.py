"""Files that hold an erased person beside others: exports of single people, uploads of imports."""

from __future__ import annotations

import email
from email import policy
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings

from core.import_files import forget_customers
from core.models import Job
from core.privacy import Erasing
from crm.privacy.words import Words

EXPORT_KIND = "export_customer"
FOLDER = "exports"
IMPORTS = ("import_customers", "import_organizations")
"""Imports whose rows name customers."""


def search(erasing: Erasing) -> None:
    """Their exports go; uploads that wait and lists of rejected rows may hold anybody, so all of them go."""
    forget_customers(erasing.subject.customers, kinds=IMPORTS)
    for job in Job.objects.filter(kind=EXPORT_KIND, input__customer__in=list(erasing.subject.customers)):
        name = job.result.get("file", "")
        if name:
            erasing.files.append(name)
        Job.objects.filter(pk=job.pk).update(result={"deleted": True})


def forget_mails(words: Words) -> int:
    """Delete our own mails that name them, where mails are written to files because no server is set."""
    folder = Path(getattr(settings, "EMAIL_FILE_PATH", None) or "/nonexistent")
    gone = 0
    for path in sorted(folder.glob("*")) if folder.is_dir() and not words.is_empty else []:
        if words.found_in(_readable(path.read_bytes())):
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def _readable(content: bytes) -> str:
    """A mail as it lies there, and its parts decoded."""
    parts = [content.decode("utf-8", "replace")]
    for part in email.message_from_bytes(content, _class=EmailMessage, policy=policy.compat32).walk():
        if part.get_content_maintype() == "text":
            decoded: object = part.get_payload(decode=True)
            parts.append(decoded.decode("utf-8", "replace") if isinstance(decoded, bytes) else "")
    return "\n".join(parts)
