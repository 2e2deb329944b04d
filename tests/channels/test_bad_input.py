"""What platforms and strangers send that nobody expects, over every connector that can meet it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.test.utils import override_settings
from django.utils import timezone

from accounts.models import Team
from engagement import channels, raw_events, tasks
from engagement.channels.base import Connector, Event, File, Forged, Hook, Parcel, SendFailed
from engagement.channels.fetching import fetch_public
from engagement.models import ChannelAccount, Interaction, RawEvent, RefusedHook
from tests.channels.payloads import Payload, payloads

PAYLOADS = payloads()
NAMES = sorted(channels.BUILT_IN)
HOOKED = [name for name in NAMES if channels.connector(name).takes_hooks]
PARSING = sorted({one.connector for one in PAYLOADS if one.connector in NAMES})
NUL, LONE, HUGE = "a\x00b", "a\ud800b", "x" * 5_000_000
each_hooked = pytest.mark.parametrize("name", HOOKED)
each_parsing = pytest.mark.parametrize("name", PARSING)


def of(name: str) -> list[Payload]:
    return [one for one in PAYLOADS if one.connector == name and "error" not in one.told]


def new_account(name: str, **more: Any) -> ChannelAccount:
    link = channels.connector(name)
    told = next((one.told.get("account") for one in of(name) if one.told.get("account")), None) or {}
    return ChannelAccount.objects.create(
        **{
            "connector": name,
            "network": told.get("network") or (link.networks or (name,))[0],
            "external_id": told.get("external_id", "ours"),
            "name": "Ours",
            "issuer": told.get("issuer", ""),
            "settings": told.get("settings", {}),
            "team": Team.general(),
            "hook_key": f"key-of-{name}",
            **more,
        }
    )


def address(link: Connector) -> str:
    return f"/hooks/{link.name}/" if link.hook_scope == "app" else f"/hooks/{link.name}/key-of-{link.name}/"


# Webhooks


@each_hooked
@pytest.mark.django_db
@pytest.mark.parametrize("with_secret", [True, False])
def test_a_wrong_signature_is_refused_with_or_without_a_secret_of_ours(
    client: Client, name: str, with_secret: bool
) -> None:
    """Whatever names the secrets have: every one that the connector asks for is there, or none is."""
    link = channels.connector(name)
    secret = dict.fromkeys(("id", "secret", "verify_token", "token", "auth_token"), "s3cret")
    more = ("hook_secret", "webhook_secret", "secret_token", "app_secret", "consumer_secret", "access_token")
    known = {**secret, **dict.fromkeys((*more, *link.secret_fields), "s3cret")} if with_secret else {}
    new_account(name, credentials=known)
    apps = {app: known for app in {name, link.keys_of, *NAMES} if app} if with_secret else {}
    with override_settings(CHANNEL_APPS=apps):
        for headers in ({}, {"X-Hub-Signature-256": "sha256=00"}, {"X-Twilio-Signature": "Größe"}, WRONG):
            answer = client.post(address(link), b"{}", content_type="application/json", headers=headers)
            assert answer.status_code == 401, headers
    assert not RawEvent.objects.exists()
    assert RefusedHook.objects.get().n == 4


WRONG = dict.fromkeys(
    (
        "X-Hub-Signature-256", "X-Twilio-Signature", "X-Shopify-Hmac-SHA256", "X-WC-Webhook-Signature",
        "X-Twitter-Webhooks-Signature", "X-Telegram-Bot-Api-Secret-Token",
    ),
    "c2lnbmF0dXJl",
)  # fmt: skip


@each_hooked
@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{}", b'"text"', b"17", b"not json", b"\xff\xfe\x00", b'{"a":' * 5000, b"a=b&c",
        b'{"entry":[{"changes":null}]}', b'{"update_id":"x"}', b'{"entry":[{"id":5,"messaging":[{}]}]}',
        b'{"for_user_id":"1","direct_message_events":[{}]}', b'{"id":NaN}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_broken_or_unknown_body_under_a_valid_signature_is_kept_parked_or_means_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch, name: str, body: bytes
) -> None:
    link = channels.connector(name)
    monkeypatch.setattr(type(link), "verify", lambda self, hook, account: None)
    monkeypatch.setattr(tasks.understand_raw_event, "delay", lambda raw_id: None)
    new_account(name)
    answer = client.post(address(link), body, content_type="application/json")
    assert 200 <= answer.status_code < 300
    raw_events.sweep()
    kept = RawEvent.objects.get()
    assert kept.state in ("parked", "done")
    assert bytes(kept.body) == body
    assert (kept.error != "") == (kept.state == "parked")
    assert not Interaction.objects.exists()


@each_hooked
@pytest.mark.django_db
def test_a_webhook_for_an_account_that_we_do_not_know_is_kept_with_a_reason(name: str) -> None:
    named = [one for one in of(name) if any(parcel.account and parcel.events for parcel in one.parse())]
    if channels.connector(name).hook_scope == "account":
        assert Client().post(f"/hooks/{name}/nobody/", b"{}", "application/json").status_code == 404
        return
    assert named
    raw = RawEvent.objects.create(
        source=name, delivery_key="k", month=timezone.now().date().replace(day=1), body=named[0].body
    )
    raw_events.sweep()
    raw.refresh_from_db()
    assert raw.state == "parked"
    assert "No account is connected" in raw.error


@each_hooked
def test_a_forged_request_of_any_shape_is_forged_and_nothing_else(name: str) -> None:
    link = channels.connector(name)
    account = ChannelAccount(pk=1, connector=name, external_id="x", credentials={}, settings={})
    for method in ("GET", "POST", "HEAD"):
        for query in (
            {},
            {"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"},
            {"crc_token": ""},
        ):
            hook = Hook(method, "https://ours.example/hooks/", {}, query, b"")
            try:
                greeted = link.greet(hook, account if link.hook_scope == "account" else None)
            except Forged:
                continue
            assert greeted is None, (method, query)


# Bodies


def mutated(value: Any, drawn: random.Random) -> Any:
    """The value with one leaf, somewhere, that is not what was agreed on."""
    if isinstance(value, dict) and value and drawn.random() < 0.9:
        key = drawn.choice(list(value))
        if drawn.random() < 0.2:
            return {name: one for name, one in value.items() if name != key}
        return {**value, key: mutated(value[key], drawn)}
    if isinstance(value, list) and value and drawn.random() < 0.9:
        at = drawn.randrange(len(value))
        return [*value[:at], mutated(value[at], drawn), *value[at + 1 :]]
    return drawn.choice([None, "", 0, -1, 10**18, 1.5, True, [], {}, [None], NUL, LONE, "x", {"id": None}])


@each_parsing
def test_any_field_that_is_missing_or_of_another_type_is_a_reason_and_no_crash(name: str) -> None:
    """Seeded changes of every payload: what comes out is parcels, or a ValueError with words."""
    drawn = random.Random(name)
    for payload in of(name):
        try:
            known = json.loads(payload.body)
        except ValueError:
            continue
        for _ in range(60):
            body = json.dumps(mutated(known, drawn)).encode()
            raw = payload.raw(payload.account())
            raw.body = body
            try:
                parcels = payload.link.parse(raw)
            except ValueError as error:
                assert str(error), body[:2000]
                continue
            except Exception as error:
                pytest.fail(f"{payload.id}: {type(error).__name__}: {error}\n{body[:1500]!r}", pytrace=False)
            assert all(isinstance(parcel, Parcel) for parcel in parcels)


TEXTS = {"nul": NUL, "lone surrogate": LONE, "five megabytes": HUGE}


def with_text(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {name: with_text(one, old, new) for name, one in value.items()}
    if isinstance(value, list):
        return [with_text(one, old, new) for one in value]
    return new if value == old else value


@each_parsing
@pytest.mark.django_db
@pytest.mark.parametrize("kind", sorted(TEXTS))
def test_texts_that_no_database_takes_come_in_clean_or_whole_as_a_file(name: str, kind: str) -> None:
    found = 0
    for payload in [one for one in of(name) if any(_texts(one))][:3]:
        try:
            known = json.loads(payload.body)
        except ValueError:
            continue
        for text in list(_texts(payload))[:1]:
            body = json.dumps(with_text(known, text, TEXTS[kind])).encode()
            found += _take(payload, body)
    if kind == "five megabytes" and found:
        assert max(len(text) for text in Interaction.objects.values_list("text", flat=True)) <= 50_000


def _texts(payload: Payload) -> Iterator[str]:
    for parcel in payload.parse():
        for one in parcel.events:
            if isinstance(one, Event) and len(one.text) > 3:
                yield one.text


def _take(payload: Payload, body: bytes) -> int:
    """Let the machine understand it; the state is done, and what is stored is sound."""
    account = ChannelAccount.objects.filter(connector=payload.connector).first() or new_account(
        payload.connector
    )
    raw = RawEvent.objects.create(
        account=account if payload.names_account else None,
        source=f"{payload.connector}:{account.pk}" if payload.names_account else payload.connector,
        delivery_key=str(RawEvent.objects.count()),
        month=timezone.now().date().replace(day=1),
        headers=payload.raw(None).headers,
        body=body,
    )
    for named in {parcel.account for parcel in payload.parse()} - {""}:
        if not ChannelAccount.objects.filter(connector=payload.connector, external_id=named).exists():
            new_account(payload.connector, external_id=named, hook_key="")
    raw_events.sweep()
    raw.refresh_from_db()
    assert raw.state == "done", (payload.id, raw.error)
    return Interaction.objects.count()


def times_of(payload: Payload) -> set[str]:
    return {
        one.occurred_at.astimezone(UTC).isoformat()
        for parcel in payload.parse()
        for one in parcel.events
        if isinstance(one, Event)
    }


@each_parsing
@pytest.mark.django_db
def test_an_event_of_the_future_is_refused_with_a_reason_and_the_others_go_in(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the field is called: the connector's own event, moved two days ahead."""
    payload = next((one for one in of(name) if times_of(one)), None)
    if payload is None:
        pytest.fail(f"{name} has no payload with an event")
    link, ahead = payload.link, timezone.now() + timedelta(days=2)
    real: Callable[..., Any] = type(link).parse

    def late(self: Connector, raw: RawEvent) -> list[Parcel]:
        return [_moved(parcel, ahead) for parcel in real(self, raw)]

    monkeypatch.setattr(type(link), "parse", late)
    account = new_account(name)
    for named in {parcel.account for parcel in payload.parse()} - {"", account.external_id}:
        new_account(name, external_id=named, hook_key="")
    raw = payload.raw(account if payload.names_account else None)
    raw.month = timezone.now().date().replace(day=1)
    raw.save()
    raw_events.sweep()
    raw.refresh_from_db()
    assert raw.state == "parked"
    assert "in the future" in raw.error
    assert Interaction.objects.count() == Interaction.objects.filter(external_id="sound").count() > 0


def _moved(parcel: Parcel, at: datetime) -> Parcel:
    found: list[Any] = []
    for one in parcel.events:
        if isinstance(one, Event):
            found += [
                replace(one, occurred_at=at),
                replace(one, external_id="sound", occurred_at=timezone.now()),
            ]
    return replace(parcel, events=found)


@each_parsing
@pytest.mark.django_db
def test_a_reply_to_what_we_never_saw_and_an_author_without_a_name_come_in(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = next((one for one in of(name) if _has_author(one)), None)
    if payload is None:
        return
    real: Callable[..., Any] = type(payload.link).parse

    def bare(self: Connector, raw: RawEvent) -> list[Parcel]:
        parcels: list[Parcel] = real(self, raw)
        return [
            replace(
                parcel,
                events=[
                    replace(one, in_reply_to="never-seen", author=replace(one.author, name="", handle=""))
                    if isinstance(one, Event) and one.author
                    else one
                    for one in parcel.events
                ],
            )
            for parcel in parcels
        ]

    monkeypatch.setattr(type(payload.link), "parse", bare)
    assert _take(payload, payload.body) > 0
    line = Interaction.objects.filter(direction="inbound").select_related("customer").first()
    assert line is not None and line.customer is not None
    assert str(line.customer)


def _has_author(payload: Payload) -> bool:
    return any(isinstance(one, Event) and one.author for parcel in payload.parse() for one in parcel.events)


# Files


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "http://169.254.169.254/", "file:///etc/passwd", "http://[::1]/"]
)
def test_a_file_at_a_private_address_is_never_asked_for(url: str) -> None:
    with pytest.raises(SendFailed):
        fetch_public(File("x", "image/png", url=url), most=1000)
