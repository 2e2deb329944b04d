"""Files of customers for tests, and the way from a file to an import that ran."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from core.import_runs import start_check, start_run, start_undo
from core.jobs import run_job
from core.models import ImportRun
from crm.imports import preparing

HEAD = "Id,Name,E-mail,Phone,City,Company,Tags,Newsletter"


def upload(
    text: str, by: Any, *, name: str = "people.csv", source: str = "desk", kind: str = ""
) -> ImportRun:
    """Upload a file as staff do."""
    file = SimpleUploadedFile(name, text.encode())
    return preparing.open_upload(file=file, source=source, kind=kind, by=by)


def people(*rows: str) -> str:
    """A file of customers with these rows."""
    return "\n".join([HEAD, *rows]) + "\n"


def check(run: ImportRun) -> dict[str, int]:
    """Try an import, and give what it counted."""
    return _done(run, start_check(run, enqueue=False)).check_counts


def store(run: ImportRun) -> dict[str, int]:
    """Run an import, and give what it counted."""
    return _done(run, start_run(run, enqueue=False)).counts


def undo(run: ImportRun) -> dict[str, int]:
    """Take an import back."""
    return _done(run, start_undo(run, enqueue=False)).undo_counts


def both(run: ImportRun) -> dict[str, int]:
    """Try and run; both must count the same."""
    tried = check(run)
    assert store(run) == tried
    return tried


def _done(run: ImportRun, started: ImportRun) -> ImportRun:
    job = run_job(started.job_id)
    assert job is not None and job.state == "done", job and job.error
    run.refresh_from_db()
    return run


def rejected(run: ImportRun) -> str:
    """The file of rejected rows."""
    from django.core.files.storage import default_storage

    return Path(default_storage.path(run.rejected_path)).read_text(encoding="utf-8-sig")
