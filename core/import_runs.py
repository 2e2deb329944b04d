"""A file that came in: tried, run, paused, taken up again, and undone.

Dry run and run are one code: they decide about each row from the customers as they stood before the file and
from the rows above it, never from what the file itself wrote; the dry run then writes nothing. So their
counts agree, unless somebody changed the customers in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core.events import emit
from core.files import BadFile, Row, Shape, count_rows, read
from core.import_files import drop_file, write_rejected
from core.import_keys import SeenKeys, forget_keys
from core.imports import (
    BAD,
    CHANGED,
    ERASED,
    NEW,
    REJECTED,
    Importer,
    Page,
    Taken,
    add_counts,
    again_after_deadlock,
    importers,
    pages_of,
)
from core.jobs import JobFailed, Progress, register_runner, start_job
from core.mapping import mapped
from core.models import ImportedRow, ImportRun, ImportState

CHECK, RUN, UNDO = "import_check", "import_run", "import_undo"
SAMPLE = 6
"""Rows of each outcome that are kept to be looked at."""
UNDO_PAGE = 1000
UNDONE, KEPT = "undone", "kept"


class CannotDo(ValueError):
    """What the state of an import does not allow."""


def register_runners() -> None:
    """Make the three kinds of jobs known."""
    for kind, work in ((CHECK, _check), (RUN, _run), (UNDO, _undo)):
        register_runner(kind, _guarded(work))


# Doors


def start_check(run: ImportRun, *, by: Any = None, enqueue: bool = True) -> ImportRun:
    """Begin a dry run. Raises CannotDo."""
    allowed = (ImportState.UPLOADED, ImportState.CHECKED, ImportState.FAILED)
    with transaction.atomic():
        run = _locked(run, allowed)
        if run.started_at is not None:
            raise CannotDo(_("This import has begun; go on with it."))
        forget_keys(run.pk)
        run.cursor, run.check_counts, run.samples = {}, {}, {}
        title = _("Dry run of %(file)s") % {"file": run.name[:150]}
        return _begin(run, ImportState.CHECKING, CHECK, title, by=by, enqueue=enqueue)


def start_run(run: ImportRun, *, by: Any = None, enqueue: bool = True) -> ImportRun:
    """Begin the import, or go on with one that was paused or failed. Raises CannotDo."""
    allowed = (ImportState.UPLOADED, ImportState.CHECKED, ImportState.PAUSED, ImportState.FAILED)
    with transaction.atomic():
        run = _locked(run, allowed)
        if run.started_at is None:
            forget_keys(run.pk)
            run.cursor, run.counts, run.started_at = {}, {}, timezone.now()
        run.wants_pause = False
        title = _("Import of %(file)s") % {"file": run.name[:150]}
        return _begin(run, ImportState.RUNNING, RUN, title, by=by, enqueue=enqueue)


def pause(run: ImportRun, *, by: Any = None) -> None:
    """Let a running import stop after its page; `by` is only for callers that treat all doors alike."""
    ImportRun.objects.filter(pk=run.pk, state=ImportState.RUNNING).update(wants_pause=True)


def start_undo(run: ImportRun, *, by: Any = None, enqueue: bool = True) -> ImportRun:
    """Begin to take an import back. Raises CannotDo."""
    with transaction.atomic():
        run = _locked(run, (ImportState.DONE, ImportState.PAUSED, ImportState.FAILED))
        if run.started_at is None or importers[run.kind].undo is None:
            raise CannotDo(_("There is nothing to undo."))
        forget_keys(run.pk)
        title = _("Undo the import of %(file)s") % {"file": run.name[:150]}
        return _begin(run, ImportState.UNDOING, UNDO, title, by=by, enqueue=enqueue)


def _locked(run: ImportRun, states: Sequence[str]) -> ImportRun:
    """The import under lock, in one of these states; one whose job ended without a word counts as failed."""
    run = ImportRun.objects.select_for_update(of=("self",)).select_related("job").get(pk=run.pk)
    if run.is_busy and run.job is not None and not run.job.is_open:
        run.state = ImportState.FAILED
    if run.state not in states:
        raise CannotDo(_("This import is: %(state)s.") % {"state": run.get_state_display().lower()})
    return run


def _begin(run: ImportRun, state: str, kind: str, title: str, *, by: Any, enqueue: bool) -> ImportRun:
    run.job = start_job(kind, title, input={"run": run.pk}, by=by, exclusive=str(run.pk), enqueue=enqueue)
    run.state, run.error = state, ""
    run.save()
    return run


# Work


def _guarded(work: Callable[[ImportRun, Progress], dict[str, Any]]) -> Callable[[Progress], dict[str, Any]]:
    """A job that fails leaves its import failed, with the reason; one whose lease was lost leaves it be."""

    def runner(progress: Progress) -> dict[str, Any]:
        run = ImportRun.objects.get(pk=progress.job.input["run"])
        try:
            return work(run, progress)
        except BadFile as error:
            _fail(run, str(error))
            raise JobFailed(str(error)) from error
        except OSError as error:
            told = _("%(what)s. Nothing is lost: make room or mend it, then go on.") % {
                "what": error.strerror or error
            }
            _fail(run, told)
            raise JobFailed(told) from error
        except Exception as error:
            if not _is_lost_lease(error):
                _fail(run, f"{type(error).__name__}: {error}"[:2000])
            raise

    return runner


def _is_lost_lease(error: Exception) -> bool:
    from core.jobs import LeaseLost

    return isinstance(error, LeaseLost)


def _fail(run: ImportRun, error: str) -> None:
    ImportRun.objects.filter(pk=run.pk).update(state=ImportState.FAILED, error=error)


def _check(run: ImportRun, progress: Progress) -> dict[str, Any]:
    """Decide about every row and write nothing but counts, samples and keys."""
    _read_file(run, progress, write=False)
    run.state, run.checked_at, run.cursor = ImportState.CHECKED, timezone.now(), {}
    run.save(update_fields=["state", "checked_at", "cursor"])
    forget_keys(run.pk)
    return {"counts": run.check_counts}


def _run(run: ImportRun, progress: Progress) -> dict[str, Any]:
    """Take the file in, or go on with it until it ends or somebody wants a pause."""
    if not _read_file(run, progress, write=True):
        run.state, run.wants_pause = ImportState.PAUSED, False
        run.save(update_fields=["state", "wants_pause"])
        return {"counts": run.counts, "paused": True}
    progress.beat(phase=_("Writing the file of rejected rows"))
    run.rejected_path = write_rejected(run)
    run.state, run.finished_at = ImportState.DONE, timezone.now()
    run.save(update_fields=["rejected_path", "state", "finished_at"])
    drop_file(run)
    forget_keys(run.pk)
    emit("import.finished", channels=["staff"], run=run.pk)
    return {"counts": run.counts}


def _read_file(run: ImportRun, progress: Progress, *, write: bool) -> bool:
    """Go through the file from where the import stands; False where it was paused."""
    importer, path = importers[run.kind], _path_of(run)
    shape = Shape.of_json(run.shape)
    behind = run.cursor.get("row", 0)
    phase = _("Importing") if write else _("Looking at every row")
    progress.beat(done=behind, total=max(count_rows(path) - shape.header, 0), phase=phase)
    for rows in pages_of(read(path, shape, skip=behind), importer.page):
        again_after_deadlock(partial(_one_page, run, importer, rows, progress, write=write))
        if write and ImportRun.objects.filter(pk=run.pk, wants_pause=True).exists():
            return False
    return True


def _path_of(run: ImportRun) -> Path:
    if not run.path or not default_storage.exists(run.path):
        raise BadFile(_("The file is gone: uploads are kept for seven days. Upload it again."))
    return Path(default_storage.path(run.path))


def _one_page(
    run: ImportRun, importer: Importer, rows: Sequence[Row], progress: Progress, *, write: bool
) -> None:
    """One page in one short transaction: decisions, rows, counts and the place to go on."""
    if importer.take is None:
        raise JobFailed(_("Files of this kind cannot be imported."))
    good = [(row, mapped(row, run.mapping)) for row in rows if not row.error]
    with transaction.atomic():
        run.refresh_from_db(fields=["cursor", "samples", "counts", "check_counts"])
        seen = SeenKeys(run.pk)
        taken = importer.take(Page(run, good, seen, write))
        seen.save()
        taken += [Taken(row.number, BAD, row.error) for row in rows if row.error]
        if write:
            _keep(run, taken)
        _note(run, taken, len(rows), write=write)
        run.save(update_fields=["cursor", "samples", "counts", "check_counts"])
        progress.save_cursor({"row": run.cursor["row"]}, done=run.cursor["row"])


def _keep(run: ImportRun, taken: Iterable[Taken]) -> None:
    """What undoing and the file of rejected rows need."""
    ImportedRow.objects.bulk_create(
        [
            ImportedRow(
                run=run,
                number=one.number,
                outcome=one.outcome,
                object_id=one.object_id,
                reason=one.reason[:1000],
                before=one.before,
            )
            for one in taken
            if one.outcome in (NEW, CHANGED, *REJECTED)
        ]
    )


def _note(run: ImportRun, taken: Sequence[Taken], rows: int, *, write: bool) -> None:
    found: dict[str, int] = {"rows": rows}
    samples = dict(run.samples)
    for one in taken:
        found[one.outcome] = found.get(one.outcome, 0) + 1
        if one.outcome not in REJECTED and one.outcome != NEW:
            found["matched"] = found.get("matched", 0) + 1
        if one.kept:
            found["kept"] = found.get("kept", 0) + 1
        for group in (one.outcome, *(["kept"] if one.kept else [])):
            shown = samples.setdefault(group, [])
            if len(shown) < SAMPLE and not (write and run.check_counts):
                shown.append(_sample(one))
    name = "counts" if write else "check_counts"
    setattr(run, name, add_counts(getattr(run, name), found))
    run.samples = samples
    run.cursor = {"row": run.cursor.get("row", 0) + rows}


def _sample(one: Taken) -> dict[str, Any]:
    return {
        "number": one.number,
        "title": "" if one.outcome == ERASED else one.title[:200],
        "reason": one.reason[:500],
        "object": one.object_id,
        "changes": one.changes[:12],
        "kept": one.kept[:12],
    }


# Undo


def _undo(run: ImportRun, progress: Progress) -> dict[str, Any]:
    """Take back what the run did, the newest rows first; a row changed since is kept and listed."""
    importer = importers[run.kind]
    rows = ImportedRow.objects.filter(run=run, outcome__in=(NEW, CHANGED)).order_by("-id")
    progress.beat(done=0, total=rows.count(), phase=_("Taking rows back"))
    done = sum(run.undo_counts.values())
    while page := list(rows[:UNDO_PAGE]):
        again_after_deadlock(partial(_undo_page, run, importer, page))
        done += len(page)
        progress.save_cursor({"undone": done}, done=done)
    run.state, run.undone_at = ImportState.UNDONE, timezone.now()
    run.save(update_fields=["state", "undone_at"])
    drop_file(run)
    emit("import.undone", channels=["staff"], run=run.pk)
    return {"counts": run.undo_counts}


def _undo_page(run: ImportRun, importer: Importer, page: Sequence[ImportedRow]) -> None:
    if importer.undo is None:
        raise JobFailed(_("Files of this kind cannot be undone."))
    with transaction.atomic():
        run.refresh_from_db(fields=["undo_counts"])
        stay = importer.undo(run, page)
        for row in page:
            row.outcome = KEPT if row.pk in stay else UNDONE
            row.reason, row.before = stay.get(row.pk, "")[:1000], None
        ImportedRow.objects.bulk_update(page, ["outcome", "reason", "before"])
        found = {UNDONE: len(page) - len(stay), KEPT: len(stay)}
        run.undo_counts = add_counts(run.undo_counts, found)
        run.save(update_fields=["undo_counts"])
