"""Everything we know about one person, and everything we made of it, as a ZIP that a person can read.

`index.html` shows it all in a browser, without a script; `data/` holds each table as JSON, `files/` what
came with their messages. What belongs to others is left out.
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any
from uuid import uuid4

from django.core.files import File
from django.core.files.storage import default_storage
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core import privacy
from core.jobs import JobFailed, Progress, register_runner, start_job
from core.models import Job, Workspace
from core.privacy import Section
from crm.models import Customer
from crm.privacy.sections import looks, sections
from crm.privacy.stored_files import EXPORT_KIND, FOLDER
from crm.privacy.subjects import subject_of
from crm.trees import root_of

SHOWN_ROWS = 2_000
"""Rows of one part that the page shows; the JSON beside it holds all."""
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})[\d:.]*\+00:00")
CUT = 500_000_000
"""Bytes of files that go into one archive; the rest is named in the page."""


def start_export(*, customer: Customer, by: User) -> Job:
    """Queue the export of one customer. Raises core.jobs.JobIsOpen while one is being made."""
    check(by, "customer.export")
    root = root_of(customer)
    record_audit(by=by, verb="customer.exported", target=root, name="")
    return start_job(
        EXPORT_KIND,
        f"Export of customer {root.pk}",
        input={"customer": root.pk},
        by=by,
        exclusive=f"customer {root.pk}",
    )


def run_export(progress: Progress) -> dict[str, Any]:
    """The job: one archive in the storage, whose name is the job's result."""
    customer = Customer.objects.filter(pk=progress.job.input["customer"]).first()
    if customer is None:
        raise JobFailed("This customer is gone.")
    with tempfile.TemporaryFile() as scratch:
        rows = write_archive(scratch, customer, progress)
        scratch.seek(0)
        name = default_storage.save(f"{FOLDER}/{uuid4()}.zip", File(scratch))
    return {"file": name, "rows": rows, "customer": customer.pk}


def write_archive(out: Any, customer: Customer, progress: Progress | None = None) -> int:
    """Write the archive of a customer's whole tree; how many rows it holds."""
    subject = subject_of(customer)
    shown: list[dict[str, Any]] = []
    total = 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        left = CUT
        for section in sections(subject):
            if progress:
                progress.beat(phase=section.label[:120])
            rows = [dict(row) for row in section.rows]
            total += len(rows)
            if not rows:
                continue
            archive.writestr(f"data/{section.name}.json", _json(rows))
            left = _add_files(archive, section, left)
            shown.append(_shown(section, rows))
        context = {
            "sections": shown,
            "made_at": timezone.now(),
            "workspace": Workspace.current(),
            "number": subject.customers[0],
        }
        archive.writestr("index.html", render_to_string("crm/person_export.html", context))
        archive.writestr("style.css", render_to_string("crm/person_export.css"))
    return total


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(rows, ensure_ascii=False, indent=1, default=str)


def _add_files(archive: zipfile.ZipFile, section: Section, left: int) -> int:
    for name, stored in section.files:
        if not default_storage.exists(stored) or default_storage.size(stored) > left:
            continue
        left -= default_storage.size(stored)
        inside = f"files/{_safe(name)}"
        with default_storage.open(stored, "rb") as content, archive.open(inside, "w") as target:
            while block := content.read(1 << 20):
                target.write(block)
    return left


def _safe(name: str) -> str:
    """A file's name without a path or anything a system could take for one."""
    return re.sub(r"[^\w.\- ]", "_", PurePath(name.replace("\\", "/")).name)[:150] or "file"


def _shown(section: Section, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    used = [name for name in names if any(_is_said(row.get(name)) for row in rows)]
    return {
        "label": section.label,
        "note": section.note,
        "name": section.name,
        "columns": [name.replace("_", " ").capitalize() for name in used],
        "rows": [[_cell(row.get(name)) for name in used] for row in rows[:SHOWN_ROWS]],
        "single": [(name.replace("_", " ").capitalize(), _cell(rows[0].get(name))) for name in used]
        if len(rows) == 1
        else [],
        "more": max(len(rows) - SHOWN_ROWS, 0),
        "count": len(rows),
    }


def _is_said(value: Any) -> bool:
    return value not in (None, "", [], {})


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
    if isinstance(value, list):
        return ", ".join(_cell(one) for one in value)
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_cell(one)}" for name, one in value.items())
    moment = _MOMENT.fullmatch(str(value))
    return f"{moment[1]} {moment[2]} UTC" if moment else str(value)


def register() -> None:
    """Make the job and this app's own parts known."""
    register_runner(EXPORT_KIND, run_export)
    privacy.register_export("looks", looks, order=90)
