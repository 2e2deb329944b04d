"""Calls to the REST API in tests, and the number of statements they may take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.permissions import SCOPES
from accounts.services import create_api_key

COUNTS = Path(__file__).parent / "query_counts.json"


class Caller:
    """Somebody with a key: `Caller(ada).get("customers/")`."""

    def __init__(self, user: Any, scopes: Any = SCOPES, *, maker: Any = None) -> None:
        from accounts.models import APIKey

        self.key, token = create_api_key(name="test", scopes=list(scopes), by=maker or user)
        if maker is not None:
            # Keys are made by admins; this one acts for somebody else.
            APIKey.objects.filter(pk=self.key.pk).update(created_by=user)
        self.client = Client(headers={"Authorization": f"Bearer {token}"})
        self.token = token

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self.client.get(f"/api/v1/{path}", query)

    def post(self, path: str, data: Any = None, **more: Any) -> HttpResponse:
        return self._send("post", path, data, **more)

    def patch(self, path: str, data: Any = None, **more: Any) -> HttpResponse:
        return self._send("patch", path, data, **more)

    def delete(self, path: str) -> HttpResponse:
        return self.client.delete(f"/api/v1/{path}")

    def _send(self, method: str, path: str, data: Any, *, raw: bytes | None = None, **more: Any) -> Any:
        body = raw if raw is not None else json.dumps(data)
        more.setdefault("content_type", "application/json")
        return getattr(self.client, method)(f"/api/v1/{path}", body, **more)


def errors(answer: Any) -> list[tuple[str, str | None]]:
    """(code, attr) of each error of an answer; fails unless it has the one shape."""
    body = answer.json()
    assert set(body) == {"type", "errors"}, body
    assert all(set(error) == {"code", "detail", "attr"} for error in body["errors"])
    return [(error["code"], error["attr"]) for error in body["errors"]]


def assert_pinned(name: str, caller: Caller, path: str, **query: Any) -> None:
    """A list takes exactly the number of statements that query_counts.json says."""
    caller.get(path, **query)
    with CaptureQueriesContext(connection) as found:
        answer = caller.get(path, **query)
    assert answer.status_code == 200, answer.content
    told = "\n".join(query["sql"][:160] for query in found.captured_queries)
    pinned = json.loads(COUNTS.read_text())[name]
    assert len(found) == pinned, f"{name}: {len(found)} statements, {pinned} pinned\n{told}"
