"""A platform over HTTP that keeps what it is sent, and three connectors to it.

One connector gives an id with each message, and the platform takes it once; one can ask what is there; one
can do neither. Nothing else differs. They are installed as packages are, by entry points, so that a whole
installation finds them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engagement.channels import calling
from engagement.channels.base import (
    Author,
    Connector,
    Event,
    Forged,
    Hook,
    Outgoing,
    Page,
    Parcel,
    Sent,
    platform_url,
    translated,
)
from tests.channels.platform import Call, Platform, route

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
SECRET = "of-the-measurement"  # noqa: S105
NAMES = ("keyed", "readable", "neither")
ENTRY_POINTS = """[rapport.channels]
keyed = benchmarks._far:Keyed
readable = benchmarks._far:Readable
neither = benchmarks._far:Neither
"""


def event_of(number: int, texts: Sequence[str], people: int, *, prefix: str = "e") -> dict[str, Any]:
    """One message as the platform keeps it."""
    return {
        "id": f"{prefix}{number:07d}",
        "person": f"p{number * 7919 % people}",
        "at": (START + timedelta(seconds=30 * number)).isoformat(),
        "text": texts[number % len(texts)],
    }


class Far(Platform):
    """Pages of events by position, and messages as they were taken."""

    def __init__(self, events: Mapping[str, list[dict[str, Any]]], *, page: int = 50) -> None:
        super().__init__()
        # Who asks may be killed while it is answered.
        self.server.handle_error = lambda *error: None  # type: ignore[method-assign]
        self.events = events
        self.page = page
        self.page_delay = self.send_delay = 0.0
        self.down: set[str] = set()
        """Accounts that are answered 503."""
        self.hangs: dict[str, float] = {}
        """Seconds that an account waits for its 503."""
        self.refused = self.refused_late = 0
        self.messages: dict[str, list[dict[str, Any]]] = {name: [] for name in events}
        self.by_key: dict[tuple[str, str], str] = {}
        self.asked_at: dict[str, list[float]] = defaultdict(list)

    def handle(self, call: Call) -> tuple[int, Any, Mapping[str, str]] | None:
        """Take as long as a platform does, half of it before and half of it after the thing is done."""
        name = call.path.split("/")[1]
        if name in self.down or name in self.hangs:
            self.refused, self.refused_late = self.refused + 1, self.refused_late + 1
            time.sleep(self.hangs.get(name, 0))
            return 503, {"error": "down"}, {}
        delay = self.send_delay if call.method == "POST" else self.page_delay
        time.sleep(delay / 2)
        answer = super().handle(call)
        time.sleep(delay / 2)
        self.calls.clear()
        return answer

    @route("GET", "/(?P<name>[a-z0-9-]+)/events")
    def list_events(self, call: Call) -> tuple[int, Any]:
        """Return one page after a position."""
        self.asked_at[call.groups["name"]].append(time.time())
        whole, after = self.events[call.groups["name"]], int(call.query.get("after", 0))
        found = whole[after : after + self.page]
        return 200, {"events": found, "next": after + len(found), "more": after + len(found) < len(whole)}

    @route("POST", "/(?P<name>[a-z0-9-]+)/messages")
    def take_message(self, call: Call) -> tuple[int, Any]:
        """Keep one message; a known key is answered with what was kept under it."""
        name, given = call.groups["name"], call.json
        kept = self.messages[name]
        known = self.by_key.get((name, given["key"])) if given.get("key") else None
        if known is None:
            known = f"{name}-{len(kept)}"
            kept.append({"id": known, "to": given["to"], "text": given["text"]})
            if given.get("key"):
                self.by_key[name, given["key"]] = known
        return 200, {"id": known}

    @route("GET", "/(?P<name>[a-z0-9-]+)/messages")
    def find_message(self, call: Call) -> tuple[int, Any]:
        """Return what was said to somebody in these words."""
        wanted = (call.query["to"], call.query["text"])
        found = [one for one in self.messages[call.groups["name"]] if (one["to"], one["text"]) == wanted]
        return 200, {"messages": found}


class FarConnector(Connector):
    """What the three have in common."""

    label = "Far"
    can_pull = True
    can_reply = True
    takes_hooks = True
    hook_headers = ("x-delivery",)
    pull_every_seconds = 1
    gives_key = False

    def _client(self, account: Any, bucket: str = "pull") -> Any:
        root = platform_url(self.name, "http://127.0.0.1:9")
        base = f"{root}/{account.external_id}/"
        return calling.client(account, base, bucket=bucket, timeout=(2, 10), retries=0)

    def pull(self, account: Any) -> Iterator[Page]:
        """Yield pages from the cursor on."""
        after = int(account.cursor.get("after", 0))
        with self._client(account) as client:
            while True:
                with translated():
                    told = client.get("events", params={"after": after}).json()
                after = told["next"]
                yield Page([_event(one) for one in told["events"]], {"after": after}, more=told["more"])
                if not told["more"]:
                    return

    def verify(self, hook: Hook, account: Any) -> None:
        """Check the signature."""
        if not hmac.compare_digest(hook.headers.get("x-signature", ""), signature(hook.body)):
            raise Forged

    def delivery_key(self, hook: Hook) -> str:
        """Return the number of the delivery."""
        return hook.headers.get("x-delivery", "")

    def parse(self, raw: Any) -> Sequence[Parcel]:
        """Understand one body: a list of events."""
        return [Parcel([_event(one) for one in json.loads(bytes(raw.body))])]

    def send(self, outgoing: Outgoing) -> Sent:
        """Send one message."""
        body = {"to": outgoing.to[0].external_id, "text": outgoing.text}
        if self.gives_key:
            body["key"] = outgoing.external_id
        with self._client(outgoing.account, "send") as client, translated():
            return Sent(client.post("messages", json=body).json()["id"])


class Keyed(FarConnector):
    """A message goes with an id of ours."""

    name = "keyed"
    networks = ("keyed",)
    takes_our_id = True
    gives_key = True


class Readable(FarConnector):
    """What is there can be asked."""

    name = "readable"
    networks = ("readable",)
    reads_back = True

    def find_sent(self, outgoing: Outgoing) -> Sent | None:
        """Look for it by whom it went to and its words."""
        asked = {"to": outgoing.to[0].external_id, "text": outgoing.text}
        with self._client(outgoing.account) as client, translated():
            found = client.get("messages", params=asked).json()["messages"]
        return Sent(found[0]["id"]) if found else None


class Neither(FarConnector):
    """Neither of both."""

    name = "neither"
    networks = ("neither",)


def signature(body: bytes) -> str:
    """Return what a webhook's body is signed with."""
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def _event(one: dict[str, Any]) -> Event:
    return Event(
        external_id=one["id"],
        kind="message",
        direction="inbound",
        occurred_at=datetime.fromisoformat(one["at"]),
        text=one["text"],
        thread_keys=(f"dm:{one['person']}",),
        author=Author(one["person"], handle=f"@{one['person']}"),
    )


def install(folder: Path) -> None:
    """Write what makes a folder on the path a package that ships the three connectors."""
    info = folder / "rapport_far-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rapport-far\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    for path in (folder, info, *info.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)


def new_account(connector_name: str, external_id: str) -> Any:
    """Make an account of the far platform."""
    from accounts.models import Team
    from engagement.models import ChannelAccount

    return ChannelAccount.objects.create(
        connector=connector_name,
        network=connector_name,
        external_id=external_id,
        name=external_id,
        issuer=external_id,
        hook_key=f"hook-{external_id}",
        team=Team.general(),
    )
