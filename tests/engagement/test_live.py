"""The event stream, as a process of its own over real HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.test import Client

from accounts.models import Team, User
from core.events import Happening, emit, emit_many, live_channel, live_redis
from core.models import Event
from engagement.live import history, rights
from engagement.live.hub import Hub, Notice, Stream
from engagement.origins import page_origins, written_origin
from tests.live_rapport import live_process

PAGE = "http://pages.test:8000"


class Reader:
    """An open stream, read line by line."""

    def __init__(self, answer: requests.Response) -> None:
        self.answer, self._lines = answer, answer.iter_lines(chunk_size=1)

    def next(self) -> dict[str, Any] | None:
        """The next event with its id; None when the stream has ended."""
        found: dict[str, Any] = {}
        for line in self._lines:
            if line.startswith(b"id: "):
                found["id"] = int(line[4:])
            elif line.startswith(b"data: "):
                found |= json.loads(line[6:])
            elif not line and "type" in found:
                return found
        return None

    def until(self, type: str) -> list[dict[str, Any]]:
        """Events up to the first of this type."""
        found = []
        while (event := self.next()) is not None:
            found.append(event)
            if event["type"] == type:
                break
        return found


@pytest.fixture(scope="module")
def live_port(django_db_setup: None) -> Iterator[int]:
    """One process for all tests here, as in life: it outlasts every reader."""
    with live_process(PAGE, LIVE_RIGHTS_SECONDS="1") as port:
        yield port


@pytest.fixture
def live(live_port: int, transactional_db: None) -> int:
    return live_port


def cookie_of(user: User) -> str:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    name = django_settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"


@pytest.fixture
def listen(live: int) -> Iterator[Callable[..., Reader]]:
    """Return a function that opens a stream: `listen(amy)`, `listen(amy, last=12)`."""
    open_streams = []

    def start(user: User | None, *, last: int | None = None, origin: str = PAGE) -> Reader:
        headers = {"Origin": origin} if origin else {}
        if user is not None:
            headers["Cookie"] = cookie_of(user)
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        url = f"http://127.0.0.1:{live}/live/stream"
        answer = requests.get(url, headers=headers, stream=True, timeout=20)
        open_streams.append(answer)
        return Reader(answer)

    yield start
    for answer in open_streams:
        answer.close()


@pytest.fixture
def amys_team(amy: User) -> Team:
    team = Team.objects.create(name="Amy's")
    amy.teams.set([team])
    return team


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


# Who hears what


def test_an_event_arrives_within_a_second(listen: Callable[..., Reader], amy: User, amys_team: Team) -> None:
    stream = listen(amy)
    assert stream.until("ready")[-1]["type"] == "ready"
    seconds = []
    for number in range(3):
        began = time.monotonic()
        emit("conversation.changed", channels=[f"team:{amys_team.pk}"], conversation=number)
        event = stream.next()
        seconds.append(time.monotonic() - began)
        assert event is not None
        assert (event["type"], event["ids"]) == ("conversation.changed", {"conversation": number})
        assert event["id"] == Event.objects.latest("id").pk
    # The best of three: the machine may be busy with something else.
    assert min(seconds) < 1, seconds


def test_an_event_of_another_team_is_not_told(
    listen: Callable[..., Reader], amy: User, amys_team: Team, ada: User
) -> None:
    other = Team.objects.create(name="Others")
    stream, boss = listen(amy), listen(ada)
    stream.until("ready")
    boss.until("ready")
    emit("theirs", channels=[f"team:{other.pk}", "role:admin", f"user:{ada.pk}"])
    emit("nobodys")
    emit("ours", channels=[f"team:{amys_team.pk}", "staff"])
    assert [event["type"] for event in stream.until("ours")] == ["ours"]
    assert [event["type"] for event in boss.until("ours")] == ["theirs", "ours"]


def test_nothing_is_told_of_what_was_rolled_back(listen: Callable[..., Reader], amy: User) -> None:
    stream = listen(amy)
    stream.until("ready")
    with pytest.raises(RuntimeError), transaction.atomic():
        emit("undone", channels=["staff"])
        raise RuntimeError
    emit("done", channels=["staff"])
    assert [event["type"] for event in stream.until("done")] == ["done"]


# Coming back


def test_a_reader_resumes_where_it_stopped(listen: Callable[..., Reader], amy: User) -> None:
    first = listen(amy)
    first.until("ready")
    emit("one", channels=["staff"])
    last = first.until("one")[-1]["id"]
    first.answer.close()
    emit("two", channels=["staff"])
    emit("elsewhere", channels=["team:999999"])
    emit("three", channels=["staff"])
    types = [event["type"] for event in listen(amy, last=last).until("ready")]
    assert types[-3:] == ["two", "three", "ready"]
    assert "elsewhere" not in types


def test_a_reader_that_missed_too_much_begins_afresh(listen: Callable[..., Reader], amy: User) -> None:
    emit("old", channels=["staff"])
    last = Event.objects.latest("id").pk
    emit_many([Happening("much", {}, ["staff"])] * (history.RESUME_LIMIT + 1))
    newest = Event.objects.latest("id").pk
    event = listen(amy, last=last).next()
    assert event == {"id": newest, "type": "reset", "ids": {}}


def test_a_reader_from_the_future_begins_afresh(listen: Callable[..., Reader], amy: User) -> None:
    """The database was restored from a backup."""
    event = listen(amy, last=10**12).next()
    assert event is not None and event["type"] == "reset"


def test_what_committed_late_around_the_last_id_is_told_again(amy: User, transactional_db: None) -> None:
    emit("slow", channels=["staff"])
    emit("fast", channels=["staff"])
    slow, fast = Event.objects.order_by("-id")[:2][::-1]
    missed = history.missed_since(fast.pk, ["staff"])
    assert missed.notices is not None
    assert slow.pk in [notice.id for notice in missed.notices]


def test_what_redis_lost_is_found_in_the_table(listen: Callable[..., Reader], amy: User) -> None:
    stream = listen(amy)
    stream.until("ready")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_event (type, at, ids, channels) VALUES ('unpublished', now(), '{}', %s)",
            ['["staff"]'],
        )
    assert [event["type"] for event in stream.until("unpublished")] == ["unpublished"]


def test_an_unreadable_notice_stops_nothing(listen: Callable[..., Reader], amy: User) -> None:
    stream = listen(amy)
    stream.until("ready")
    for body in ("not json", "[1]", '[{"id": 1}]', '{"id": "x"}'):
        live_redis().publish(live_channel(), body)
    emit("fine", channels=["staff"])
    assert [event["type"] for event in stream.until("fine")] == ["fine"]


def test_the_stream_goes_on_without_redis(transactional_db: None, amy: User) -> None:
    with live_process(PAGE, REDIS_URL="redis://127.0.0.1:1/0") as port:
        headers = {"Origin": PAGE, "Cookie": cookie_of(amy)}
        url = f"http://127.0.0.1:{port}/live/stream"
        with requests.get(url, headers=headers, stream=True, timeout=20) as answer:
            stream = Reader(answer)
            stream.until("ready")
            with within(10):
                emit("polled", channels=["staff"])
                assert [event["type"] for event in stream.until("polled")] == ["polled"]


# Who may listen


@pytest.mark.parametrize(
    "origin", ["http://evil.test", "http://pages.test", "https://pages.test:8000", "null", ""]
)
def test_a_wrong_origin_is_refused(listen: Callable[..., Reader], amy: User, origin: str) -> None:
    answer = listen(amy, origin=origin).answer
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_our_page_may_read_with_its_cookie(listen: Callable[..., Reader], amy: User) -> None:
    headers = listen(amy).answer.headers
    assert headers["Access-Control-Allow-Origin"] == PAGE
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert headers["Vary"] == "Origin"
    assert headers["Cache-Control"] == "no-store"


def test_nobody_hears_nothing(live: int, listen: Callable[..., Reader]) -> None:
    assert listen(None).answer.status_code == 401
    url = f"http://127.0.0.1:{live}/live/stream"
    forged = {"Origin": PAGE, "Cookie": f"{django_settings.SESSION_COOKIE_NAME}=forged"}
    assert requests.get(url, headers=forged, timeout=5).status_code == 401
    assert requests.post(url, headers=forged, timeout=5).status_code == 405
    assert requests.get(f"{url}s", headers=forged, timeout=5).status_code == 404
    assert requests.get(f"http://127.0.0.1:{live}/live/healthz", timeout=5).json()["redis"] is True


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda user: User.objects.filter(pk=user.pk).update(is_active=False), id="deactivated"),
        pytest.param(lambda user: (user.set_password("another-word-2"), user.save()), id="new password"),
        pytest.param(lambda user: _sign_out_everywhere(), id="signed out"),
    ],
)
def test_a_stream_ends_with_the_rights(
    listen: Callable[..., Reader], amy: User, change: Callable[[User], Any]
) -> None:
    stream = listen(amy)
    stream.until("ready")
    change(amy)
    with within(10):
        assert [event["type"] for event in stream.until("ended")] == ["ended"]
        assert stream.next() is None


def _sign_out_everywhere() -> None:
    from django.contrib.sessions.models import Session

    Session.objects.all().delete()


def test_another_team_begins_to_be_told_and_the_page_loads_again(
    listen: Callable[..., Reader], amy: User, amys_team: Team
) -> None:
    stream = listen(amy)
    stream.until("ready")
    new = Team.objects.create(name="New")
    amy.teams.set([new])
    with within(10):
        assert stream.until("reset")[-1]["type"] == "reset"
    emit("old team", channels=[f"team:{amys_team.pk}"])
    emit("new team", channels=[f"team:{new.pk}"])
    assert [event["type"] for event in stream.until("new team")] == ["new team"]


# Parts


def test_a_page_is_known_by_origin_referer_or_fetch_metadata(settings: Any) -> None:
    settings.PUBLIC_URL = "https://crm.test"
    assert rights.page_of({"origin": "https://a.test", "referer": "https://b.test/x"}) == "https://a.test"
    assert rights.page_of({"referer": "https://b.test/x?y"}) == "https://b.test"
    assert rights.page_of({"sec-fetch-site": "same-origin"}) == "https://crm.test"
    assert rights.page_of({"sec-fetch-site": "cross-site"}) is None


def test_pages_are_known_on_every_allowed_host_without_wildcards(settings: Any) -> None:
    settings.PUBLIC_URL, settings.PORT = "http://crm.test:9000", 9000
    settings.ALLOWED_HOSTS = ["crm.test", "localhost", "*", ".crm.test"]
    assert page_origins() == {"http://crm.test:9000", "http://localhost:9000"}


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("https://Shop.Example/path?x", "https://shop.example"),
        ("shop.example", "https://shop.example"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("https://shop.example:443", "https://shop.example"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_address_is_written_as_browsers_write_origins(typed: str, origin: str) -> None:
    assert written_origin(typed) == origin


@pytest.mark.parametrize(
    "typed", ["", "*", "https://*.example", "ftp://x.example", "javascript:alert(1)", "https://"]
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(ValueError):
        written_origin(typed)


def run_apart(scene: Coroutine[Any, Any, Any]) -> Any:
    """Run in a thread of its own: the browser's tests keep a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, scene).result()


def test_a_slow_reader_is_told_to_begin_afresh() -> None:
    async def scene() -> list[bytes]:
        hub, stream = Hub(), Stream(["staff"], length=3)
        hub.add(stream)
        for number in range(1, 6):
            hub.deliver(Notice(number, "x", {}, ("staff",)))
        return [frame.body for frame in await stream.take(0.1)]

    bodies = run_apart(scene())
    assert b'"reset"' in bodies[0] and bodies[0].startswith(b"id: 4")
    assert bodies[1].startswith(b"id: 5")


def test_a_notice_on_two_channels_of_a_stream_is_told_once() -> None:
    async def scene() -> int:
        hub, stream = Hub(), Stream(["staff", "team:1"])
        hub.add(stream)
        hub.deliver(Notice(1, "x", {}, ("staff", "team:1")))
        hub.deliver(Notice(1, "x", {}, ("staff", "team:1")))
        hub.remove(stream)
        assert len(hub) == 0
        return len(await stream.take(0.1))

    assert run_apart(scene()) == 1


def test_the_session_is_the_one_pages_use(amy: User) -> None:
    key = rights.session_key(cookie_of(amy))
    channels = rights.staff_channels(key)
    assert channels is not None
    assert {"staff", f"user:{amy.pk}", "role:agent"} <= channels
    assert rights.staff_channels("") is None
