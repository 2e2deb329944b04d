"""A made-up platform with everything a channel can have, and its connector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest
from django import forms
from django.utils import timezone

from accounts.models import Team
from core.http import Client
from engagement import channels
from engagement.channels.base import (
    Act,
    AuthFailure,
    Author,
    Connector,
    Event,
    Finding,
    Fresh,
    Hook,
    Listed,
    Login,
    Offer,
    Page,
    Parcel,
    PermanentFailure,
    Rate,
    Subscription,
    TokenExpired,
    app_keys,
    platform_url,
    translated,
)
from engagement.models import ChannelAccount
from tests.channels.platform import Call, Platform, route

SECRET = "harbour-app-secret"
APPS = {"harbour": {"id": "app-1", "secret": SECRET}}


class Harbour(Platform):
    """Keeps messages by account; a page holds two."""

    def __init__(self) -> None:
        super().__init__()
        self.accounts = {"quay": "The quay", "pier": "The pier", "buoy": "The buoy"}
        self.messages: dict[str, dict[str, Any]] = {}
        self.tokens = {"token-1"}
        self.refresh_to = "token-2"
        self.hooks: dict[str, str] = {}
        self.granted = ["read", "write"]

    def say(self, number: int, at: datetime, *, to: str = "quay", text: str = "Ahoy") -> None:
        """Somebody writes to an account."""
        said = {"id": f"m{number}", "at": at.isoformat(), "text": text, "from": f"sailor{number % 5}"}
        self.messages[f"m{number}"] = {**said, "to": to}

    def _refused(self, call: Call) -> bool:
        return call.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens

    @route("GET", r"/login")
    def login(self, call: Call) -> tuple[int, Any, dict[str, str]]:
        """Whoever comes here allows it at once."""
        back = f"{call.query['redirect_uri']}?{urlencode({'code': 'good', 'state': call.query['state']})}"
        return 302, "", {"Location": back}

    @route("POST", r"/oauth/token")
    def token(self, call: Call) -> tuple[int, Any]:
        form = call.form
        if form.get("client_secret") != SECRET or form.get("code") != "good" or not form.get("code_verifier"):
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "token-1", "scope": self.granted, "expires_in": 86400 * 60}

    @route("POST", r"/oauth/refresh")
    def refresh(self, call: Call) -> tuple[int, Any]:
        self.tokens = {self.refresh_to}
        return 200, {"access_token": self.refresh_to, "expires_in": 3600}

    @route("GET", r"/accounts")
    def mine(self, call: Call) -> tuple[int, Any]:
        return 200, [{"id": pk, "name": name} for pk, name in self.accounts.items()]

    @route("GET", r"/permissions/(?P<scope>\w+)")
    def permission(self, call: Call) -> tuple[int, Any]:
        if self._refused(call):
            return 401, {"error": "token"}
        return (200, {}) if call.groups["scope"] in self.granted else (403, {"error": "scope"})

    @route("PUT", r"/hooks/(?P<account>\w+)")
    def hook(self, call: Call) -> tuple[int, Any]:
        self.hooks[call.groups["account"]] = call.json["address"]
        return 200, {"secret": "hook-secret"}

    @route("DELETE", r"/hooks/(?P<account>\w+)")
    def unhook(self, call: Call) -> tuple[int, Any]:
        self.hooks.pop(call.groups["account"], None)
        return 200, {}

    @route("GET", r"/accounts/(?P<account>\w+)/messages")
    def listed(self, call: Call) -> tuple[int, Any]:
        if self._refused(call):
            return 401, {"error": "expired"}
        since, until = (datetime.fromisoformat(call.query[name]) for name in ("since", "until"))
        found = [
            one
            for one in self.messages.values()
            if one["to"] == call.groups["account"] and since <= datetime.fromisoformat(one["at"]) < until
        ]
        begin = int(call.query.get("after", 0))
        more = begin + 2 if begin + 2 < len(found) else None
        return 200, {"items": found[begin : begin + 2], "next": more}

    @route("GET", r"/messages")
    def fetched(self, call: Call) -> tuple[int, Any]:
        return 200, [self.messages[pk] for pk in call.query["ids"].split(",") if pk in self.messages]


class HarbourForm(forms.Form):
    """Which harbour."""

    town = forms.CharField(required=False)
    api_token = forms.CharField(required=False, widget=forms.PasswordInput)


def event_of(one: Mapping[str, Any]) -> Event:
    return Event(
        external_id=one["id"],
        kind="message",
        direction="inbound",
        occurred_at=datetime.fromisoformat(one["at"]),
        text=one["text"],
        thread_keys=(f"dm:{one['from']}",),
        author=Author(one["from"], name=one["from"].capitalize()),
    )


class HarbourConnector(Connector):
    """The same as its platform sees it; some of what it can is changed by tests."""

    name = "harbour"
    label = "Harbour"
    about = "Messages of sailors; answers go back to the ship."
    networks = ("harbour",)
    needs = ("A harbour master's account.",)
    scopes: ClassVar[Mapping[str, str]] = {"read": "To take in messages.", "write": "To answer them."}
    keys_of = "harbour"
    can_pull = True
    can_reply = True
    takes_hooks = True
    subscribes = True
    reconciles = True
    logs_in = True
    reads_history = True
    acts = frozenset({Act.HIDE, Act.BLOCK})
    settings_form = HarbourForm
    secret_fields = ("api_token",)
    rates = (Rate("pull", 1000, 60), Rate("send", 10, 60))
    whole: ClassVar[bool] = True
    """Lists come with events."""

    def wants_login(self, cleaned: Mapping[str, Any]) -> bool:
        return not cleaned.get("api_token")

    def client(self, account: ChannelAccount | None = None) -> Client:
        headers = (
            {"Authorization": f"Bearer {account.credentials.get('access_token', '')}"} if account else {}
        )
        return Client(platform_url(self.name, "https://harbour.example"), headers=headers, retries=0)

    def begin_login(self, cleaned: Mapping[str, Any], *, state: str, back_to: str) -> Login:
        query = urlencode({"state": state, "redirect_uri": back_to, "client_id": app_keys("harbour")["id"]})
        place = platform_url(self.name, "https://harbour.example")
        return Login(f"{place}/login?{query}", {"verifier": "pkce", "town": cleaned["town"]})

    def finish_login(
        self, query: Mapping[str, str], remembered: Mapping[str, Any], *, back_to: str
    ) -> Sequence[Offer]:
        if "error" in query:
            raise PermanentFailure("You did not allow it.", advice="Press Allow.")
        form = {
            "code": query["code"],
            "code_verifier": remembered["verifier"],
            "client_secret": app_keys("harbour")["secret"],
        }
        with translated(), self.client() as client:
            told = client.post("oauth/token", data=form).json()
            accounts = client.get("accounts").json()
        return [
            Offer(
                external_id=one["id"],
                name=one["name"],
                network="harbour",
                credentials={"access_token": told["access_token"]},
                settings={"town": remembered["town"]},
                scopes=tuple(told["scope"]),
                expires_at=timezone.now() + timedelta(seconds=told["expires_in"]),
                why_not="It belongs to somebody else." if one["id"] == "buoy" else "",
            )
            for one in accounts
        ]

    def refresh(self, account: ChannelAccount) -> Fresh:
        with translated(), self.client() as client:
            told = client.post("oauth/refresh").json()
        ends = timezone.now() + timedelta(seconds=told["expires_in"])
        return Fresh({**account.credentials, "access_token": told["access_token"]}, ends)

    def pull(self, account: ChannelAccount) -> Iterator[Page]:
        yield Page([], {"at": 1})

    def examine(self, account: ChannelAccount) -> Sequence[Finding]:
        found = []
        with self.client(account) as client:
            for scope in self.scopes:
                try:
                    with translated():
                        client.get(f"permissions/{scope}")
                except (PermanentFailure, AuthFailure) as failure:
                    text = str(failure)
                    found.append(Finding(scope, False, text, "Sign in again and allow it.", scope))
                else:
                    found.append(Finding(scope, True, scope=scope))
        return found

    def subscribe(self, account: ChannelAccount, address: str) -> Subscription:
        with translated(), self.client(account) as client:
            told = client.put(f"hooks/{account.external_id}", json={"address": address}).json()
        return Subscription(True, secrets={"hook_secret": told["secret"]})

    def unsubscribe(self, account: ChannelAccount) -> None:
        with translated(), self.client(account) as client:
            client.delete(f"hooks/{account.external_id}")

    def verify(self, hook: Hook, account: ChannelAccount | None) -> None:
        return None

    def parse(self, raw: Any) -> Sequence[Parcel]:
        body = bytes(raw.body).decode()
        if "broken" in body:
            raise ValueError("This is broken.")
        return [Parcel([event_of({"id": body, "at": "2026-03-02T12:00:00+00:00", "text": "x", "from": "s"})])]

    def list_window(
        self, account: ChannelAccount, since: datetime, until: datetime
    ) -> Iterator[Sequence[Listed]]:
        after: int | None = 0
        window = {"since": since.isoformat(), "until": until.isoformat()}
        while after is not None:
            with self.client(account) as client:
                try:
                    with translated():
                        query = {**window, "after": str(after)}
                        told = client.get(f"accounts/{account.external_id}/messages", params=query).json()
                except AuthFailure as failure:
                    raise TokenExpired(str(failure)) from None
            yield [
                Listed(one["id"], datetime.fromisoformat(one["at"]), event_of(one) if self.whole else None)
                for one in told["items"]
            ]
            after = told["next"]

    def fetch(self, account: ChannelAccount, external_ids: Sequence[str]) -> Page:
        with translated(), self.client(account) as client:
            told = client.get("messages", params={"ids": ",".join(external_ids)}).json()
        return Page([event_of(one) for one in told], {})

    def gone(self, account: ChannelAccount, external_ids: Sequence[str]) -> Sequence[str]:
        with translated(), self.client(account) as client:
            told = client.get("messages", params={"ids": ",".join(external_ids)}).json()
        there = {one["id"] for one in told}
        return [pk for pk in external_ids if pk not in there]


@pytest.fixture
def harbour(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Harbour]:
    """The platform, with its connector installed and an app of the operator's."""
    monkeypatch.setitem(channels.BUILT_IN, "harbour", "tests.engagement.harbour:HarbourConnector")
    channels.connector.cache_clear()
    with Harbour() as there:
        settings.CHANNEL_URLS = {"harbour": there.url}
        settings.CHANNEL_APPS = APPS
        yield there
    channels.connector.cache_clear()


def connected(team: Team, *, external_id: str = "quay", **more: Any) -> ChannelAccount:
    """An account of the harbour, connected long ago."""
    values = {
        "credentials": {"access_token": "token-1"},
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "next_pull_at": None,
        **more,
    }
    return ChannelAccount.objects.create(
        connector="harbour",
        network="harbour",
        external_id=external_id,
        name=f"The {external_id}",
        team=team,
        **values,
    )
