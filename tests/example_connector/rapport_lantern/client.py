"""HTTP with Lantern, and nothing else: what a call is, and what its refusals mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self, TypedDict

from core import http
from engagement.channels import calling, fields
from engagement.channels.base import (
    PermanentFailure,
    SendFailed,
    TransientFailure,
    WindowClosed,
    from_http,
    platform_url,
)
from engagement.models import ChannelAccount

API = "https://api.lantern.example"
PAGE = 100
BY_CODE: Mapping[str, type[SendFailed]] = {
    "window_closed": WindowClosed,
    "no_such_person": PermanentFailure,
}
"""What the platform's own error codes mean; for all others the HTTP status decides."""


class Found(TypedDict):
    """One page of messages."""

    messages: list[Any]
    next: str
    more: bool


class Client:
    """Calls for one account. Every method raises SendFailed."""

    def __init__(self, account: ChannelAccount, *, bucket: str = "pull") -> None:
        token = str(account.credentials.get("access_token", ""))
        self.http = calling.client(
            account,
            platform_url("lantern", API) + "/",
            bucket=bucket,
            headers={"Authorization": f"Bearer {token}"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    def me(self) -> str:
        """The account's own id."""
        return self._text(self._call("GET", "me"), "id")

    def messages(self, *, after: str, since: datetime | None = None, until: datetime | None = None) -> Found:
        """The messages after this cursor, oldest first."""
        params = {"after": after, "limit": str(PAGE)}
        if since and until:
            params |= {"since": since.isoformat(), "until": until.isoformat()}
        told = self._call("GET", "messages", params=params)
        found = told.get("messages")
        if not isinstance(found, list):
            raise TransientFailure("Lantern answered without a list of messages.")
        return Found(messages=found, next=fields.maybe_text(told, "next"), more=told.get("more") is True)

    def send(self, *, to: str, text: str, key: str) -> str:
        """Send a text; the id that it has there."""
        told = self._call("POST", "messages", json={"to": to, "text": text, "key": key})
        return self._text(told, "id")

    def _call(self, method: str, path: str, **options: Any) -> Mapping[str, Any]:
        try:
            told = self.http.request(method, path, **options).json()
        except http.HttpFailure as failure:
            raise _meaning(failure) from None
        if not isinstance(told, dict):
            raise TransientFailure("Lantern answered with something else than an object.")
        return told

    def _text(self, told: Mapping[str, Any], name: str) -> str:
        try:
            return fields.text(told, name)
        except ValueError as error:
            raise TransientFailure(f"Lantern: {error}") from None


def _meaning(failure: http.HttpFailure) -> SendFailed:
    try:
        told = json.loads(failure.body)
    except ValueError:
        told = {}
    code = fields.maybe_text(told, "error.code") if isinstance(told, dict) else ""
    if code in BY_CODE:
        return BY_CODE[code](fields.maybe_text(told, "error.message") or code)
    return from_http(failure)
