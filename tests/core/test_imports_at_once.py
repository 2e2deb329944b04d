"""Two imports that lock each other out both come in."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from accounts.models import Team
from core.files import Row
from core.imports import Importer, PageResult, register
from core.jobs import run_job, start_job
from core.models import Job

ROWS = 3


@pytest.mark.django_db(transaction=True)
def test_an_import_that_was_ended_for_a_deadlock_stores_its_page_again(tmp_path: Path) -> None:
    teams = [Team.objects.create(name=name).pk for name in ("one", "two")]
    meeting = threading.Barrier(2, timeout=20)
    tries: list[int] = []

    def store(rows: Sequence[Row], options: dict[str, Any]) -> PageResult:
        """Lock two rows in the order that the job names; both jobs hold their first before the second."""
        order = options["order"]
        first_time = tries.count(order[0]) == 0
        tries.append(order[0])
        _lock(order[0])
        if first_time:
            meeting.wait()
        _lock(order[1])
        result = PageResult()
        result.add("stored", len(rows))
        return result

    register(Importer("test_deadlock", "Rows", ("id",), store))
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"id": number}) + "\n" for number in range(1, ROWS + 1)))
    jobs = [
        start_job("test_deadlock", "x", input={"path": str(file), "order": order}, enqueue=False)
        for order in (teams, teams[::-1])
    ]
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(_run, jobs))

    assert [(job.state, job.error) for job in ended] == [("done", "")] * 2
    assert [job.result["counts"] for job in ended] == [{"rejected": 0, "stored": ROWS}] * 2
    assert len(tries) >= 3


def _lock(pk: int) -> None:
    Team.objects.select_for_update().get(pk=pk)


def _run(job: Job) -> Job:
    try:
        ended = run_job(job.pk)
        assert ended
        return ended
    finally:
        connection.close()
