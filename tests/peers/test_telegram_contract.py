"""Our reading of Telegram, our double and our payloads against the published Bot API."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from engagement.channels.telegram.contents import CONTENT, ENVELOPE, SERVICE
from engagement.channels.telegram.events import ASKED_FOR
from tests.channels.telegram.far import CHAT, PERSON

pytestmark = pytest.mark.peer
PAYLOADS = Path(__file__).parents[1] / "channels" / "telegram" / "payloads"
PLACE = {"chat_id", "business_connection_id", "direct_messages_topic_id", "reply_parameters"}
USED = {
    "getMe": set(),
    "getUpdates": {"offset", "limit", "timeout", "allowed_updates"},
    "setWebhook": {"url", "secret_token", "max_connections", "allowed_updates"},
    "deleteWebhook": {"drop_pending_updates"},
    "getWebhookInfo": set(),
    "getFile": {"file_id"},
    "sendMessage": {*PLACE, "text"},
    "sendPhoto": {*PLACE, "photo", "caption"},
    "sendDocument": {*PLACE, "document", "caption"},
    "sendMediaGroup": {*PLACE, "media"},
    "setMessageReaction": {"chat_id", "message_id", "reaction"},
    "deleteMessage": {"chat_id", "message_id"},
    "deleteBusinessMessages": {"business_connection_id", "message_ids"},
}
KINDS = {"Integer": int, "String": str, "Boolean": bool, "Float": (int, float), "True": bool}


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    """Return the published types and methods; without them the test fails, for it has shown nothing."""
    path = Path(os.environ.get("RAPPORT_SAMPLES", "")) / "contracts" / "telegram.json"
    if not os.environ.get("RAPPORT_SAMPLES") or not path.is_file():
        pytest.fail("set RAPPORT_SAMPLES to a folder that holds contracts/telegram.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def fields(api: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    return {field["name"]: field for field in api["types"][name]["fields"]}


def wrong(api: dict[str, Any], name: str, value: Any, path: str = "") -> list[str]:
    """Where a value is not of the published type: unknown or missing fields, other kinds."""
    if name.startswith("Array of "):
        if not isinstance(value, list):
            return [f"{path} is not a list"]
        inner = name.removeprefix("Array of ")
        return [told for n, one in enumerate(value) for told in wrong(api, inner, one, f"{path}[{n}]")]
    if name in KINDS:
        fits = isinstance(value, KINDS[name]) and (name == "Boolean" or not isinstance(value, bool))
        return [] if fits else [f"{path} is no {name}"]
    told_type = api["types"][name]
    if "fields" not in told_type:
        tries = [wrong(api, one, value, path) for one in told_type.get("subtypes", [])]
        return min(tries, key=len) if tries else []
    known = fields(api, name)
    found = [f"{path}.{key} is unknown" for key in value if key not in known]
    found += [
        f"{path}.{key} is missing" for key, one in known.items() if one["required"] and key not in value
    ]
    for key, one in known.items():
        if key in value:
            tries = [wrong(api, kind, value[key], f"{path}.{key}") for kind in one["types"]]
            found += min(tries, key=len)
    return found


def test_every_field_of_a_message_is_known_once(api: dict[str, Any]) -> None:
    published = set(fields(api, "Message"))
    assert published - (ENVELOPE | SERVICE | CONTENT) == set()
    assert (ENVELOPE | SERVICE | CONTENT) - published == set()
    assert not ENVELOPE & SERVICE and not ENVELOPE & CONTENT and not SERVICE & CONTENT


def test_what_we_ask_for_exists(api: dict[str, Any]) -> None:
    assert set(ASKED_FOR) <= set(fields(api, "Update"))


@pytest.mark.parametrize("method", sorted(USED))
def test_what_we_call_exists_with_these_parameters(api: dict[str, Any], method: str) -> None:
    known = {field["name"]: field for field in api["methods"][method].get("fields", [])}
    assert USED[method] <= set(known)
    required = {name for name, field in known.items() if field["required"]}
    assert required <= USED[method]


@pytest.mark.parametrize(
    "path", sorted(PAYLOADS.glob("*.expected.json")), ids=lambda path: path.name.split(".")[0]
)
def test_a_payload_that_we_made_is_of_the_published_types(api: dict[str, Any], path: Path) -> None:
    told = json.loads(path.read_text())
    if not told["guess"] or "error" in told:
        assert told["source"]
        return
    update = json.loads(path.with_name(path.name.replace(".expected", "")).read_text())
    assert wrong(api, "Update", update) == []


def test_a_wrong_payload_would_be_found(api: dict[str, Any]) -> None:
    good = {"message_id": 1, "date": 1, "chat": CHAT, "from": PERSON}
    assert wrong(api, "Message", good) == []
    assert wrong(api, "Message", {**good, "date": "1"}) == [".date is no Integer"]
    assert wrong(api, "Message", {**good, "txet": "x"}) == [".txet is unknown"]


def test_the_double_speaks_published_types(api: dict[str, Any]) -> None:
    assert wrong(api, "User", PERSON) == []
    assert wrong(api, "Chat", CHAT) == []
