"""Who listens to what in this process, and the queue in front of each listener."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

QUEUE_LENGTH = 200
REMEMBERED = 5_000


@dataclass(frozen=True)
class Notice:
    """One row of `core.Event`, as the stream tells it."""

    id: int
    type: str
    ids: Mapping[str, Any]
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Frame:
    """One server-sent event as bytes, encoded once for all who get it."""

    id: int
    body: bytes


def frame(id: int, type: str, ids: Mapping[str, Any] | None = None) -> Frame:
    """Encode one event."""
    data = json.dumps({"type": type, "ids": dict(ids or {})}, separators=(",", ":"))
    return Frame(id, f"id: {id}\ndata: {data}\n\n".encode())


class Stream:
    """One open connection: what it listens to, and what it has not been sent yet."""

    def __init__(self, channels: Iterable[str], length: int = QUEUE_LENGTH) -> None:
        self.channels = frozenset(channels)
        self._length = length
        self._frames: deque[Frame] = deque()
        self._filled = asyncio.Event()

    def put(self, new: Frame) -> None:
        """Queue a frame. A reader that fell too far behind is told to begin afresh instead."""
        if len(self._frames) >= self._length:
            self.begin_afresh(new.id)
            return
        self._frames.append(new)
        self._filled.set()

    def begin_afresh(self, id: int) -> None:
        """Forget what is queued and tell the page to load everything again."""
        self._frames.clear()
        self._frames.append(frame(id, "reset"))
        self._filled.set()

    async def take(self, seconds: float) -> list[Frame]:
        """Return what is queued, after at most so many seconds; empty when nothing came."""
        try:
            await asyncio.wait_for(self._filled.wait(), seconds)
        except TimeoutError:
            return []
        self._filled.clear()
        taken = list(self._frames)
        self._frames.clear()
        return taken


class Hub:
    """Hands each notice to the streams on its channels, once."""

    def __init__(self) -> None:
        self._by_channel: dict[str, set[Stream]] = defaultdict(set)
        self._seen: OrderedDict[int, None] = OrderedDict()
        self.last_id = 0

    def __len__(self) -> int:
        return len({stream for streams in self._by_channel.values() for stream in streams})

    def add(self, stream: Stream) -> None:
        for channel in stream.channels:
            self._by_channel[channel].add(stream)

    def remove(self, stream: Stream) -> None:
        for channel in stream.channels:
            self._by_channel[channel].discard(stream)
            if not self._by_channel[channel]:
                del self._by_channel[channel]

    def move(self, stream: Stream, channels: Iterable[str]) -> None:
        """Let a stream listen to other channels from here on."""
        self.remove(stream)
        stream.channels = frozenset(channels)
        self.add(stream)

    def knows(self, id: int) -> bool:
        return id in self._seen

    def remember(self, id: int) -> None:
        """Note that this event needs no telling (again)."""
        self._seen[id] = None
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        self.last_id = max(self.last_id, id)

    def deliver(self, notice: Notice) -> None:
        """Queue a notice wherever it belongs, unless that was done before."""
        if self.knows(notice.id):
            return
        self.remember(notice.id)
        told = {stream for channel in notice.channels for stream in self._by_channel.get(channel, ())}
        if told:
            new = frame(notice.id, notice.type, notice.ids)
            for stream in told:
                stream.put(new)
