"""The door for webhooks, and what becomes of a body afterwards."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2.errors
import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry, Team
from core.jobs import run_job
from crm.models import Customer
from crm.privacy.erasing import erase_customer
from engagement import channels, hooks, raw_events, tasks
from engagement.models import ChannelAccount, Interaction, RawEvent, RefusedHook
from tests.channels.hook_double import HookDouble, body_of, signed

URL = "/hooks/hookdouble/"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def doubles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, cls in (("hookdouble", "HookDouble"), ("ownhookdouble", "OwnHookDouble")):
        monkeypatch.setitem(channels.BUILT_IN, name, f"tests.channels.hook_double:{cls}")
    channels.connector.cache_clear()
    monkeypatch.setattr(hooks, "_no_queue_until", 0.0)
    monkeypatch.setattr(tasks.understand_raw_event, "delay", lambda raw_id: None)
    yield
    channels.connector.cache_clear()


def new_account(name: str, connector: str = "hookdouble", **more: Any) -> ChannelAccount:
    return ChannelAccount.objects.create(
        connector=connector, network="double", external_id=name, name=name, team=Team.general(), **more
    )


def post(client: Client, body: bytes, *, url: str = URL, signature: str | None = None, **headers: str) -> Any:
    sent = {"X-Signature": signed(body) if signature is None else signature, **headers}
    return client.post(url, body, content_type="application/json", headers=sent)


def said() -> set[str]:
    return set(Interaction.objects.values_list("external_id", flat=True))


def test_a_signed_body_is_stored_answered_and_understood(client: Client) -> None:
    new_account("one")
    assert post(client, body_of(("one", [("m1", "eva", "Hello")]))).status_code == 200
    assert said() == set()
    raw_events.sweep()
    assert said() == {"m1"}
    assert RawEvent.objects.get().state == "done"


def test_a_body_for_several_accounts_goes_to_each(client: Client) -> None:
    one, two = new_account("one"), new_account("two")
    post(client, body_of(("one", [("m1", "eva", "Hello")]), ("two", [("m1", "eva", "Hello")])))
    raw_events.sweep()
    assert set(Interaction.objects.values_list("account", flat=True)) == {one.pk, two.pk}


@pytest.mark.parametrize("signature", ["", "wrong", "0" * 64, "Größe"])
def test_a_wrong_signature_is_refused_and_nothing_stored_but_a_count(client: Client, signature: str) -> None:
    for _ in range(2):
        assert post(client, b"[]", signature=signature).status_code == 401
    assert not RawEvent.objects.exists()
    assert RefusedHook.objects.get().n == 2


def test_a_handshake_is_answered_by_get_and_by_head(client: Client) -> None:
    answer = client.get(URL, {"challenge": "1158201444"})
    assert (answer.status_code, answer.content) == (200, b"1158201444")
    assert client.head(URL, {"challenge": "1158201444"}).status_code == 200
    assert client.get(URL).status_code == 405
    assert client.put(URL, b"[]").status_code == 405
    assert not RefusedHook.objects.exists()


@pytest.mark.parametrize("body", [b"not json", b"{}", b'[{"account": "one"}]', b"\xff\xfe", b"", b"[" * 9000])
def test_a_broken_body_under_a_valid_signature_is_kept_and_seen(client: Client, body: bytes) -> None:
    assert post(client, body).status_code == 200
    raw_events.sweep()
    parked = RawEvent.objects.get(state="parked")
    assert bytes(parked.body) == body
    assert parked.error


def test_a_repeated_delivery_is_stored_once(client: Client) -> None:
    body = body_of(("one", []))
    for _ in range(3):
        assert post(client, body).status_code == 200
    assert RawEvent.objects.count() == 1
    for key in ("k1", "k1", "k" * 500, "k" * 500 + "x", "\x00k1"):
        assert post(client, body, **{"X-Delivery": key.replace("\x00", "")}).status_code == 200
    assert RawEvent.objects.count() == 4


def test_a_body_for_an_account_that_is_not_connected_is_parked_and_the_rest_goes_in(
    client: Client, ada: Any
) -> None:
    new_account("one")
    post(client, body_of(("one", [("m1", "eva", "Hello")]), ("later", [("m2", "eva", "Hello")])))
    raw_events.sweep()
    parked = RawEvent.objects.get(state="parked")
    assert "later" in parked.error
    assert said() == {"m1"}
    later = new_account("later")
    assert list(raw_events.parked_of(later)) == [parked]
    assert raw_events.replay(parked, by=ada) == ""
    assert said() == {"m1", "m2"}
    assert AuditEntry.objects.filter(verb="raw_event.replayed").count() == 1


def test_all_parked_bodies_are_tried_again_by_a_job(client: Client, ada: Any, amy: Any) -> None:
    account = new_account("one")
    for number in range(5):
        post(client, body_of(("later", [(f"m{number}", "eva", "Hello")])))
    post(client, b"never")
    raw_events.sweep()
    new_account("later")
    with pytest.raises(PermissionDenied):
        raw_events.replay_all(account, by=amy)
    done = run_job(raw_events.replay_all(account, by=ada).pk)
    assert done is not None and done.error == ""
    assert done.result == {"understood": 5, "parked": 1}
    assert said() == {f"m{number}" for number in range(5)}


def test_what_is_discarded_is_gone_and_stands_in_the_audit_trail(client: Client, ada: Any, amy: Any) -> None:
    post(client, b"never")
    raw_events.sweep()
    parked = RawEvent.objects.get()
    with pytest.raises(PermissionDenied):
        raw_events.discard(parked, by=amy)
    raw_events.discard(parked, by=ada)
    assert not RawEvent.objects.exists()
    assert AuditEntry.objects.get(verb="raw_event.discarded").detail["raw"] == parked.pk


def test_what_cannot_be_stored_is_to_be_sent_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(hooks, "keep", away)
    answer = post(client, b"[]")
    assert answer.status_code == 503
    assert answer["Retry-After"]


def test_what_is_too_large_or_packed_is_refused_with_a_reason(client: Client) -> None:
    assert post(client, b"x" * (8 * 1024 * 1024 + 1)).status_code == 413
    packed = gzip.compress(b"[]")
    answer = post(client, packed, **{"Content-Encoding": "gzip"})
    assert (answer.status_code, b"Content-Encoding" in answer.content) == (415, True)
    assert post(client, b"[]", **{"Content-Encoding": "identity"}).status_code == 200


def test_an_address_that_nobody_gave_out_answers_404(client: Client) -> None:
    own = new_account("one", "ownhookdouble", hook_key="right-key")
    assert post(client, b"[]", url="/hooks/ownhookdouble/right-key/").status_code == 200
    assert RawEvent.objects.get().account_id == own.pk
    for url in (
        "ownhookdouble/wrong-key/",
        "ownhookdouble/%00/",
        "ownhookdouble/",
        "hookdouble/right-key/",
        "no/",
    ):
        assert post(client, b"[]", url=f"/hooks/{url}").status_code == 404, url
    ChannelAccount.objects.update(is_active=False)
    assert post(client, b"[]", url="/hooks/ownhookdouble/right-key/").status_code == 404


def test_one_statement_stores_a_webhook_of_an_app(client: Client) -> None:
    post(client, b"[]")
    with CaptureQueriesContext(connection) as seen:
        post(client, b"[1]")
    statements = [one["sql"] for one in seen if "SAVEPOINT" not in one["sql"]]
    assert len(statements) == 1, statements
    assert "INSERT INTO engagement_rawevent" in statements[0]


def test_a_queue_that_is_away_is_asked_once_and_then_left_alone(
    client: Client, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    asked = []

    def away(raw_id: int) -> None:
        asked.append(raw_id)
        raise ConnectionError

    monkeypatch.setattr(tasks.understand_raw_event, "delay", away)
    for number in range(3):
        with django_capture_on_commit_callbacks(execute=True):
            assert post(client, json.dumps([number]).encode()).status_code == 200
    assert len(asked) == 1
    assert RawEvent.objects.count() == 3


def test_a_header_that_is_kept_is_kept_clean(client: Client) -> None:
    post(client, b"[]", **{"X-Topic": "orders/paid" + "x" * 5000, "X-Other": "no"})
    assert list(RawEvent.objects.get().headers) == ["x-topic"]
    assert len(RawEvent.objects.get().headers["x-topic"]) == 2000


def test_an_erased_person_is_gone_from_bodies_that_came_to_the_address_of_an_app(
    client: Client, ada: Any
) -> None:
    """However short the handle is, and whether others speak in the same body."""
    new_account("one")
    post(client, body_of(("one", [("m1", "e1", "Only me")])))
    post(client, body_of(("one", [("m2", "e1", "Me"), ("m3", "ben", "and Ben")])))
    post(client, body_of(("one", [("m4", "ben", "Only Ben")])))
    post(client, body_of(("one", [("m5", "e1", "Me again")]), ("nobody", [])))
    raw_events.sweep()
    assert set(RawEvent.objects.values_list("state", flat=True)) == {"done", "parked"}
    erase_customer(customer=Customer.objects.get(identities__external_id="e1"), by=ada)
    (left,) = RawEvent.objects.all()
    assert b"Only Ben" in bytes(left.body)
    assert said() == {"m3", "m4"}


# When the database is in trouble


class Trouble(HookDouble):
    name = "hookdouble"
    left = 0
    error: Any = None

    def parse(self, raw: Any) -> Any:
        if Trouble.left:
            Trouble.left -= 1
            raise OperationalError("deadlock detected") from psycopg2.errors.DeadlockDetected()
        return super().parse(raw)


@pytest.mark.parametrize(("times", "states"), [(1, ["new", "done"]), (3, ["new", "new", "new", "done"])])
def test_the_databases_troubles_park_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch, times: int, states: list[str]
) -> None:
    new_account("one")
    post(client, body_of(("one", [("m1", "eva", "Hello")])))
    monkeypatch.setattr(raw_events, "connector", lambda name: Trouble())
    Trouble.left = times
    for state in states:
        raw_events.sweep()
        assert RawEvent.objects.get().state == state
    assert said() == {"m1"}


def test_a_body_that_breaks_off_again_and_again_is_parked(client: Client) -> None:
    new_account("one")
    post(client, body_of(("one", [("m1", "eva", "Hello")])))
    RawEvent.objects.update(attempts=raw_events.MOST_ATTEMPTS)
    raw_events.sweep()
    assert RawEvent.objects.get().state == "parked"
    assert "broke off" in RawEvent.objects.get().error


@pytest.mark.django_db(transaction=True)
def test_two_workers_understand_each_body_once(client: Client) -> None:
    account = new_account("one")
    for number in range(40):
        post(client, body_of(("one", [(f"m{number}", f"p{number % 5}", "Hello")])))

    def work() -> None:
        try:
            for raw_id in RawEvent.objects.order_by("id").values_list("pk", flat=True):
                raw_events.understand_one(raw_id)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    account.refresh_from_db()
    assert (account.received, account.stored, account.repeated, account.parked) == (40, 40, 0, 0)
    assert set(RawEvent.objects.values_list("state", flat=True)) == {"done"}


def test_a_webhook_is_answered_well_within_its_time(client: Client) -> None:
    post(client, b"[]")
    seconds = []
    for number in range(50):
        began = time.perf_counter()
        post(client, json.dumps([number]).encode())
        seconds.append(time.perf_counter() - began)
    assert sorted(seconds)[45] < 0.2
