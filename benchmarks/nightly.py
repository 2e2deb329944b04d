"""What a rebuild of 1,000,000 customers, 10,000,000 interactions and 2,000,000 orders costs.

Data, drawn from a seed: `_crowd.py`; fifty rules: `segments.json`. Each rebuild runs as `manage.py rebuild`
would, in a process of its own. First everything is computed from nothing by one process, then by two (a
Celery worker helps), and what they wrote is compared. Full traits are held against one SQL statement over
the same tables (`all_traits.sql`), which must find what stands there after some have changed; the fit of
personas against its own calls of scikit-learn; counts while typing are asked as the page asks them.

SIZE=small takes 5,000 customers, and holds nothing against bounds that only say something of the full size.
KEEP=1 leaves the database behind and uses the one that was left; SKIP names parts to leave out (two, sql,
fit, typing).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psutil
import psycopg2

from benchmarks import _crowd
from benchmarks._figures import Figures, is_small, migrated_django, say_machine, spread, with_database

HERE = Path(__file__).resolve().parent
KEPT = "rapport_bench_nightly"
MEMORY = 1_500
"""Megabytes that no process may pass."""
RULES_DRAWN, TYPING_MS = 100, 500
NAMED_SECONDS = 5
OF_SQL, OF_FULL, OF_SKLEARN = 1.5, 0.1, 2.0
# Tables that a rebuild writes, and columns that say when or by which key instead of what.
COMPUTED = {
    "personas_traits": ("computed_at",),
    "personas_customerday": ("id",),
    "personas_firsttouch": (),
    "personas_broughtday": ("id",),
    "personas_buyerday": ("id",),
    "personas_personamembership": ("since",),
    "personas_prediction": ("computed_at",),
    "personas_segmentmembership": ("id", "since"),
    "crm_stagechange": ("id",),
    "analytics_dailyinteractions": ("id",),
    "analytics_dailyrevenue": ("id",),
}
EMPTIED = (
    *COMPUTED,
    "personas_persona",
    "personas_personamodel",
    "personas_modelcard",
    "personas_rebuild",
    "personas_changedcustomer",
    "personas_broughtrun",
    "personas_segment",
    "analytics_dailypersonas",
    "analytics_dailyservice",
    "analytics_dailytopics",
    "engagement_dirtyday",
    "crm_dirtyorderday",
    "crm_customertouch",
    "core_job",
)


def main() -> int:
    """Measure and return the exit code."""
    if sys.argv[1:2] == ["rebuild"]:
        return _rebuild_here(sys.argv[2:])
    if sys.argv[1:2] == ["fit"]:
        return _fit_here()
    figures = Figures()
    say_machine(figures)
    size = _crowd.SMALL if is_small() else _crowd.FULL
    skipped = os.environ.get("SKIP", "").split(",")
    with _database(), _watched(figures):
        _fill(figures, size)
        one = _first(figures, "one process", helper=False)
        _named(figures)
        before = _fingerprints() if "two" not in skipped else {}
        if "typing" not in skipped:
            _typing(figures)
        if "fit" not in skipped:
            _fitting(figures)
        _some_changed(figures, size, one["traits"])
        if "sql" not in skipped:
            _by_hand(figures, one["traits"])
        if "two" not in skipped:
            _with_two(figures, one, before)
    return figures.exit_code()


# Data


@contextmanager
def _database() -> Iterator[None]:
    """An empty database of our own, or with KEEP=1 one that is left for the next run."""
    if not os.environ.get("KEEP"):
        with migrated_django():
            yield
        return
    url = os.environ["DATABASE_URL"]
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [KEPT])
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {KEPT}")
    os.environ["DATABASE_URL"] = with_database(url, KEPT)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    yield


def _fill(figures: Figures, size: _crowd.Size) -> None:
    """Make the crowd, unless it was kept; then everything that rebuilds write is emptied."""
    from django.db import connection

    from accounts.models import Team
    from core.models import Workspace
    from crm.models import Customer, Order
    from engagement.models import ChannelAccount, Interaction

    Workspace.current()
    figures.say("seed", str(_crowd.SEED))
    if not Customer.objects.exists():
        team = Team.general()
        for name in _crowd.NETWORKS:
            ChannelAccount.objects.create(
                connector="api", network=name, external_id=name, name=name, issuer=name, team=team
            )
        began = time.perf_counter()
        _crowd.fill(connection, size)
        figures.say("seconds to make the data", time.perf_counter() - began)
    _empty()
    figures.say("customers", Customer.objects.count())
    figures.say("interactions", Interaction.objects.count())
    figures.say("orders", Order.objects.count())


def _empty() -> None:
    """As before the first rebuild, with the fifty segments."""
    for table in ("engagement_interaction", "crm_order"):
        _execute(f"DELETE FROM {table} WHERE external_id LIKE 'later-%'")
    _execute(f"TRUNCATE {', '.join(EMPTIED)} RESTART IDENTITY CASCADE")
    _execute("UPDATE crm_customer SET stage = 'awareness', origins = '{}' WHERE stage <> 'awareness'")
    _execute("VACUUM ANALYZE crm_customer")
    _segments()


def _segments() -> None:
    from crm.models import Tag
    from personas.segments import create_segment

    ids: dict[str, int] = {f"#{tag.name}": tag.pk for tag in Tag.objects.all()}

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: resolved(one) for key, one in value.items()}
        if isinstance(value, list):
            return [resolved(one) for one in value]
        return ids[value] if isinstance(value, str) and value[:1] in "#@" and value else value

    waiting = json.loads((HERE / "segments.json").read_text("utf-8"))
    while waiting:
        one = waiting.pop(0)
        try:
            rule = resolved(one["rule"])
        except KeyError:  # asks about a segment that comes later
            waiting.append(one)
            continue
        ids[f"@{one['name']}"] = create_segment(name=one["name"], rule=rule).pk


# Rebuilds, each in a process of its own


def _rebuild_here(options: Sequence[str]) -> int:
    """In a child: one rebuild; prints its steps with seconds and the most memory each took."""
    import django

    django.setup()
    from core.jobs import run_job
    from personas import nightly

    peaks: dict[str, int] = {}
    for name, step in list(nightly._steps.items()):
        nightly.register_step(name, _weighed(name, step.function, peaks), step.order, weight=step.weight)
    job = run_job(nightly.start_rebuild(full="full" in options, enqueue=False).pk)
    if job is None or job.state != "done":
        print(f"Error: the rebuild failed: {job.error if job else 'somebody else ran it'}", file=sys.stderr)
        return 1
    steps = [{**step, "peak": peaks.get(step["name"], 0)} for step in job.steps]
    print(json.dumps({"seconds": job.seconds, "steps": steps}))
    return 0


def _weighed(name: str, function: Any, peaks: dict[str, int]) -> Any:
    """The step, noting the most memory that this process took while it ran (in megabytes)."""

    def step(run: Any) -> Any:
        Path("/proc/self/clear_refs").write_text("5")
        try:
            return function(run)
        finally:
            peaks[name] = _peak(os.getpid())

    return step


def _peak(pid: int, what: str = "VmHWM") -> int:
    """Megabytes: VmHWM the most so far, RssAnon what is a process's own at present; 0 once it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(what):
                return int(line.split()[1]) // 1024
    except OSError:
        pass
    return 0


def _rebuild(*options: str, helpers: int = 0) -> dict[str, Any]:
    """Run one, and return its seconds and steps."""
    env = {**os.environ, "RAPPORT_JOB_HELPERS": str(helpers)}
    command = [sys.executable, "-m", "benchmarks.nightly", "rebuild", *options]
    done = subprocess.run(command, cwd=HERE.parent, env=env, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit("Error: a rebuild failed.")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _first(figures: Figures, name: str, *, helper: bool) -> dict[str, float]:
    """From nothing: seconds of each step, and of all of it."""
    found = _rebuild(helpers=int(helper))
    seconds: dict[str, float] = {"whole": found["seconds"]}
    figures.say(f"{name}, seconds", float(found["seconds"]))
    for step in found["steps"]:
        seconds[step["name"]] = step["seconds"]
        figures.say(f"{name}, {step['name']}, seconds", float(step["seconds"]))
        figures.say(f"{name}, {step['name']}, megabytes at most", step["peak"])
        counts = {key: value for key, value in step.items() if key not in ("name", "seconds", "peak")}
        figures.say(f"{name}, {step['name']}, counts", json.dumps(counts))
    return seconds


def _some_changed(figures: Figures, size: _crowd.Size, traits: float) -> None:
    """One customer in a hundred wrote, one in five of those bought."""
    from django.db import connection

    figures.say("customers changed", _crowd.change_some(connection, size))
    found = _rebuild()
    steps = {step["name"]: step for step in found["steps"]}
    told = ", ".join(f"{name} {step['seconds']:.1f}" for name, step in steps.items())
    figures.say("1 % changed, seconds", float(found["seconds"]))
    figures.say("1 % changed, seconds a step", told)
    figures.say("1 % changed, megabytes at most", max(step["peak"] for step in steps.values()))
    ratio = steps["traits"]["seconds"] / traits
    if is_small():
        figures.say("1 % changed, traits of full traits", ratio)
    else:
        figures.at_most("1 % changed, traits of full traits", ratio, OF_FULL)


def _with_two(figures: Figures, one: Mapping[str, float], before: dict[str, str]) -> None:
    """The first rebuild once more, with a worker that helps."""
    _empty()
    with _worker():
        two = _first(figures, "two processes", helper=True)
    for step in ("traits", "stages", "segments"):
        figures.say(f"two processes, {step}, times as fast", one[step] / two[step])
    figures.say("two processes, times as fast", one["whole"] / two["whole"])
    after = _fingerprints()
    figures.equal("tables that two processes wrote otherwise", _different(before, after), "none")


@contextmanager
def _worker() -> Iterator[None]:
    """A Celery worker for nightly work with one process."""
    import tempfile

    env = {**os.environ, "NIGHTLY_PROCESSES": "1"}
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-n", "helper@%h", "-Q", "nightly"]
    command += ["-c", "1", "--max-tasks-per-child", "1", "--without-gossip", "--without-mingle"]
    with tempfile.TemporaryFile() as log:
        running = subprocess.Popen(command, cwd=HERE.parent, env=env, stdout=log, stderr=log)
        try:
            time.sleep(5)
            yield
        finally:
            running.terminate()
            running.wait(60)


# Against others


def _named(figures: Figures) -> None:
    """Seconds of each segment, and of the five that must be quick."""
    from personas.models import Segment

    seconds = dict(Segment.objects.values_list("name", "build_seconds"))
    sizes = dict(Segment.objects.values_list("name", "size"))
    failed = Segment.objects.exclude(error="").count()
    figures.equal("segments that failed", failed, 0)
    figures.say("segments, seconds each", spread([one or 0.0 for one in seconds.values()]))
    slowest = sorted(seconds, key=lambda name: -(seconds[name] or 0))[:3]
    figures.say("slowest segments", ", ".join(f"{name} {seconds[name]:.1f}" for name in slowest))
    figures.say("segments by size", json.dumps(sorted(sizes.values())))
    for one in json.loads((HERE / "segments.json").read_text("utf-8")):
        if "shows" in one:
            name = f"segment with {one['shows']}, {sizes[one['name']]:,} members, seconds"
            figures.at_most(name, float(seconds[one["name"]] or 0), NAMED_SECONDS)


def _by_hand(figures: Figures, traits: float) -> None:
    """One statement over the whole tables, and what it finds otherwise than the rebuild."""
    from django.db import connection

    from core.models import Workspace
    from personas.traits.zones import zone_parameters

    workspace = Workspace.current()
    _execute("DROP TABLE IF EXISTS by_hand_traits, by_hand_days")
    _execute("CREATE TABLE by_hand_traits (LIKE personas_traits INCLUDING ALL)")
    _execute("CREATE TABLE by_hand_days (LIKE personas_customerday INCLUDING ALL)")
    text = (HERE / "all_traits.sql").read_text("utf-8")
    values = {"today": workspace.today(), **zone_parameters(workspace.zone)}
    with connection.cursor() as cursor:
        began = time.perf_counter()
        cursor.execute(text, values)
        seconds = time.perf_counter() - began
    figures.say("one statement over all tables, seconds", seconds)
    if is_small():
        figures.say("full traits, times that statement", traits / seconds)
    else:
        figures.at_most("full traits, times that statement", traits / seconds, OF_SQL)
    for ours, theirs, left_out in (
        ("personas_traits", "by_hand_traits", ("computed_at",)),
        ("personas_customerday", "by_hand_days", ("id",)),
    ):
        same = _digest(ours, left_out) == _digest(theirs, left_out)
        figures.equal(f"{ours} as that statement has it", same, True)
    _execute("DROP TABLE by_hand_traits, by_hand_days")


def _typing(figures: Figures) -> None:
    """The first answer while a rule is typed, for rules drawn at random."""
    from django.db import connection

    from personas.quick_counts import first_count

    rules = _drawn(Random(_crowd.SEED))
    first_count(rules[0])
    seconds, sampled = [], 0
    for rule in rules:
        began = time.perf_counter()
        sampled += not first_count(rule).is_exact
        seconds.append(time.perf_counter() - began)
    connection.close()
    figures.say("count while typing, first answer", spread(seconds))
    figures.say("count while typing, answered by a sample", sampled)
    p95 = 1000 * sorted(seconds)[int(0.95 * len(seconds))]
    figures.at_most("count while typing, first answer p95, ms", p95, TYPING_MS)


def _drawn(chance: Random) -> list[dict[str, Any]]:
    """Rules of one to four conditions of the fifty segments, joined and turned around by chance."""
    found = json.loads((HERE / "segments.json").read_text("utf-8"))
    conditions = [one for rule in found for one in rule["rule"].get("all", rule["rule"].get("any", ()))]
    plain = [one for one in conditions if "#" not in json.dumps(one) and "@" not in json.dumps(one)]
    rules = []
    for _rule in range(RULES_DRAWN):
        some = chance.sample(plain, chance.randint(1, 4))
        some = [{"not": one} if chance.random() < 0.2 else one for one in some]
        rules.append({chance.choice(["all", "any"]): some})
    return rules


def _fitting(figures: Figures) -> None:
    """The fit of personas, against the time its own calls of scikit-learn take."""
    command = [sys.executable, "-m", "benchmarks.nightly", "fit"]
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    figures.say("personas fitted on", found["customers"])
    figures.say("personas, k", found["k"])
    figures.say("persona fitting, seconds", found["seconds"])
    figures.say("persona fitting, seconds to read the matrix", found["reading"])
    figures.say("persona fitting, calls of scikit-learn", found["calls"])
    figures.say("persona fitting, seconds within scikit-learn", found["within"])
    figures.say("persona fitting, megabytes at most", found["peak"])
    ratio = found["seconds"] / found["within"]
    if is_small():
        figures.say("persona fitting, times bare scikit-learn", ratio)
    else:
        figures.at_most("persona fitting, times bare scikit-learn", ratio, OF_SKLEARN)


def _fit_here() -> int:
    """In a child: fit once, and print what it took."""
    import django

    django.setup()
    from sklearn.cluster import KMeans

    from personas import clustering
    from personas.assigning import fitting_frame

    within: list[float] = []
    real = KMeans.fit

    def timed(self: Any, *given: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return real(self, *given, **named)
        finally:
            within.append(time.perf_counter() - began)

    KMeans.fit = timed
    began = time.perf_counter()
    frame = fitting_frame()
    read = time.perf_counter()
    model = clustering.fit(frame)
    ended = time.perf_counter()
    told = {
        "seconds": ended - read,
        "reading": read - began,
        "within": sum(within),
        "calls": len(within),
        "customers": getattr(model, "customers", 0),
        "k": getattr(model, "k", 0),
        "peak": _peak(os.getpid()),
    }
    print(json.dumps(told))
    return 0


# Watching and comparing


@contextmanager
def _watched(figures: Figures) -> Iterator[None]:
    """Note the most memory of every process below this one, and of each process of the database."""
    ended = threading.Event()
    ours: dict[str, int] = {}
    backends = [0]

    def watch() -> None:
        while not ended.wait(0.3):
            for child in psutil.Process().children(recursive=True):
                name = "worker" if "celery" in " ".join(_command(child)) else "rebuild"
                ours[name] = max(ours.get(name, 0), _peak(child.pid))
            for process in psutil.process_iter(["name"]):
                if process.info["name"] == "postgres":
                    backends[0] = max(backends[0], _peak(process.pid, "RssAnon"))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        for name, most in sorted(ours.items()):
            figures.at_most(f"memory of any {name} process, megabytes", most, MEMORY)
        figures.at_most("memory of any database process of its own, megabytes", backends[0], MEMORY)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _fingerprints() -> dict[str, str]:
    return {table: _digest(table, left_out) for table, left_out in COMPUTED.items()}


def _digest(table: str, left_out: Sequence[str]) -> str:
    """One number for what all rows of a table hold, in whatever order they stand, and how many they are."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY column_name) "
            "FROM information_schema.columns WHERE table_name = %s AND column_name <> ALL(%s)",
            [table, list(left_out)],
        )
        columns = (cursor.fetchone() or ("",))[0]
        cursor.execute(
            f"SELECT count(*), sum(hashtextextended(ROW({columns})::text, 0)::numeric) FROM {table}"
        )
        return str(cursor.fetchone())


def _different(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    return ", ".join(table for table in before if before[table] != after[table]) or "none"


def _execute(sql: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)


if __name__ == "__main__":
    sys.exit(main())
