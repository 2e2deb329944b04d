"""Where customers stand in the journey, computed from what happened: `sql/journey.sql` has the rules.

The rebuild computes the journeys of whoever changed; a live order does so for its buyer at once. The same
rows give the same steps, so merges, undone merges and late data need nothing of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction

from core import shards
from core.models import JobState, Workspace
from core.sql import run as run_sql
from core.sql import statement
from crm import journey
from crm.journey import Journeys, Written
from crm.models import CustomerTouch
from personas.models import ChangedCustomer, Rebuild
from personas.traits.compute import Moment, cut_list

if TYPE_CHECKING:
    from personas.nightly import Run

BATCH = 10_000
STEP, SHARDS = "stages", "rebuild.stages"


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
    """The step of a rebuild: everybody on its list, in ranges of ids, with whoever helps. `since` is the day
    of the last rebuild by the same rules; None where there is none, and then nobody is told.
    """
    moment = run.moment
    if "stages_told" not in run.facts:
        with transaction.atomic():
            if since is not None:
                bounds = {"since": since, "today": moment.today, "zone": moment.zone}
                run_sql("personas", "list_related", bounds)
            told = since is not None and _was_done_before(run.rebuild)
            parts = [{**part, **moment.to_json(), "told": told} for part in cut_list(BATCH)]
            shards.cut(run.job, SHARDS, parts)
            run.save(stages_told=told)
    done = shards.work_off(run.progress, SHARDS, tick=run.tick)
    found = {name: sum(one[name] for one in done) for name in ("customers", "written", "moved", "records")}
    # Segments ask about the stage: a change has them built.
    if found.pop("records"):
        run.save(changed=True)
    return found


def _compute_part(_job: UUID, part: Mapping[str, Any]) -> dict[str, int]:
    """The shard of `compute_changed`: the listed customers of one range of ids."""
    listed = ChangedCustomer.objects.filter(customer_id__gt=part["after"], customer_id__lte=part["upto"])
    customers = list(listed.order_by("customer_id").values_list("customer_id", flat=True))
    moment = Moment.from_json(part)
    found = compute(customers, today=moment.today, zone=moment.zone, told=part["told"])
    run_sql("personas", "follow_stages", {"customers": customers})
    return {
        "customers": len(customers),
        "written": found.steps + found.records,
        "moved": len(found.moved),
        "records": found.records,
    }


def _was_done_before(rebuild: Rebuild) -> bool:
    """Whether an earlier rebuild computed stages: the first one moves everybody and tells nobody."""
    done = Rebuild.objects.exclude(pk=rebuild.pk).filter(
        job__state=JobState.DONE, job__steps__contains=[{"name": STEP}]
    )
    return done.exists()


def register() -> None:
    """Called once, when the app is ready."""
    journey.register_compute(compute_at_once)
    shards.register_work(SHARDS, _compute_part, queue="nightly")
