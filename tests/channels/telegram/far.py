"""A Bot API for tests: one bot, its waiting updates, its webhook and its chats."""

from __future__ import annotations

import itertools
import json
from typing import Any

from tests.channels.platform import Call, Platform, route

BOT = 4839574812
TOKEN = f"{BOT}:AAF-abcdefghijklmnopqrstuvwxyz0123456"
MARA = 5550123
SECONDS = 1_795_341_600
PERSON = {"id": MARA, "is_bot": False, "first_name": "Mara", "username": "maralind", "language_code": "de"}
CHAT = {"id": MARA, "type": "private", "first_name": "Mara"}


def refusal(code: int, words: str, **parameters: Any) -> dict[str, Any]:
    found = {"ok": False, "error_code": code, "description": words}
    return {**found, **({"parameters": parameters} if parameters else {})}


class Telegram(Platform):
    """Updates are forgotten once a higher number is asked for, as the real one does."""

    def __init__(self) -> None:
        super().__init__()
        self.updates: list[dict[str, Any]] = []
        self.numbers = itertools.count(700_001)
        self.messages = itertools.count(50)
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.hook: dict[str, Any] = {}
        self.files = {"AwACfile": b"OggS voice"}

    def tell(self, kind: str, body: dict[str, Any]) -> int:
        number = next(self.numbers)
        self.updates.append({"update_id": number, kind: body})
        return number

    def say(self, words: str, at: int = 0, **more: Any) -> str:
        """Mara writes to the bot; the message's external id."""
        key = next(self.messages)
        self.tell(
            "message",
            {"message_id": key, "from": PERSON, "chat": CHAT, "date": SECONDS + at, "text": words, **more},
        )
        return f"{MARA}:{key}"

    def edit(self, key: int, words: str) -> None:
        said = {"message_id": key, "from": PERSON, "chat": CHAT, "date": SECONDS, "text": words}
        self.tell("edited_message", {**said, "edit_date": SECONDS + 900})

    def answer(self, call: Call) -> Any:
        if not call.path.startswith((f"/bot{TOKEN}/", f"/file/bot{TOKEN}/")):
            return 401, refusal(401, "Unauthorized"), {}
        return super().answer(call)

    def given(self, call: Call) -> dict[str, Any]:
        kind = dict(call.headers).get("Content-Type", "")
        if kind.startswith("multipart/"):
            return {"raw": call.body}
        return dict(call.json) if call.body else dict(call.query)

    @route("GET", r"/bot[^/]+/getMe")
    def me(self, call: Call) -> Any:
        me = {"id": BOT, "is_bot": True, "first_name": "Shop", "username": "rapport_shop_bot"}
        return 200, {"ok": True, "result": {**me, "can_read_all_group_messages": False}}

    @route("GET", r"/bot[^/]+/getUpdates")
    def get_updates(self, call: Call) -> Any:
        if self.hook.get("url"):
            return 409, refusal(409, "Conflict: can't use getUpdates method while webhook is active")
        offset = int(call.query.get("offset", 0))
        self.updates = [one for one in self.updates if one["update_id"] >= offset]
        return 200, {"ok": True, "result": self.updates[: int(call.query["limit"])]}

    @route("POST", r"/bot[^/]+/setWebhook")
    def set_webhook(self, call: Call) -> Any:
        self.hook = call.json
        return 200, {"ok": True, "result": True}

    @route("POST", r"/bot[^/]+/deleteWebhook")
    def delete_webhook(self, call: Call) -> Any:
        self.hook = {}
        return 200, {"ok": True, "result": True}

    @route("GET", r"/bot[^/]+/getWebhookInfo")
    def webhook_info(self, call: Call) -> Any:
        told = {"url": self.hook.get("url", ""), "pending_update_count": len(self.updates)}
        return 200, {"ok": True, "result": {**told, "has_custom_certificate": False}}

    @route("GET", r"/bot[^/]+/getFile")
    def get_file(self, call: Call) -> Any:
        file = call.query["file_id"]
        if file not in self.files:
            return 400, refusal(400, "Bad Request: file is too big")
        return 200, {"ok": True, "result": {"file_id": file, "file_path": f"voice/{file}.oga"}}

    @route("GET", r"/file/bot[^/]+/voice/(?P<file>[A-Za-z]+)\.oga")
    def file(self, call: Call) -> Any:
        return 200, self.files[call.groups["file"]], {"Content-Type": "application/octet-stream"}

    @route("POST", r"/bot[^/]+/(?P<method>sendMessage|sendPhoto|sendDocument)")
    def send(self, call: Call) -> Any:
        told = self.given(call)
        self.sent.append((call.groups["method"], told))
        chat = int(told.get("chat_id", MARA))
        message = {
            "message_id": next(self.messages),
            "chat": {"id": chat, "type": "private"},
            "date": SECONDS,
        }
        return 200, {"ok": True, "result": message}

    @route("POST", r"/bot[^/]+/sendMediaGroup")
    def send_album(self, call: Call) -> Any:
        self.sent.append(("sendMediaGroup", self.given(call)))
        chat = {"id": MARA, "type": "private"}
        album = [{"message_id": next(self.messages), "chat": chat, "date": SECONDS} for _ in range(2)]
        return 200, {"ok": True, "result": album}

    @route("POST", r"/bot[^/]+/(?P<method>setMessageReaction|deleteMessage|deleteBusinessMessages)")
    def act(self, call: Call) -> Any:
        self.sent.append((call.groups["method"], call.json))
        return 200, {"ok": True, "result": True}


def as_body(update: dict[str, Any]) -> bytes:
    return json.dumps(update).encode()
