"""The rebuild: due once a local date, one at a time, resumable, and by halves the same as whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.utils import timezone

from core.jobs import JobIsOpen, run_job
from core.models import Event, Job, JobShard, JobState, Workspace
from crm.models import Customer, CustomerTouch, StageChange
from personas import nightly
from personas.models import (
    ChangedCustomer,
    CustomerDay,
    ModelCard,
    PersonaMembership,
    Prediction,
    Rebuild,
    Segment,
    SegmentChange,
    SegmentMembership,
    SegmentSize,
    Traits,
)
from personas.nightly import is_due, register_step, start_rebuild, steps, sweep
from personas.predictions import MODELS
from personas.segments import create_segment, freeze_segment
from personas.traits.compute import cut_list
from tests.personas.world import World

pytestmark = pytest.mark.django_db
TODAY = date(2026, 9, 20)
OWN = ["traits", "personas", "predictions", "stages", "segments", "by hand", "cards"]
MANY = {"all": [{"field": "traits.orders_total", "op": "gte", "value": 2}]}
LATELY = {"all": [{"event": {"what": "interaction"}, "op": "at_least", "count": 1, "days": 40}]}


def at(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


@pytest.fixture
def extra_steps() -> Iterator[dict[str, Any]]:
    """Steps that a test registers are gone after it; steps of higher apps stay away meanwhile."""
    kept = dict(nightly._steps)
    for name in set(kept) - set(OWN):
        del nightly._steps[name]
    yield nightly._steps
    nightly._steps.clear()
    nightly._steps.update(kept)


def rebuild(**options: Any) -> Job:
    done = run_job(start_rebuild(enqueue=False, **options).pk)
    assert done is not None
    assert done.state == JobState.DONE, done.error
    return done


def counts(job: Job) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in job.steps}


def everything() -> dict[str, Any]:
    """All that a rebuild computes, without when it was computed."""

    def rows(model: Any, *left_out: str) -> list[Any]:
        names = [field.attname for field in model._meta.concrete_fields if field.attname not in left_out]
        return sorted(map(repr, model.objects.values_list(*names)))

    return {
        "traits": rows(Traits, "computed_at"),
        "days": rows(CustomerDay, "id"),
        "personas": rows(PersonaMembership, "since"),
        "predictions": rows(Prediction, "computed_at"),
        "segments": rows(SegmentMembership, "id", "since"),
        "stages": sorted(Customer.objects.values_list("pk", "stage")),
        "steps": rows(StageChange, "id"),
        "sizes": rows(Segment, "built_at", "build_seconds", "created_at"),
    }


# When it is due


@pytest.mark.parametrize(
    ("zone", "now", "due"),
    [
        ("UTC", "2026-03-02T03:29:00+00:00", False),
        ("UTC", "2026-03-02T03:30:00+00:00", True),
        ("America/New_York", "2026-03-02T08:29:00+00:00", False),
        ("America/New_York", "2026-03-02T08:31:00+00:00", True),
        # 2026-03-08 in New York has no hour from two to three, 2026-11-01 has that from one to two twice
        ("America/New_York", "2026-03-08T07:31:00+00:00", True),
        ("America/New_York", "2026-11-01T06:31:00+00:00", False),
        ("America/New_York", "2026-11-01T08:31:00+00:00", True),
        ("Pacific/Auckland", "2026-03-01T20:00:00+00:00", True),
        ("UTC", "2026-03-02T23:59:00+00:00", True),
    ],
)
def test_due_is_no_run_for_this_local_date_after_half_past_three(zone: str, now: str, due: bool) -> None:
    Workspace.current()
    Workspace.objects.update(zone=zone)
    assert is_due(datetime.fromisoformat(now)) is due


def test_the_sweep_starts_one_run_a_local_date() -> None:
    Workspace.current()
    with time_machine.travel(datetime(2026, 3, 2, 3, 0, tzinfo=UTC), tick=False):
        assert sweep() is False
    with time_machine.travel(datetime(2026, 3, 2, 9, 0, tzinfo=UTC), tick=False):
        assert sweep() is True
        assert sweep() is False
        assert run_job(Job.objects.get().pk) is not None
        assert sweep() is False
    with time_machine.travel(datetime(2026, 3, 3, 3, 31, tzinfo=UTC), tick=False):
        assert sweep() is True
    assert list(Rebuild.objects.order_by("day").values_list("day", "by_hand")) == [
        (date(2026, 3, 2), False),
        (date(2026, 3, 3), False),
    ]


def test_days_without_a_machine_are_not_made_up_for() -> None:
    Workspace.current()
    with time_machine.travel(datetime(2026, 3, 2, 4, 0, tzinfo=UTC), tick=False):
        sweep()
        run_job(Job.objects.get().pk)
    with time_machine.travel(datetime(2026, 3, 9, 22, 0, tzinfo=UTC), tick=False):
        assert sweep() is True
        assert sweep() is False
    assert Rebuild.objects.count() == 2


# One at a time


def test_a_second_rebuild_while_one_runs_is_refused_with_a_message() -> None:
    Workspace.current()
    start_rebuild(enqueue=False)
    with pytest.raises(JobIsOpen, match="waiting for its turn since"):
        start_rebuild(enqueue=False)
    with pytest.raises(CommandError, match="One rebuild runs at a time"):
        call_command("rebuild")
    assert (Job.objects.count(), Rebuild.objects.count()) == (1, 1)


def test_marketers_start_it_and_viewers_do_not(mia: Any, vic: Any) -> None:
    with pytest.raises(PermissionDenied):
        start_rebuild(by=vic, enqueue=False)
    assert start_rebuild(by=mia, enqueue=False).created_by == mia


def test_the_command_prints_seconds_of_each_step(capsys: Any, extra_steps: Any) -> None:
    World(1, today=TODAY, customers=5)
    call_command("rebuild")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [*OWN, "rebuild"]
    assert all(" s" in line for line in lines)


# What it does


def test_steps_are_rows_with_seconds_and_counts(extra_steps: Any) -> None:
    World(2, today=TODAY, customers=10)
    create_segment(name="Many", rule=MANY)
    with time_machine.travel(at(TODAY), tick=True):
        job = rebuild()
    assert [step["name"] for step in job.steps] == OWN
    assert all(step["seconds"] >= 0 for step in job.steps)
    assert counts(job)["traits"]["written"] == 10
    assert counts(job)["segments"]["segments"] == 1
    assert (job.percent, job.result) == (100, {"customers_changed": 10})
    assert not ChangedCustomer.objects.exists()
    assert Event.objects.filter(type="rebuild.finished").count() == 1


def test_a_higher_app_adds_its_step_at_its_place(extra_steps: Any) -> None:
    Workspace.current()
    seen = []
    register_step("rollups", lambda run: {"days": seen.append(run.moment.today) or len(seen)}, 60)
    assert steps() == [*OWN, "rollups"]
    with time_machine.travel(at(TODAY), tick=True):
        job = rebuild()
    assert (counts(job)["rollups"]["days"], seen) == (1, [TODAY])


def test_a_run_that_finds_nothing_changed_does_nothing(extra_steps: Any) -> None:
    World(3, today=TODAY)
    create_segment(name="Many", rule=MANY)
    create_segment(name="Lately", rule=LATELY)
    with time_machine.travel(at(TODAY), tick=True):
        rebuild()
        before = everything()
        done = counts(rebuild())
    work = [done[name].get("written", 0) + done[name].get("customers", 0) for name in ("traits", "personas")]
    assert (work, done["predictions"]["customers"], done["segments"]["segments"]) == ([0, 0], 0, 0)
    assert everything() == before
    with time_machine.travel(at(TODAY + timedelta(days=1)), tick=True):
        assert counts(rebuild())["segments"]["segments"] >= 1
    day_sizes = SegmentSize.objects.filter(day=TODAY + timedelta(days=1))
    assert day_sizes.count() == 2


@pytest.mark.parametrize("seed", range(5))
def test_after_random_changes_the_result_is_that_of_a_full_rebuild(seed: int, extra_steps: Any) -> None:
    world = World(200 + seed, today=TODAY, customers=30)
    many = create_segment(name="Many", rule=MANY)
    create_segment(name="Lately", rule=LATELY)
    create_segment(name="Others", rule={"all": [{"field": "segment", "op": "not_in", "value": [many.pk]}]})
    day = TODAY
    with time_machine.travel(at(day), tick=True):
        rebuild()
    for _night in range(3):
        day += timedelta(days=world.random.choice([0, 1, 30]))
        for _change in range(world.random.randrange(1, 5)):
            world.change()
        with time_machine.travel(at(day), tick=True):
            rebuild()
            found = everything()
            job = rebuild(full=True)
        assert everything() == found
        assert counts(job)["traits"]["customers"] >= len(world.customers())


def models() -> set[Any]:
    """The predictive models and when each was fitted."""
    return set(ModelCard.objects.exclude(name="personas").values_list("name", "run_at"))


def test_a_full_rebuild_keeps_the_stored_models(extra_steps: Any) -> None:
    World(4, today=TODAY)
    with time_machine.travel(at(TODAY), tick=True):
        rebuild()
        cards = models()
        assert {name for name, _at in cards} == set(MODELS)
        rebuild(full=True)
        assert models() == cards
        rebuild(refit=True)
        assert not models() & cards


def test_members_of_a_frozen_segment_who_were_erased_are_gone() -> None:
    world = World(5, today=TODAY, customers=3)
    everyone = create_segment(name="Everyone", rule={"all": []})
    with time_machine.travel(at(TODAY), tick=True):
        rebuild()
        freeze_segment(segment=everyone, frozen=True)
        gone = world.customers()[0]
        from crm.merging import merge_customers

        merge_customers(keep=world.customers()[1], drop=gone)
        rebuild()
    members = SegmentMembership.objects.filter(segment=everyone).values_list("customer_id", flat=True)
    assert gone.pk not in members
    assert len(members) == 2


def test_who_enters_later_is_told_and_who_was_there_first_is_not(extra_steps: Any) -> None:
    world = World(6, today=TODAY, customers=10)
    create_segment(name="Everyone", rule={"all": []})
    with time_machine.travel(at(TODAY), tick=True):
        rebuild()
        assert not SegmentChange.objects.exists()
        new = world.add_customer()
        rebuild()
    assert list(SegmentChange.objects.values_list("customer_id", "entered")) == [(new.pk, True)]


@pytest.mark.parametrize("count", [0, 1, 10])
def test_few_customers_get_plain_rules_instead_of_personas(count: int, extra_steps: Any) -> None:
    World(7, today=TODAY, customers=count)
    with time_machine.travel(at(TODAY), tick=True):
        rebuild()
    assert PersonaMembership.objects.count() == count
    assert set(PersonaMembership.objects.values_list("persona__is_rule", "confidence")) <= {(True, 1.0)}


# After a kill


class Killed(BaseException):
    """Stands for SIGKILL: nothing that catches exceptions sees it."""


@pytest.mark.parametrize("place", range(len(OWN)))
def test_a_killed_rebuild_goes_on_where_it_stood(place: int, extra_steps: Any) -> None:
    world = World(8, today=TODAY)
    create_segment(name="Many", rule=MANY)
    with time_machine.travel(at(TODAY), tick=True):
        rebuild()
        for _change in range(6):
            world.change()

        def killed(run: Any) -> dict[str, Any]:
            raise Killed

        whole = extra_steps[OWN[place]]
        register_step(whole.name, killed, whole.order)
        job = start_rebuild(enqueue=False)
        with pytest.raises(Killed):
            run_job(job.pk)
        extra_steps[OWN[place]] = whole
        job.refresh_from_db()
        assert (job.state, job.cursor.get("done", [])) == (JobState.RUNNING, OWN[:place])
        Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        done = run_job(job.pk)
        assert done is not None
        assert (done.state, done.deaths) == (JobState.DONE, 0)
        assert [step["name"] for step in done.steps] == OWN
        found = everything()
        rebuild(full=True)
    assert everything() == found
    assert not CustomerTouch.objects.exists()


def test_a_kill_between_batches_repeats_no_batch(monkeypatch: Any, extra_steps: Any) -> None:
    World(9, today=TODAY, customers=9)
    batches = []
    real = nightly.refresh_next

    def some(after: int, moment: Any, **options: Any) -> Any:
        if len(batches) == 2:
            batches.append(-1)
            raise Killed
        found = real(after, moment, **options)
        batches.append(found.last)
        return found

    monkeypatch.setattr(nightly, "refresh_next", some)
    monkeypatch.setattr(nightly, "cut_list", lambda: cut_list(3))
    with time_machine.travel(at(TODAY), tick=True):
        job = start_rebuild(enqueue=False)
        with pytest.raises(Killed):
            run_job(job.pk)
        assert (Traits.objects.count(), CustomerTouch.objects.count() > 0) == (6, True)
        Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        JobShard.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        done = run_job(job.pk)
    assert done is not None
    assert counts(done)["traits"]["customers"] == 9
    ids = sorted(Customer.objects.values_list("pk", flat=True))
    assert batches == [ids[2], ids[5], -1, ids[8]]


def test_what_a_dead_rebuild_left_is_done_by_the_next(extra_steps: Any) -> None:
    world = World(10, today=TODAY)
    create_segment(name="Many", rule=MANY)

    def broken(run: Any) -> dict[str, Any]:
        raise ValueError("broken")

    with time_machine.travel(at(TODAY), tick=True):
        rebuild()
        world.change()
        world.change()
        whole = extra_steps["personas"]
        register_step("personas", broken, whole.order)
        failed = run_job(start_rebuild(enqueue=False).pk)
        assert failed is not None
        assert (failed.state, failed.error) == (JobState.FAILED, "ValueError: broken")
        assert not CustomerTouch.objects.exists()
        assert ChangedCustomer.objects.exists()
        extra_steps["personas"] = whole
        rebuild()
        found = everything()
        rebuild(full=True)
    assert everything() == found


def test_another_zone_means_everybody(extra_steps: Any) -> None:
    world = World(11, today=TODAY)
    with time_machine.travel(at(TODAY), tick=True):
        rebuild()
        Workspace.objects.update(zone="Asia/Kathmandu")
        assert counts(rebuild())["traits"]["customers"] == len(world.customers())
        assert counts(rebuild())["traits"]["customers"] == 0
