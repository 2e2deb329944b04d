"""The rebuild: every night, by hand, or after an import; one at a time, and resumable after a kill.

A rebuild is a job. Its steps run in order, each timed; what a step has done is saved with its work, so that
a killed run goes on where it stood. Higher apps add steps by `register_step`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from accounts.permissions import check
from core import shards
from core.events import emit
from core.jobs import JobFailed, JobIsOpen, Progress, start_job
from core.models import Job, JobState, Workspace
from core.statistics import analyze, forget_emptiness
from crm.strays import mend_strays
from personas.building import build_segment, in_levels, needs_build
from personas.models import ChangedCustomer, Rebuild, Segment, SegmentSize
from personas.traits.compute import (
    Moment,
    cut_list,
    fingerprint,
    list_all,
    list_changed,
    refresh_next,
)

log = structlog.get_logger(__name__)
KIND, QUEUE = "rebuild", "nightly"
# Steps that several processes work on.
TRAITS, SEGMENTS = "rebuild.traits", "rebuild.segments"
# Tables of one row or more a customer, which the first rebuild finds empty.
COMPUTED = (
    "personas_traits",
    "personas_customerday",
    "personas_firsttouch",
    "personas_personamembership",
    "personas_prediction",
    "personas_segmentmembership",
    "personas_changedcustomer",
)
# Rows from which the planner is told of what a step wrote, instead of waiting for autovacuum.
ANALYZE_FROM = 1_000
DUE_AT = time(3, 30)
# Length of the progress bar; each step fills its part.
BAR = 1000


@dataclass
class Run:
    """One rebuild as its steps see it. `facts` are kept over a crash: what earlier steps found."""

    rebuild: Rebuild
    progress: Progress
    moment: Moment
    is_full: bool
    is_refit: bool
    take: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    part: tuple[float, float] = (0.0, 1.0)

    def save(self, **facts: Any) -> None:
        """Keep facts and the steps that are done; called in the transaction of the work they stand for."""
        self.facts |= facts
        self.progress.save_cursor({"done": self.done, "facts": self.facts})

    def tick(self, share: float) -> None:
        """Move the progress bar: `share` of this step is done."""
        first, last = self.part
        self.progress.beat(round(BAR * (first + (last - first) * share)), BAR)

    @property
    def job(self) -> UUID:
        """The job it is."""
        return self.progress.job.pk

    @property
    def anybody_changed(self) -> bool:
        """Whether data, personas or predictions differ from the last rebuild."""
        return self.is_full or bool(self.facts.get("changed")) or ChangedCustomer.objects.exists()


Step = Callable[[Run], Mapping[str, Any]]


@dataclass(frozen=True)
class _Registered:
    name: str
    function: Step
    order: int
    weight: float


_steps: dict[str, _Registered] = {}


def register_step(name: str, function: Step, order: int, *, weight: float = 1.0) -> None:
    """Add a step: `function(run)` does it and returns its counts; it must be safe to repeat.

    Own steps have the orders 10 to 50. `weight` is its part of the progress bar.
    """
    _steps[name] = _Registered(name, function, order, weight)


_fillers: set[str] = set()


def register_filler(kind: str) -> None:
    """Name a kind of job that fills an empty workspace: the sweep waits until none of it is open.

    Personas and models fitted on the half that is in would be the first that anybody sees.
    """
    _fillers.add(kind)


def steps() -> list[str]:
    """The names of all steps, in the order they run."""
    return [step.name for step in _ordered()]


def _ordered() -> list[_Registered]:
    return sorted(_steps.values(), key=lambda step: (step.order, step.name))


# Starting


def start_rebuild(
    *,
    full: bool = False,
    refit: bool = False,
    take: int | None = None,
    by: User | None = None,
    by_hand: bool = True,
    enqueue: bool = True,
) -> Job:
    """Queue a rebuild. Raises core.jobs.JobIsOpen, whose message says since when one waits or runs.

    `full` computes everybody anew by the stored models, `refit` fits them anew, `take` makes the proposed
    PersonaModel of that id the current one.
    """
    if by is not None:
        check(by, "rebuild.start")
    with transaction.atomic():
        job = start_job(
            KIND,
            "Full rebuild" if full else "Rebuild",
            input={"full": full, "refit": refit, "take": take},
            by=by,
            exclusive=KIND,
            enqueue=enqueue,
        )
        day = Workspace.current().today()
        Rebuild.objects.create(day=day, job=job, is_full=full, by_hand=by_hand)
    return job


def newest_rebuild() -> Rebuild | None:
    """The last one that was started, with its job; what pages call "computed at"."""
    return Rebuild.objects.select_related("job").order_by("-pk").first()


def is_due(now: datetime | None = None) -> bool:
    """Whether this local date has no run yet, after half past three in the workspace's zone.

    Hours that the clock skips or repeats, a beat that stood still and a late start change nothing.
    """
    workspace = Workspace.current()
    local = (now or timezone.now()).astimezone(workspace.tz)
    return local.time() >= DUE_AT and not Rebuild.objects.filter(day=local.date()).exists()


def sweep() -> bool:
    """Start the rebuild of this date when it is due; whether one was started."""
    if not is_due() or _is_filling():
        return False
    try:
        start_rebuild(by_hand=False)
    except JobIsOpen:
        return False
    return True


def _is_filling() -> bool:
    open_jobs = Job.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING])
    return open_jobs.filter(kind__in=_fillers).exists()


# Running


def run_rebuild(progress: Progress) -> dict[str, Any]:
    """The job: every step that is not done yet, then the list of changed customers is emptied."""
    run = _open(progress)
    ordered = _ordered()
    total = sum(step.weight for step in ordered)
    begun = 0.0
    for step in ordered:
        run.part = (begun / total, (begun + step.weight) / total)
        begun += step.weight
        if step.name in run.done:
            continue
        with progress.step(step.name) as counts:
            progress.beat(round(BAR * run.part[0]), BAR, phase=step.name)
            counts.update(step.function(run))
            run.done.append(step.name)
            run.save()
    return _close(run)


def _open(progress: Progress) -> Run:
    job, workspace = progress.job, Workspace.current()
    rebuild = Rebuild.objects.filter(job=job).first()
    if rebuild is None:
        raise JobFailed("This rebuild was removed.")
    began = job.started_at or timezone.now()
    cursor = job.cursor or {}
    facts = dict(cursor.get("facts", {}))
    return Run(
        rebuild=rebuild,
        progress=progress,
        # A run that goes on after a crash keeps the zone it began with.
        moment=Moment(today=rebuild.day, zone=facts.get("zone", workspace.zone), now=began),
        is_full=bool(job.input.get("full")),
        is_refit=bool(job.input.get("refit")),
        take=job.input.get("take"),
        facts=facts,
        done=list(cursor.get("done", [])),
    )


def _close(run: Run) -> dict[str, Any]:
    from personas.profiling import forget_refused_meanwhile

    changed = int(run.facts.get("traits_changed", 0))
    # Somebody merged customers while their traits were computed: what was written for the gone ones goes.
    strays = mend_strays()
    if strays:
        log.info("rebuild_mended_strays", rows=strays)
    if refused := forget_refused_meanwhile():
        log.info("rebuild_forgot_refused", customers=refused)
    with transaction.atomic():
        run.rebuild.finished_at = timezone.now()
        run.rebuild.customers_changed = changed
        run.rebuild.fingerprint = fingerprint(run.moment.zone)
        run.rebuild.save(update_fields=["finished_at", "customers_changed", "fingerprint"])
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE personas_changedcustomer")
        emit("rebuild.finished", channels=["staff"], rebuild=run.rebuild.pk)
        run.progress.save_cursor({"done": run.done, "facts": run.facts}, done=BAR, total=BAR)
        shards.forget(run.job)
    return {"customers_changed": changed}


# Steps


def refresh_traits(run: Run) -> dict[str, Any]:
    """List who may have changed, then refresh them in ranges of ids, with whoever helps."""
    if "listed" not in run.facts:
        forget_emptiness(*COMPUTED)
        with transaction.atomic():
            listed = _list(run)
            shards.cut(run.job, TRAITS, [{**part, **run.moment.to_json()} for part in cut_list()])
            run.save(listed=listed, zone=run.moment.zone)
    done = shards.work_off(run.progress, TRAITS, tick=run.tick)
    found = {name: sum(one[name] for one in done) for name in ("customers", "written")}
    run.save(traits_changed=found["written"])
    if found["written"] > ANALYZE_FROM:
        analyze("personas_traits", "personas_customerday", "personas_firsttouch", "personas_changedcustomer")
    return found


def _refresh_part(_job: UUID, part: Mapping[str, Any]) -> dict[str, int]:
    """The shard of `refresh_traits`: the listed customers of one range of ids."""
    batch = refresh_next(part["after"], Moment.from_json(part), upto=part["upto"])
    return {"customers": batch.customers, "written": batch.changed}


def _list(run: Run) -> int:
    """Put on the list whom this rebuild must look at."""
    since = _last_day(run)
    if run.is_full or since is None:
        return list_all()
    return list_changed(since=since, today=run.moment.today, zone=run.moment.zone)


def _last_day(run: Run) -> date | None:
    """The day of the last rebuild that finished by the same zone and SQL; None: everybody is to be done."""
    last = Rebuild.objects.filter(finished_at__isnull=False).order_by("-finished_at", "-id").first()
    if last is None or last.fingerprint != fingerprint(run.moment.zone) or last.day > run.moment.today:
        return None
    return last.day


def assign_personas(run: Run) -> dict[str, Any]:
    """Fit a model when there is none, on drift or by hand; then everybody changed to their persona."""
    if not (run.is_full or run.is_refit or run.take or ChangedCustomer.objects.exists()):
        return {"customers": 0, "written": 0, "moved": 0, "fitted": 0}

    from personas.assigning import Assignment, assign

    # One transaction: personas of one model and members of another are never seen together, and a run that
    # goes on after a kill begins this step anew.
    with transaction.atomic():
        found = assign(
            Assignment(
                today=run.moment.today,
                now=run.moment.now,
                everybody=run.is_full,
                refit=run.is_refit,
                take=run.take,
            )
        )
        if found["written"]:
            run.save(changed=True)
    if found["written"] > ANALYZE_FROM:
        analyze("personas_personamembership")
    return found


def predict_customers(run: Run) -> dict[str, Any]:
    """Scores of whoever changed; of everybody where the day of the last order moved or a model was fitted."""
    from personas.predictions import Scope, predict

    moment = run.moment
    with transaction.atomic():
        found = predict(
            Scope(moment.today, moment.zone, moment.now, everybody=run.is_full, refit=run.is_refit)
        )
        if found["written"]:
            run.save(changed=True)
    if found["written"] > ANALYZE_FROM:
        analyze("personas_prediction")
    return found


def compute_stages(run: Run) -> dict[str, Any]:
    """Where everybody on the list stands in the journey, and what moved them."""
    from personas.stages import compute_changed

    return compute_changed(run, since=_last_day(run))


def build_segments(run: Run) -> dict[str, Any]:
    """Segments whose members can differ, level by level: those that others ask about first."""
    if "levels" not in run.facts:
        levels = in_levels(Segment.objects.filter(is_frozen=False))
        with transaction.atomic():
            run.save(levels=[[segment.pk for segment in level] for level in levels])
    done: list[dict[str, Any]] = []
    for turn, level in enumerate(run.facts["levels"]):
        _cut_level(run, turn, level, {one["segment"] for one in done})
        done += shards.work_off(run.progress, SEGMENTS, turn=turn)
        run.tick((turn + 1) / len(run.facts["levels"]))
    _note_sizes(run.moment.today)
    found = {name: sum(one[name] for one in done) for name in ("came", "left", "failed")}
    if found["came"] or found["left"]:
        run.save(changed=True)
    return {"segments": len(done), **found}


def _cut_level(run: Run, turn: int, level: list[int], built: set[int]) -> None:
    """A shard for each segment of a level that must be built, the slowest first."""
    if shards.is_cut(run.job, SEGMENTS, turn=turn):
        return
    moment, everything = run.moment, run.anybody_changed
    segments = Segment.objects.filter(pk__in=level).order_by(F("build_seconds").desc(nulls_first=True), "pk")
    todo = [
        segment.pk
        for segment in segments
        if everything or needs_build(segment, moment.today, moment.zone, built)
    ]
    shards.cut(run.job, SEGMENTS, [{"segment": pk, **moment.to_json()} for pk in todo], turn=turn)


def _build_part(_job: UUID, part: Mapping[str, Any]) -> dict[str, int]:
    """The shard of `build_segments`: one segment."""
    moment = Moment.from_json(part)
    segment_id = part["segment"]
    if not Segment.objects.filter(pk=segment_id).exists():
        return {"segment": segment_id, "came": 0, "left": 0, "failed": 0}
    found = build_segment(segment_id=segment_id, today=moment.today, zone=moment.zone, now=moment.now)
    return {"segment": segment_id, "came": found.came, "left": found.left, "failed": int(bool(found.error))}


def _note_sizes(day: date) -> None:
    """The trend has a point a day, also where nothing had to be built."""
    sizes = Segment.objects.filter(built_version__gt=0).values_list("pk", "size")
    SegmentSize.objects.bulk_create(
        [SegmentSize(segment_id=pk, day=day, size=size) for pk, size in sizes], ignore_conflicts=True
    )


def write_cards(run: Run) -> dict[str, Any]:
    """Persona cards, where anybody changed or a card is missing."""
    from personas.cards import refresh_cards

    return refresh_cards(
        today=run.moment.today, zone=run.moment.zone, now=run.moment.now, everything=run.anybody_changed
    )


def register() -> None:
    """Own steps; called once, when the app is ready."""
    register_step("traits", refresh_traits, 10, weight=4)
    register_step("personas", assign_personas, 20, weight=4)
    register_step("predictions", predict_customers, 30, weight=2)
    register_step("stages", compute_stages, 35, weight=2)
    register_step("segments", build_segments, 40, weight=2)
    register_step("cards", write_cards, 50, weight=1)
    shards.register_work(TRAITS, _refresh_part, queue=QUEUE)
    shards.register_work(SEGMENTS, _build_part, queue=QUEUE)
