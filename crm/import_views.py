"""Pages of imports: the list, matching columns, the dry run, the run, its result and its undoing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from accounts.permissions import requires, staff
from accounts.services import record_audit
from core.demo import DemoIsPresent, is_demo, refuse_while_demo
from core.files import JSONL, BadFile, Shape
from core.fragments import is_fragment
from core.import_runs import KEPT, CannotDo, pause, start_check, start_run, start_undo
from core.imports import REJECTED, importers
from core.models import ImportPreset, ImportRun, ImportState
from core.paging import Sort, desc, page_for
from crm.import_forms import ReadForm, UploadForm
from crm.imports import preparing

SORTS = {"-created": Sort(desc("created_at"))}
LISTED = 200
"""Rows that are listed on the page of an import; the file of rejected rows has them all."""


@require_http_methods(["GET", "POST"])
@requires("import.run")
def import_list(request: HttpRequest) -> HttpResponse:
    """Upload a file; every import so far with its state."""
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            run = preparing.open_upload(by=staff(request), **form.cleaned_data)
        except (BadFile, DemoIsPresent) as error:
            form.add_error("file", str(error))
        else:
            return redirect("crm:import-map", run.pk)
    context = {
        "form": form,
        "page": page_for(
            request,
            ImportRun.objects.select_related("created_by", "job"),
            sorts=SORTS,
            default="-created",
        ),
        "kinds": {importer.kind: importer.label for importer in importers.values()},
        "presets": ImportPreset.objects.order_by("name")[:200],
        "is_demo": is_demo(),
    }
    return render(request, "crm/import_list.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@requires("import.run")
def import_map(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what each column holds, and try it."""
    run = get_object_or_404(ImportRun, pk=pk)
    if run.started_at is not None or run.is_busy or not run.path:
        return redirect("crm:import-run", run.pk)
    problems: list[str] = []
    if request.method == "POST":
        mapping = {one.name: request.POST.get(one.field, "") for one in preparing.columns_of(run)}
        try:
            run = _mapped(request, run, mapping)
            start_check(run, by=staff(request))
            return redirect("crm:import-run", run.pk)
        except ValidationError as error:
            problems, run.mapping = list(error.messages), mapping
        except (CannotDo, DemoIsPresent) as error:
            problems = [str(error)]
    context = {
        "run": run,
        "problems": problems,
        "shape": Shape.of_json(run.shape),
        "separator": {"\t": _("tab")}.get(run.shape["separator"], run.shape["separator"]),
        "columns": preparing.columns_of(run),
        "choices": preparing.targets_by_group(run.kind),
        "importer": importers[run.kind],
        "read_form": ReadForm.of(run),
        "presets": preparing.all_presets(),
    }
    return render(request, "crm/import_map.html", context, status=422 if problems else 200)


def _mapped(request: HttpRequest, run: ImportRun, mapping: dict[str, str]) -> ImportRun:
    refuse_while_demo()
    run = preparing.set_mapping(
        run,
        mapping=mapping,
        source=request.POST.get("source", ""),
        anew=bool(request.POST.get("anew")),
        by=staff(request),
    )
    if name := request.POST.get("preset", "").strip():
        preparing.save_preset(run, name=name, by=staff(request))
    return run


@require_POST
@requires("import.run")
def import_read(request: HttpRequest, pk: int) -> HttpResponse:
    """Read the file in another way, or match its columns as a preset says."""
    run = get_object_or_404(ImportRun, pk=pk, started_at=None)
    try:
        if key := request.POST.get("preset", ""):
            preparing.use_preset(run, key)
        else:
            form = ReadForm(request.POST, shape=Shape.of_json(run.shape))
            if not form.is_valid():
                raise BadFile(" ".join(str(error) for errors in form.errors.values() for error in errors))
            preparing.read_again(run, **form.cleaned_data)
    except BadFile as error:
        messages.error(request, str(error))
    return redirect("crm:import-map", run.pk)


@require_GET
@requires("import.run")
def import_run(request: HttpRequest, pk: int) -> HttpResponse:
    """What the dry run found, how far the run is, what became of it."""
    run = get_object_or_404(ImportRun.objects.select_related("job", "created_by"), pk=pk)
    if run.state == ImportState.UPLOADED and not is_fragment(request) and run.path:
        return redirect("crm:import-map", run.pk)
    return render(request, "crm/_import.html" if is_fragment(request) else "crm/import_run.html", _shown(run))


def _shown(run: ImportRun) -> dict[str, Any]:
    has_died = run.is_busy and run.job is not None and not run.job.is_open
    _name_columns(run)
    rejected = run.rows.filter(outcome__in=REJECTED).order_by("number")
    return {
        "run": run,
        "state": ImportState.FAILED if has_died else ImportState(run.state),
        "importer": importers.get(run.kind),
        "counts": run.counts if run.started_at else run.check_counts,
        "differs": bool(run.finished_at and run.check_counts and run.check_counts != run.counts),
        "can_undo": run.kind in importers and importers[run.kind].undo is not None,
        "rejected": list(rejected[:LISTED]) if run.finished_at else [],
        "kept": list(run.rows.filter(outcome=KEPT).order_by("number")[:LISTED]) if run.undo_counts else [],
        "sample_groups": SAMPLE_GROUPS,
        "limit": LISTED,
    }


def _name_columns(run: ImportRun) -> None:
    """Samples name what a column holds as the mapping page does."""
    if run.kind not in importers:
        return
    labels = {target.key: target.label for target in importers[run.kind].targets()}
    for rows in run.samples.values():
        for row in rows:
            for change in [*row["changes"], *row["kept"]]:
                change[0] = labels.get(change[0], change[0])


SAMPLE_GROUPS = ("new", "changed", "kept", "conflicting", "erased", "bad", "unchanged")


@require_POST
@requires("import.run")
def import_act(request: HttpRequest, pk: int, action: str) -> HttpResponse:
    """Try again, run, pause, go on, undo."""
    acts: dict[str, Callable[[ImportRun, User], object]] = {
        "check": lambda run, by: start_check(run, by=by),
        "run": lambda run, by: start_run(run, by=by),
        "pause": lambda run, by: pause(run),
        "undo": lambda run, by: start_undo(run, by=by),
    }
    if action not in acts:
        raise Http404
    run = get_object_or_404(ImportRun, pk=pk)
    try:
        if action in ("check", "run"):
            refuse_while_demo()
        acts[action](run, staff(request))
    except (CannotDo, DemoIsPresent) as error:
        messages.error(request, str(error))
    else:
        record_audit(by=staff(request), verb=f"import.{PAST[action]}", target=run, name="")
    return redirect("crm:import-run", run.pk)


PAST = {"check": "tried", "run": "started", "pause": "paused", "undo": "undone"}


@require_GET
@requires("import.run")
def import_rejected(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The rows that were not stored, as they were, with number and reason."""
    run = get_object_or_404(ImportRun, pk=pk)
    if not run.rejected_path or not default_storage.exists(run.rejected_path):
        raise Http404(_("This file is gone: it is kept for seven days."))
    suffix = "jsonl" if run.shape.get("format") == JSONL else "csv"
    record_audit(by=staff(request), verb="import.rejected_read", target=run, name="")
    name = f"{run.name.rsplit('.', 1)[0]}-rejected.{suffix}"
    return FileResponse(default_storage.open(run.rejected_path), as_attachment=True, filename=name)


@require_POST
@requires("import.run")
def preset_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget a saved mapping."""
    preparing.delete_preset(get_object_or_404(ImportPreset, pk=pk), by=staff(request))
    return redirect("crm:import")
