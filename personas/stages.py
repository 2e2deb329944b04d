"""Where customers stand in the journey, computed from what happened: `sql/journey.sql` has the rules.

The rebuild computes the journeys of whoever changed; a live order does so for its buyer at once. The same
rows give the same steps, so merges, undone merges and late data need nothing of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from django.db import transaction

from core.models import JobState, Workspace
from core.sql import run as run_sql
from core.sql import statement
from crm import journey
from crm.journey import Journeys, Written
from crm.models import CustomerTouch
from personas.models import ChangedCustomer, Rebuild

if TYPE_CHECKING:
    from personas.nightly import Run

BATCH = 10_000
STEP = "stages"


def compute(customers: Sequence[int], *, today: date, zone: str, told: bool = True) -> Written:
    """Compute and write the journeys of these customers, by one statement."""
    params = {"today": today, "zone": zone}
    return journey.set_stages(Journeys(customers, statement("personas", "journey"), params), told=told)


def compute_at_once(customers: Sequence[int]) -> Written:
    """The journeys of these customers as of this moment."""
    workspace = Workspace.current()
    found = compute(customers, today=workspace.today(), zone=workspace.zone)
    CustomerTouch.objects.bulk_create([CustomerTouch(customer_id=one.customer) for one in found.moved])
    return found


def compute_changed(run: Run, *, since: date | None) -> dict[str, Any]:
    """The step of a rebuild: everybody on its list, in order of id. `since` is the day of the last rebuild by
    the same rules; None where there is none, and then nobody is told.
    """
    moment = run.moment
    if "stages_told" not in run.facts:
        with transaction.atomic():
            if since is not None:
                bounds = {"since": since, "today": moment.today, "zone": moment.zone}
                run_sql("personas", "list_related", bounds)
            run.save(stages_told=since is not None and _was_done_before(run.rebuild))
    total = max(ChangedCustomer.objects.count(), 1)
    while True:
        with transaction.atomic():
            batch = _next(run.facts.get("stages_after", 0))
            if not batch:
                break
            found = compute(batch, today=moment.today, zone=moment.zone, told=bool(run.facts["stages_told"]))
            run_sql("personas", "follow_stages", {"customers": batch})
            _save(run, batch, found)
        run.tick(run.facts["stages_seen"] / total)
    names = {"customers": "stages_seen", "written": "stages_written", "moved": "stages_moved"}
    return {name: run.facts.get(fact, 0) for name, fact in names.items()}


def _next(after: int) -> list[int]:
    listed = ChangedCustomer.objects.filter(customer_id__gt=after).order_by("customer_id")
    return list(listed.values_list("customer_id", flat=True)[:BATCH])


def _save(run: Run, batch: Sequence[int], found: Written) -> None:
    """What a batch did, in its transaction. Segments ask about the stage: a change has them built."""
    kept = run.facts
    run.save(
        stages_after=batch[-1],
        stages_seen=kept.get("stages_seen", 0) + len(batch),
        stages_written=kept.get("stages_written", 0) + found.steps + found.records,
        stages_moved=kept.get("stages_moved", 0) + len(found.moved),
        changed=bool(kept.get("changed")) or bool(found.records),
    )


def _was_done_before(rebuild: Rebuild) -> bool:
    """Whether an earlier rebuild computed stages: the first one moves everybody and tells nobody."""
    done = Rebuild.objects.exclude(pk=rebuild.pk).filter(
        job__state=JobState.DONE, job__steps__contains=[{"name": STEP}]
    )
    return done.exists()


def register() -> None:
    """Called once, when the app is ready."""
    journey.register_compute(compute_at_once)
