"""Connections held open so that what is new is asked for within seconds (a mailbox's IDLE).

A watch fetches nothing: it queues the account's pull. So a watch that dies, or stands again after an hour,
loses nothing, and where there is none the pulls go on by the clock. One process holds them all, one thread
each; only its main thread speaks with the database, by one connection.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from queue import Empty, Queue

import structlog
from django.conf import settings
from django.db import OperationalError, close_old_connections
from django.utils import timezone

from engagement import credentials
from engagement.channels import connector, paths
from engagement.channels.base import Connector, SendFailed
from engagement.models import ChannelAccount
from engagement.pulls import CLOSED_HEALTH

log = structlog.get_logger(__name__)

LOOK_SECONDS = 15.0
"""How often the accounts are looked at: connected, changed, paused."""
AGAIN_SECONDS = 2.0
"""A pull that is running may have looked before the news came, so it is asked for again after it."""
BACK_OFF = (5.0, 30.0, 120.0, 600.0)
"""Seconds until a watch that ended is begun again; the last one again and again."""
STEADY_SECONDS = 300.0
"""A watch that stood so long begins with the first again."""
MOST_OF_ONE = 3
"""Connections of one account: Gmail allows fifteen to a mailbox, people's own mail programs among them."""

Key = tuple[int, str]


@dataclass
class Watch:
    """One connection of one account, in a thread of its own."""

    account: ChannelAccount
    place: str
    told: Queue[int]
    fingerprint: str
    failures: int = 0
    began: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)
    stood: threading.Event = field(default_factory=threading.Event)
    failure: str = ""
    thread: threading.Thread | None = None

    def start(self, link: Connector) -> None:
        name = f"watch-{self.account.pk}-{self.place}"
        self.thread = threading.Thread(target=self._run, args=(link,), name=name, daemon=True)
        self.thread.start()

    @property
    def is_over(self) -> bool:
        return self.thread is None or not self.thread.is_alive()

    def tell(self) -> None:
        self.stood.set()
        self.told.put(self.account.pk)

    def _run(self, link: Connector) -> None:
        try:
            link.watch(self.account, self.place, tell=self.tell, ended=self.ended.is_set)
        except SendFailed as error:
            self.failure = str(error)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"


class Watcher:
    """Every watch of this installation, up to `settings.WATCHES`."""

    def __init__(self, *, most: int | None = None) -> None:
        self.most = settings.WATCHES if most is None else most
        self.told: Queue[int] = Queue()
        self.watches: dict[Key, Watch] = {}
        self.resting: dict[Key, tuple[float, int, str]] = {}
        """Watches that ended: when they may begin again, after how many failures, with which settings."""
        self.again: dict[int, float] = {}
        """Accounts whose pull was running when news came, and when to ask for it again."""

    def run(self, ended: threading.Event) -> None:
        """Watch until told to end."""
        looked = -LOOK_SECONDS
        while not ended.is_set():
            try:
                if time.monotonic() - looked >= LOOK_SECONDS:
                    looked = time.monotonic()
                    close_old_connections()
                    self.look()
                self.pass_on(wait=1.0)
            except OperationalError:
                # The database is away: pulls are too. The watches stand meanwhile.
                log.warning("database does not answer")
                close_old_connections()
                ended.wait(AGAIN_SECONDS)
        self.stop()

    def stop(self) -> None:
        """Tell every watch to end; what they held is dropped with the process."""
        for watch in self.watches.values():
            watch.ended.set()

    # Which connections stand

    def look(self) -> None:
        """Begin the watches that are wanted and absent, end those that are no longer wanted."""
        self._bury()
        wanted = self._wanted()
        for key, watch in list(self.watches.items()):
            if key not in wanted or _fingerprint(wanted[key]) != watch.fingerprint:
                watch.ended.set()
                del self.watches[key]
        for key, account in wanted.items():
            if key not in self.watches:
                self._begin(key, account)

    def _wanted(self) -> dict[Key, ChannelAccount]:
        """What is to be watched; the first place of every account before the second of any."""
        names = [name for name in paths() if _watches(name)]
        rows = ChannelAccount.objects.active().filter(connector__in=names).exclude(health__in=CLOSED_HEALTH)
        ranked = [
            (rank, account.pk, place, account)
            for account in rows.order_by("pk")
            for rank, place in enumerate(connector(account.connector).watch_places(account)[:MOST_OF_ONE])
        ]
        ranked.sort(key=lambda one: one[:2])
        if len(ranked) > self.most:
            log.info("more to watch than WATCHES allows", wanted=len(ranked), most=self.most)
        return {(pk, place): account for _rank, pk, place, account in ranked[: self.most]}

    def _begin(self, key: Key, account: ChannelAccount) -> None:
        fingerprint = _fingerprint(account)
        since, failures, before = self.resting.get(key, (0.0, 0, ""))
        if before == fingerprint and time.monotonic() < since:
            return
        try:
            credentials.ensure_fresh(account)
        except SendFailed as error:
            self._rest(key, failures + 1, fingerprint, str(error))
            return
        watch = Watch(account, key[1], self.told, fingerprint, failures if before == fingerprint else 0)
        self.watches[key] = watch
        watch.start(connector(account.connector))

    def _bury(self) -> None:
        """Let watches whose thread ended rest for a while."""
        for key, watch in list(self.watches.items()):
            if watch.is_over:
                del self.watches[key]
                steady = watch.stood.is_set() and time.monotonic() - watch.began > STEADY_SECONDS
                self._rest(key, 1 if steady else watch.failures + 1, watch.fingerprint, watch.failure)

    def _rest(self, key: Key, failures: int, fingerprint: str, why: str) -> None:
        seconds = BACK_OFF[min(failures, len(BACK_OFF)) - 1]
        self.resting[key] = (time.monotonic() + seconds, failures, fingerprint)
        log.info("watch ended", account=key[0], place=key[1], reason=why, again_in=seconds)

    # What they say

    def pass_on(self, *, wait: float) -> set[int]:
        """Queue the pulls of the accounts that have news; returns them."""
        accounts = self._heard(wait)
        now = time.monotonic()
        accounts |= {pk for pk, at in self.again.items() if at <= now}
        for pk in accounts:
            self.again.pop(pk, None)
            _ask(pk)
        busy = ChannelAccount.objects.filter(pk__in=accounts, pull_lease_until__gt=timezone.now())
        for pk in busy.values_list("pk", flat=True) if accounts else ():
            self.again[pk] = now + AGAIN_SECONDS
        return accounts

    def _heard(self, wait: float) -> set[int]:
        found: set[int] = set()
        try:
            found.add(self.told.get(timeout=wait))
            while True:
                found.add(self.told.get_nowait())
        except Empty:
            return found


def _watches(name: str) -> bool:
    try:
        return connector(name).watches
    except (ImportError, AttributeError):
        return False


def _fingerprint(account: ChannelAccount) -> str:
    """Changes when somebody changes the account; a token that is renewed changes nothing."""
    return json.dumps([account.external_id, account.settings], sort_keys=True, default=str)


def _ask(account_id: int) -> None:
    """Queue a pull; where Redis is away, the sweep of pulls finds the account due."""
    from engagement.tasks import pull_account

    try:
        pull_account.delay(account_id)
    except Exception as error:
        log.warning("pull not queued", account=account_id, reason=f"{type(error).__name__}: {error}")
        ChannelAccount.objects.filter(pk=account_id).update(next_pull_at=timezone.now())
