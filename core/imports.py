"""Files come in as jobs: page by page, with the place to go on saved in the transaction of each page.

An app registers how it stores one page of one kind of file. A killed import goes on where it stood, a row
that cannot be stored is listed with its number and reason, and the good rows around it are in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import OperationalError, transaction

from core.files import BadFile, Row, count_rows, rows_of
from core.jobs import JobFailed, Progress, register_runner

PAGE = 500
DEADLOCK = "40P01"
DEADLOCKS = 5
"""So often a page is tried again."""
PAUSE_SECONDS = 0.2
"""So that whoever was let through is through."""
MAX_REASONS = 1000
"""Reasons kept on the job; every rejected row is counted, and the first thousand are listed."""


@dataclass
class PageResult:
    """What became of one page: counts by outcome, and (line, reason) of rejected rows."""

    counts: dict[str, int] = field(default_factory=dict)
    rejected: list[tuple[int, str]] = field(default_factory=list)

    def add(self, outcome: str, n: int = 1) -> None:
        self.counts[outcome] = self.counts.get(outcome, 0) + n


Store = Callable[[Sequence[Row], dict[str, Any]], PageResult]


@dataclass(frozen=True)
class Importer:
    """One kind of file: its job kind, the columns it must have, and how a page of it is stored."""

    kind: str
    label: str
    required: tuple[str, ...]
    store: Store
    page: int = PAGE


importers: dict[str, Importer] = {}


def register(importer: Importer) -> None:
    """Make a kind of file known, and its job runner with it."""
    importers[importer.kind] = importer
    register_runner(importer.kind, lambda progress: run_import(importer, progress))


def run_import(importer: Importer, progress: Progress) -> dict[str, Any]:
    """Run or go on with one import job; its input names the file. Raises JobFailed for a wrong file."""
    path = Path(progress.job.input["path"])
    state = progress.job.cursor or {"row": 0, "counts": {}, "rejected": []}
    try:
        progress.beat(done=state["row"], total=count_rows(path), phase=path.name)
        for page in _pages(rows_of(path, required=importer.required, skip=state["row"]), importer.page):
            state = _store_page(importer, progress, page, state)
    except BadFile as error:
        raise JobFailed(str(error)) from error
    progress.beat(phase="done")
    return {"rows": state["row"], "counts": state["counts"], "rejected": state["rejected"]}


def _store_page(
    importer: Importer, progress: Progress, page: Sequence[Row], state: dict[str, Any]
) -> dict[str, Any]:
    """Store one page; again where PostgreSQL ended it for the sake of somebody whom it locked out.

    A page may write to many accounts, so its locks cannot all be taken in one order.
    """
    for left in reversed(range(DEADLOCKS + 1)):
        try:
            return _try_page(importer, progress, page, state)
        except OperationalError as error:
            if not left or getattr(error.__cause__, "pgcode", "") != DEADLOCK:
                raise
            time.sleep(PAUSE_SECONDS)
    raise AssertionError("the last try returns or raises")


def _try_page(
    importer: Importer, progress: Progress, page: Sequence[Row], state: dict[str, Any]
) -> dict[str, Any]:
    good = [row for row in page if not row.error]
    with transaction.atomic():
        result = importer.store(good, progress.job.input)
        result.rejected += [(row.number, row.error) for row in page if row.error]
        result.counts["rejected"] = len(result.rejected)
        state = {
            "row": state["row"] + len(page),
            "counts": _sum(state["counts"], result.counts),
            "rejected": (state["rejected"] + [list(one) for one in sorted(result.rejected)])[:MAX_REASONS],
        }
        progress.save_cursor(state, done=state["row"])
    return state


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})}


def _pages(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
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
