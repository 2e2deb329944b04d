"""From an upload to a mapping that can be tried: what the file is, what its columns hold, and presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.demo import refuse_while_demo
from core.files import SAMPLES, BadFile, Shape, look_at, read
from core.import_files import keep_upload
from core.imports import importers
from core.mapping import Preset, Target, apply_preset, guess, plain, preset_for, presets, samples_of
from core.models import ImportPreset, ImportRun, ImportState
from crm.identities import EMAIL, PHONE
from crm.imports.person import IDENTITY
from crm.imports.presets import CUSTOMERS

KNOWN_BY = ("id", "domain", EMAIL, PHONE)
LEFT_OUT = ""
MAX_SOURCE = 50


@dataclass(frozen=True)
class Column:
    """One column of a file as the mapping page shows it."""

    name: str
    field: str
    samples: Sequence[str]
    target: str


def open_upload(*, file: Any, source: str = "", kind: str = "", by: User) -> ImportRun:
    """Keep a file, and guess what it is and what its columns hold. Raises BadFile, DemoIsPresent."""
    check(by, "import.run")
    return keep_file(file=file, source=source, kind=kind, by=by)


def keep_file(*, file: Any, source: str = "", kind: str = "", by: User | None = None) -> ImportRun:
    """As `open_upload`, for whoever works on the server and needs no right. Raises BadFile, DemoIsPresent."""
    refuse_while_demo()
    path, shape = keep_upload(file)
    run = ImportRun(name=file.name[:200], path=path, size=file.size, shape=shape.as_json(), created_by=by)
    prepare(run, source=slugify(source)[:MAX_SOURCE], kind=kind)
    with transaction.atomic():
        run.save()
        record_audit(by=by, verb="import.uploaded", target=run, name="", detail={"kind": run.kind})
    return run


def prepare(run: ImportRun, *, source: str = "", kind: str = "", preset: Preset | None = None) -> None:
    """Fill in kind, source and mapping of an import in memory: by a preset that fits, else by guessing."""
    shape = Shape.of_json(run.shape)
    found = preset or preset_for(shape.columns, [one for one in all_presets() if kind in ("", one.kind)])
    if found is not None:
        run.kind, run.source = found.kind, source or found.source
        run.mapping = apply_preset(found, shape.columns)
        run.options = {**run.options, "preset": found.name}
        return
    samples = samples_in(run)
    run.kind = kind or _kind_of(shape, samples)
    run.mapping = guess(shape.columns, samples, importers[run.kind].targets())
    run.source = source or "import"
    run.options = {name: value for name, value in run.options.items() if name != "preset"}


def _kind_of(shape: Shape, samples: Mapping[str, Sequence[str]]) -> str:
    """Orders and interactions have columns that they must have; everything else is customers."""
    for importer in importers.values():
        if importer.take is None or not importer.required:
            continue
        found = set(guess(shape.columns, samples, importer.targets()).values())
        if set(importer.required) <= found:
            return importer.kind
    return CUSTOMERS


def samples_in(run: ImportRun, limit: int = 4) -> dict[str, list[str]]:
    """A few values of each column; none once the file is gone."""
    shape = Shape.of_json(run.shape)
    if not run.path or not default_storage.exists(run.path):
        return {column: [] for column in shape.columns}
    rows = islice(read(Path(default_storage.path(run.path)), shape), SAMPLES)
    return samples_of(rows, shape.columns, limit=limit)


def read_again(run: ImportRun, *, sheet: str, header: int | None, kind: str) -> None:
    """Look at the file in another way: another sheet, another row of names, another kind. Raises BadFile."""
    shape = Shape.of_json(run.shape)
    if (sheet, header) != (shape.sheet, shape.header) and shape.format != "jsonl":
        run.shape = look_at(Path(default_storage.path(run.path)), sheet=sheet, header=header).as_json()
    prepare(run, source="" if run.source == "import" else run.source, kind=kind)
    run.save(update_fields=["shape", "kind", "source", "mapping", "options"])


def columns_of(run: ImportRun) -> list[Column]:
    """The columns of the file with what they hold, in the order of the file."""
    samples = samples_in(run)
    return [
        Column(name, f"column-{at}", samples[name], run.mapping.get(name, LEFT_OUT))
        for at, name in enumerate(Shape.of_json(run.shape).columns)
    ]


def targets_by_group(kind: str) -> list[tuple[str, list[Target]]]:
    """What a column may hold, in groups for a menu."""
    groups: dict[str, list[Target]] = {}
    for target in importers[kind].targets():
        groups.setdefault(target.group, []).append(target)
    return list(groups.items())


@transaction.atomic
def set_mapping(
    run: ImportRun, *, mapping: Mapping[str, str], source: str, anew: bool = False, by: User
) -> ImportRun:
    """Say what the columns hold. Raises ValidationError saying what is missing or said twice."""
    check(by, "import.run")
    run = ImportRun.objects.select_for_update().get(pk=run.pk)
    if run.started_at is not None or run.state not in (
        ImportState.UPLOADED, ImportState.CHECKED, ImportState.FAILED
    ):  # fmt: skip
        raise ValidationError(_("This import has begun; its columns stay as they are."))
    wanted = {column: target for column, target in mapping.items() if target}
    check_mapping(run, wanted)
    run.mapping, run.source = wanted, (slugify(source) or "import")[:MAX_SOURCE]
    run.options = {**run.options, "anew": anew}
    run.state, run.check_counts, run.samples = ImportState.UPLOADED, {}, {}
    run.save()
    return run


def check_mapping(run: ImportRun, mapping: Mapping[str, str]) -> None:
    """Raises ValidationError for columns or targets that are not there, doubled or missing."""
    importer, columns = importers[run.kind], set(Shape.of_json(run.shape).columns)
    targets = {target.key: target for target in importer.targets()}
    problems = [_("There is no column %(name)s.") % {"name": name} for name in mapping if name not in columns]
    problems += [
        _("A column cannot hold %(name)s.") % {"name": key} for key in mapping.values() if key not in targets
    ]
    held = [key for key in mapping.values() if key in targets]
    twice = {key for key in held if held.count(key) > 1 and not targets[key].many}
    problems += [
        _("Two columns hold “%(name)s”; choose one.") % {"name": targets[key].label} for key in sorted(twice)
    ]
    missing = [target.label for target in targets.values() if target.required and target.key not in held]
    if missing:
        problems.append(_("No column holds: %(names)s.") % {"names": ", ".join(missing)})
    if not importer.required and not any(key in KNOWN_BY or key.startswith(IDENTITY) for key in held):
        problems.append(
            _("Say which column holds an id, an address, a number or a handle: customers are known by these.")
        )
    if problems:
        raise ValidationError(problems)


# Presets


def all_presets() -> list[Preset]:
    """Those that staff saved, then the exports of other programs."""
    return [saved(one) for one in ImportPreset.objects.order_by("name")[:200]] + presets()


def saved(preset: ImportPreset) -> Preset:
    """A saved preset: it fits files that have all the columns it names."""
    return Preset(
        f"saved-{preset.pk}", preset.name, preset.kind, preset.source, preset.mapping, tuple(preset.mapping)
    )


@transaction.atomic
def save_preset(run: ImportRun, *, name: str, by: User) -> ImportPreset:
    """Keep the mapping under a name; the same name again replaces it."""
    check(by, "import.run")
    values = {"kind": run.kind, "source": run.source, "mapping": run.mapping, "created_by": by}
    preset, made = ImportPreset.objects.update_or_create(name=name.strip()[:80], defaults=values)
    record_audit(by=by, verb="import_preset.saved", target=preset, detail={"new": made})
    return preset


@transaction.atomic
def delete_preset(preset: ImportPreset, *, by: User) -> None:
    """Forget a mapping."""
    check(by, "import.run")
    record_audit(by=by, verb="import_preset.deleted", target=preset)
    preset.delete()


def use_preset(run: ImportRun, key: str) -> None:
    """Match the columns as a preset says. Raises BadFile where none of its columns is there."""
    found = next((one for one in all_presets() if one.key == key), None)
    columns = {plain(column) for column in Shape.of_json(run.shape).columns}
    if found is None or not any(plain(name) in columns for name in found.mapping):
        raise BadFile(_("None of the columns of this preset is in the file."))
    prepare(run, source=found.source, preset=found)
    run.save(update_fields=["kind", "source", "mapping", "options"])
