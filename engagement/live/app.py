"""The ASGI application: GET /live/stream for staff, GET /live/chat for chat visitors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import structlog
from django.conf import settings
from django.db import DatabaseError

from engagement.channels.webchat import tickets
from engagement.live import history, rights
from engagement.live.feed import Feed
from engagement.live.hub import Hub, Stream, frame
from engagement.origins import page_origins

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Rights = Callable[[], frozenset[str] | None]

log = structlog.get_logger(__name__)
HEARTBEAT_SECONDS = 15.0
HEARTBEAT = b":\n\n"
RETRY = b"retry: 3000\n\n"


class Refused(Exception):
    """A request that gets no stream: its status and a word why."""

    def __init__(self, status: int, why: str, origin: str | None = None) -> None:
        super().__init__(why)
        self.status, self.why, self.origin = status, why, origin


@dataclass(frozen=True)
class Request:
    """What of a request decides about its stream."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, list[str]]

    @classmethod
    def of(cls, scope: Message) -> Request:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        return cls(scope["method"], scope["path"], headers, query)

    def last_id(self) -> int | None:
        """The last event this client got: the browser's header, or `after` of a client that counts itself."""
        given = self.headers.get("last-event-id") or self.query.get("after", [""])[0]
        return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None


@dataclass(frozen=True)
class Listener:
    """Somebody who may listen: from which page, to what, and how to ask again whether they still may."""

    origin: str
    channels: frozenset[str]
    rights: Rights
    credentials: bool


async def staff_listener(request: Request) -> Listener:
    """Signed-in staff on one of our own pages."""
    origin = rights.page_of(request.headers)
    if origin is None or origin not in page_origins():
        raise Refused(403, "This page may not open the event stream.")
    key = rights.session_key(request.headers.get("cookie", ""))

    def now() -> frozenset[str] | None:
        return rights.staff_channels(key)

    channels = await history.in_thread(now)
    if channels is None:
        raise Refused(401, "Sign in first.", origin)
    return Listener(origin, channels, now, credentials=True)


async def chat_listener(request: Request) -> Listener:
    """A chat visitor with a ticket, on the page that the ticket was given to."""
    origin = rights.page_of(request.headers)
    if origin is None:
        raise Refused(403, "This page may not open the event stream.")
    given = request.query.get("ticket", [""])[0]
    visitor = await history.in_thread(tickets.take_ticket, given, origin=origin)

    def now() -> frozenset[str] | None:
        return tickets.visitor_channels(visitor) if visitor is not None else None

    channels = await history.in_thread(now)
    if channels is None:
        raise Refused(401, "This ticket is used up or too old.")
    return Listener(origin, channels, now, credentials=False)


LISTENERS: dict[str, Callable[[Request], Awaitable[Listener]]] = {
    "/live/stream": staff_listener,
    "/live/chat": chat_listener,
}


class LiveApplication:
    """One process' streams over one hub and one feed."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.feed = Feed(self.hub)
        self._open: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(Request.of(scope), receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.feed.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                for task in self._open:
                    task.cancel()
                await self.feed.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _answer(self, request: Request, receive: Receive, send: Send) -> None:
        try:
            if request.path == "/live/healthz":
                await self._healthz(send)
                return
            listener = await self._listener(request)
        except Refused as refused:
            await _refuse(send, refused)
        except DatabaseError:
            await _refuse(send, Refused(503, "The database cannot be reached; try again."))
        else:
            await self._stream(request, listener, receive, send)

    async def _listener(self, request: Request) -> Listener:
        find = LISTENERS.get(request.path)
        if find is None:
            raise Refused(404, "There is no such stream.")
        if request.method != "GET":
            raise Refused(405, "Streams are read with GET.")
        return await find(request)

    async def _healthz(self, send: Send) -> None:
        state = {"streams": len(self.hub), "redis": self.feed.redis_is_there}
        await _whole(send, 200, json.dumps(state).encode(), [(b"content-type", b"application/json")])

    async def _stream(self, request: Request, listener: Listener, receive: Receive, send: Send) -> None:
        stream = Stream(listener.channels)
        self.hub.add(stream)
        writing = asyncio.create_task(self._write(request.last_id(), stream, listener, send))
        leaving = asyncio.create_task(_left(receive))
        tasks = {writing, leaving}
        self._open |= tasks
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.hub.remove(stream)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._open -= tasks

    async def _write(self, last: int | None, stream: Stream, listener: Listener, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _stream_headers(listener)})
        try:
            sent = await self._resume(last, stream, send)
            await self._go_on(sent, stream, listener, send)
        except DatabaseError:
            log.warning("live_stream_ended", why="database")
        with contextlib.suppress(Exception):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _resume(self, last: int | None, stream: Stream, send: Send) -> set[int]:
        """Say where the stream stands, and what the client missed; returns the ids that were sent."""
        if last is None:
            newest = await history.in_thread(history.newest_id)
            await _body(send, RETRY + frame(newest, "ready").body)
            return set()
        missed = await history.in_thread(history.missed_since, last, stream.channels)
        if missed.notices is None:
            await _body(send, RETRY + frame(missed.newest, "reset").body)
            return set()
        frames = [frame(notice.id, notice.type, notice.ids) for notice in missed.notices]
        ready = frame(max([last, *(each.id for each in frames)]), "ready")
        await _body(send, RETRY + b"".join(each.body for each in (*frames, ready)))
        return {each.id for each in frames}

    async def _go_on(self, sent: set[int], stream: Stream, listener: Listener, send: Send) -> None:
        """Send what comes, a sign of life when nothing does, and stop when the rights are gone."""
        loop = asyncio.get_running_loop()
        ask_again = loop.time() + _until_next_question()
        while True:
            if loop.time() >= ask_again:
                ask_again = loop.time() + _until_next_question()
                if not await self._still_allowed(stream, listener, send):
                    return
            frames = await stream.take(max(0.0, min(HEARTBEAT_SECONDS, ask_again - loop.time())))
            new = [each for each in frames if each.id not in sent]
            await _body(send, b"".join(each.body for each in new) or HEARTBEAT)

    async def _still_allowed(self, stream: Stream, listener: Listener, send: Send) -> bool:
        """Read the rights again; what was queued under others is not sent."""
        channels = await history.in_thread(listener.rights)
        if channels is None:
            await _body(send, frame(self.hub.last_id, "ended").body)
            return False
        if channels != stream.channels:
            self.hub.move(stream, channels)
            stream.begin_afresh(self.hub.last_id)
        return True


def _until_next_question() -> float:
    """Seconds until the rights are read again: apart, as all streams open at once after a restart."""
    return settings.LIVE_RIGHTS_SECONDS * random.uniform(0.5, 1.0)  # noqa: S311


async def _left(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _cors(origin: str, *, credentials: bool) -> list[tuple[bytes, bytes]]:
    headers = [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin")]
    return [*headers, (b"access-control-allow-credentials", b"true")] if credentials else headers


def _stream_headers(listener: Listener) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        # nginx would keep the events back until its buffer is full
        (b"x-accel-buffering", b"no"),
        *_cors(listener.origin, credentials=listener.credentials),
    ]


async def _refuse(send: Send, refused: Refused) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if refused.origin:
        headers += _cors(refused.origin, credentials=True)
    await _whole(send, refused.status, refused.why.encode(), headers)


async def _whole(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


application = LiveApplication()
