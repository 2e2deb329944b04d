"""A connector whose sends end as the test says, and what tests of the inbox write again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import Team
from engagement import channels, rates
from engagement.channels.base import Author, Connector, Event, Outgoing, Sent
from engagement.ingest import ingest
from engagement.models import ChannelAccount, Conversation


class DoubleConnector(Connector):
    """Keeps what it is given; `outcomes` says how each send ends, the first first, then all go well."""

    name = "double"
    label = "Double"
    networks = ("double",)
    can_reply = True
    can_start = True
    has_subject = True
    has_cc = True
    takes_files = True
    max_length = 200
    sent: ClassVar[list[Outgoing]] = []
    outcomes: ClassVar[list[Exception | Sent]] = []

    def send(self, outgoing: Outgoing) -> Sent:
        self.sent.append(outgoing)
        outcome = self.outcomes.pop(0) if self.outcomes else Sent(outgoing.external_id)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class RepeatableConnector(DoubleConnector):
    """The same on a network where a repeat under our own id is no second message."""

    name = "repeatable"
    takes_our_id = True


@contextmanager
def plugged(name: str, place: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A connector of a test, by this name and from this place, its rates unused; no worker sends."""
    monkeypatch.setitem(channels.BUILT_IN, name, place)
    monkeypatch.setattr("engagement.tasks.send_delivery.delay", lambda pk: None)
    channels.connector.cache_clear()
    for key in rates._redis().scan_iter("rapport-rate:*"):
        rates._redis().delete(key)
    yield channels.connector(name)
    channels.connector.cache_clear()


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[DoubleConnector]]:
    """The double, installed beside the real connectors."""
    place = "tests.engagement.desk"
    monkeypatch.setitem(channels.BUILT_IN, "double", f"{place}:DoubleConnector")
    monkeypatch.setitem(channels.BUILT_IN, "repeatable", f"{place}:RepeatableConnector")
    channels.connector.cache_clear()
    DoubleConnector.sent.clear()
    DoubleConnector.outcomes.clear()
    yield DoubleConnector
    channels.connector.cache_clear()


@pytest.fixture
def general(db: None) -> Team:
    """The team that always exists."""
    return Team.general()


def make_account(team: Team, *, connector: str = "double", name: str = "Care") -> ChannelAccount:
    """A connected account."""
    return ChannelAccount.objects.create(
        connector=connector, network="double", external_id=f"{name} {uuid4()}", name=name, team=team
    )


def hear(
    account: ChannelAccount,
    text: str = "It overshoots by three degrees.",
    *,
    who: str = "marisol",
    thread: str = "",
    at: datetime | None = None,
    public: bool = False,
) -> Conversation:
    """Somebody writes to us; the conversation it went into."""
    event = Event(
        external_id=str(uuid4()),
        kind="comment" if public else "message",
        direction="inbound",
        occurred_at=at or timezone.now() - timedelta(minutes=5),
        text=text,
        thread_keys=(thread or f"dm:{who}",),
        author=Author(who, handle=f"@{who}", name=who.capitalize()),
        public=public,
    )
    result = ingest(account, [event])
    return Conversation.objects.get(pk=result.conversations[0])
