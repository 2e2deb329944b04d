"""Lantern: pulling, webhooks, sending, and what goes wrong with each."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import Team
from engagement import channels, outbox, pulls, replies
from engagement.channels.base import AuthFailure, Forged, Hook
from engagement.models import ChannelAccount, Conversation, Delivery, Health, Interaction, RawEvent
from rapport_lantern.connector import LanternConnector
from rapport_lantern.forms import LanternForm
from rapport_lantern_tests.double import Lantern

pytestmark = pytest.mark.django_db
PAYLOADS = Path(__file__).with_name("payloads")
SIGNED_WITH = "webhook-secret"
LINK = LanternConnector()


@pytest.fixture
def there(settings: Any) -> Iterator[Lantern]:
    with Lantern() as platform:
        settings.CHANNEL_URLS = {"lantern": platform.url}
        yield platform


@pytest.fixture
def account(there: Lantern) -> ChannelAccount:
    form = LanternForm({"account_id": "acme", "access_token": "right", "hook_secret": SIGNED_WITH})
    assert form.is_valid(), form.errors
    found = ChannelAccount(connector="lantern", name="Lantern", team=Team.general())
    LINK.fill_account(found, form.cleaned_data)
    found.save()
    return found


@pytest.fixture
def send(account: ChannelAccount, there: Lantern, staff: Callable[..., Any]) -> Callable[[], Delivery]:
    """Return a function that answers the customer."""
    agent = staff("amy", "agent", teams=[account.team])
    there.say(1)
    pulls.pull_account(account.pk)

    def answer() -> Delivery:
        replies.reply(conversation=Conversation.objects.get(), by=agent, text="Here", client_key=uuid4())
        outbox.send_delivery(Delivery.objects.latest("pk").pk)
        return Delivery.objects.latest("pk")

    return answer


def hook(body: bytes, signature: str | None = None) -> Hook:
    made = hmac.new(SIGNED_WITH.encode(), body, sha256).hexdigest()
    headers = {"x-signature": made if signature is None else signature}
    return Hook("POST", "https://crm.example.com/hook", headers, {}, body)


def ids() -> set[str]:
    return set(Interaction.objects.values_list("external_id", flat=True))


def test_it_is_offered() -> None:
    assert isinstance(channels.connector("lantern"), LanternConnector)


def test_a_wrong_token_is_told(account: ChannelAccount) -> None:
    LINK.check(account)
    account.credentials["access_token"] = "wrong"
    with pytest.raises(AuthFailure):
        LINK.check(account)


def test_everything_comes_in_once_however_long_pages_are(account: ChannelAccount, there: Lantern) -> None:
    for number in range(5):
        there.say(number)
    assert pulls.pull_account(account.pk).stored == 5
    there.say(5)
    assert pulls.pull_account(account.pk).stored == 1
    assert ids() == {f"m-{number}" for number in range(6)}
    assert Conversation.objects.count() == 1


def test_an_item_that_is_none_is_parked_and_the_next_read(account: ChannelAccount, there: Lantern) -> None:
    there.messages += ["?", {"id": "m-0"}]
    there.say(1)
    pulled = pulls.pull_account(account.pk)
    assert (pulled.stored, pulled.parked) == (1, 2)
    reasons = set(RawEvent.objects.values_list("error", flat=True))
    assert "person.id is missing" in reasons


def test_a_page_that_never_ends_is_left(account: ChannelAccount, there: Lantern) -> None:
    there.fail(200, {"messages": [], "next": "", "more": True})
    assert pulls.pull_account(account.pk).failure
    assert ChannelAccount.objects.get().health == Health.FAILING


def test_a_signature_that_is_wrong_or_without_a_secret_is_refused(account: ChannelAccount) -> None:
    body = (PAYLOADS / "message.json").read_bytes()
    LINK.verify(hook(body), account)
    right = hook(body).headers["x-signature"]
    for changed, signature in ((body, "wrong"), (body, ""), (body, "ü"), (body + b" ", right)):
        with pytest.raises(Forged):
            LINK.verify(hook(changed, signature), account)
    account.credentials = {}
    with pytest.raises(Forged):
        LINK.verify(hook(body), account)


@pytest.mark.parametrize("case", ["message", "echo", "unknown-kind"])
def test_a_payload_gives_the_expected_events(account: ChannelAccount, case: str) -> None:
    told = json.loads((PAYLOADS / f"{case}.expected.json").read_text())
    body = (PAYLOADS / f"{case}.json").read_bytes()
    (parcel,) = LINK.parse(RawEvent(account=account, source="lantern:1", body=body))
    (expected,) = told["expected"][0]["events"]
    (event,) = parcel.events
    assert event.external_id == expected["external_id"]
    assert event.text == expected["text"]
    assert event.direction == expected["direction"]
    assert list(event.thread_keys) == expected["thread_keys"]


def test_an_answer_leaves_under_our_key_and_its_echo_is_no_second_message(
    send: Callable[[], Delivery], account: ChannelAccount, there: Lantern
) -> None:
    delivery = send()
    assert delivery.state == "sent"
    assert list(there.by_key) == [str(delivery.client_key)]
    there.messages.append(
        {
            "id": "sent-1",
            "text": "Here",
            "sent_at": timezone.now().isoformat(),
            "person": {"id": "p-7"},
            "from_us": True,
            "key": str(delivery.client_key),
        }
    )
    pulls.pull_account(account.pk)
    assert ids() == {"m-1", "sent-1"}


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (400, {"error": {"code": "window_closed", "message": "Too late"}}, ("failed", "window")),
        (400, {"error": {"code": "no_such_person"}}, ("failed", "permanent")),
        (401, {}, ("queued", "auth")),
        (429, {}, ("queued", "rate")),
        (503, {}, ("queued", "transient")),
    ],
)
def test_a_refusal_means_what_its_code_says(
    send: Callable[[], Delivery], there: Lantern, status: int, body: Any, outcome: tuple[str, str]
) -> None:
    there.fail(status, body, method="POST", times=9)
    delivery = send()
    assert (delivery.state, delivery.failure) == outcome


def test_what_is_there_of_a_window_can_be_listed(account: ChannelAccount, there: Lantern) -> None:
    for number in range(5):
        there.say(number)
    since, until = (datetime(2026, 11, 22, 9, minute, tzinfo=UTC) for minute in (1, 4))
    pages = LINK.list_window(account, since, until)
    assert [one.external_id for page in pages for one in page] == ["m-1", "m-2", "m-3"]
