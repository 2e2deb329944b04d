"""An import that is killed ten times leaves the same rows as one that is not.

A whole installation runs. A worker imports a file; meanwhile pages are pushed over the API, each again and
again until it is answered. At ten random moments of the import a worker's child, a worker's parent and the
web process are killed in turn, inside an open transaction wherever one is caught. Then everything is let
finish and compared with the same file and pages in another database, where nothing was killed.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks import _talk
from benchmarks._figures import Figures, empty_database, is_small, say_machine
from benchmarks._installation import BASE_DIR, Installation, installation, new_key, use, wait_until
from benchmarks._kills import Kill, Killer

FULL, SMALL = 100_000, 20_000
KILLS, INSIDE = 10, 8
SEED = 8_051
PAGE, PAGES = 500, 16
LEASE_SECONDS = 5
FINISH_SECONDS = 1_800.0
ROWS = """
    SELECT a.external_id, i.external_id, md5(i.text), i.direction, i.occurred_at, i.in_reply_to, i.language,
           i.sentiment, i.reason, i.topics, author.external_id,
           (SELECT string_agg(x.external_id, ',' ORDER BY x.external_id) FROM crm_identity x
            WHERE x.customer_id = i.customer_id) AS customer,
           min(i.external_id) OVER (PARTITION BY i.conversation_id) AS conversation, owner.external_id,
           c.count, c.status, c.last_at, md5(c.last_text), c.waiting_since
    FROM engagement_interaction i
    JOIN engagement_channelaccount a ON a.id = i.account_id
    LEFT JOIN engagement_conversation c ON c.id = i.conversation_id
    LEFT JOIN crm_identity author ON author.id = i.identity_id
    LEFT JOIN crm_identity owner ON owner.id = c.identity_id
    ORDER BY 1, 2
"""
COUNTS = {
    "interactions": "SELECT count(*) FROM engagement_interaction",
    "conversations": "SELECT count(*) FROM engagement_conversation",
    "threads": "SELECT count(*) FROM engagement_thread",
    "identities": "SELECT count(*) FROM crm_identity",
    "customers": "SELECT count(*) FROM crm_customer",
    "events conversation.changed": "SELECT count(*) FROM core_event WHERE type = 'conversation.changed'",
    "stored, as accounts count": "SELECT sum(stored)::bigint FROM engagement_channelaccount",
}


def main() -> int:
    """Measure and return the exit code."""
    figures = Figures()
    count = SMALL if is_small() else FULL
    texts = _talk.care_texts()
    say_machine(figures)
    figures.say("events in the file", count)
    figures.say("events pushed meanwhile", PAGE * PAGES)
    figures.say("seeds", f"{_talk.SEED} (events), {SEED} (moments)")
    figures.say("lease of a job, seconds", LEASE_SECONDS)
    with installation(RAPPORT_JOB_LEASE_SECONDS=str(LEASE_SECONDS), API_RATE="100000/min") as running:
        file, pages = running.var / "events.jsonl", running.var / "pages.json"
        _write(file, count, texts)
        pages.write_text(json.dumps(_pages(texts)))
        use(running.database_url, running)
        _disturbed(figures, running, file, json.loads(pages.read_text()), count)
        with empty_database(running.database_url, "calm") as calm:
            _calmly(running, calm, file, pages)
            _compare(figures, running.database_url, calm)
    return figures.exit_code()


def _write(file: Path, count: int, texts: list[str]) -> None:
    with file.open("w", encoding="utf-8") as lines:
        for line in _talk.talk(count, texts):
            known = {"network": "crash", "account": f"file{line.conversation % 2}", **_values(line)}
            lines.write(json.dumps(known) + "\n")
    file.chmod(0o644)


def _values(line: _talk.Line) -> dict[str, Any]:
    person = {"external_id": f"p{line.customer}", "handle": f"person{line.customer}"}
    found = {
        "external_id": line.external_id,
        "thread_id": f"c{line.conversation}",
        "kind": "message",
        "direction": line.direction,
        "occurred_at": line.occurred_at.isoformat(),
        "text": line.text,
    }
    if line.answers is not None:
        found["in_reply_to"] = f"e{line.answers:07d}"
    return {**found, "author": person} if line.direction == "inbound" else found


def _pages(texts: list[str]) -> list[list[dict[str, Any]]]:
    """Return what is pushed: of the same people, to an account of its own."""
    lines = _talk.talk(PAGE * PAGES, texts, seed=SEED)
    events = [{"account": "crash/pushed", **_values(line)} for line in lines]
    return [events[start : start + PAGE] for start in range(0, len(events), PAGE)]


class Pusher:
    """Pushes pages over the API, each until it is answered."""

    def __init__(self, running: Installation, pages: list[list[dict[str, Any]]]) -> None:
        self.running = running
        self.pages = pages
        self.headers = {"Authorization": f"Bearer {new_key()}"}
        self.answered = 0
        self.unanswered = 0
        self.wanted = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        made = {"network": "crash", "external_id": "pushed", "name": "Pushed"}
        answer = running.call("POST", "/api/v1/channel-accounts/", made, **self.headers)
        if answer.status >= 300:
            sys.exit(f"Error: the account was answered {answer.status}: {answer.body}")

    def _run(self) -> None:
        for page in self.pages:
            self.wanted.wait()
            while not self._push(page):
                self.unanswered += 1
                time.sleep(0.2)
            self.answered += 1

    def _push(self, page: list[dict[str, Any]]) -> bool:
        try:
            answer = self.running.call("POST", "/api/v1/interactions/", page, **self.headers)
        except OSError:
            return False
        return answer.status < 300


def _disturbed(
    figures: Figures, running: Installation, file: Path, pages: list[list[dict[str, Any]]], count: int
) -> None:
    """Import and push, and kill ten times meanwhile."""
    from core.jobs import start_job
    from core.models import Job

    pusher = Pusher(running, pages)
    began = time.monotonic()
    job = start_job("import_interactions", file.name, input={"path": str(file)})
    pusher.thread.start()
    killer = Killer(running.database_url, random.Random(SEED))
    kills = _kill_all(figures, killer, str(job.pk), pusher, count)
    pusher.wanted.set()
    wait_until(
        lambda: Job.objects.filter(pk=job.pk).exclude(state__in=["queued", "running"]).exists(),
        seconds=FINISH_SECONDS,
        what="the end of the import",
    )
    pusher.thread.join(FINISH_SECONDS)
    ended = Job.objects.get(pk=job.pk)
    figures.equal("the import ended", str(ended.state), "done")
    figures.say("what it counted", json.dumps(ended.result.get("counts", {})))
    figures.equal("pages answered over the API", pusher.answered, PAGES)
    figures.say("calls over the API that were not answered and made again", pusher.unanswered)
    figures.equal("kills", len(kills), KILLS)
    inside = sum(kill.open is not None for kill in kills)
    figures.at_least("kills inside an open transaction", inside, INSIDE)
    figures.say("seconds to finish, kills and waiting included", time.monotonic() - began)


def _kill_all(figures: Figures, killer: Killer, job_id: str, pusher: Pusher, count: int) -> list[Kill]:
    """Kill child, parent and web in turn, each when the import has come to a place drawn at random."""
    chance, began, kills = killer.chance, time.monotonic(), []
    places = sorted(int(count * chance.uniform(0.02, 0.9)) for _ in range(KILLS))
    for number, place in enumerate(places):
        _reach(killer, job_id, place)
        time.sleep(chance.uniform(0, 0.5))
        kill = _kill(killer, job_id, number, pusher)
        if kill is None:
            continue
        kills.append(kill)
        done = killer.rows("SELECT done FROM core_job WHERE id = %s", job_id)[0][0]
        figures.say(
            f"{time.monotonic() - began:6.1f} s, {done:,} of {count:,} events, kill {number + 1}", kill
        )
    return kills


def _kill(killer: Killer, job_id: str, number: int, pusher: Pusher) -> Kill | None:
    if number % 3 == 0:
        return killer.kill_child(job_id)
    if number % 3 == 1:
        return killer.kill_parent(job_id)
    pusher.wanted.set()
    kill = killer.kill_web()
    pusher.wanted.clear()
    return kill


def _reach(killer: Killer, job_id: str, place: int) -> None:
    """Wait until the import has come so far."""

    def is_there() -> bool:
        done, state = killer.rows("SELECT done, state FROM core_job WHERE id = %s", job_id)[0]
        if state not in ("queued", "running"):
            sys.exit(f"Error: the import ended before the last kill: {state}.")
        return bool(done >= place)

    wait_until(is_there, seconds=FINISH_SECONDS, what=f"event {place:,}")


def _calmly(running: Installation, url: str, file: Path, pages: Path) -> None:
    env = {**running.env, "DATABASE_URL": url}
    for argv in (["manage.py", "migrate", "-v", "0"], ["-m", "benchmarks._calm", str(file), str(pages)]):
        subprocess.run([sys.executable, *argv], cwd=BASE_DIR, env=env, check=True)


def _compare(figures: Figures, disturbed: str, calm: str) -> None:
    found, expected = _rows(disturbed, ROWS), _rows(calm, ROWS)
    differing = len(set(map(repr, found)) ^ set(map(repr, expected)))
    figures.equal("rows, as without kills", len(found), len(expected))
    figures.equal("rows that differ", differing, 0)
    for name, statement in COUNTS.items():
        ours, theirs = _rows(disturbed, statement)[0][0], _rows(calm, statement)[0][0]
        figures.equal(f"{name}, as without kills", ours, theirs)


def _rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


if __name__ == "__main__":
    sys.exit(main())
