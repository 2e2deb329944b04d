"""Fifty first messages of one new person at once, and paging over equal times and NULLs, over HTTP.

Runs a whole installation with two web processes and two workers. The messages come in through the web chat
(one browser with one token) and through the REST API (one identity, one thread), each from fifty connections
that start together.
"""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from benchmarks._figures import Figures, is_small, say_machine, spread
from benchmarks._installation import Answer, Installation, installation, new_key, use

AT_ONCE = 50
FULL, SMALL = 5_000, 1_200
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SHOP = "https://shop.example"
ROUNDS = 3


def main() -> int:
    """Measure and return the exit code."""
    figures = Figures()
    say_machine(figures)
    with installation(WEB_PROCESSES="2", WORKER_PROCESSES="2", API_RATE="100000/min") as running:
        use(running.database_url, running)
        token = new_key()
        figures.equal("web processes", _serving(running), 2)
        for number in range(ROUNDS):
            _chat(figures, running, number)
            _api(figures, running, token, number)
        _paging(figures, running, token, SMALL if is_small() else FULL)
    return figures.exit_code()


def _serving(running: Installation) -> int:
    """Count the processes of web that hold a connection to the database, when all are busy."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: running.call("GET", "/healthz"), range(4 * AT_ONCE)))
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT application_name) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE 'rapport web %'"
        )
        return int(cursor.fetchone()[0])


def _together(calls: list[Callable[[], Answer]]) -> tuple[list[Answer], list[float]]:
    """Make all calls at the same moment; answers and seconds."""
    barrier = threading.Barrier(len(calls))

    def one(call: Callable[[], Answer]) -> tuple[Answer, float]:
        barrier.wait()
        began = time.perf_counter()
        return call(), time.perf_counter() - began

    with ThreadPoolExecutor(len(calls)) as pool:
        found = list(pool.map(one, calls))
    return [answer for answer, _ in found], [seconds for _, seconds in found]


def _chat(figures: Figures, running: Installation, number: int) -> None:
    from accounts.models import Team
    from engagement.channels import connector
    from engagement.models import ChannelAccount

    site = ChannelAccount(name=f"Site {number}", team=Team.general())
    connector("webchat").fill_account(
        site, {"allowed_origins": [SHOP], "greeting": "Hello", "color": "#0b6a80"}
    )
    site.save()
    base = f"/chat/{site.external_id}"
    token = running.call("POST", f"{base}/sessions", {}, Origin=SHOP).body["token"]

    def say(line: int) -> Callable[[], Answer]:
        body = {"id": str(uuid.uuid4()), "text": f"Message {line}: where is my order?"}
        return lambda: running.call(
            "POST", f"{base}/messages", body, Origin=SHOP, Authorization=f"Bearer {token}"
        )

    answers, seconds = _together([say(line) for line in range(AT_ONCE)])
    _tell(figures, f"web chat, round {number + 1}", site.pk, answers, seconds, created=201)


def _api(figures: Figures, running: Installation, token: str, number: int) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    made = running.call(
        "POST",
        "/api/v1/channel-accounts/",
        {"network": "shop", "external_id": f"push{number}", "name": f"Push {number}"},
        **headers,
    )
    account = made.body["id"]

    def push(line: int) -> Callable[[], Answer]:
        body = {
            "account": account,
            "external_id": f"m{line}",
            "thread_id": "t1",
            "kind": "message",
            "direction": "inbound",
            "occurred_at": MOMENT.isoformat(),
            "author": {"external_id": f"person{number}", "handle": "person"},
            "text": f"Message {line}: where is my order?",
        }
        return lambda: running.call("POST", "/api/v1/interactions/", body, **headers)

    answers, seconds = _together([push(line) for line in range(AT_ONCE)])
    _tell(figures, f"API, round {number + 1}", account, answers, seconds, created=201)


def _tell(
    figures: Figures, name: str, account: int, answers: list[Answer], seconds: list[float], *, created: int
) -> None:
    """What the database holds afterwards of this one person."""
    from crm.models import Customer
    from engagement.models import Conversation, Interaction

    said = Interaction.objects.filter(account=account)
    statuses = Counter(answer.status for answer in answers)
    if set(statuses) != {created}:
        wrong = next(answer for answer in answers if answer.status != created)
        print(f"{name}: answered {wrong.status}: {str(wrong.body)[:300]}", file=sys.stderr)
    figures.equal(f"{name}, answered {created}", statuses[created], AT_ONCE)
    figures.equal(f"{name}, interactions", said.count(), AT_ONCE)
    figures.equal(f"{name}, conversations", Conversation.objects.filter(account=account).count(), 1)
    owners = set(said.values_list("customer_id", flat=True))
    figures.equal(f"{name}, customers", len(owners), 1)
    left = Customer.objects.filter(identities__isnull=True).count()
    figures.equal(f"{name}, customers without an identity", left, 0)
    counted = Conversation.objects.filter(account=account).values_list("count", flat=True).first()
    figures.equal(f"{name}, lines that the conversation counts", counted, AT_ONCE)
    figures.say(f"{name}, answers", spread(seconds))


def _paging(figures: Figures, running: Installation, token: str, count: int) -> None:
    """Rows with one moment, then rows with none, each list in both directions."""
    headers = {"Authorization": f"Bearer {token}"}
    account = _same_moment(count)
    expected = _ids_of_nulls(count)
    for path, query, ids in (
        ("interactions", {"account": account, "sort": "occurred"}, None),
        ("interactions", {"account": account, "sort": "-occurred"}, None),
        ("customers", {"sort": "last_seen", "network": "nulls"}, expected),
        ("customers", {"sort": "-last_seen", "network": "nulls"}, expected),
        ("conversations", {"account": account, "sort": "-last"}, None),
        ("conversations", {"account": account, "sort": "due"}, None),
    ):
        for limit in (7 if is_small() else 50, 500):
            seen, pages = _walk(running, f"/api/v1/{path}/", {**query, "limit": limit}, headers)
            name = f"{path} by {query['sort']}, pages of {limit}"
            figures.equal(f"{name}: rows", len(seen), count)
            figures.equal(f"{name}: different rows", len(set(seen)), count)
            if ids is not None:
                figures.equal(f"{name}: the rows that are there", set(seen) == ids, True)
            figures.say(f"{name}: pages", pages)


def _walk(
    running: Installation, path: str, query: dict[str, Any], headers: dict[str, str]
) -> tuple[list[int], int]:
    seen: list[int] = []
    pages = 0
    address: str | None = f"{path}?{urlencode(query)}"
    while address and pages < 2_000:
        answer = running.call("GET", address, **headers)
        if answer.status != 200:
            sys.exit(f"Error: {address} answered {answer.status}: {answer.body}")
        seen += [row["id"] for row in answer.body["results"]]
        pages += 1
        address = answer.body["next"]
        if address and address.startswith("http"):
            address = "/" + address.split("/", 3)[3]
    return seen, pages


def _same_moment(count: int) -> int:
    """Interactions of one moment, each in a conversation of its own; half of them wait for no answer."""
    from accounts.models import Team
    from engagement.channels.base import Author, Event
    from engagement.ingest import ingest
    from engagement.models import ChannelAccount

    account = ChannelAccount.objects.create(
        connector="api", network="moment", external_id="m", name="One moment", team=Team.general()
    )
    events = [
        Event(
            external_id=f"m{number}",
            kind="message",
            direction="inbound",
            occurred_at=MOMENT,
            text="At the same moment",
            thread_keys=(f"t{number}",),
            author=Author(external_id=f"p{number}"),
            is_automatic=number % 2 == 0,
        )
        for number in range(count)
    ]
    for start in range(0, count, 500):
        ingest(account, events[start : start + 500], read_text=False)
    return account.pk


def _ids_of_nulls(count: int) -> set[int]:
    """Customers of whom half were never seen and half at one moment."""
    from crm.models import Customer, Identity

    made = Customer.objects.bulk_create(
        [Customer(name=f"N{number}", last_seen_at=MOMENT if number % 2 else None) for number in range(count)]
    )
    Identity.objects.bulk_create(
        [Identity(network="nulls", external_id=f"n{one.pk}", customer=one, home_customer=one) for one in made]
    )
    return {one.pk for one in made}


if __name__ == "__main__":
    sys.exit(main())
