"""Push interactions and an order into Rapport, read the change feed, and see who is behind it.

Needs Python 3.11 and nothing else:

    RAPPORT_URL=http://localhost:8000 RAPPORT_KEY=rk_… python examples/push_and_read.py

The key needs the scopes channel.manage, conversation.read, customer.read, event.read, interaction.write and
order.write; make it in Settings, API keys. Run it twice: the second time everything is `repeated`.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

URL = os.environ.get("RAPPORT_URL", "http://localhost:8000").rstrip("/")
KEY = os.environ.get("RAPPORT_KEY", "")


class Refused(Exception):
    """The API said no; `errors` holds its reasons."""

    def __init__(self, status: int, errors: list[dict[str, Any]]) -> None:
        super().__init__(
            f"{status}: " + "; ".join(f"{e['attr'] or ''} {e['detail']}".strip() for e in errors)
        )
        self.status, self.errors = status, errors

    def is_for(self, code: str) -> bool:
        """Whether this is the reason."""
        return any(error["code"] == code for error in self.errors)


def call(method: str, path: str, body: Any = None, **query: Any) -> Any:
    """One call; waits and tries again where the limit of calls is reached."""
    address = f"{URL}/api/v1/{path}" + (f"?{urlencode(query)}" if query else "")
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    while True:
        request = urllib.request.Request(address, data, headers, method=method)  # noqa: S310 -- our own address
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 429:
                raise Refused(error.code, json.load(error)["errors"]) from error
            time.sleep(int(error.headers["Retry-After"]))


def make_account() -> None:
    """The channel account that we push into; made by the first run, found by the others."""
    account = {"network": "instagram", "external_id": "example_shop", "name": "Example shop"}
    try:
        made = call("POST", "channel-accounts/", account)
        print(f"made channel account {made['id']}")
    except Refused as refused:
        if not refused.is_for("account_exists"):
            raise


def push_interactions(when: datetime) -> None:
    """A question and its answer, in one call; each is answered by itself."""
    eva = {"external_id": "17841", "handle": "@eva", "name": "Eva Lind", "country": "SE"}
    common = {"account": "instagram/example_shop", "thread_id": "example-thread"}
    question = {
        **common,
        "external_id": "example-1",
        "direction": "inbound",
        "occurred_at": when.isoformat(),
        "author": eva,
        "text": "Where is my kettle?",
    }
    answer = {
        **common,
        "external_id": "example-2",
        "direction": "outbound",
        "occurred_at": (when + timedelta(minutes=5)).isoformat(),
        "staff_name": "Bo",
        "text": "It left this morning.",
        "in_reply_to": "example-1",
    }
    for one in call("POST", "interactions/", [question, answer])["results"]:
        print(f"interaction {one['external_id']}: {one['status']}", *one["errors"])


def push_order(when: datetime) -> None:
    """What the same person bought: the same network and id, so the same customer."""
    order = {
        "source": "example-shop",
        "external_id": "example-1001",
        "customer": {"network": "instagram", "issuer": "", "external_id": "17841"},
        "placed_at": when.isoformat(),
        "total": "49.90",
        "currency": "USD",
        "lines": [{"title": "Kettle", "units": 1, "price": "49.90"}],
    }
    print(f"order {order['external_id']}: {call('POST', 'orders/', order)['status']}")


def read_changes(after: int) -> int:
    """What happened since; returns where to go on. Keep that number between runs."""
    while True:
        page = call("GET", "events/", after=after)
        for event in page["results"]:
            print(f"event {event['number']}: {event['type']} {event['ids']}")
        after = page["next_after"]
        if not page["more"]:
            return after


def show_customer() -> None:
    """Who is behind the handle, and what they said."""
    found = call("GET", "identities/", network="instagram", external_id="17841")["results"]
    customer = call("GET", f"customers/{found[0]['customer']}/")
    orders = call("GET", "orders/", customer=customer["id"])["results"]
    print(f"customer {customer['id']}: {customer['name']}, {len(orders)} order(s)")
    for line in call("GET", "interactions/", customer=customer["id"], sort="occurred")["results"]:
        print(f"  {line['occurred_at']} {line['direction']}: {line['text']}")


def main() -> int:
    """Everything in turn; 1 and the reason where the API refuses."""
    when = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    try:
        me = call("GET", "me/")
        print(f"calling as {me['name']} ({me['role']}) with the key “{me['key']['name']}”")
        after = call("GET", "events/", after="latest")["next_after"]
        make_account()
        push_interactions(when)
        push_order(when)
        read_changes(after)
        show_customer()
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
