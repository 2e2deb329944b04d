"""The demo fills an empty workspace and nothing else, and is rebuilt also where a rebuild was running."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from analytics.demo import load
from core.jobs import run_job, start_job
from core.models import Job, JobState, Workspace
from crm.models import Customer, Identity, Order
from engagement.models import Conversation, Interaction
from personas.nightly import KIND as REBUILD
from personas.nightly import is_due, start_rebuild, sweep

pytestmark = pytest.mark.django_db


def fill(customers: int = 30) -> Job:
    given = {"seed": 7, "customers": customers}
    job = run_job(start_job(load.KIND, "Demo", input=given, enqueue=False).pk)
    assert job is not None
    return job


def test_one_person_is_one_customer_with_words_and_purchases() -> None:
    job = fill()
    assert (job.state, job.error) == (JobState.DONE, "")
    assert Customer.objects.count() == 30
    assert Identity.objects.values("customer").distinct().count() == 30
    assert Interaction.objects.filter(direction="inbound", customer=None).count() == 0
    assert Order.objects.exists()
    assert Conversation.objects.exists()
    assert Workspace.current().demo_since is not None
    assert Job.objects.filter(kind=REBUILD, state=JobState.QUEUED).count() == 1


def test_a_rebuild_that_runs_already_ends_before_the_demos_own(monkeypatch: pytest.MonkeyPatch) -> None:
    early = start_rebuild(enqueue=False)
    monkeypatch.setattr(
        load.time, "sleep", lambda seconds: Job.objects.filter(pk=early.pk).update(state="done")
    )
    assert fill().state == JobState.DONE
    assert Job.objects.filter(kind=REBUILD).count() == 2


def test_no_night_begins_while_half_of_the_demo_is_in() -> None:
    with time_machine.travel(datetime(2026, 3, 2, 9, 0, tzinfo=UTC), tick=False):
        filling = start_job(load.KIND, "Fill", input={}, exclusive=load.KIND, enqueue=False)
        assert is_due()
        assert not sweep()
        assert not Job.objects.filter(kind=REBUILD).exists()
        Job.objects.filter(pk=filling.pk).update(state=JobState.DONE)
        assert sweep()


def test_a_workspace_with_customers_is_left_alone(capsys: Any) -> None:
    Customer.objects.create(name="Eva")
    assert "only fills an empty one" in fill().error
    call_command("demo", "--if-empty")
    with pytest.raises(CommandError, match="only fills an empty one"):
        call_command("demo")
    assert Customer.objects.count() == 1
