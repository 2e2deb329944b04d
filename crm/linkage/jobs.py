"""The search for duplicates as a job: over night after the rebuild, or by hand.

The computing runs as a child process, so that its memory is given back and a lost lease or a dead worker ends
it; the lease is renewed while it runs. What it found is stored in one transaction.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from core.jobs import JobFailed, Progress, start_job
from core.models import Job
from crm.linkage import suspects
from crm.linkage.search import COUNTS_FILE, MARKS_FILE, PAIRS_FILE

log = structlog.get_logger(__name__)
KIND = "linkage"


def start_search(*, everybody: bool = False, by: User | None = None, enqueue: bool = True) -> Job:
    """Queue a search: of whoever changed since the last one, or of everybody.

    Raises core.jobs.JobIsOpen while one is under way.
    """
    if by is not None:
        check(by, "customer.merge")
    title = _("Search for duplicates")
    return start_job(KIND, title, input={"everybody": everybody}, by=by, exclusive=KIND, enqueue=enqueue)


def run_search(progress: Progress) -> dict[str, Any]:
    """The job: compare in a child process, then keep what it found."""
    with TemporaryDirectory(prefix="rapport-linkage-") as name:
        folder = Path(name)
        with progress.step("compare") as counts:
            counts.update(_compare(progress, folder))
        with progress.step("store") as stored:
            pairs = [json.loads(line) for line in (folder / PAIRS_FILE).read_text("utf-8").splitlines()]
            stored.update(suspects.keep(pairs, folder / MARKS_FILE))
    return {"counts": {**counts, **stored}}


def _compare(progress: Progress, folder: Path) -> dict[str, Any]:
    arguments = ["--everybody"] if progress.job.input.get("everybody") else []
    with _child(folder, arguments) as child:
        for line in child.stdout or ():
            phase, done, total = json.loads(line)
            progress.beat(done, total, phase=phase if phase != progress.job.phase else None)
            progress.job.phase = phase
        if child.wait():
            raise JobFailed(_why(folder))
    counts: dict[str, Any] = json.loads((folder / COUNTS_FILE).read_text("utf-8"))
    return {name: value for name, value in counts.items() if not isinstance(value, bool)}


@contextmanager
def _child(folder: Path, arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The process that computes, on the database we are on; killed when we leave early."""
    database = str(connection.settings_dict["NAME"])
    with (folder / "errors").open("w") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "crm.linkage.search", str(folder), database, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=settings.BASE_DIR,
            text=True,
        )
        try:
            yield child
        finally:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe:
                    pipe.close()


def _why(folder: Path) -> str:
    """The kind of the error: its text may quote a customer, so it goes to the log alone."""
    told = (folder / "errors").read_text("utf-8", errors="replace").strip()
    log.error("search for duplicates failed", error=told[-4000:])
    last = told.splitlines()[-1].partition(":")[0] if told else _("it was killed")
    return _("The comparison ended early (%(why)s).") % {"why": last[:200]}
