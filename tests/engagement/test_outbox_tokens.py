"""Tokens that end: renewed by one worker at a time, stored before they are used, and never a lost message."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Team
from engagement import channels, outbox, replies
from engagement.channels.base import Fresh, Outgoing, Sent, TokenExpired
from engagement.models import ChannelAccount, Delivery
from tests.engagement.desk import DoubleConnector, double, general, hear, make_account, plugged

__all__ = ["double", "general"]
pytestmark = pytest.mark.django_db


class RefreshedConnector(DoubleConnector):
    """A network whose tokens end; each refresh takes the one before it, once."""

    name = "refreshed"
    refreshes = True
    good: ClassVar[list[str]] = ["token-0"]
    refreshed: ClassVar[list[str]] = []

    def refresh(self, account: ChannelAccount) -> Fresh:
        used = account.credentials["refresh_token"]
        assert used not in self.refreshed, "a refresh token works once"
        self.refreshed.append(used)
        time.sleep(0.3)
        number = len(self.refreshed)
        self.good[:] = [f"token-{number}"]
        credentials = {"access_token": f"token-{number}", "refresh_token": f"refresh-{number}"}
        return Fresh(credentials, timezone.now() + timedelta(hours=1))

    def send(self, outgoing: Outgoing) -> Sent:
        if outgoing.account.credentials["access_token"] not in self.good:
            raise TokenExpired("token expired")
        return super().send(outgoing)


@pytest.fixture(autouse=True)
def _refreshed(double: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with plugged("refreshed", "tests.engagement.test_outbox_tokens:RefreshedConnector", monkeypatch) as known:
        known.good[:] = ["token-0"]
        known.refreshed.clear()
        yield


def new_token_account(general: Team) -> ChannelAccount:
    account = make_account(general, connector="refreshed")
    account.credentials = {"access_token": "token-0", "refresh_token": "refresh-0"}
    account.save(update_fields=["credentials"])
    return account


def refreshed_by_another(general: Team, *, seconds: int) -> ChannelAccount:
    """An account whose token has ended, and which another worker renews for so long."""
    account = new_token_account(general)
    refreshed: Any = channels.connector("refreshed")
    refreshed.good[:] = []
    account.refresh_lease_until = timezone.now() + timedelta(seconds=seconds)
    account.save(update_fields=["refresh_lease_until"])
    return account


def test_a_token_that_ended_is_renewed_and_the_message_sent_once_more(general, amy, double) -> None:
    account = new_token_account(general)
    refreshed: Any = channels.connector("refreshed")
    refreshed.good[:] = []
    message = replies.reply(conversation=hear(account), by=amy, text="Hi", client_key=uuid4())
    outbox.sweep()
    assert message.deliveries.get().state == "sent"
    assert [one.text for one in double.sent] == ["Hi"]
    account.refresh_from_db()
    assert account.credentials["refresh_token"] == "refresh-1"


def test_a_token_about_to_end_is_renewed_before_it_is_used(general, amy, double) -> None:
    account = new_token_account(general)
    account.token_expires_at = timezone.now() + timedelta(minutes=1)
    account.save(update_fields=["token_expires_at"])
    replies.reply(conversation=hear(account), by=amy, text="Hi", client_key=uuid4())
    outbox.sweep()
    assert double.sent[0].account.credentials["access_token"] == "token-1"


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_refresh_once(general, amy, double) -> None:
    account = new_token_account(general)
    refreshed: Any = channels.connector("refreshed")
    refreshed.good[:] = []
    for n in range(3):
        to = hear(account, who=f"p{n}")
        replies.reply(conversation=to, by=amy, text=f"{n}", client_key=uuid4())
    ids = list(Delivery.objects.values_list("pk", flat=True))

    def work(pk: int) -> None:
        outbox.send_delivery(pk)
        connection.close()

    workers = [threading.Thread(target=work, args=(pk,)) for pk in ids]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert refreshed.refreshed == ["refresh-0"]
    assert Delivery.objects.exclude(state="sent").count() == 0
    account.refresh_from_db()
    assert account.refresh_lease_until is None


def test_a_refresher_that_was_killed_is_followed_by_the_next(general, amy, double, monkeypatch) -> None:
    monkeypatch.setattr("engagement.credentials.WAIT_SECONDS", 5.0)
    account = refreshed_by_another(general, seconds=1)
    message = replies.reply(conversation=hear(account), by=amy, text="Hi", client_key=uuid4())
    began = time.monotonic()
    outbox.sweep()
    assert 0.9 < time.monotonic() - began < 5
    assert message.deliveries.get().state == "sent"


def test_while_another_worker_refreshes_for_long_a_message_only_waits(general, amy, monkeypatch) -> None:
    monkeypatch.setattr("engagement.credentials.WAIT_SECONDS", 0.1)
    account = refreshed_by_another(general, seconds=30)
    message = replies.reply(conversation=hear(account), by=amy, text="Hi", client_key=uuid4())
    outbox.sweep()
    waiting = message.deliveries.get()
    assert (waiting.state, waiting.failure) == ("queued", "transient")


def test_the_new_token_is_stored_before_it_is_used(general, amy, double, monkeypatch) -> None:
    account = new_token_account(general)
    refreshed: Any = channels.connector("refreshed")
    refreshed.good[:] = []
    stored: list[str] = []

    def send(self: Any, outgoing: Outgoing) -> Sent:
        kept = ChannelAccount.objects.get(pk=account.pk).credentials["access_token"]
        if outgoing.account.credentials["access_token"] not in self.good:
            raise TokenExpired("expired")
        stored.append(kept)
        return Sent(outgoing.external_id)

    monkeypatch.setattr(RefreshedConnector, "send", send)
    replies.reply(conversation=hear(account), by=amy, text="Hi", client_key=uuid4())
    outbox.sweep()
    assert stored == ["token-1"]


def test_an_error_in_a_refresh_leaves_nothing_in_doubt(general, amy, monkeypatch) -> None:
    account = new_token_account(general)
    refreshed: Any = channels.connector("refreshed")
    refreshed.good[:] = []

    def broken(self: Any, account: ChannelAccount) -> Fresh:
        raise KeyError("access_token")

    monkeypatch.setattr(RefreshedConnector, "refresh", broken)
    message = replies.reply(conversation=hear(account), by=amy, text="Hi", client_key=uuid4())
    outbox.sweep()
    assert message.deliveries.get().failure == "transient"
