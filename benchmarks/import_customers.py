"""A file of 1,000,000 customers comes in: rows a second, memory, and what staff feel of it meanwhile.

The file is drawn from a seed: customers with an id, an address, a phone number, an organization, tags and
consents; one row in a hundred is bad and one repeats the row above, half of these with another city. A dry
run and a run work in processes of their own while the customer list and customer pages are read over and over
in this one. Now and then the worker is stopped for two seconds and the pages are read without it, so that
both times meet the same tables and the same machine, whatever else it is doing. Then a smaller file is
imported twice, into two databases: calmly, and with SIGKILL to the worker at moments drawn from a seed, and
the rows are compared.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks._figures import Figures, empty_database, is_small, migrated_django, say_machine, spread
from benchmarks._people import SEED, expected, write_people

FULL, SMALL = 1_000_000, 10_000
FULL_KILLED, SMALL_KILLED = 200_000, 20_000
KILLS = 3
MOST_MB = 500
SLOWER = 3.0
WORKING, STOPPED = 6.0, 2.0
"""So many seconds the worker works, and then stands still, while pages are read."""
BREATH = 0.1
BASE_DIR = Path(__file__).resolve().parent.parent
ROWS = """
    SELECT md5(string_agg(told, E'\\n' ORDER BY told)), count(*) FROM (
        SELECT concat_ws('|', i.network, i.issuer, i.external_id, i.handle, i.source, c.kind, c.name, c.city,
                         c.country, c.birth_year, c.job, c.company, c.custom,
                         (SELECT string_agg(x.external_id, ',' ORDER BY x.external_id) FROM crm_identity x
                          WHERE x.customer_id = c.id),
                         (SELECT string_agg(t.name, ',' ORDER BY t.name) FROM crm_customertag p
                          JOIN crm_tag t ON t.id = p.tag_id WHERE p.customer_id = c.id),
                         (SELECT string_agg(concat(n.purpose, n.given), ',' ORDER BY n.id) FROM crm_consent n
                          WHERE n.customer_id = c.id),
                         (SELECT string_agg(o.name, ',' ORDER BY o.name) FROM crm_affiliation a
                          JOIN crm_customer o ON o.id = a.organization_id WHERE a.person_id = c.id)) AS told
        FROM crm_identity i JOIN crm_customer c ON c.id = i.customer_id
    ) AS rows
"""
COUNTS = {
    "customers": "SELECT count(*) FROM crm_customer",
    "rows kept for undoing": "SELECT count(*) FROM core_importedrow",
    "keys left behind": "SELECT count(*) FROM core_importkey",
}


def main() -> int:
    """Measure and return the exit code."""
    figures = Figures()
    count, killed = (SMALL, SMALL_KILLED) if is_small() else (FULL, FULL_KILLED)
    server = os.environ.get("DATABASE_URL", "")
    say_machine(figures)
    figures.say("rows of the file", count)
    figures.say("seed", str(SEED))
    with tempfile.TemporaryDirectory(prefix="rapport-people-") as folder:
        os.environ["VAR_DIR"] = folder
        file = Path(folder) / "people.csv"
        write_people(file, count)
        figures.say("size of the file, MB", file.stat().st_size / 1e6)
        with migrated_django() as own:
            _measure(figures, own, file, count)
        os.environ["DATABASE_URL"] = server
        os.environ["RAPPORT_JOB_LEASE_SECONDS"] = "5"
        write_people(file, killed)
        _kill(figures, server, file, killed)
    return figures.exit_code()


def _env(url: str) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": url}


def _start(url: str, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks._importing", *words]
    return subprocess.Popen(command, cwd=BASE_DIR, env=_env(url), stdout=subprocess.DEVNULL)


def _prepared(url: str, file: Path) -> str:
    command = [sys.executable, "-m", "benchmarks._importing", "prepare", str(file)]
    return subprocess.run(
        command, cwd=BASE_DIR, env=_env(url), check=True, capture_output=True, text=True
    ).stdout.strip()


def _measure(figures: Figures, url: str, file: Path, count: int) -> None:
    number = _prepared(url, file)
    reader = _Reader()
    for action, told in (("check", "dry run"), ("run", "run")):
        work = _Work(url, action, number, reader)
        work.follow()
        figures.say(f"{told}, rows a second", count / work.seconds)
        figures.say(f"{told}, minutes", work.seconds / 60)
        figures.at_most(f"{told}, peak memory, MB", work.megabytes, MOST_MB)
    _say_pages(figures, work)
    _agree(figures, number, count)


Reads = dict[str, list[float]]


class _Work:
    """A worker at an import, and the pages that were read while it worked and while it was stopped."""

    def __init__(self, url: str, action: str, number: str, reader: _Reader) -> None:
        self.action = action
        self.reader = reader
        self.worker = _start(url, action, number)
        self.during: Reads = {"list": [], "customer": []}
        self.without: Reads = {"list": [], "customer": []}
        self.seconds = 0.0
        """Without the time in which it was stopped."""
        self.megabytes = 0.0

    def follow(self) -> None:
        """Read pages until the worker ends."""
        while not self._read_for(WORKING, self.during):
            os.kill(self.worker.pid, signal.SIGSTOP)
            for _ in range(2):
                self.reader.read({"list": [], "customer": []})
            stopped = time.monotonic()
            while time.monotonic() - stopped < STOPPED:
                self.reader.read(self.without)
                time.sleep(BREATH)
            os.kill(self.worker.pid, signal.SIGCONT)

    def _read_for(self, seconds: float, into: Reads) -> bool:
        """Whether the worker ended meanwhile."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            pid, status, used = os.wait4(self.worker.pid, os.WNOHANG)
            if pid:
                self._note_end(status, used)
                break
            self.reader.read(into)
            time.sleep(BREATH)
        self.seconds += time.monotonic() - began
        return self.worker.returncode is not None

    def _note_end(self, status: int, used: resource.struct_rusage) -> None:
        self.worker.returncode = os.waitstatus_to_exitcode(status)
        if self.worker.returncode:
            sys.exit(f"Error: the {self.action} ended with {self.worker.returncode}.")
        # Linux counts in KiB, macOS in bytes.
        self.megabytes = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


class _Reader:
    """Reads the customer list and pages of customers as a member of staff."""

    def __init__(self) -> None:
        from django.test import Client

        from accounts.models import Role
        from accounts.services import create_staff

        user = create_staff(email="bench@example.com", name="Bench", password="x" * 20, role=Role.ADMIN)
        self.client = Client(headers={"Host": "localhost"})
        self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        self.chance = random.Random(SEED)

    def read(self, into: dict[str, list[float]]) -> None:
        """Read each page once; a customer drawn among those that are there."""
        into["list"].append(self._timed("/customers/"))
        pk = self._somebody()
        if pk is not None:
            into["customer"].append(self._timed(f"/customers/{pk}/"))

    def _somebody(self) -> int | None:
        from django.db.models import Max, Min

        from crm.models import Customer

        ends = Customer.objects.aggregate(Min("pk"), Max("pk"))
        if ends["pk__min"] is None:
            return None
        drawn = self.chance.randint(ends["pk__min"], ends["pk__max"])
        return Customer.objects.filter(pk__gte=drawn).order_by("pk").values_list("pk", flat=True).first()

    def _timed(self, path: str) -> float:
        began = time.perf_counter()
        status = self.client.get(path).status_code
        if status != 200:
            sys.exit(f"Error: {path} answered {status}.")
        return time.perf_counter() - began


def _agree(figures: Figures, number: str, count: int) -> None:
    from core.models import ImportRun

    run = ImportRun.objects.get(pk=number)
    for name in sorted({*run.check_counts, *run.counts}):
        figures.equal(f"{name}, run as the dry run said", run.counts.get(name), run.check_counts.get(name))
    for name, wanted in expected(count).items():
        figures.equal(f"{name}, as the rows themselves say", run.counts.get(name, 0), wanted)


def _say_pages(figures: Figures, work: _Work) -> None:
    for page in ("list", "customer"):
        during, without = work.during[page], work.without[page]
        figures.say(f"{page}, worker stopped", spread(without))
        figures.say(f"{page}, during the import", spread(during))
        name = f"{page}, p95 during the import to p95 without"
        figures.at_most(name, _p95(during) / _p95(without), SLOWER)


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[int(0.95 * len(seconds))]


def _kill(figures: Figures, server: str, file: Path, count: int) -> None:
    """The same file calmly and with its worker killed: the same rows."""
    chance = random.Random(SEED)
    found: dict[str, dict[str, Any]] = {}
    for name, work in (
        ("calm", _calmly),
        ("killed", lambda url, number: _killed(url, number, count, chance, figures)),
    ):
        with empty_database(server, f"rapport_bench_{os.getpid()}_{name}") as url:
            work(url, _prepared(url, file))
            found[name] = _rows(url)
    figures.say("rows of the file with kills", count)
    for what, value in found["calm"].items():
        figures.equal(f"{what}, killed {KILLS} times as calmly", found["killed"][what], value)


def _calmly(url: str, number: str) -> None:
    if _start(url, "run", number).wait():
        sys.exit("Error: the calm import failed.")


def _killed(url: str, number: str, count: int, chance: random.Random, figures: Figures) -> None:
    """SIGKILL the worker when a drawn share of the rows is in, start another, and so on to the end."""
    for share in sorted(chance.uniform(0.1, 0.8) for _ in range(KILLS)):
        worker = _start(url, "run", number)
        _wait_for(lambda wanted=share * count: _behind(url, number) >= wanted, worker)
        time.sleep(chance.uniform(0, 0.4))
        worker.kill()
        worker.wait()
        figures.say("SIGKILL to the worker, rows behind it", _behind(url, number))
    _calmly(url, number)


def _wait_for(true: Callable[[], bool], worker: subprocess.Popen[bytes]) -> None:
    while not true():
        if worker.poll() is not None:
            sys.exit("Error: the import ended before it could be killed.")
        time.sleep(0.02)


def _behind(url: str, number: str) -> int:
    return int(
        _ask(url, f"SELECT coalesce((cursor->>'row')::int, 0) FROM core_importrun WHERE id = {int(number)}")[
            0
        ]
    )


def _rows(url: str) -> dict[str, Any]:
    told, rows = _ask(url, ROWS)
    counts = {name: _ask(url, statement)[0] for name, statement in COUNTS.items()}
    return {"md5 of all rows": told, "identities": rows, **counts, **_counts(url)}


def _counts(url: str) -> dict[str, Any]:
    return dict(_ask(url, "SELECT counts FROM core_importrun")[0])


def _ask(url: str, statement: str) -> tuple[Any, ...]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
        if row is None:
            sys.exit("Error: a question to the database had no answer.")
        return tuple(row)


if __name__ == "__main__":
    sys.exit(main())
