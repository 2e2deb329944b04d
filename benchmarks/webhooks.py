"""Webhooks over HTTP: repeated, at once, and as many a second as one web process takes.

Runs a whole installation with two web processes and two workers. For every connector with webhooks the same
delivery comes a hundred times one by one and a hundred times twenty at once: one interaction (or order), and
every answer is 2xx. Fifty different first messages of one new person at once, and an album of ten: one
conversation each. Then, on one web process, webhooks a second with verification and storage, beside bare
inserts of the same bodies into the same table, one transaction each: with the workers held still, and with
them at work.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil

from benchmarks._figures import Figures, is_small, say_machine, spread
from benchmarks._installation import Installation, installation, use, wait_until
from benchmarks._signing import (
    APPS,
    CREDENTIALS,
    SECRET,
    SIGN,
    Webhook,
    picture_of_an_album,
    private_message,
)

REPEATED, AT_ONCE = 100, 20
FIRST_MESSAGES, ALBUM = 50, 10
FULL, SMALL = 4_000, 600
CLIENTS = 8
ANSWER_SECONDS = 0.2
BOUND_RATIO = 0.1
PARTS = ("repeated", "throughput")


def main() -> int:
    """Measure and return the exit code; each of the two installations in a process of its own."""
    if PARTS[0] not in sys.argv and PARTS[1] not in sys.argv:
        parts = [[sys.executable, "-m", "benchmarks.webhooks", part] for part in PARTS]
        return max(subprocess.run(part, check=False).returncode for part in parts)
    figures = Figures()
    say_machine(figures)
    if PARTS[0] in sys.argv:
        with _started(figures, web=2, workers=2) as running:
            for webhook, expected in _examples():
                _repeat(figures, running, webhook, expected)
            bot = _bot("bot")
            _first_messages(figures, running, bot)
            _album(figures, running, bot)
    else:
        with _started(figures, web=1, workers=1) as running:
            _throughput(figures, running, SMALL if is_small() else FULL)
    return figures.exit_code()


@contextmanager
def _started(figures: Figures, *, web: int, workers: int) -> Iterator[Installation]:
    with installation(WEB_PROCESSES=str(web), WORKER_PROCESSES=str(workers), **APPS) as running:
        use(running.database_url, running)
        figures.say("web processes and workers", f"{web} and {workers}")
        yield running


# The same again


def _examples() -> list[tuple[Webhook, int]]:
    """For each connector with webhooks a body of the platform that says something, and how much it says."""
    from engagement import channels
    from tests.channels.payloads import payloads

    hooked = [name for name in channels.BUILT_IN if channels.connector(name).takes_hooks]
    unknown = [name for name in hooked if name not in SIGN]
    if unknown:
        sys.exit(f"Error: it is not known how {', '.join(unknown)} sign; add them to benchmarks/_signing.py.")
    found = []
    for name in hooked:
        example = next((one for p in payloads() if p.connector == name and (one := _example(p))), None)
        if example is None:
            sys.exit(f"Error: {name} has no payload of a webhook that says something.")
        found.append(example)
    return found


def _example(payload: Any) -> tuple[Webhook, int] | None:
    from engagement.channels.base import Event

    if "error" in payload.told or payload.told.get("pulled"):
        return None
    parcels = payload.parse()
    events = [one for parcel in parcels for one in parcel.events]
    said = sum(isinstance(one, Event) for one in events) + sum(len(parcel.orders) for parcel in parcels)
    if len(parcels) != 1 or said != 1 or any(isinstance(one, Event) and not one.author for one in events):
        return None
    told = payload.told.get("account") or {}
    path = _account(
        payload.connector, {**told, **({"external_id": parcels[0].account} if parcels[0].account else {})}
    )
    return Webhook(payload.connector, path, payload.body, dict(payload.told.get("headers", {}))), said


def _account(name: str, told: dict[str, Any]) -> str:
    """Connect an account of a measurement; the path of its webhooks."""
    from accounts.models import Team
    from engagement import channels, hooks
    from engagement.models import ChannelAccount

    link = channels.connector(name)
    account = ChannelAccount(
        connector=name,
        network=told.get("network") or (link.networks or (name,))[0],
        external_id=told.get("external_id", "ours"),
        name=name,
        issuer=told.get("issuer", ""),
        settings=told.get("settings", {}),
        credentials={**CREDENTIALS, **dict.fromkeys(link.secret_fields, SECRET)},
        team=Team.general(),
    )
    account.save()
    return "/" + hooks.address_of(account).split("/", 3)[3]


def _repeat(figures: Figures, running: Installation, webhook: Webhook, expected: int) -> None:
    send = _sender(running, webhook)
    one_by_one = [send() for _ in range(REPEATED)]
    together = [one for _ in range(REPEATED // AT_ONCE) for one in _together([send] * AT_ONCE)]
    _wait_until_understood()
    name = webhook.connector
    _tell_answers(figures, f"{name}, one by one", one_by_one)
    _tell_answers(figures, f"{name}, {AT_ONCE} at once", together)
    figures.equal(f"{name}, interactions or orders", _stored(name), expected)
    figures.equal(f"{name}, bodies kept", _bodies(name), 1)
    figures.equal(f"{name}, bodies parked", _parked(name), 0)


def _stored(name: str) -> int:
    from crm.models import Order
    from engagement import channels
    from engagement.models import ChannelAccount, Interaction

    accounts = list(ChannelAccount.objects.filter(connector=name))
    sources = {channels.connector(name).order_source(account) for account in accounts}
    said = Interaction.objects.filter(account__in=accounts).count()
    return said + Order.objects.filter(source__in=sources).count()


def _bodies(name: str, **more: Any) -> int:
    from django.db.models import Q

    from engagement.models import RawEvent

    return RawEvent.objects.filter(Q(source=name) | Q(source__startswith=f"{name}:"), **more).count()


def _parked(name: str) -> int:
    return _bodies(name, state="parked")


def _wait_until_understood() -> None:
    from engagement.models import RawEvent

    waiting = RawEvent.objects.filter(state="new")
    wait_until(lambda: not waiting.exists(), seconds=300, what="an end of the bodies that wait")


# Many at once


def _bot(name: str) -> str:
    return _account("telegram", {"network": "telegram", "external_id": name, "settings": {"username": name}})


def _first_messages(figures: Figures, running: Installation, path: str) -> None:
    calls = [_sender(running, Webhook("telegram", path, private_message(n))) for n in range(FIRST_MESSAGES)]
    answers = _together(calls)
    _wait_until_understood()
    _tell_answers(figures, "50 first messages of one person at once", answers)
    _tell_one_conversation(figures, "50 first messages", "777001", FIRST_MESSAGES)


def _album(figures: Figures, running: Installation, path: str) -> None:
    answers = _together(
        [_sender(running, Webhook("telegram", path, picture_of_an_album(n))) for n in range(ALBUM)]
    )
    _wait_until_understood()
    _tell_answers(figures, "an album of ten at once", answers)
    _tell_one_conversation(figures, "album", "777002", ALBUM)


def _tell_one_conversation(figures: Figures, name: str, person: str, count: int) -> None:
    from engagement.models import Conversation, Interaction

    lines = Interaction.objects.filter(identity__external_id=person)
    talks = Conversation.objects.filter(interactions__in=lines).distinct()
    figures.equal(f"{name}, interactions", lines.count(), count)
    figures.equal(f"{name}, conversations", talks.count(), 1)
    figures.equal(f"{name}, customers", lines.values("customer").distinct().count(), 1)
    figures.equal(f"{name}, lines that the conversation counts", talks[0].count, count)


# A second


def _throughput(figures: Figures, running: Installation, count: int) -> None:
    path = _bot("fast")
    bodies = [private_message(1_000 + number) for number in range(2 * count)]
    with _held_still(running):
        seconds, answers = _flood(running, path, bodies[:count])
    _tell_answers(figures, "one web process, workers held still", answers, most=ANSWER_SECONDS)
    still = count / seconds
    figures.say("webhooks a second, workers held still", still)
    bare = _bare_inserts(bodies[:count])
    figures.say("bare inserts a second, one transaction each", bare)
    figures.at_least("webhooks to bare inserts", still / bare, BOUND_RATIO)
    _wait_until_understood()
    seconds, answers = _flood(running, path, bodies[count:])
    _tell_answers(figures, "one web process, a worker at it", answers)
    figures.say("webhooks a second, a worker at it", count / seconds)
    began = time.perf_counter()
    _wait_until_understood()
    figures.say("seconds until the last of them was understood", time.perf_counter() - began)
    figures.equal("interactions of them", _stored("telegram"), 2 * count)


@contextmanager
def _held_still(running: Installation) -> Iterator[None]:
    """Stop every worker for this block."""
    celery = [
        process
        for process in psutil.Process(running.running.pid).children(recursive=True)
        if "celery" in " ".join(process.cmdline())
    ]
    if not celery:
        sys.exit("Error: the installation runs no worker.")
    for process in celery:
        process.suspend()
    try:
        yield
    finally:
        for process in celery:
            if psutil.pid_exists(process.pid):
                process.resume()


def _flood(
    running: Installation, path: str, bodies: Sequence[bytes]
) -> tuple[float, list[tuple[int, float]]]:
    """Send all of them from a few connections that stay open; seconds, and the answers."""
    shares = [bodies[start::CLIENTS] for start in range(CLIENTS)]

    def send(share: Sequence[bytes]) -> list[tuple[int, float]]:
        line = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
        return [_post(line, running, Webhook("telegram", path, body)) for body in share]

    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = [one for found in pool.map(send, shares) for one in found]
    return time.perf_counter() - began, answers


def _bare_inserts(bodies: Sequence[bytes]) -> float:
    """The same bodies into the same table under another source, each in a transaction of its own."""
    from django.db import connection

    began = time.perf_counter()
    for number, body in enumerate(bodies):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO engagement_rawevent "
                "(source, delivery_key, month, received_at, state, headers, body) "
                "VALUES ('bare', %s, date_trunc('month', now())::date, now(), 'done', '{}', %s)",
                [f"bare{number}", body],
            )
    return len(bodies) / (time.perf_counter() - began)


# HTTP


def _sender(running: Installation, webhook: Webhook) -> Callable[[], tuple[int, float]]:
    def send() -> tuple[int, float]:
        line = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
        try:
            return _post(line, running, webhook)
        finally:
            line.close()

    return send


def _post(line: http.client.HTTPConnection, running: Installation, webhook: Webhook) -> tuple[int, float]:
    headers = webhook.signed(f"http://localhost:{running.port}")
    began = time.perf_counter()
    line.request("POST", webhook.path, webhook.body, headers)
    answer = line.getresponse()
    answer.read()
    return answer.status, time.perf_counter() - began


def _together(calls: Sequence[Callable[[], tuple[int, float]]]) -> list[tuple[int, float]]:
    barrier = threading.Barrier(len(calls))

    def one(call: Callable[[], tuple[int, float]]) -> tuple[int, float]:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def _tell_answers(
    figures: Figures, name: str, answers: Sequence[tuple[int, float]], *, most: float | None = None
) -> None:
    statuses = Counter(status for status, _ in answers)
    good = sum(n for status, n in statuses.items() if 200 <= status < 300)
    figures.equal(f"{name}, answered 2xx", good, len(answers))
    seconds = sorted(one for _, one in answers)
    figures.say(f"{name}, answers", spread(seconds))
    if most is not None:
        figures.at_most(f"{name}, p95 in seconds", seconds[int(0.95 * len(seconds))], most)


if __name__ == "__main__":
    sys.exit(main())
