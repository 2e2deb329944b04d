"""The demo shop's surveys: after some private talks it asks how it went, and some people answer.

Whether somebody answers is a habit of the person and of nothing else. Everything is drawn from streams of
their own, so that the rest of the demo does not move by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from analytics.demo.generator import Interaction

ASKED: Final = 0.7
"""Part of the private talks that were answered in writing after which the shop asks."""
WILLING: Final = (0.6, 1.1)
"""Beta parameters of the chance that a person answers: many never do, and some always."""
QUESTION: Final = "How likely are you to recommend us to a friend, from 0 to 10? One number is enough."
SCORES: Final = ((10, 24), (9, 27), (8, 19), (7, 11), (6, 6), (5, 5), (4, 3), (3, 2), (2, 1), (1, 1), (0, 1))


def surveys(seed: int, talks: Sequence[Interaction], now: datetime) -> list[Interaction]:
    """Invitations and answers that follow on the talks, up to now."""
    found: list[Interaction] = []
    for talk in talks:
        if talk.direction != "outbound" or talk.public or talk.kind != "message":
            continue
        chance = Random(f"{seed} survey {talk.external_id}")
        at = talk.occurred_at + timedelta(hours=chance.uniform(20, 30))
        if chance.random() >= ASKED or at > now:
            continue
        asked = _asked(talk, at)
        found.append(asked)
        willing = Random(f"{seed} willing {talk.person}").betavariate(*WILLING)
        answered_at = at + timedelta(hours=min(chance.expovariate(1 / 20), 200))
        if chance.random() < willing and answered_at <= now:
            score = chance.choices([value for value, _n in SCORES], [n for _value, n in SCORES])[0]
            found.append(_answered(asked, answered_at, score))
    return sorted(found, key=lambda row: (row.occurred_at, row.external_id))


def _asked(talk: Interaction, at: datetime) -> Interaction:
    mine = f"{talk.external_id}-s"
    return replace(talk, external_id=mine, kind="survey", occurred_at=at, text=QUESTION)


def _answered(asked: Interaction, at: datetime, score: int) -> Interaction:
    return replace(
        asked,
        external_id=f"{asked.external_id}-r",
        direction="inbound",
        occurred_at=at,
        text=str(score),
        in_reply_to=asked.external_id,
        rating=score,
        staff="",
    )
