"""The files of imports: kept while they are needed, and what is deleted when."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core.files.storage import default_storage
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from core.files import JSONL, BadFile, Row, Shape, look_at, read
from core.imports import BAD, CONFLICTING
from core.models import ImportedRow, ImportRun, ImportState, Job
from core.tables import harmless

KEEP_FILES = timedelta(days=7)
KEEP_ROWS = timedelta(days=90)
"""So long an import can be undone."""
MAX_SIZE = 2 * 1024**3
HEADROOM = 200 * 1024**2
"""Left on the disk by an upload."""


def keep_upload(file: Any) -> tuple[str, Shape]:
    """Store an upload and say how it is read; nothing is kept of one that cannot be. Raises BadFile."""
    if file.size > MAX_SIZE:
        raise BadFile(
            _("The file is larger than 2 GB. Split it, or import it with the command on the server.")
        )
    folder = Path(default_storage.path("imports"))
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < file.size + HEADROOM:
        raise BadFile(_("There is no room for this file on the server's disk."))
    try:
        kept = default_storage.save(f"imports/{uuid4()}", file)
    except OSError as error:
        raise BadFile(_("The file could not be kept: %(why)s.") % {"why": error.strerror or error}) from error
    try:
        return kept, look_at(Path(default_storage.path(kept)))
    except BadFile:
        default_storage.delete(kept)
        raise


def drop_file(run: ImportRun) -> None:
    """Delete the upload of an import."""
    if run.path:
        default_storage.delete(run.path)
        ImportRun.objects.filter(pk=run.pk).update(path="")
        run.path = ""


def write_rejected(run: ImportRun) -> str:
    """The rows that were not stored, as they were, with number and reason; '' where there is none.

    Rows of erased people are not among them: nothing of them is kept.
    """
    left_out = ImportedRow.objects.filter(run=run, outcome__in=(CONFLICTING, BAD))
    reasons = dict(left_out.values_list("number", "reason").iterator())
    if not reasons:
        return ""
    shape = Shape.of_json(run.shape)
    rows = (
        (row, reasons[row.number])
        for row in read(Path(default_storage.path(run.path)), shape)
        if row.number in reasons
    )
    suffix = "jsonl" if shape.format == JSONL else "csv"
    path = f"imports/{uuid4()}-rejected.{suffix}"
    target = Path(default_storage.path(path))
    if shape.format == JSONL:
        _write_json(target, rows)
    else:
        _write_csv(target, shape.columns, rows)
    return path


def _write_json(target: Path, rows: Iterator[tuple[Row, str]]) -> None:
    with target.open("w", encoding="utf-8") as out:
        for row, reason in rows:
            out.write(
                json.dumps({**row.values, "row": row.number, "reason": reason}, ensure_ascii=False) + "\n"
            )


def _write_csv(target: Path, columns: Sequence[str], rows: Iterator[tuple[Row, str]]) -> None:
    with target.open("w", encoding="utf-8-sig", errors="replace", newline="") as out:
        writer = csv.writer(out)
        writer.writerow([*columns, _("Row"), _("Reason")])
        for row, reason in rows:
            cells = [harmless(str(row.values.get(column, "")).replace("\x00", "")) for column in columns]
            writer.writerow([*cells, row.number, harmless(reason)])


def clear_old(now: Any = None) -> int:
    """Delete files of imports after seven days, whether they were run or not; how many imports had some."""
    now = now or timezone.now()
    old = ImportRun.objects.filter(created_at__lt=now - KEEP_FILES).exclude(path="", rejected_path="")
    idle = old.exclude(state__in=(ImportState.RUNNING, ImportState.CHECKING, ImportState.UNDOING))
    touched = 0
    for run in idle.iterator():
        _drop_all_files(run)
        ImportRun.objects.filter(pk=run.pk).update(samples={})
        touched += 1
    return touched


def old_rows(before: datetime) -> QuerySet[ImportedRow]:
    """Rows of imports that began before a moment: without them nothing can be undone."""
    return ImportedRow.objects.filter(run__created_at__lt=before)


def _drop_all_files(run: ImportRun) -> None:
    drop_file(run)
    if run.rejected_path:
        default_storage.delete(run.rejected_path)
        ImportRun.objects.filter(pk=run.pk).update(rejected_path="")


def forget_customers(
    ids: Collection[int], words: Collection[str] = (), *, kinds: Collection[str] = ()
) -> int:
    """Leave nothing of erased customers in what imports keep; how many rows were blanked.

    `ids` are those of the customers, `words` what they are known by (handles, addresses, names), for rows
    that were rejected and name nobody. Files that wait and samples may hold anybody, so all of them go; a
    file that is being read goes when it was read. A blanked row cannot be undone. `kinds` are the kinds of
    imports whose rows name customers.
    """
    rows = ImportedRow.objects.filter(object_id__in=list(ids))
    if kinds:
        rows = rows.filter(run__kind__in=list(kinds))
    blanked = rows.update(before=None, reason="", object_id=None)
    named = Q(pk__in=[])
    for word in {word for word in words if len(word) > 2}:
        named |= Q(reason__icontains=word)
    blanked += ImportedRow.objects.filter(named).update(reason="", before=None)
    for run in ImportRun.objects.exclude(path="", rejected_path="").iterator():
        if not run.is_busy:
            _drop_all_files(run)
    ImportRun.objects.exclude(samples={}).update(samples={})
    _forget_reasons(words)
    return blanked


def _forget_reasons(words: Collection[str]) -> None:
    """Reasons stand on the jobs of plain imports, too."""
    for job in Job.objects.filter(kind__startswith="import_").iterator():
        told = json.dumps([job.result, job.cursor, job.error], ensure_ascii=False).casefold()
        if any(word.casefold() in told for word in words if len(word) > 2):
            job.result = {**job.result, "rejected": []} if "rejected" in job.result else job.result
            job.cursor = {**job.cursor, "rejected": []} if "rejected" in job.cursor else job.cursor
            job.error = ""
            job.save(update_fields=["result", "cursor", "error"])
