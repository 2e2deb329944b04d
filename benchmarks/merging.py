"""Merges, in numbers: random histories against an oracle, interrupted ingests, and what a large merge costs.

The histories and interleavings are the tests of `tests/crm`, run as often as was promised: each ends at the
first row that is lost or astray. Then two customers with many interactions each are merged and parted again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks._figures import Figures, is_small, migrated_django, say_machine

BASE_DIR = Path(__file__).resolve().parent.parent
SEQUENCES, INTERLEAVINGS, LINES = (100, 24, 2_000) if is_small() else (1_000, 200, 50_000)
MOST_SECONDS = 30.0
PAGE = 500


def main() -> int:
    """Print every figure; the number of missed bounds decides the exit code."""
    figures = Figures()
    say_machine(figures)
    _run_tests(
        figures, "random histories, twice", SEQUENCES, "test_merging_sequences.py", "RAPPORT_SEQUENCES"
    )
    _run_tests(
        figures, "interrupted ingests", INTERLEAVINGS, "test_merging_at_once.py", "RAPPORT_INTERLEAVINGS"
    )
    with migrated_django():
        _merge_large(figures)
    return figures.exit_code()


def _run_tests(figures: Figures, name: str, times: int, file: str, variable: str) -> None:
    """Run one file of tests that draws as often as the variable says."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-x", f"tests/crm/{file}"]
    done = subprocess.run(command, cwd=BASE_DIR, env={**os.environ, variable: str(times)}, check=False)
    figures.say(name, times)
    figures.say(f"{name}: seconds", time.perf_counter() - began)
    figures.equal(f"{name}: runs with a row lost or astray", int(done.returncode != 0), 0)


def _merge_large(figures: Figures) -> None:
    """Two customers, many interactions each."""
    from crm.merging import merge_customers, undo_merge
    from crm.models import Customer
    from crm.strays import find_strays
    from engagement.ingest import ingest
    from tests.engagement.events import account, inbound

    page = account("page")
    for start in range(0, LINES, PAGE):
        numbers = range(start, min(start + PAGE, LINES))
        for who in ("eva", "ben"):
            ingest(page, [inbound(f"{who}{n}", who=who, minute=n, thread=f"{who}{n % 50}") for n in numbers])
    eva = Customer.objects.get(identities__external_id="eva")
    ben = Customer.objects.get(identities__external_id="ben")
    figures.say("interactions of each of two customers", LINES)
    began = time.perf_counter()
    record = merge_customers(keep=eva, drop=ben)
    figures.at_most("seconds of their merge", time.perf_counter() - began, MOST_SECONDS)
    began = time.perf_counter()
    undo_merge(record=record)
    figures.at_most("seconds of its undo", time.perf_counter() - began, MOST_SECONDS)
    figures.equal("rows astray afterwards", sum(find_strays().values()), 0)


if __name__ == "__main__":
    sys.exit(main())
