"""What `test_rebuild_killed.py` runs as processes.

load: a crowd with segments, a first rebuild, then changes that the next one must find. run: a full rebuild
with new personas. resume: go on with the one that was killed. help: work on shards of the one that runs.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

SHARD = 60
WAIT_SECONDS = 120


def begin(what: str, database: str, out: Path) -> None:
    """Do what was asked in this database, print into a file, and end the process with the exit code."""
    with out.open("w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    from django.db import connection

    connection.settings_dict["NAME"] = database
    sys.exit(act(what))


def act(what: str) -> int:
    """Do what was asked and return the exit code."""
    from personas import nightly, stages
    from personas.traits.compute import cut_list

    nightly.cut_list = lambda: cut_list(SHARD)
    stages.cut_list = lambda size: cut_list(SHARD)
    return {"load": load, "run": run, "resume": resume, "help": help_out}[what]()


def load() -> int:
    """Old members, old predictions, old cards; and reasons for new ones."""
    from django.db import connection

    from accounts.models import Team
    from benchmarks import _crowd
    from core.models import Workspace
    from engagement.models import ChannelAccount
    from personas.models import Segment
    from personas.segments import create_segment, update_segment

    Workspace.current()
    team = Team.general()
    for name in _crowd.NETWORKS:
        ChannelAccount.objects.create(
            connector="api", network=name, external_id=name, name=name, issuer=name, team=team
        )
    size = _crowd.Size(400, 8_000, 1_600)
    _crowd.fill(connection, size)
    regular = create_segment(name="Regular", rule=at_least("traits.orders_total", 3))
    create_segment(name="Talkers", rule=at_least("traits.inbound_total", 5))
    others = {"field": "segment", "op": "not_in", "value": [regular.pk]}
    create_segment(name="Others", rule={"all": [others]})
    if run(full=False, refit=False):
        return 1
    _crowd.change_some(connection, size, part=3)
    talkers = Segment.objects.get(name="Talkers")
    update_segment(segment=talkers, rule=at_least("traits.inbound_total", 2))
    return 0


def at_least(field: str, value: int) -> dict[str, object]:
    """A rule of one condition."""
    return {"all": [{"field": field, "op": "gte", "value": value}]}


def run(*, full: bool = True, refit: bool = True) -> int:
    """A rebuild, as the command runs it; says why not where another one is open."""
    from core.jobs import JobIsOpen, run_job
    from personas.nightly import start_rebuild

    try:
        job = run_job(start_rebuild(full=full, refit=refit, enqueue=False).pk)
    except JobIsOpen as error:
        print(f"Open: {error}", file=sys.stderr)
        return 3
    return _ended(job)


def resume() -> int:
    """What a worker does that the sweep gave the job of a dead one."""
    from core.jobs import run_job
    from core.models import Job

    return _ended(run_job(Job.objects.get(kind="rebuild", state="running").pk))


def _ended(job: object) -> int:
    if job is None or getattr(job, "state", "") != "done":
        print(f"Error: {getattr(job, 'error', 'somebody else ran it')}", file=sys.stderr)
        return 1
    return 0


def help_out() -> int:
    """Do what a helping worker does, until the rebuild has ended; says how many shards it did."""
    from core import shards
    from core.models import Job, JobShard

    done, until = 0, time.monotonic() + WAIT_SECONDS
    real = shards._end

    def counted(*given: object) -> None:
        nonlocal done
        real(*given)  # type: ignore[arg-type]
        done += 1

    shards._end = counted  # type: ignore[assignment]
    ended = Job.objects.filter(kind="rebuild", state="done")
    before = ended.count()
    while time.monotonic() < until and ended.count() == before:
        free = JobShard.objects.filter(state="queued", job__state="running").first()
        if free is not None:
            shards.help_out(free.job_id, free.step, free.turn)
        time.sleep(0.01)
    print(done)
    return 0
