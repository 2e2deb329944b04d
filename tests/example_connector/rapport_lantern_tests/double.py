"""Lantern on loopback: it keeps messages, sends each key once, and fails when a test wants it to."""

from __future__ import annotations

from typing import Any

from tests.channels.platform import Call, Platform, route


class Lantern(Platform):
    """The far side."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Any] = []
        self.by_key: dict[str, str] = {}
        self.page = 2

    def say(self, number: int, text: str = "Hello") -> None:
        """A customer writes."""
        self.messages.append(
            {
                "id": f"m-{number}",
                "text": text,
                "sent_at": f"2026-11-22T09:{number:02}:00Z",
                "person": {"id": "p-7", "name": "Eva Lind"},
            }
        )

    def refuses(self, call: Call) -> bool:
        return call.headers.get("Authorization") != "Bearer right"

    @route("GET", "/me")
    def me(self, call: Call) -> tuple[int, Any]:
        return (401, {}) if self.refuses(call) else (200, {"id": "acme"})

    @route("GET", "/messages")
    def some(self, call: Call) -> tuple[int, Any]:
        if self.refuses(call):
            return 401, {}
        begin = int(call.query.get("after") or 0)
        found = [(at, one) for at, one in enumerate(self.messages, 1) if at > begin and self.fits(call, one)]
        page = found[: self.page]
        told = {"messages": [one for _, one in page], "more": len(found) > len(page)}
        return 200, {**told, "next": str(page[-1][0]) if page else ""}

    def fits(self, call: Call, one: Any) -> bool:
        """Whether it was said in the window that is asked for."""
        if "since" not in call.query:
            return True
        return call.query["since"] <= one["sent_at"].replace("Z", "+00:00") < call.query["until"]

    @route("POST", "/messages")
    def send(self, call: Call) -> tuple[int, Any]:
        if self.refuses(call):
            return 401, {}
        key = call.json["key"]
        self.by_key.setdefault(key, f"sent-{len(self.by_key) + 1}")
        return 200, {"id": self.by_key[key]}
