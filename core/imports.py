"""Kinds of files that come in, and the plain way of taking one in.

An app registers how it stores one page of one kind of file. `core.import_runs` tries, runs and undoes a
file whose columns were matched; `run_import` takes in a file whose columns have the names that the kind
wants. Both go page by page, with the place to go on saved in the transaction of each page: a killed import
goes on where it stood, a row that cannot be stored is listed with its reason, and the good rows are in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from django.db import IntegrityError, OperationalError, transaction

from core.files import BadFile, Row, count_rows, rows_of
from core.jobs import JobFailed, Progress, register_runner
from core.mapping import Target

PAGE = 500
DEADLOCK = "40P01"
DEADLOCKS = 5
"""So often a page is tried again."""
PAUSE_SECONDS = 0.2
"""So that whoever was let through is through."""
MAX_REASONS = 1000
"""Reasons kept on the job; every rejected row is counted, and the first thousand are listed."""
NEW, CHANGED, UNCHANGED, CONFLICTING, BAD, ERASED = (
    "new", "changed", "unchanged", "conflicting", "bad", "erased",
)  # fmt: skip
REJECTED = (CONFLICTING, BAD, ERASED)
"""Outcomes of rows that were not stored."""
T = TypeVar("T")


class Raced(Exception):
    """Somebody wrote the same thing meanwhile: the page is done again from its beginning."""


@dataclass(frozen=True)
class Stored:
    """What became of one row of a page, and what undoing it needs; without an id nothing can be undone."""

    outcome: str
    id: int | None = None
    before: dict[str, Any] | None = None
    changes: Sequence[Sequence[str]] = ()


@dataclass
class PageResult:
    """What became of one page: counts by outcome, (line, reason) of rejected rows, and the others by line."""

    counts: dict[str, int] = field(default_factory=dict)
    rejected: list[tuple[int, str]] = field(default_factory=list)
    stored: dict[int, Stored] = field(default_factory=dict)

    def add(self, outcome: str, n: int = 1) -> None:
        self.counts[outcome] = self.counts.get(outcome, 0) + n

    def note(self, number: int, stored: Stored) -> None:
        """Count a row, and remember what became of it."""
        self.add(stored.outcome)
        self.stored[number] = stored


@dataclass
class Taken:
    """What became of one row, or would: `kept` are values that lost against a person's word.

    `changes` are [what, before, after] for people to read; `before` is what undoing needs.
    """

    number: int
    outcome: str
    reason: str = ""
    object_id: int | None = None
    title: str = ""
    changes: list[list[str]] = field(default_factory=list)
    kept: list[list[str]] = field(default_factory=list)
    before: dict[str, Any] | None = None


@dataclass(frozen=True)
class Page:
    """One page of a file whose columns were matched, as an importer gets it.

    `rows` are (row, {target: values}). With `write` false nothing may stay written. `seen` knows the rows
    before. `run` is the core.ImportRun.
    """

    run: Any
    rows: Sequence[tuple[Row, dict[str, list[Any]]]]
    seen: Any
    write: bool


Store = Callable[[Sequence[Row], dict[str, Any]], PageResult]
Take = Callable[[Page], list[Taken]]
Undo = Callable[[Any, Sequence[Any]], Mapping[int, str]]
"""(run, imported rows) to {id of a row that stays: why}."""


@dataclass(frozen=True)
class Importer:
    """One kind of file: its job kind, the columns it must have, and how a page of it is stored."""

    kind: str
    label: str
    required: tuple[str, ...]
    store: Store | None = None
    page: int = PAGE
    targets: Callable[[], Sequence[Target]] = tuple
    take: Take | None = None
    undo: Undo | None = None


importers: dict[str, Importer] = {}


def register(importer: Importer) -> None:
    """Make a kind of file known, and its job runner with it."""
    importers[importer.kind] = importer
    if importer.store is not None:
        register_runner(importer.kind, lambda progress: run_import(importer, progress))


def run_import(importer: Importer, progress: Progress) -> dict[str, Any]:
    """Run or go on with one import job; its input names the file. Raises JobFailed for a wrong file."""
    path = Path(progress.job.input["path"])
    state = progress.job.cursor or {"row": 0, "counts": {}, "rejected": []}
    try:
        progress.beat(done=state["row"], total=count_rows(path), phase=path.name)
        for page in pages_of(rows_of(path, required=importer.required, skip=state["row"]), importer.page):
            state = again_after_deadlock(partial(_try_page, importer, progress, page, state))
    except BadFile as error:
        raise JobFailed(str(error)) from error
    progress.beat(phase="done")
    return {"rows": state["row"], "counts": state["counts"], "rejected": state["rejected"]}


def again_after_deadlock(work: Callable[[], T]) -> T:
    """Do a page's work; again where somebody was faster, or PostgreSQL ended it for whom it locked out.

    A page may write to many accounts, so its locks cannot all be taken in one order.
    """
    for left in reversed(range(DEADLOCKS + 1)):
        try:
            return work()
        except (IntegrityError, OperationalError, Raced) as error:
            if not left or (isinstance(error, OperationalError) and not _is_deadlock(error)):
                raise
            time.sleep(PAUSE_SECONDS)
    raise AssertionError("the last try returns or raises")


def _is_deadlock(error: OperationalError) -> bool:
    return getattr(error.__cause__, "pgcode", "") == DEADLOCK


def _try_page(
    importer: Importer, progress: Progress, page: Sequence[Row], state: dict[str, Any]
) -> dict[str, Any]:
    if importer.store is None:
        raise JobFailed(f"{importer.label} come in with matched columns only.")
    good = [row for row in page if not row.error]
    with transaction.atomic():
        result = importer.store(good, progress.job.input)
        result.rejected += [(row.number, row.error) for row in page if row.error]
        result.counts["rejected"] = len(result.rejected)
        state = {
            "row": state["row"] + len(page),
            "counts": add_counts(state["counts"], result.counts),
            "rejected": (state["rejected"] + [list(one) for one in sorted(result.rejected)])[:MAX_REASONS],
        }
        progress.save_cursor(state, done=state["row"])
    return state


def add_counts(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """The sum of two counts by name."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})}


def pages_of(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Rows in lists of this size."""
    source = iter(rows)
    while page := list(islice(source, size)):
        yield page


def report(result: dict[str, Any]) -> str:
    """What an import did, in lines for a terminal."""
    counts = result["counts"]
    lines = [", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing to import"]
    lines += [f"  line {number}: {reason}" for number, reason in result["rejected"][:20]]
    more = counts.get("rejected", 0) - min(20, len(result["rejected"]))
    if more > 0:
        lines.append(f"  and {more:,} more rejected rows")
    return "\n".join(lines)
