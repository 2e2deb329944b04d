"""Takes in pages of kinds that have a door of their own (orders, interactions), with outcomes as for all.

The door decides and writes; of a dry run nothing stays written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import transaction

from core.files import Row
from core.import_keys import hashed
from core.imports import (
    BAD,
    CHANGED,
    CONFLICTING,
    ERASED,
    NEW,
    UNCHANGED,
    Page,
    PageResult,
    Store,
    Take,
    Taken,
)

OUTCOMES = {"stored": NEW, "changed": CHANGED, "repeated": UNCHANGED, "erased": ERASED, "pending": CHANGED}
"""What doors call what became of a row."""
KeyOf = Callable[[Mapping[str, Any]], tuple[str, ...]]


def take_by(store: Store, *, required: Sequence[str], key_of: KeyOf) -> Take:
    """A way to take pages in by a door; `key_of` is what makes a row of the file unique."""

    def take(page: Page) -> list[Taken]:
        taken: list[Taken] = []
        good: list[Row] = []
        named = [(row.number, {name: cells[0] for name, cells in given.items()}) for row, given in page.rows]
        page.seen.load({hashed(*key_of(values)) for _number, values in named})
        for number, values in named:
            refused = _refused(page, number, values, required, key_of)
            if refused is not None:
                taken.append(refused)
                continue
            page.seen.add([hashed(*key_of(values))], number=number, digest=hashed(values))
            good.append(Row(number, values))
        return taken + _stored(page, store, good, key_of)

    return take


def _refused(
    page: Page, number: int, values: Mapping[str, Any], required: Sequence[str], key_of: KeyOf
) -> Taken | None:
    """A row without what it must have, and one that a row above was about."""
    missing = [name for name in required if str(values.get(name, "")).strip() == ""]
    if missing:
        return Taken(number, BAD, f"{', '.join(missing)} missing")
    first = page.seen.first([hashed(*key_of(values))])
    if first is None:
        return None
    if first[1] == hashed(values):
        return Taken(number, UNCHANGED, f"the same as row {first[0]}")
    return Taken(number, CONFLICTING, f"row {first[0]} of this file has the same id and says something else")


def _stored(page: Page, store: Store, rows: Sequence[Row], key_of: KeyOf) -> list[Taken]:
    if not rows:
        return []
    options = {**page.run.options, "source": page.run.source}
    with transaction.atomic():
        result = store(rows, options)
        if not page.write:
            transaction.set_rollback(True)
    reasons = dict(result.rejected)
    titles = {row.number: " ".join(key_of(row.values)) for row in rows}
    return [_taken(number, title, result, reasons) for number, title in titles.items()]


def _taken(number: int, title: str, result: PageResult, reasons: Mapping[int, str]) -> Taken:
    if number in reasons:
        return Taken(number, BAD, reasons[number], title=title)
    stored = result.stored[number]
    outcome = OUTCOMES[stored.outcome]
    if outcome == ERASED:
        return Taken(number, ERASED, "dated before an erasure of the same customer", title="")
    found = Taken(number, outcome, object_id=stored.id, title=title, before=stored.before)
    found.changes = [list(change) for change in stored.changes]
    return found
