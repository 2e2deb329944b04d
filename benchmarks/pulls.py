"""How fast accounts are pulled, and what becomes of one whose platform was away for an hour.

First one account is pulled over HTTP by pages of 500, and after each slice the very rows that it stored are
inserted once more under another account by bare multi-row inserts, so that both meet the same table at the
same time. Then a platform is down for an hour of a clock that is moved, while others go on; it comes back
full of events, and all of them must come in, in their order, within its allowance. At last, in real time and
with as many threads as the worker has, some accounts are asked every second while one platform hangs and
another is full: nobody else may be asked later for that.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import _talk
from benchmarks._figures import Figures, is_small, migrated_django, say_machine, spread

if TYPE_CHECKING:
    from benchmarks._far import Far

PAGE = 500
SLICE = 2_500
FULL, SMALL = 50_000, 5_000
BOUND = 0.08
BACKLOG = 5_000
PEOPLE = 400
OTHERS = 6
HOUR = timedelta(hours=1)
TICK = timedelta(seconds=10)
PULLS_A_MINUTE = 15
BACKLOG_PAGE = 100
CALM_SECONDS, BUSY_SECONDS = 15.0, 30.0
DELAY_SECONDS = 1.0


def main() -> int:
    """Measure and return the exit code."""
    figures = Figures()
    texts = _talk.care_texts()
    say_machine(figures)
    with tempfile.TemporaryDirectory(prefix="rapport-far-") as folder:
        sys.path.insert(0, folder)
        from benchmarks._far import install

        install(Path(folder))
        with migrated_django():
            _speed(figures, texts)
            _outage(figures, texts)
            _beside_each_other(figures, texts)
    return figures.exit_code()


@contextmanager
def _far(events: dict[str, list[dict[str, Any]]], **more: Any) -> Iterator[Far]:
    """Run the platform for this block, and let the connectors find it."""
    from django.conf import settings

    from benchmarks._far import NAMES, Far

    with Far(events, **more) as far:
        settings.CHANNEL_URLS = dict.fromkeys(NAMES, far.url)
        yield far


# How fast


def _speed(figures: Figures, texts: Sequence[str]) -> None:
    from benchmarks._far import event_of, new_account
    from benchmarks.ingest import COPIED, _insert
    from engagement import pulls
    from engagement.models import Interaction

    count = SMALL if is_small() else FULL
    events = [event_of(n, texts, PEOPLE) for n in range(count)]
    pulled, bare = [], []
    with _far({"speed": []}, page=PAGE) as far:
        account, twin = new_account("keyed", "speed"), new_account("keyed", "speed-bare")
        for upto in range(SLICE, count + 1, SLICE):
            far.events = {"speed": events[:upto]}
            began = time.perf_counter()
            while pulls.pull_account(account.pk).more:
                pass
            pulled.append(time.perf_counter() - began)
            ids = [one["id"] for one in events[upto - SLICE : upto]]
            stored = Interaction.objects.filter(account=account, external_id__in=ids).order_by("id")
            rows = [(twin.pk, *row) for row in stored.values_list(*COPIED)]
            began = time.perf_counter()
            for start in range(0, len(rows), PAGE):
                _insert(rows[start : start + PAGE])
            bare.append(time.perf_counter() - began)
    figures.say("events pulled", count)
    figures.equal("events stored", Interaction.objects.filter(account=account).count(), count)
    figures.say("pulled over HTTP, events a second", count / sum(pulled))
    figures.say(f"slices of {SLICE:,}", spread(pulled))
    figures.say("bare insert, rows a second", count / sum(bare))
    figures.at_least("ratio to bare insert", sum(bare) / sum(pulled), BOUND)


# An outage


def _outage(figures: Figures, texts: Sequence[str]) -> None:
    import time_machine

    from benchmarks._far import Keyed, event_of, new_account
    from engagement.channels import connector
    from engagement.channels.base import Rate

    names = [f"beside-{n}" for n in range(OTHERS)]
    events = {name: [event_of(n, texts, PEOPLE, prefix=name) for n in range(60)] for name in names}
    backlog = [event_of(n, texts, PEOPLE, prefix="back") for n in range(BACKLOG)]
    limited = connector("readable")
    limited.rates = (Rate("pull", PULLS_A_MINUTE, 60.0),)  # type: ignore[misc]
    with (
        _far({**events, "away": backlog}, page=BACKLOG_PAGE) as far,
        time_machine.travel(datetime(2026, 3, 2, 9, tzinfo=UTC)) as clock,
    ):
        far.down = {"away"}
        away = new_account("readable", "away")
        others = [new_account(Keyed.name, name) for name in names]
        tried = _pass_an_hour(clock, far, others)
        figures.say("outage: times that the platform was asked in an hour of being away", tried)
        figures.at_most("outage: of these in the last half", far.refused_late, 12)
        far.down = set()
        _let_it_come_back(figures, clock, far, away.pk)
    limited.rates = ()  # type: ignore[misc]


def _pass_an_hour(clock: Any, far: Far, others: list[Any]) -> int:
    """Go on by ten seconds at a time, as beat does; the others have something new all the time."""
    from engagement import pulls
    from engagement.models import ChannelAccount

    whole, ticks = dict(far.events), int(HOUR / TICK)
    for tick in range(ticks):
        if tick == ticks // 2:
            far.refused_late = 0
        for account in others:
            far.events = {**far.events, account.name: whole[account.name][: tick % 60 + 1]}
        _sweep(pulls)
        clock.shift(TICK)
    behind = ChannelAccount.objects.filter(pk__in=[one.pk for one in others], failures__gt=0)
    if behind.exists():
        sys.exit("Error: an account whose platform was there has failed.")
    return far.refused


def _sweep(pulls: Any) -> None:
    from django.utils import timezone

    for account_id in pulls.due_accounts(timezone.now()):
        while True:
            pulled = pulls.pull_account(account_id)
            if not pulled.more or pulled.wait or pulled.failure:
                break


def _let_it_come_back(figures: Figures, clock: Any, far: Far, away: int) -> None:
    from django.utils import timezone

    from engagement import pulls
    from engagement.models import ChannelAccount, Interaction

    far.asked_at.clear()
    began = timezone.now()
    stored = Interaction.objects.filter(account_id=away)
    while stored.count() < BACKLOG and timezone.now() - began < HOUR:
        _sweep(pulls)
        clock.shift(TICK)
    ids = list(stored.order_by("pk").values_list("external_id", flat=True))
    account = ChannelAccount.objects.get(pk=away)
    figures.equal("outage: events in", len(ids), BACKLOG)
    figures.equal("outage: in their order", ids == [one["id"] for one in far.events["away"]], True)
    figures.equal("outage: health afterwards", str(account.health), "healthy")
    minutes = (timezone.now() - began).total_seconds() / 60
    asked = far.asked_at["away"]
    figures.say("outage: minutes of the moved clock until all were in", minutes)
    # A full bucket may be spent at once and refills meanwhile.
    figures.at_most("outage: pages in any one minute", _most_in_a_minute(asked), 2 * PULLS_A_MINUTE)
    figures.at_most("outage: pages a minute in all", (len(asked) - PULLS_A_MINUTE) / minutes, PULLS_A_MINUTE)


def _most_in_a_minute(moments: Sequence[float]) -> int:
    return max(sum(first <= one < first + 60 for one in moments) for first in moments)


# Beside each other


def _beside_each_other(figures: Figures, texts: Sequence[str]) -> None:
    from django.conf import settings

    from benchmarks._far import event_of, new_account
    from engagement.models import ChannelAccount

    ChannelAccount.objects.update(is_active=False)
    names = [f"calm-{n}" for n in range(OTHERS)]
    events = {name: [event_of(n, texts, PEOPLE, prefix=name) for n in range(20)] for name in names}
    events["full"] = [event_of(n, texts, PEOPLE, prefix="full") for n in range(BACKLOG * 4)]
    with _far({**events, "hangs": []}, page=BACKLOG_PAGE) as far:
        far.hangs = {"hangs": 5.0}
        others = [new_account("keyed", name) for name in names]
        with ThreadPoolExecutor(settings.CHANNEL_THREADS) as pool:
            calm = _delays(pool, {one.pk for one in others}, CALM_SECONDS)
            hanging = [new_account("neither", "hangs"), new_account("readable", "full")]
            busy = _delays(pool, {one.pk for one in others}, BUSY_SECONDS)
            ChannelAccount.objects.filter(pk__in=[one.pk for one in hanging]).update(is_active=False)
    figures.say("beside: late by themselves", spread(calm))
    figures.say("beside one that hangs and one that is full", spread(busy))
    figures.at_most("beside: delayed by them, seconds", max(busy) - max(calm), DELAY_SECONDS)


def _delays(pool: ThreadPoolExecutor, watched: set[int], seconds: float) -> list[float]:
    """Pull what is due for so long; how much later than due each of the watched was taken up."""
    from django.utils import timezone

    from engagement import pulls
    from engagement.models import ChannelAccount

    late: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        now = timezone.now()
        due = dict(ChannelAccount.objects.filter(pk__in=watched).values_list("pk", "next_pull_at"))
        for account_id in pulls.due_accounts(now):
            pool.submit(_pull, account_id, due.get(account_id), late)
        time.sleep(0.05)
    return late


def _pull(account_id: int, due: datetime | None, late: list[float]) -> None:
    from django.db import connection
    from django.utils import timezone

    from engagement import pulls

    if due is not None:
        late.append((timezone.now() - due).total_seconds())
    try:
        for _turn in itertools.count():
            pulled = pulls.pull_account(account_id)
            if not pulled.more or pulled.failure or pulled.wait:
                break
    finally:
        connection.close()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    sys.exit(main())
