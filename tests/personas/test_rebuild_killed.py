"""A rebuild that is killed inside the write of each step, seen by readers all the while.

The rebuild is a process of its own, on a database of its own. A trigger that the test puts into that database
stops it inside a write; there it is killed, and another process goes on. Nothing waits for time to pass.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.conf import settings
from django.db import connection, connections, transaction

from benchmarks._figures import with_database
from core.models import Workspace
from personas.building import build_segment
from personas.models import Segment, SegmentMembership, Traits
from personas.segments import create_segment, update_segment
from personas.traits.compute import Moment, list_all, refresh_next
from tests.personas.rebuild_process import at_least, begin
from tests.personas.world import World

pytestmark = pytest.mark.django_db(transaction=True)
PAUSE = 4_711
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.personas.rebuild_preloaded"])
# Where a process is stopped: after which rows of which table were written.
STOPS = {
    "traits": ("personas_traits", "INSERT OR UPDATE", "NEW.customer_id = 201"),
    "personas": ("personas_personamembership", "INSERT OR UPDATE", "true"),
    "predictions": ("personas_prediction", "INSERT OR UPDATE", "true"),
    "stages": ("crm_stagechange", "INSERT", "true"),
    "segments": ("personas_segmentmembership", "INSERT", "true"),
    "lookalikes": ("personas_lookalike", "INSERT OR UPDATE", "true"),
    "cards": ("personas_persona", "UPDATE", "OLD.card_at IS DISTINCT FROM NEW.card_at"),
    "advertising": ("personas_broughtday", "INSERT", "true"),
    "rollups": ("analytics_dailyinteractions", "INSERT OR UPDATE", "true"),
}
# What readers see, by the unit that must never be a mixture. Personas go by name, on cards too: a rebuild
# that was killed has used up ids. A new persona has no card before the step that writes cards.
SEEN = {
    "members of a segment": "SELECT segment_id, version, customer_id FROM personas_segmentmembership",
    "memberships in personas": (
        "SELECT 0, m.customer_id, p.name, m.confidence, m.reasons FROM personas_personamembership m"
        " JOIN personas_persona p ON p.id = m.persona_id"
    ),
    "predictions": "SELECT 0, customer_id, to_jsonb(p) - 'computed_at' FROM personas_prediction p",
    "card of a persona": (
        "SELECT name, members, card - 'changed', card -> 'changed' -> 'members_before',"
        " ARRAY(SELECT moved - 'persona'"
        " FROM jsonb_path_query(card, '$.changed.*[*] ? (exists(@.n))') AS moved)"
        " FROM personas_persona WHERE is_active AND card_at IS NOT NULL"
    ),
    "traits of a customer": (
        "SELECT customer_id, to_jsonb(t) - 'computed_at' - 'stage' FROM personas_traits t"
    ),
    "a day of an account": (
        "SELECT d.day::text || d.account_id, d.kind, d.direction, d.is_public, coalesce(p.name, ''), d.n,"
        " round(d.sentiment_sum::numeric, 6) FROM analytics_dailyinteractions d"
        " LEFT JOIN personas_persona p ON p.id = d.persona_id"
    ),
}
ENDED = {
    **SEEN,
    "days": "SELECT 0, to_jsonb(d) - 'id' FROM personas_customerday d",
    "stages": "SELECT 0, id, stage FROM crm_customer",
    "steps": "SELECT 0, to_jsonb(s) - 'id' FROM crm_stagechange s",
    "sizes": "SELECT id, version, built_version, size, error FROM personas_segment",
    "whole traits": "SELECT 0, to_jsonb(t) - 'computed_at' FROM personas_traits t",
    "listed": "SELECT 0, customer_id FROM personas_changedcustomer",
    "touches": "SELECT 0, customer_id FROM crm_customertouch",
}
View = dict[str, dict[Any, str]]


@dataclass
class Running:
    """A process of `rebuild_process.py`."""

    process: ForkServerProcess
    printed: Path

    def end(self, code: int = 0) -> str:
        """Wait for its end; what it printed."""
        self.process.join(240)
        said = self.printed.read_text()
        assert self.process.exitcode == code, said[-3_000:]
        return said

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


@dataclass
class Place:
    """A database of its own."""

    url: str
    name: str
    folder: Path

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.url)) as link, link.cursor() as cursor:
            link.autocommit = True
            cursor.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def start(self, what: str) -> Running:
        """Begin a process, forked from one that has imported everything."""
        printed = self.folder / f"{what}-{time.monotonic_ns()}"
        process = FORKS.Process(target=begin, args=(what, self.name, printed))
        process.start()
        return Running(process, printed)

    def run(self, what: str, code: int = 0) -> str:
        """Run a process to its end; what it printed."""
        return self.start(what).end(code)


def view(link: Any, wanted: Mapping[str, str]) -> View:
    """One moment of the database: a digest of each unit."""
    with link.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        found: View = {}
        for name, sql in wanted.items():
            units: dict[Any, list[str]] = defaultdict(list)
            cursor.execute(sql)
            for unit, *row in cursor.fetchall():
                units[unit].append(repr(row))
            found[name] = {
                unit: md5("\n".join(sorted(rows)).encode(), usedforsecurity=False).hexdigest()
                for unit, rows in units.items()
            }
        cursor.execute("COMMIT")
    return found


def look(place: Place, wanted: Mapping[str, str]) -> View:
    with closing(psycopg2.connect(place.url)) as link:
        link.autocommit = True
        return view(link, wanted)


@pytest.fixture(scope="module")
def copies(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, str], Place]]:
    """Makes databases like another one; all are gone afterwards."""
    connections.close_all()
    given = os.environ.get("DATABASE_URL", "") or settings.DATABASE_URL
    tested = settings.DATABASES["default"]["NAME"]
    made: list[str] = []

    def copy(name: str, like: str = "") -> Place:
        own = f"{tested}_{name}"
        template = f"{tested}_{like}" if like else tested
        _administer(given, f'DROP DATABASE IF EXISTS "{own}" WITH (FORCE)')
        # A thread of an earlier test may still hold a connection, and nobody may while a database is copied.
        _administer(
            given, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{template}'"
        )
        _administer(given, f'CREATE DATABASE "{own}" TEMPLATE "{template}"')
        made.append(own)
        return Place(with_database(given, own), own, tmp_path_factory.mktemp(own))

    yield copy
    for own in made:
        _administer(given, f'DROP DATABASE IF EXISTS "{own}" WITH (FORCE)')


def _administer(url: str, sql: str) -> None:
    with closing(psycopg2.connect(with_database(url, "postgres"))) as link, link.cursor() as cursor:
        link.autocommit = True
        cursor.execute(sql)


@dataclass
class Outcome:
    """A database as it stood before, and after a rebuild that nobody disturbed."""

    before: View
    after: View
    clean: View


@pytest.fixture(scope="module")
def undisturbed(copies: Callable[..., Place]) -> Outcome:
    start = copies("before")
    start.run("load")
    calm = copies("calm", "before")
    before = look(calm, SEEN)
    calm.run("run")
    return Outcome(before, look(calm, SEEN), look(calm, ENDED))


@dataclass
class Reader:
    """Somebody who looks at everything, all the time."""

    place: Place
    ended: threading.Event = field(default_factory=threading.Event)
    views: list[View] = field(default_factory=list)

    def look(self) -> None:
        with closing(psycopg2.connect(self.place.url)) as link:
            link.autocommit = True
            while not self.ended.is_set():
                seen = view(link, SEEN)
                if not self.views or seen != self.views[-1]:
                    self.views.append(seen)
                time.sleep(0.02)

    def mixtures(self, before: View, after: View) -> set[str]:
        """Units that were ever seen as neither they were before nor as they became."""
        found = set()
        for seen in self.views:
            for name, units in seen.items():
                for unit, digest in units.items():
                    if digest not in (before[name].get(unit), after[name].get(unit)):
                        found.add(f"{name} {unit}")
        return found


@contextmanager
def reading(place: Place) -> Iterator[Reader]:
    reader = Reader(place)
    thread = threading.Thread(target=reader.look)
    thread.start()
    try:
        yield reader
    finally:
        reader.ended.set()
        thread.join()


@contextmanager
def stopping(place: Place, step: str) -> Iterator[Callable[[], int]]:
    """Processes stop inside the write of this step; the yielded function waits until one has, and says which
    backend that is."""
    table, when, condition = STOPS[step]
    with closing(psycopg2.connect(place.url)) as link, link.cursor() as cursor:
        link.autocommit = True
        cursor.execute(
            "CREATE OR REPLACE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS "
            f"'BEGIN PERFORM pg_advisory_xact_lock_shared({PAUSE}); RETURN NULL; END'"
        )
        cursor.execute(
            f"CREATE TRIGGER stop_here AFTER {when} ON {table} FOR EACH ROW WHEN ({condition}) "
            "EXECUTE FUNCTION stop_here()"
        )
        cursor.execute("SELECT pg_advisory_lock(%s)", [PAUSE])

        def stopped() -> int:
            waiting = (
                "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE"
                " d.datname = current_database() AND l.locktype = 'advisory' AND l.objid = %s"
                " AND NOT l.granted"
            )
            for _try in range(6_000):
                if found := place.rows(waiting, PAUSE):
                    return int(found[0][0])
                time.sleep(0.02)
            raise AssertionError(f"nobody wrote what {step} writes")

        try:
            yield stopped
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [PAUSE])
            cursor.execute(f"DROP TRIGGER stop_here ON {table}")


def kill_inside(place: Place, step: str, what: str, meanwhile: Callable[[], None]) -> None:
    """Run a process and kill it inside the write of a step; its lease runs out at once."""
    with stopping(place, step) as stopped:
        running = place.start(what)
        backend = stopped()
        meanwhile()
        running.kill()
    while place.rows("SELECT FROM pg_stat_activity WHERE pid = %s", backend):
        time.sleep(0.02)
    place.rows("UPDATE core_job SET lease_until = now() - interval '1 second' WHERE state = 'running'")
    place.rows("UPDATE core_jobshard SET lease_until = now() - interval '1 second' WHERE state = 'running'")


def test_a_rebuild_killed_inside_every_step_shows_no_mixture_and_ends_as_a_clean_one(
    copies: Callable[..., Place], undisturbed: Outcome
) -> None:
    place = copies("killed", "before")
    refused: list[str] = []

    def second() -> None:
        if not refused:
            refused.append(place.run("run", code=3))

    with reading(place) as reader:
        for step, what in zip(STOPS, ["run", *["resume"] * (len(STOPS) - 1)], strict=True):
            kill_inside(place, step, what, second)
            at = place.rows("SELECT phase FROM core_job WHERE state = 'running'")
            assert at == [(step,)], "it died in the step that it was stopped in"
        place.run("resume")
    assert "has been running since" in refused[0]
    assert reader.mixtures(undisturbed.before, undisturbed.after) == set()
    assert undisturbed.before != undisturbed.after
    assert len(reader.views) > len(STOPS), "the reader saw the steps come one after the other"
    ended = look(place, ENDED)
    assert {name for name in ENDED if ended[name] != undisturbed.clean[name]} == set()
    assert not ended["listed"]
    assert place.rows("SELECT count(*) FROM core_jobshard") == [(0,)]


def test_two_processes_write_what_one_does(copies: Callable[..., Place], undisturbed: Outcome) -> None:
    place = copies("two", "before")
    helper, rebuild = place.start("help"), place.start("run")
    rebuild.end()
    assert int(helper.end().split()[-1]) > 0, "the helper did some of it"
    found = look(place, ENDED)
    assert {name for name in ENDED if found[name] != undisturbed.clean[name]} == set()


def test_a_rule_edited_while_it_is_worked_out_gives_way_to_the_new_one() -> None:
    workspace = Workspace.current()
    world = World(4, today=workspace.today(), customers=40)
    moment = Moment(workspace.today(), "UTC", world.instant())
    list_all()
    with transaction.atomic():
        refresh_next(0, moment)
    segment = create_segment(name="Talkers", rule=at_least("traits.inbound_total", 1))
    build = {"segment_id": segment.pk, "today": moment.today, "zone": "UTC", "now": moment.now}
    old = build_segment(**build)
    update_segment(segment=segment, rule=at_least("traits.inbound_total", 2))

    def build_apart() -> None:
        build_segment(**build)
        connection.close()

    # The build waits where it reads traits; meanwhile the rule is edited once more.
    with closing(psycopg2.connect(**connection.get_connection_params())) as link, link.cursor() as cursor:
        cursor.execute("LOCK TABLE personas_traits IN ACCESS EXCLUSIVE MODE")
        builder = threading.Thread(target=build_apart)
        builder.start()
        _wait_for_a_lock()
        update_segment(segment=segment, rule=at_least("traits.inbound_total", 3))
        assert set(SegmentMembership.objects.values_list("version", flat=True)) == {1}
        assert SegmentMembership.objects.count() == old.size
        link.rollback()
        builder.join()
    found = Segment.objects.get(pk=segment.pk)
    members = set(SegmentMembership.objects.values_list("customer_id", "version"))
    expected = Traits.objects.filter(inbound_total__gte=3).values_list("customer_id", flat=True)
    assert members == {(pk, 3) for pk in expected}
    assert (found.version, found.built_version, found.size) == (3, 3, len(members))
    assert 0 < len(members) < old.size


def _wait_for_a_lock() -> None:
    for _try in range(1_000):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT FROM pg_locks WHERE NOT granted AND relation = 'personas_traits'::regclass"
            )
            if cursor.fetchone() is not None:
                return
        time.sleep(0.02)
    raise AssertionError("the build did not come to read traits")
