"""Twenty SIGKILLs, an emptied Redis and a crashed PostgreSQL, while accounts are pulled and answers are sent.

A whole installation runs against a platform over HTTP (`_far.py`), with one account for each way in which a
network lets a second try be told: by an id of ours, by asking what is there, and not at all. First the
accounts are pulled and webhooks come in; then answers are written over the API and sent. Meanwhile the
process that talks to platforms, a worker's child, a worker's parent and the web process are killed in turn,
each inside an open transaction; then Redis is emptied, and one backend of PostgreSQL is killed, upon which
PostgreSQL ends all connections and recovers from its log. After each of these it is measured how long it
takes until the work that was hit goes on.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psutil

from benchmarks import _talk
from benchmarks._figures import Figures, empty_database, is_small, say_machine
from benchmarks._installation import BASE_DIR, Installation, installation, new_key, use, wait_until
from benchmarks._kills import Kill, Killer

if TYPE_CHECKING:
    from benchmarks._far import Far

FED, FEED_EVERY_SECONDS = 20, 0.5
"""So many new events an account has again and again: more than can be pulled by pages of 25."""
PEOPLE = 120
HOOKED = 5
PUSH_EVERY_SECONDS = 0.1
KILLS_A_PHASE, INSIDE = 10, 15
SMALL_KILLS = 5
RECOVERED_SECONDS = 120.0
FINISH_SECONDS = 600.0
SEED = 4_411
POSTERS = 4
ORDER = ("channels", "child", "web", "channels", "parent")
CONNECTORS = ("keyed", "readable", "neither")


def main() -> int:
    """Measure and return the exit code."""
    figures = Figures()
    say_machine(figures)
    figures.say("seed of the moments", str(SEED))
    with tempfile.TemporaryDirectory(prefix="rapport-far-") as folder:
        Path(folder).chmod(0o755)
        sys.path.insert(0, folder)
        _measure(figures, Path(folder))
    return figures.exit_code()


def _measure(figures: Figures, folder: Path) -> None:
    # Settings are read when the connectors are imported: the platform's own address must stand there before.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from benchmarks._far import Far, install

    install(folder)
    texts = _talk.care_texts()
    with Far({name: [] for name in CONNECTORS}) as far:
        urls = ",".join(f"{name}={far.url}" for name in CONNECTORS)
        os.environ["CHANNEL_URLS"] = urls
        path = f"{folder}:{BASE_DIR}"
        with installation(CHANNEL_URLS=urls, PYTHONPATH=path, API_RATE="100000/min") as running:
            use(running.database_url, running)
            chance = random.Random(SEED)
            world = World(running, far, figures, chance, Killer(running.database_url, chance))
            kills = [*_pulls(world, texts, folder), *_sends(world)]
            _tell_kills(figures, kills)


def _tell_kills(figures: Figures, kills: list[Kill]) -> None:
    wanted = 2 * (SMALL_KILLS if is_small() else KILLS_A_PHASE)
    figures.equal("kills", len(kills), wanted)
    inside = sum(kill.open is not None for kill in kills)
    figures.at_least("kills inside an open transaction", inside, wanted if is_small() else INSIDE)
    for what, number in sorted(Counter(kill.what for kill in kills).items()):
        figures.say(f"kills of the {what}", number)


@dataclass
class World:
    """The installation, the platform, and what is written down."""

    running: Installation
    far: Far
    figures: Figures
    chance: random.Random
    killer: Killer
    recovered: list[float] = field(default_factory=list)

    def one(self, statement: str, *values: Any) -> Any:
        """Return the first column of the first row; asked again while PostgreSQL recovers."""
        import psycopg2

        until = time.monotonic() + RECOVERED_SECONDS
        while True:
            try:
                return self.killer.rows(statement, *values)[0][0]
            except psycopg2.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)


# Processes


def _holder(world: World, program: str) -> int | None:
    """Return a process of this kind that has a transaction open in which it wrote."""
    wanted = {
        "channels": lambda: _pids(world, "-n channels@", children=False),
        "child": lambda: _pids(world, "-n worker@", children=True),
        "parent": lambda: _pids(world, "-n worker@", children=True),
    }[program]()
    found = world.killer.rows(
        "SELECT split_part(application_name, ' ', 3)::int FROM pg_stat_activity "
        "WHERE application_name LIKE 'rapport worker %%' AND backend_xid IS NOT NULL"
    )
    return next((row[0] for row in found if row[0] in wanted), None)


def _pids(world: World, words: str, *, children: bool) -> set[int]:
    parent = world.running.parent(words)
    if parent is None:
        return set()
    try:
        return {child.pid for child in parent.children()} if children else {parent.pid}
    except psutil.NoSuchProcess:
        return set()


def _kill(world: World, program: str) -> Kill | None:
    killer = world.killer
    if program == "web":
        return killer.kill_web()
    names = {
        "channels": "process that talks to platforms",
        "child": "worker's child",
        "parent": "worker's parent",
    }
    target: Callable[[int], int] = (lambda pid: psutil.Process(pid).ppid()) if program == "parent" else int
    return killer._catch("worker", names[program], lambda: _holder(world, program), target)


def _disturb(world: World, phase: str, progress: dict[str, Callable[[], int]]) -> list[Kill]:
    """Kill in turn, then empty Redis and crash PostgreSQL; after each wait until what was hit goes on."""
    kills: list[Kill] = []
    began = time.monotonic()
    number = SMALL_KILLS if is_small() else KILLS_A_PHASE
    for turn, wanted in enumerate(itertools.islice(itertools.cycle(ORDER), number)):
        time.sleep(world.chance.uniform(0.5, 4.0))
        program, kill = wanted, _kill(world, wanted)
        if kill is None:
            world.figures.say(f"{phase}: {wanted} was not caught in a transaction", turn + 1)
            program, kill = "channels", _kill(world, "channels")
        if kill is None:
            continue
        kills.append(kill)
        seconds = _wait_for(world, progress[program])
        at = time.monotonic() - began
        world.figures.say(f"{phase}: {at:5.0f} s, kill {turn + 1}, goes on after {seconds:.1f} s", kill)
    _flush_redis(world, phase, progress)
    _crash_postgres(world, phase, progress)
    return kills


def _wait_for(world: World, progress: Callable[[], int]) -> float:
    """Seconds until there is more than just now."""
    before, began = progress(), time.monotonic()
    while progress() <= before and time.monotonic() - began < RECOVERED_SECONDS:
        time.sleep(0.1)
    world.recovered.append(time.monotonic() - began)
    return world.recovered[-1]


def _flush_redis(world: World, phase: str, progress: dict[str, Callable[[], int]]) -> None:
    import redis
    from django.conf import settings

    redis.Redis.from_url(settings.REDIS_URL).flushall()
    seconds = max(_wait_for(world, one) for one in progress.values())
    world.figures.say(f"{phase}: Redis emptied, everything goes on after, seconds", seconds)


def _crash_postgres(world: World, phase: str, progress: dict[str, Callable[[], int]]) -> None:
    from django.db import connections

    started = world.one(
        "SELECT pg_postmaster_start_time()::text || max(backend_start)::text "
        "FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    )
    _kill_backend(world)
    connections.close_all()
    time.sleep(0.5)
    seconds = max(_wait_for(world, one) for one in progress.values())
    again = world.one(
        "SELECT pg_postmaster_start_time()::text || max(backend_start)::text "
        "FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    )
    world.figures.equal(f"{phase}: PostgreSQL started anew", again != started, True)
    world.figures.say(f"{phase}: PostgreSQL crashed, everything goes on after, seconds", seconds)


def _kill_backend(world: World) -> None:
    """Kill one that serves a worker, in a transaction if there is such a one; it may just have ended."""
    for _turn in range(100):
        backend = world.one(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'rapport worker %%' "
            "ORDER BY backend_xid IS NULL LIMIT 1"
        )
        with suppress(ProcessLookupError):
            os.kill(backend, signal.SIGKILL)
            return
    sys.exit("Error: no backend of PostgreSQL could be killed.")


# Pulls


class Pusher:
    """Sends webhooks, each until it is answered, every third one twice."""

    def __init__(self, world: World, texts: list[str]) -> None:
        self.world, self.texts = world, texts
        self.bodies: dict[str, list[dict[str, Any]]] = {}
        self.answered = self.unanswered = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        from benchmarks._far import event_of

        for number in itertools.count():
            if self.ended.is_set():
                return
            first = number * HOOKED
            events = [event_of(first + n, self.texts, PEOPLE, prefix="h") for n in range(HOOKED)]
            self.bodies[f"d{number}"] = events
            for _time in range(2 if number % 3 == 0 else 1):
                while not self._push(f"d{number}", json.dumps(events).encode()):
                    self.unanswered += 1
                    time.sleep(0.1)
            self.answered += 1
            time.sleep(PUSH_EVERY_SECONDS)

    def _push(self, key: str, body: bytes) -> bool:
        from benchmarks._far import signature

        address = f"{self.world.running.url}/hooks/neither/hook-neither/"
        request = urllib.request.Request(address, data=body, method="POST")  # noqa: S310
        request.add_header("X-Signature", signature(body))
        request.add_header("X-Delivery", key)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (OSError, HTTPException):
            return False


class Feeder:
    """Lets the platform have something new all the time, so that there is always something to pull."""

    def __init__(self, far: Far, texts: list[str]) -> None:
        self.far, self.texts = far, texts
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        from benchmarks._far import event_of

        for first in itertools.count(0, FED):
            new = [event_of(first + n, self.texts, PEOPLE) for n in range(FED)]
            for kept in self.far.events.values():
                kept.extend(new)
            if self.ended.wait(FEED_EVERY_SECONDS):
                return


def _pulls(world: World, texts: list[str], folder: Path) -> list[Kill]:
    from benchmarks._far import new_account

    figures, far = world.figures, world.far
    far.page, far.page_delay = 25, 0.3
    pusher = Pusher(world, texts)
    for name in CONNECTORS:
        new_account(name, name)
    feeder = Feeder(far, texts)
    began = time.monotonic()
    pusher.thread.start()
    feeder.thread.start()
    wait_until(lambda: _stored(world) > 100, seconds=120, what="the first events")
    kills = _disturb(
        world,
        "pull",
        {
            "channels": lambda: min(_pulled(world)),
            "child": lambda: _understood(world),
            "parent": lambda: _understood(world),
            "web": lambda: pusher.answered,
        },
    )
    pusher.ended.set()
    feeder.ended.set()
    pusher.thread.join(60)
    feeder.thread.join(60)
    figures.say("pull: events of each account", len(far.events["keyed"]))
    figures.say("pull: of these in when the last fault was over", min(_pulled(world)))
    far.page, far.page_delay = 250, 0.0
    whole = sum(map(len, far.events.values())) + HOOKED * len(pusher.bodies)
    wait_until(lambda: _stored(world) >= whole, seconds=FINISH_SECONDS, what="the last event")
    wait_until(lambda: _waiting_bodies(world) == 0, seconds=120, what="the last body")
    figures.say("pull: seconds in all", time.monotonic() - began)
    figures.say("pull: webhooks answered", pusher.answered)
    figures.say("pull: webhooks not answered and sent again", pusher.unanswered)
    figures.at_most("pull: the slowest recovery, seconds", max(world.recovered), RECOVERED_SECONDS)
    _compare_with_calm(world, pusher, folder)
    return kills


def _stored(world: World) -> int:
    return int(world.one("SELECT count(*) FROM engagement_interaction WHERE direction = 'inbound'"))


def _pulled(world: World) -> list[int]:
    """Return how far each account is."""
    told = world.one("SELECT json_agg(coalesce((cursor->>'after')::int, 0)) FROM engagement_channelaccount")
    return [int(one) for one in told]


def _understood(world: World) -> int:
    return int(world.one("SELECT count(*) FROM engagement_rawevent WHERE state = 'done'"))


def _waiting_bodies(world: World) -> int:
    return int(world.one("SELECT count(*) FROM engagement_rawevent WHERE state = 'new'"))


def _compare_with_calm(world: World, pusher: Pusher, folder: Path) -> None:
    from django.conf import settings

    from benchmarks.crash import COUNTS, ROWS, _rows

    given = folder / "given.json"
    accounts = {name: name for name in CONNECTORS}
    given.write_text(json.dumps({"accounts": accounts, "hooks": pusher.bodies}))
    with empty_database(world.running.database_url, "calm") as calm:
        redis_url = settings.REDIS_URL.rpartition("/")[0] + "/9"
        env = {**world.running.env, "DATABASE_URL": calm, "REDIS_URL": redis_url}
        for argv in (["manage.py", "migrate", "-v", "0"], ["-m", "benchmarks._calm_pulls", str(given)]):
            subprocess.run([sys.executable, *argv], cwd=BASE_DIR, env=env, check=True)
        found, expected = _rows(world.running.database_url, ROWS), _rows(calm, ROWS)
        differing = len(set(map(repr, found)) ^ set(map(repr, expected)))
        world.figures.equal("pull: rows, as without kills", len(found), len(expected))
        world.figures.equal("pull: rows that differ", differing, 0)
        for name, statement in COUNTS.items():
            if not name.startswith("events "):
                ours, theirs = (_rows(url, statement)[0][0] for url in (world.running.database_url, calm))
                world.figures.equal(f"pull: {name}, as without kills", ours, theirs)


# Sends


@dataclass
class Written:
    """One answer that the API took."""

    account: str
    person: str
    text: str
    key: UUID


class Poster:
    """Writes answers over the API, each until it is answered; each conversation is one thread's alone."""

    def __init__(self, world: World, conversations: list[tuple[int, str, str]], token: str) -> None:
        self.world = world
        self.token = token
        self.written: list[Written] = []
        self.unanswered = 0
        self.ended = threading.Event()
        shares = [conversations[n::POSTERS] for n in range(POSTERS)]
        self.threads = [
            threading.Thread(target=self._run, args=(n, share), daemon=True) for n, share in enumerate(shares)
        ]

    def _run(self, poster: int, share: list[tuple[int, str, str]]) -> None:
        for number, (pk, account, person) in enumerate(itertools.cycle(share)):
            if self.ended.is_set():
                return
            one = Written(account, person, f"Answer {poster}.{number} to {person}", uuid4())
            while not self._post(pk, one):
                self.unanswered += 1
                time.sleep(0.2)
            self.written.append(one)
            time.sleep(0.2)

    def _post(self, pk: int, one: Written) -> bool:
        body = {"text": one.text, "client_key": str(one.key)}
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = self.world.running.call("POST", f"/api/v1/conversations/{pk}/reply/", body, **headers)
        except (OSError, HTTPException):
            return False
        if 400 <= answer.status < 500:
            sys.exit(f"Error: an answer was answered {answer.status}: {answer.body}")
        return answer.status < 300


def _sends(world: World) -> list[Kill]:
    figures, far = world.figures, world.far
    far.send_delay = 0.3
    world.recovered.clear()
    poster = Poster(world, _conversations(world), new_key())
    began = time.monotonic()
    for thread in poster.threads:
        thread.start()
    wait_until(lambda: _sent(world) > 5, seconds=120, what="the first sends")
    child = Background(world)
    kills = _disturb(
        world,
        "send",
        {
            "channels": lambda: min(len(far.messages[name]) for name in CONNECTORS),
            "child": child.done,
            "parent": child.done,
            "web": lambda: len(poster.written),
        },
    )
    child.ended.set()
    poster.ended.set()
    for thread in (*poster.threads, child.thread):
        thread.join(60)
    last = time.monotonic()
    wait_until(lambda: _open(world) == 0, seconds=FINISH_SECONDS, what="the end of the last send")
    seconds = time.monotonic() - last
    figures.at_most("send: seconds from the last answer to an empty outbox", seconds, RECOVERED_SECONDS)
    figures.at_most("send: the slowest recovery, seconds", max(world.recovered), RECOVERED_SECONDS)
    figures.say("send: answers taken by the API", len(poster.written))
    figures.say("send: calls that were not answered and made again", poster.unanswered)
    _judge(world, poster)
    figures.say("send: seconds in all", time.monotonic() - began)
    return kills


class Background:
    """Keeps the workers' children writing while answers are sent: webhooks that they understand."""

    def __init__(self, world: World) -> None:
        self.pusher = Pusher(world, ["Thank you."])
        self.world = world
        self.ended = self.pusher.ended
        self.thread = self.pusher.thread
        # Other deliveries and other events than those of the pulls.
        self.pusher._push = self._push  # type: ignore[method-assign]
        self.thread.start()

    def _push(self, key: str, body: bytes) -> bool:
        return Pusher._push(self.pusher, f"later-{key}", body.replace(b'"h', b'"later-h'))

    def done(self) -> int:
        return _understood(self.world)


def _conversations(world: World) -> list[tuple[int, str, str]]:
    found = world.killer.rows(
        "SELECT c.id, a.external_id, i.external_id FROM engagement_conversation c "
        "JOIN engagement_channelaccount a ON a.id = c.account_id "
        "JOIN crm_identity i ON i.id = c.identity_id ORDER BY i.external_id, a.external_id"
    )
    return [(row[0], row[1], row[2]) for row in found]


def _sent(world: World) -> int:
    return int(world.one("SELECT count(*) FROM engagement_delivery WHERE state = 'sent'"))


def _open(world: World) -> int:
    return int(world.one("SELECT count(*) FROM engagement_delivery WHERE state IN ('queued', 'sending')"))


def _judge(world: World, poster: Poster) -> None:
    """Nothing lost, nothing doubled but where it says so, and in order."""
    figures = world.figures
    found = world.killer.rows("SELECT state, count(*) FROM engagement_delivery GROUP BY state")
    states = {row[0]: row[1] for row in found}
    figures.say("send: deliveries by state", json.dumps(states))
    figures.equal("send: every answer has its delivery", sum(states.values()), len(poster.written))
    unsure = _send_unsure_again(world)
    for name in CONNECTORS:
        _judge_account(world, poster, name, unsure)


def _send_unsure_again(world: World) -> set[str]:
    """Let staff send again what may have arrived, as the page offers; the words of those messages."""
    from accounts.models import User
    from engagement import outbox
    from engagement.models import Delivery

    admin = User.objects.get(email="bench@example.com")
    unsure = list(Delivery.objects.filter(state="uncertain").select_related("interaction", "account"))
    for delivery in unsure:
        outbox.send_again(delivery=delivery, by=admin)
    wait_until(lambda: _open(world) == 0, seconds=120, what="the end of the second sends")
    figures = world.figures
    twice = Delivery.objects.filter(may_be_twice=True).select_related("interaction")
    said = {one.interaction.text for one in twice}
    neither = {one.interaction.text for one in unsure if one.account.name == "neither"}
    figures.equal("send: uncertain where it could have been told", len(unsure) - len(neither), 0)
    figures.equal("send: sent again in doubt without saying so", len(neither - said), 0)
    figures.equal("send: said to be perhaps twice where it could be told", len(said - neither), 0)
    figures.say("send: deliveries that may have been sent twice, as counted", len(said))
    return said


def _judge_account(world: World, poster: Poster, name: str, unsure: set[str]) -> None:
    figures = world.figures
    arrived = Counter(one["text"] for one in world.far.messages[name])
    wanted = [one.text for one in poster.written if one.account == name]
    doubled = {text for text, number in arrived.items() if number > 1}
    figures.say(f"send, {name}: answers", len(wanted))
    figures.equal(f"send, {name}: lost", len(set(wanted) - set(arrived)), 0)
    figures.say(f"send, {name}: arrived twice", len(doubled))
    figures.equal(f"send, {name}: arrived twice without saying so", len(doubled - unsure), 0)
    figures.equal(f"send, {name}: out of order", _out_of_order(world, poster, name, unsure), 0)


def _out_of_order(world: World, poster: Poster, name: str, unsure: set[str]) -> int:
    """Conversations whose messages arrived in another order than they were written, second sends apart."""
    wanted: dict[str, list[str]] = {}
    for one in poster.written:
        if one.account == name and one.text not in unsure:
            wanted.setdefault(one.person, []).append(one.text)
    found: dict[str, list[str]] = {}
    for one in world.far.messages[name]:
        if one["text"] not in unsure and one["text"] not in found.get(one["to"], ()):
            found.setdefault(one["to"], []).append(one["text"])
    return sum(texts != found.get(person) for person, texts in wanted.items())


if __name__ == "__main__":
    sys.exit(main())
