"""Connections that say at once when something is new, and the pulls they ask for."""

from __future__ import annotations

import threading
import time

import pytest
from django.utils import timezone

from accounts.models import Team
from engagement import channels, watching
from engagement.channels.base import Connector, TransientFailure
from engagement.models import ChannelAccount, Health
from engagement.watching import Watcher

pytestmark = pytest.mark.django_db


class Bells(Connector):
    """A network whose connections tell when the test rings them."""

    name = "bells"
    label = "Bells"
    watches = True
    can_pull = True

    def __init__(self):
        self.standing: dict[tuple[int, str], object] = {}
        self.fail = ""
        self.begun = 0

    def watch_places(self, account):
        return account.settings.get("places", ["one"])

    def watch(self, account, place, *, tell, ended):
        self.begun += 1
        if self.fail:
            raise TransientFailure(self.fail)
        self.standing[account.pk, place] = tell
        tell()
        while not ended() and (account.pk, place) in self.standing:
            time.sleep(0.01)
        self.standing.pop((account.pk, place), None)


@pytest.fixture
def bells(monkeypatch):
    link = Bells()
    monkeypatch.setattr(watching, "paths", lambda: {"bells": ""})
    monkeypatch.setattr(watching, "connector", lambda name: link)
    monkeypatch.setattr(channels, "connector", lambda name: link)
    monkeypatch.setattr("engagement.credentials.connector", lambda name: link)
    return link


@pytest.fixture
def asked(monkeypatch):
    found = []
    monkeypatch.setattr("engagement.tasks.pull_account.delay", found.append)
    return found


@pytest.fixture
def new_account(db):
    def make(number=1, **settings):
        return ChannelAccount.objects.create(
            connector="bells",
            network="bells",
            external_id=f"a{number}",
            name="A",
            team=Team.general(),
            settings=settings,
        )

    return make


@pytest.fixture
def watcher(bells):
    found = Watcher(most=10)
    yield found
    found.stop()


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_news_is_asked_for_at_once_and_so_is_what_came_before_the_watch_stood(
    watcher, bells, asked, new_account
):
    account = new_account()
    watcher.look()
    assert watcher.pass_on(wait=5) == {account.pk}
    bells.standing[account.pk, "one"]()
    assert watcher.pass_on(wait=5) == {account.pk}
    assert asked == [account.pk, account.pk]
    assert watcher.pass_on(wait=0.01) == set()


def test_news_during_a_pull_is_asked_for_again_after_it(watcher, asked, new_account, monkeypatch):
    monkeypatch.setattr(watching, "AGAIN_SECONDS", 0.05)
    account = new_account()
    ChannelAccount.objects.update(pull_lease_until=timezone.now() + timezone.timedelta(minutes=5))
    watcher.look()
    watcher.pass_on(wait=5)
    time.sleep(0.06)
    assert watcher.pass_on(wait=0.01) == {account.pk}
    ChannelAccount.objects.update(pull_lease_until=None)
    time.sleep(0.06)
    assert watcher.pass_on(wait=0.01) == {account.pk}
    time.sleep(0.06)
    assert watcher.pass_on(wait=0.01) == set()


def test_with_redis_away_the_account_is_due_at_once(watcher, new_account, monkeypatch):
    def away(account_id):
        raise ConnectionError

    monkeypatch.setattr("engagement.tasks.pull_account.delay", away)
    account = new_account()
    ChannelAccount.objects.update(next_pull_at=timezone.now() + timezone.timedelta(hours=1))
    watcher.look()
    watcher.pass_on(wait=5)
    account.refresh_from_db()
    assert account.next_pull_at <= timezone.now()


def test_a_watch_that_dies_stands_again_after_a_rest(watcher, bells, asked, new_account, monkeypatch):
    monkeypatch.setattr(watching, "BACK_OFF", (0.2, 30.0))
    account = new_account()
    watcher.look()
    until(lambda: bells.standing)
    bells.standing.clear()
    until(lambda: watcher.watches[account.pk, "one"].is_over)
    watcher.look()
    assert not watcher.watches
    time.sleep(0.25)
    watcher.look()
    until(lambda: bells.standing)
    assert bells.begun == 2


def test_a_watch_that_fails_again_and_again_rests_longer(watcher, bells, new_account, monkeypatch):
    monkeypatch.setattr(watching, "BACK_OFF", (0.0, 1000.0))
    bells.fail = "refused"
    new_account()
    for _ in range(5):
        watcher.look()
        until(lambda: all(watch.is_over for watch in watcher.watches.values()))
    assert bells.begun == 2


def test_what_is_paused_or_disconnected_is_watched_no_more(watcher, bells, new_account):
    account = new_account()
    watcher.look()
    until(lambda: bells.standing)
    ChannelAccount.objects.filter(pk=account.pk).update(health=Health.PAUSED)
    watcher.look()
    until(lambda: not bells.standing)
    assert not watcher.watches


def test_changed_settings_begin_a_watch_anew_and_a_renewed_token_does_not(watcher, bells, new_account):
    account = new_account(places=["one"])
    watcher.look()
    until(lambda: bells.standing)
    account.credentials = {"access_token": "new"}
    account.save()
    watcher.look()
    assert bells.begun == 1
    account.settings = {"places": ["two"]}
    account.save()
    watcher.look()
    until(lambda: list(bells.standing) == [(account.pk, "two")])


def test_the_first_places_of_all_come_before_the_second_of_any(bells, new_account):
    watcher = Watcher(most=4)
    for number in range(3):
        new_account(number, places=["one", "two", "three", "four"])
    watcher.look()
    assert [place for _, place in sorted(watcher.watches, key=lambda key: key[1])] == ["one"] * 3 + ["two"]
    watcher.stop()
    everything = Watcher(most=100)
    everything.look()
    assert len(everything.watches) == 3 * watching.MOST_OF_ONE
    everything.stop()


@pytest.mark.django_db(transaction=True)
def test_it_runs_until_it_is_told_to_end(watcher, bells, asked, new_account):
    account = new_account()
    ended = threading.Event()
    threading.Timer(1.5, ended.set).start()
    watcher.run(ended)
    assert asked == [account.pk]
    until(lambda: not bells.standing)
