"""A connector whose far side is a list in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from engagement.channels.base import Author, Bad, Change, Connector, Event, Page, Parcel


def event(external_id: str, *, author: str = "bob@example.org", text: str = "Hello") -> Event:
    return Event(
        external_id=external_id,
        kind="message",
        direction="inbound",
        occurred_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
        text=text,
        thread_keys=(f"thread:{author}",),
        author=Author(author),
    )


class Double(Connector):
    """Yields `items` from the cursor on, `size` a page; an exception among them is raised in its place."""

    name = "double"
    label = "Double"
    can_pull = True
    pull_every_seconds = 30
    items: ClassVar[list[Any]] = []
    size: ClassVar[int] = 2

    def pull(self, account: Any) -> Iterator[Page]:
        position = account.cursor.get("position", 0)
        while True:
            found = self.items[position : position + self.size]
            for one in found:
                if isinstance(one, Exception):
                    raise one
            position += len(found)
            more = position < len(self.items)
            yield Page(
                events=[one for one in found if isinstance(one, Event | Change)],
                bad=[one for one in found if isinstance(one, Bad)],
                cursor={"position": position},
                more=more,
            )
            if not more:
                return

    def parse(self, raw: Any) -> Sequence[Parcel]:
        body = bytes(raw.body).decode()
        if body.startswith("bad"):
            raise ValueError("This body is bad.")
        if body.startswith("crash"):
            raise KeyError("entry")
        return [Parcel([event(body)])]
