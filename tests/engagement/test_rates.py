"""What a platform allows: token buckets, what its answers say of them, and gates that it shuts."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from accounts.models import Team
from core import quick_redis
from core.http import Answer, RateLimit
from engagement import channels, rates
from engagement.channels import calling
from engagement.channels.base import Rate
from engagement.models import ChannelAccount
from tests.channels.platform import Call, Platform, route
from tests.engagement.desk import DoubleConnector, double, make_account

__all__ = ["double"]


class RatedConnector(DoubleConnector):
    """Three sends in half a minute from an account, twenty of all accounts, one to a person."""

    name = "rated"
    rates = (
        Rate("send", 3, 30.0),
        Rate("send", 20, 60.0, per="app"),
        Rate("send", 1, 6.0, per="person"),
        Rate("pull", 10, 60.0),
    )


class Chatty(Platform):
    """Says what is left of its allowance in each answer."""

    @route("GET", "/things")
    def things(self, call: Call) -> tuple[int, object]:
        return 200, {"things": []}


@pytest.fixture(autouse=True)
def rated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(channels.BUILT_IN, "rated", "tests.engagement.test_rates:RatedConnector")
    channels.connector.cache_clear()
    for key in rates._redis().scan_iter("rapport-rate:rated:*"):
        rates._redis().delete(key)
    yield
    channels.connector.cache_clear()


@pytest.fixture
def account(db: None) -> ChannelAccount:
    return make_account(Team.general(), connector="rated")


def send(account: ChannelAccount, person: str = "") -> float:
    return rates.take(account, "send", person=person)


def test_an_account_may_send_so_many_and_then_waits_for_one_token(account) -> None:
    assert [send(account) for _turn in range(3)] == [0, 0, 0]
    assert 9 < send(account) <= 10


def test_a_token_comes_back_with_time(account, time_machine) -> None:
    time_machine.move_to("2026-11-22T10:00:00Z", tick=False)
    for _turn in range(3):
        send(account)
    time_machine.shift(10)
    assert send(account) == 0
    assert send(account) > 0


def test_what_one_bucket_refuses_takes_no_token_of_the_others(account) -> None:
    assert send(account, "eva") == 0
    assert rates.ask(account, "send", person="eva").is_person
    assert [send(account, name) for name in ("bob", "carl")] == [0, 0]
    told = rates.ask(account, "send", person="dora")
    assert told and not told.is_person


def test_nobody_is_named_in_a_key(account) -> None:
    send(account, "+4917612345678")
    keys = list(rates._redis().scan_iter("rapport-rate:rated:*"))
    assert len(keys) == 3 and not any("4917612345678" in key for key in keys)


def test_another_account_of_the_app_shares_only_what_is_the_apps(account) -> None:
    other = make_account(Team.general(), connector="rated", name="Other")
    for _turn in range(3):
        send(account)
    assert send(account) > 0
    assert send(other) == 0
    (used,) = [one for one in rates.left(other) if one.count == 20]
    assert 15.9 < used.left < 16.5


def test_a_platform_that_says_not_before_shuts_this_account_and_no_other(account) -> None:
    other = make_account(Team.general(), connector="rated", name="Other")
    rates.shut(account, "send", 40)
    assert 39 < send(account) <= 40
    assert 39 < rates.shut_for(account, "send") <= 40
    assert send(other) == 0
    assert rates.take(account, "pull") == 0
    assert {one.left for one in rates.left(account) if one.name == "send"} == {0}


def test_a_gate_holds_also_where_the_connector_names_no_allowance(double, db) -> None:
    plain = make_account(Team.general())
    assert rates.take(plain, "send") == 0
    rates.shut(plain, "send", 5)
    assert rates.take(plain, "send") > 4


def test_what_an_answer_says_replaces_our_count(account) -> None:
    rates.observe(account, "send", RateLimit(limit=3, remaining=0, resets_in=25))
    assert 24 < send(account) <= 25
    rates.observe(account, "pull", RateLimit(limit=10, remaining=1))
    assert rates.take(account, "pull") == 0
    assert rates.take(account, "pull") > 0


def test_an_answer_of_the_apps_size_speaks_of_the_app(account) -> None:
    rates.observe(account, "send", RateLimit(limit=20, remaining=2))
    shown = {one.count: one.left for one in rates.left(account) if one.name == "send"}
    assert shown[3] == 3
    assert 2 <= shown[20] < 2.1


def test_percentages_count_by_their_share(account) -> None:
    rates.observe(account, "pull", RateLimit(limit=100, remaining=30))
    (shown,) = [one for one in rates.left(account) if one.name == "pull"]
    assert 3 <= shown.left < 3.1


def test_with_redis_away_everything_is_allowed(account, settings, monkeypatch) -> None:
    away = quick_redis.connect("redis://127.0.0.1:1/0", decode_responses=True)
    monkeypatch.setattr(rates, "_redis", lambda: away)
    rates.shut(account, "send", 60)
    assert [send(account) for _turn in range(5)] == [0] * 5
    assert [one.left for one in rates.left(account)] == [3, 20, 10]


def test_every_answer_of_a_connectors_client_is_noted_also_a_refusal(account) -> None:
    with Chatty() as there:
        there.headers = {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "4"}
        with calling.client(account, there.url) as client:
            client.get("/things")
        (shown,) = [one for one in rates.left(account) if one.name == "pull"]
        assert 4 <= shown.left < 4.1
        there.headers = {}
        refusal = {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}
        there.fail(429, {}, headers=refusal)
        with calling.client(account, there.url) as client, pytest.raises(Exception, match="429"):
            client.get("/things")
    assert 29 < rates.take(account, "pull") <= 30


def test_a_connector_reads_headers_of_its_platforms_own_kind(account) -> None:
    def percent(answer: Answer) -> RateLimit | None:
        told = answer.headers.get("X-App-Usage")
        return RateLimit(limit=100, remaining=100 - json.loads(told)["call_count"]) if told else None

    with Chatty() as there, calling.client(account, there.url, limit_of=percent) as client:
        client.get("/things")
        there.headers = {"X-App-Usage": '{"call_count": 95}'}
        client.get("/things")
    (shown,) = [one for one in rates.left(account) if one.name == "pull"]
    assert 0.5 <= shown.left < 0.6
