"""Whether everything that was received is accounted for: rows and counters against the raw table.

Ten thousand messages of a few accounts, several in one body; a fifth of them comes again in another body, all
of it shuffled, and some a week late. Two threads understand the bodies at once, as two workers do. What the
database holds afterwards is compared with what pandas computes from a COPY of the raw table: the exact set of
messages, each account's counters, and each conversation's owner, count, and times. In a database of its own.
"""

from __future__ import annotations

import io
import json
import random
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from benchmarks._figures import Figures, is_small, migrated_django, say_machine

if TYPE_CHECKING:
    import pandas as pd

SEED = 20261122
FULL, SMALL = 10_000, 2_000
ACCOUNTS, PEOPLE, IN_ONE_BODY = 3, 900, 4
REPEATED, LATE = 5, 20
"""One of so many comes again; one of so many is a week older than the others of its body."""
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
NAME = "hookdouble"


def main() -> int:
    """Measure and return the exit code."""
    figures = Figures()
    say_machine(figures)
    with migrated_django():
        _connect()
        count = SMALL if is_small() else FULL
        bodies = _bodies(count)
        _receive(bodies)
        began = time.perf_counter()
        _understand()
        figures.say("messages understood a second, two threads", count / (time.perf_counter() - began))
        raw = _copied()
        figures.equal(
            "messages in the raw table, repeated ones among them", len(raw), count + count // REPEATED
        )
        _hold_rows(figures, raw, count)
        _hold_accounts(figures, raw)
        _hold_conversations(figures, raw)
    return figures.exit_code()


# What comes


def _connect() -> None:
    from accounts.models import Team
    from engagement import channels
    from engagement.models import ChannelAccount

    channels.BUILT_IN[NAME] = "tests.channels.hook_double:HookDouble"
    for number in range(ACCOUNTS):
        ChannelAccount.objects.create(
            connector=NAME,
            network="double",
            external_id=f"account{number}",
            name=f"Account {number}",
            team=Team.general(),
        )


def _bodies(count: int) -> list[bytes]:
    """All messages and the repeated ones, shuffled, a few in a body."""
    drawn = random.Random(SEED)
    said = [_message(number, drawn) for number in range(count)]
    said += [said[number] for number in range(0, count, REPEATED)]
    drawn.shuffle(said)
    packs = [said[start : start + IN_ONE_BODY] for start in range(0, len(said), IN_ONE_BODY)]
    return [
        json.dumps([{"account": account, "says": [line]} for account, line in pack]).encode()
        for pack in packs
    ]


def _message(number: int, drawn: random.Random) -> tuple[str, list[str]]:
    when = START + timedelta(seconds=37 * number)
    if number % LATE == 0:
        when -= timedelta(days=7)
    account = f"account{drawn.randrange(ACCOUNTS)}"
    return account, [f"m{number}", f"p{drawn.randrange(PEOPLE)}", f"Message {number}", when.isoformat()]


def _receive(bodies: list[bytes]) -> None:
    from engagement import channels, hooks, tasks
    from engagement.channels.base import Hook

    tasks.understand_raw_event.delay = lambda raw_id: None  # type: ignore[method-assign]
    link = channels.connector(NAME)
    for body in bodies:
        hooks.keep(link, Hook("POST", "https://ours.example/", {}, {}, body), None)


def _understand() -> None:
    """Two threads, each in an order of its own, so that they meet on the same people all the time."""
    from django.db import connection

    from engagement import raw_events
    from engagement.models import RawEvent

    ids = list(RawEvent.objects.values_list("pk", flat=True))

    def work(seed: int) -> None:
        mine = random.Random(seed).sample(ids, len(ids))
        for raw_id in mine:
            raw_events.understand_one(raw_id)
        connection.close()

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    # what a deadlock left to the sweep
    while raw_events.sweep():
        pass


# What must be there


def _copied() -> pd.DataFrame:
    """Every message of every body that stands in the raw table, in the order of the bodies."""
    import pandas as pd
    from django.db import connection

    out = io.StringIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(
            "COPY (SELECT id, state, convert_from(body, 'UTF8') AS body FROM engagement_rawevent "
            "ORDER BY id) TO STDOUT WITH CSV HEADER",
            out,
        )
    out.seek(0)
    table = pd.read_csv(out)
    if set(table["state"]) != {"done"}:
        sys.exit(f"Error: bodies are left in the states {set(table['state'])}.")
    said = table["body"].map(json.loads).explode()
    lines = [(one["account"], *line) for one in said for line in one["says"]]
    found = pd.DataFrame(lines, columns=["account", "message", "person", "text", "at"])
    found["at"] = pd.to_datetime(found["at"], utc=True)
    return found


def _hold_rows(figures: Figures, raw: pd.DataFrame, count: int) -> None:
    from engagement.models import Interaction

    expected = set(raw[["account", "message", "person", "text"]].itertuples(index=False, name=None))
    found = list(
        Interaction.objects.values_list(
            "account__external_id", "external_id", "identity__external_id", "text"
        )
    )
    figures.equal("different messages sent", len(expected), count)
    figures.equal("rows stored", len(found), count)
    figures.equal("the set of rows is the set of messages", set(found) == expected, True)


def _hold_accounts(figures: Figures, raw: pd.DataFrame) -> None:
    from engagement.models import ChannelAccount

    received = raw.groupby("account").size()
    stored = raw.drop_duplicates(["account", "message"]).groupby("account").size()
    for account in ChannelAccount.objects.order_by("external_id"):
        name = account.external_id
        expected = (int(received[name]), int(stored[name]), int(received[name] - stored[name]), 0)
        found = (account.received, account.stored, account.repeated, account.parked)
        figures.equal(f"{name}: received, stored, repeated, parked", found, expected)


def _hold_conversations(figures: Figures, raw: pd.DataFrame) -> None:
    from engagement.models import Conversation

    once = raw.drop_duplicates(["account", "message"]).sort_values(["at", "message"])
    grouped = once.groupby(["account", "person"]).agg(
        n=("message", "size"), first=("at", "min"), last=("at", "max"), words=("text", "last")
    )
    expected = {key: (row.n, row.first, row.last, row.words) for key, row in _rows(grouped)}
    found = {
        (row[0], row[1]): (row[2], row[3], row[4], row[5])
        for row in Conversation.objects.values_list(
            "account__external_id", "identity__external_id", "count", "first_at", "last_at", "last_text"
        )
    }
    figures.equal("conversations", len(found), len(expected))
    differ = sum(found.get(key) != value for key, value in expected.items())
    figures.equal("conversations that differ in count, first, last or last words", differ, 0)
    days = once["at"].dt.date.nunique()
    figures.say("days that they span", int(days))
    _hold_days(figures, once)


def _rows(grouped: pd.DataFrame) -> list[tuple[Any, Any]]:
    return [(row.Index, row) for row in grouped.itertuples()]


def _hold_days(figures: Figures, once: pd.DataFrame) -> None:
    """Every local day on which something was said is marked for the rollups, late ones too."""
    from core.models import Workspace
    from engagement.models import DirtyDay

    local = once["at"].dt.tz_convert(Workspace.current().zone).dt.date
    expected = set(zip(once["account"], local, strict=True))
    from engagement.models import ChannelAccount

    names = dict(ChannelAccount.objects.values_list("pk", "external_id"))
    marked = {(names[row.account_id], row.day) for row in DirtyDay.objects.all()}
    figures.equal("days marked for the rollups are the days of the messages", marked == expected, True)


if __name__ == "__main__":
    sys.exit(main())
