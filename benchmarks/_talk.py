"""Made-up traffic with real words: the texts of the care sample, spoken by made-up people.

About one conversation in four events and one customer in seven, in order of time. The same seed gives the
same events on every machine.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

SEED = 20_261_122
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
YEAR_SECONDS = 365 * 24 * 3600
EVENTS_A_CONVERSATION = 4
EVENTS_A_CUSTOMER = 7
OUTBOUND_SHARE = 0.45
OPEN_AT_ONCE = 60


@dataclass(frozen=True)
class Line:
    """One event, before anybody gives it a shape."""

    number: int
    conversation: int
    customer: int
    direction: str
    text: str
    occurred_at: datetime
    answers: int | None
    """The number of the line that it answers."""

    @property
    def external_id(self) -> str:
        return f"e{self.number:07d}"


@dataclass
class _Open:
    number: int
    customer: int
    last: int


def care_texts() -> list[str]:
    """Return the texts of the care sample in its order; ends the program where there is no sample."""
    folder = os.environ.get("RAPPORT_SAMPLES", "")
    path = Path(folder) / "data" / "care-interactions.jsonl"
    if not folder or not path.is_file():
        sys.exit("Error: this measurement needs data/care-interactions.jsonl: set RAPPORT_SAMPLES.")
    with path.open(encoding="utf-8") as lines:
        return [str(json.loads(line)["text"]) for line in lines if line.strip()]


def talk(count: int, texts: list[str], *, seed: int = SEED) -> Iterator[Line]:
    """Yield `count` events in order of time."""
    chance = random.Random(seed)
    running: list[_Open] = []
    conversations = customers = 0
    for number in range(count):
        occurred_at = BEGIN + timedelta(seconds=YEAR_SECONDS * number / count + chance.random())
        begins = not running or chance.random() < 1 / EVENTS_A_CONVERSATION
        if begins:
            is_new = not customers or chance.random() < EVENTS_A_CONVERSATION / EVENTS_A_CUSTOMER
            customer = customers if is_new else chance.randrange(customers)
            customers += is_new
            one = _Open(conversations, customer, number)
            conversations += 1
            running = [*running[-OPEN_AT_ONCE + 1 :], one]
        else:
            one = chance.choice(running)
        outbound = not begins and chance.random() < OUTBOUND_SHARE
        yield Line(
            number=number,
            conversation=one.number,
            customer=one.customer,
            direction="outbound" if outbound else "inbound",
            text=texts[number % len(texts)],
            occurred_at=occurred_at,
            answers=None if begins else one.last,
        )
        one.last = number
