"""How an account fares: its page, notices, parked bodies, and taking it off with or without its data."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from core import jobs
from core.models import Job
from crm.models import Customer, Identity
from engagement import account_health, connecting, disconnecting, rates, reconciling, replies
from engagement.channels.base import Bad
from engagement.ingest import ingest
from engagement.models import (
    Attachment,
    ChannelAccount,
    Conversation,
    Delivery,
    Interaction,
    Post,
    RawEvent,
    RawState,
    Reconciliation,
    RefusedHook,
)
from engagement.raw_events import park
from engagement.troubles import troubles
from tests.api import Caller
from tests.engagement.desk import general, hear
from tests.engagement.harbour import Harbour, HarbourConnector, connected, event_of, harbour

__all__ = ["general", "harbour"]
pytestmark = pytest.mark.django_db
PINNED = json.loads((Path(__file__).parent.parent / "query_counts.json").read_text())


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engagement.tasks.send_delivery.delay", lambda pk: None)


@pytest.fixture
def account(general: Any, harbour: Harbour) -> ChannelAccount:
    return connected(general)


def url(name: str, *args: Any) -> str:
    return reverse(f"engagement:{name}", args=args)


def page(browser: Any, account: ChannelAccount) -> str:
    answer = browser.get(url("channel-health", account.pk))
    assert answer.status_code == 200
    return str(answer.content.decode())


# Figures


def test_the_page_tells_an_accounts_whole_state(
    signed_in: Any, ada: Any, amy: Any, account: ChannelAccount
) -> None:
    now = timezone.now()
    conversation = hear(account)
    message = replies.reply(conversation=conversation, by=amy, text="Hi", client_key=uuid4())
    Delivery.objects.filter(interaction=message).update(may_be_twice=True, updated_at=now)
    ChannelAccount.objects.filter(pk=account.pk).update(
        token_expires_at=now + timedelta(days=30), token_renewed_at=now - timedelta(days=30),
        scopes=["read"], hook_state="off", hook_text="Refused by the harbour",
        closed_until=now + timedelta(minutes=5), failures=7,
    )  # fmt: skip
    RefusedHook.objects.create(connector="harbour", account=account, day=now.date(), n=12)
    Reconciliation.objects.create(
        account=account, day=now.date() - timedelta(days=1), theirs=10, ours=7, missing=3, repaired=2
    )
    told = page(signed_in(ada), account)
    for part in (
        "gets no webhooks", "Refused by the harbour", "lacks 1 message that its platform has",
        "Permissions that were not granted", "After failures in a row nothing is fetched before",
        "It cannot be renewed without you.", "May have been sent twice", "12", "1,000 in",
    ):  # fmt: skip
        assert part in told, part
    figures = account_health.out_of(account)
    assert (figures.waiting, figures.twice, figures.uncertain) == (1, 1, 0)


def test_a_tokens_life_is_a_share_of_what_it_was_given(account: ChannelAccount) -> None:
    now = timezone.now()
    account.token_expires_at, account.token_renewed_at = now + timedelta(days=15), now - timedelta(days=45)
    token = account_health.token_of(account, HarbourConnector())
    assert token is not None and token.share == pytest.approx(0.25, abs=0.001)
    account.token_renewed_at = None
    assert account_health.token_of(account, HarbourConnector()).share is None  # type: ignore[union-attr]


def test_days_stand_beside_what_the_platform_says(account: ChannelAccount, harbour: Harbour) -> None:
    now = timezone.now()
    for number in range(4):
        harbour.say(number, now - timedelta(days=1, minutes=number))
    ingest(account, [event_of(one) for one in list(harbour.messages.values())[:3]])
    day = now.date() - timedelta(days=1)
    reconciling.compare_day(account, day, now - timedelta(days=2), now, beat=lambda: None)
    yesterday = account_health.days_of(account)[1]
    assert (yesterday.day, yesterday.here, yesterday.difference) == (day, 4, 0)
    assert yesterday.compared is not None and yesterday.compared.repaired == 1
    assert len(account_health.days_of(account)) == account_health.DAYS


def test_the_lag_is_how_long_messages_take_to_arrive(account: ChannelAccount) -> None:
    for number, seconds in enumerate((10, 20, 4000)):
        hear(account, who=f"w{number}", at=timezone.now() - timedelta(seconds=seconds))
    assert account_health.lag_of(account) == pytest.approx(20, abs=2)


def test_limits_left_follow_what_was_taken(account: ChannelAccount) -> None:
    rates.take(account, "send")
    left = {one.name: one.left for one in account_health.limits_left(account)}
    assert left["send"] < left["pull"]


def test_a_channel_that_cannot_be_compared_says_why(
    signed_in: Any, ada: Any, account: ChannelAccount, monkeypatch: Any
) -> None:
    monkeypatch.setattr(HarbourConnector, "reconciles", False)
    monkeypatch.setattr(HarbourConnector, "why_not_compared", "the harbour keeps no list.")
    told = page(signed_in(ada), account)
    assert "It cannot be compared: the harbour keeps no list." in told
    assert "Compare now" not in told


def test_comparing_by_hand_shows_its_progress(signed_in: Any, ada: Any, account: ChannelAccount) -> None:
    browser = signed_in(ada)
    browser.post(url("channel-compare", account.pk), {"days": "14"})
    job = Job.objects.get(kind=reconciling.KIND)
    assert (job.input["days"], job.created_by) == (14, ada)
    assert f"job-{job.pk}" in page(browser, account)
    browser.post(url("channel-compare", account.pk), {"days": "99"})
    assert Job.objects.count() == 1


def test_an_account_whose_connector_is_gone_is_still_shown(signed_in: Any, ada: Any, general: Any) -> None:
    account = ChannelAccount.objects.create(
        connector="uninstalled", network="x", external_id="x", name="Old one", team=general
    )
    assert "Old one" in page(signed_in(ada), account)
    assert signed_in(ada).get(url("channel-parked", account.pk)).status_code == 200
    assert signed_in(ada).get(url("channel-edit", account.pk)).status_code == 404
    assert signed_in(ada).get(url("channel-list")).status_code == 200


def test_the_page_takes_as_many_statements_as_it_did(
    signed_in: Any, ada: Any, account: ChannelAccount, django_assert_num_queries: Any
) -> None:
    browser = signed_in(ada)
    for number in range(3):
        hear(account, who=f"w{number}")
    for name in ("channel-health", "channel-parked", "channel-disconnect"):
        browser.get(url(name, account.pk))
        with django_assert_num_queries(PINNED[f"engagement:{name}"]):
            browser.get(url(name, account.pk))
    with django_assert_num_queries(PINNED["engagement:channel-list"]):
        browser.get(url("channel-list"))


# Notices


def notices(browser: Any) -> str:
    return str(browser.get(reverse("accounts:notice-list")).content.decode())


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"health": "needs_login", "health_text": "535"}, "needs new credentials"),
        ({"hook_state": "off"}, "gets no webhooks"),
        ({"silent_since": timezone.now()}, "is silent"),
        ({"token_expires_at": timezone.now() + timedelta(days=3)}, "ends soon"),
        ({"token_expires_at": timezone.now() - timedelta(days=3)}, "has ended"),
        ({"reconcile_text": "503"}, "could not be compared"),
    ],
)
def test_what_is_wrong_is_told_until_it_is_mended(
    signed_in: Any, request: Any, account: ChannelAccount, values: dict[str, Any], text: str
) -> None:
    ada, amy = request.getfixturevalue("ada"), request.getfixturevalue("amy")
    request.getfixturevalue("settings").PUBLIC_URL = "https://crm.example.com"
    assert text not in notices(signed_in(ada))
    before = {name: getattr(account, name) for name in values}
    ChannelAccount.objects.filter(pk=account.pk).update(**values)
    assert text in notices(signed_in(ada))
    assert text not in notices(signed_in(amy))
    assert text in signed_in(ada).get(url("channel-list")).content.decode().lower()
    ChannelAccount.objects.filter(pk=account.pk).update(**before)
    assert text not in notices(signed_in(ada))


def test_a_token_that_is_renewed_by_itself_is_no_trouble(account: ChannelAccount, monkeypatch: Any) -> None:
    account.token_expires_at = timezone.now() + timedelta(hours=1)
    assert [one.part for one in troubles([account])[account.pk]] == ["access"]
    monkeypatch.setattr(HarbourConnector, "refreshes", True)
    assert troubles([account])[account.pk] == []


def test_differences_and_parked_bodies_are_told(signed_in: Any, ada: Any, account: ChannelAccount) -> None:
    Reconciliation.objects.create(
        account=account, day=timezone.now().date(), theirs=5, ours=2, missing=3, repaired=0
    )
    park(account, [Bad("a", "No author", b"{}"), Bad("b", "No author", b"{}")])
    told = notices(signed_in(ada))
    assert "lacks 3 messages that its platform has" in told
    assert "2 arrivals at The quay could not be understood" in told


def test_where_nobody_can_reach_us_the_bell_tells_only_what_is_lost(
    signed_in: Any, ada: Any, account: ChannelAccount, monkeypatch: Any
) -> None:
    ChannelAccount.objects.update(hook_state="off")
    assert "gets no webhooks" not in notices(signed_in(ada))
    assert "gets no webhooks" in page(signed_in(ada), account)
    monkeypatch.setattr(HarbourConnector, "can_pull", False)
    assert "gets no webhooks" in notices(signed_in(ada))


def test_a_disconnected_account_tells_nothing(account: ChannelAccount) -> None:
    account.is_active, account.health = False, "needs_login"
    assert troubles([account]) == {account.pk: []}


# Parked


def parked(account: ChannelAccount | None, body: bytes, error: str = "This is broken.") -> RawEvent:
    source = f"harbour:{account.pk}" if account else "harbour"
    return RawEvent.objects.create(
        account=account, source=source, delivery_key=uuid4().hex, month=timezone.now().date().replace(day=1),
        state=RawState.PARKED, body=body, error=error, attempts=1,
    )  # fmt: skip


def test_parked_bodies_are_shown_escaped_and_cut(signed_in: Any, ada: Any, account: ChannelAccount) -> None:
    parked(account, b"<script>alert(1)</script>" + b"x" * 5000 + b"end-of-it\xff")
    told = signed_in(ada).get(url("channel-parked", account.pk)).content.decode()
    assert "&lt;script&gt;alert(1)" in told and "<script>alert" not in told
    assert "end-of-it" not in told
    assert "This is broken." in told


def test_one_is_replayed_and_one_thrown_away(signed_in: Any, ada: Any, account: ChannelAccount) -> None:
    good, bad = parked(account, b"good"), parked(account, b"broken")
    browser = signed_in(ada)
    browser.post(url("parked-replay", account.pk, good.pk))
    assert Interaction.objects.get().external_id == "good"
    answer = browser.post(url("parked-replay", account.pk, bad.pk), follow=True)
    assert "still not understood" in answer.content.decode()
    browser.post(url("parked-discard", account.pk, bad.pk))
    assert not RawEvent.objects.filter(state=RawState.PARKED).exists()


def test_all_are_replayed_by_a_job(signed_in: Any, ada: Any, account: ChannelAccount) -> None:
    for body in (b"one", b"two", b"broken"):
        parked(account, body)
    signed_in(ada).post(url("parked-replay-all", account.pk))
    jobs.run_job(Job.objects.get().pk)
    assert Interaction.objects.count() == 2
    assert RawEvent.objects.filter(state=RawState.PARKED).count() == 1


def test_another_accounts_body_is_not_there(
    signed_in: Any, ada: Any, account: ChannelAccount, general: Any
) -> None:
    other = parked(connected(general, external_id="pier"), b"good")
    for name in ("parked-replay", "parked-discard"):
        assert signed_in(ada).post(url(name, account.pk, other.pk)).status_code == 404
    assert RawEvent.objects.filter(state=RawState.PARKED).count() == 1


# Taking it off


@pytest.fixture
def full(account: ChannelAccount, amy: Any, harbour: Harbour) -> ChannelAccount:
    """An account with a conversation, an answer, a file, a post, and something that waits."""
    conversation = hear(account)
    replies.reply(conversation=conversation, by=amy, text="Hi", client_key=uuid4())
    name = default_storage.save("attachments/rope.txt", ContentFile(b"rope"))
    Attachment.objects.create(interaction=Interaction.objects.earliest("pk"), name="rope.txt", file=name)
    Post.objects.create(account=account, external_id="p1")
    parked(account, b"broken")
    harbour.hooks["quay"] = "x"
    return account


def test_disconnecting_keeps_everything_unless_asked(
    signed_in: Any, ada: Any, full: ChannelAccount, harbour: Harbour
) -> None:
    signed_in(ada).post(url("channel-disconnect", full.pk), {"data": "keep"})
    full.refresh_from_db()
    assert (full.is_active, full.credentials, full.hook_key) == (False, {}, "")
    assert "quay" not in harbour.hooks
    assert Interaction.objects.count() == 2 and not Job.objects.exists()


def test_it_goes_even_where_the_platform_does_not_answer(
    signed_in: Any, ada: Any, full: ChannelAccount, harbour: Harbour
) -> None:
    harbour.fail(500, times=9)
    signed_in(ada).post(url("channel-disconnect", full.pk))
    full.refresh_from_db()
    assert full.is_active is False and full.credentials == {}


def test_removing_is_counted_and_asks_for_the_name(signed_in: Any, ada: Any, full: ChannelAccount) -> None:
    browser = signed_in(ada)
    told = browser.get(url("channel-disconnect", full.pk)).content.decode()
    assert "2 messages in 1 conversations go" in told
    assert disconnecting.holds(full) == {
        "interactions": 2, "conversations": 1, "files": 1, "posts": 1, "bodies": 1, "waiting": 1,
    }  # fmt: skip
    answer = browser.post(url("channel-disconnect", full.pk), {"data": "remove", "word": "something"})
    assert answer.status_code == 422
    full.refresh_from_db()
    assert full.is_active


def test_removing_takes_everything_and_leaves_the_customer(
    signed_in: Any, ada: Any, full: ChannelAccount, general: Any, django_capture_on_commit_callbacks: Any
) -> None:
    other = connected(general, external_id="pier")
    hear(other, who="tomasz")
    file = Attachment.objects.get().file.name
    answer = signed_in(ada).post(url("channel-disconnect", full.pk), {"data": "remove", "word": "the QUAY"})
    job = Job.objects.get(kind=disconnecting.KIND)
    assert answer.headers["Location"] == reverse("core:job-detail", args=[job.pk])
    with django_capture_on_commit_callbacks(execute=True):
        done = jobs.run_job(job.pk)
    assert done is not None and (done.state, done.result["counts"]) == ("done", {"removed": 2})
    for model in (Interaction, Conversation):
        assert set(model.objects.values_list("account", flat=True)) == {other.pk}
    for model in (Post, RawEvent, Delivery, Attachment):
        assert not model.objects.exists(), model
    assert not default_storage.exists(file)
    assert Customer.objects.count() == Identity.objects.count() == 2
    assert AuditEntry.objects.filter(verb="channel.removal_started").exists()


def test_a_removal_that_was_killed_goes_on(full: ChannelAccount, ada: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(disconnecting, "BATCH", 1)
    job = disconnecting.disconnect(account=full, by=ada, remove=True)
    assert job is not None
    real, calls = disconnecting.remove_interactions, []

    def killed(ids: Any) -> None:
        calls.append(ids)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(ids)

    monkeypatch.setattr(disconnecting, "remove_interactions", killed)
    with pytest.raises(KeyboardInterrupt):
        jobs.run_job(job.pk)
    assert Interaction.objects.count() == 1
    Job.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    done = jobs.run_job(job.pk)
    assert done is not None and (done.state, done.result["counts"]["removed"]) == ("done", 2)
    assert not Interaction.objects.exists()


def test_removing_takes_what_came_to_the_address_of_all(general: Any, ada: Any) -> None:
    """Bodies for the one address of an app belong to no account; what they say still does."""
    own, other = (
        ChannelAccount.objects.create(
            connector="whatsapp", network="whatsapp", external_id=number, name=number, team=general
        )
        for number in ("106540352242922", "206540352242922")
    )
    bodies = {
        "mine": (RawState.DONE, _told(own)), "both": (RawState.DONE, _told(own, other)),
        "broken": (RawState.PARKED, _told(own).replace(b'"changes"', b'"change"')[:-3]),
        "waits": (RawState.NEW, _told(own, other)), "theirs": (RawState.DONE, _told(other)),
    }  # fmt: skip
    for key, (state, body) in bodies.items():
        RawEvent.objects.create(
            source="whatsapp", delivery_key=key, month=date(2026, 11, 1), state=state, body=body
        )
    job = disconnecting.disconnect(account=own, by=ada, remove=True)
    assert job is not None
    done = jobs.run_job(job.pk)
    assert done is not None and done.state == "done"
    assert set(RawEvent.objects.values_list("delivery_key", flat=True)) == {"waits", "theirs"}


def _told(*accounts: ChannelAccount) -> bytes:
    """A webhook of WhatsApp that says something to each of these."""
    changes = [
        {
            "field": "messages",
            "value": {
                "messaging_product": "whatsapp",
                "metadata": {"display_phone_number": "15550783881", "phone_number_id": one.external_id},
                "contacts": [{"profile": {"name": "Kerry"}, "wa_id": "16315551234"}],
                "messages": [
                    {
                        "from": "16315551234", "id": f"wamid.{one.external_id}", "timestamp": "1603059201",
                        "type": "text", "text": {"body": "Hello"},
                    }
                ],
            },
        }
        for one in accounts
    ]  # fmt: skip
    return json.dumps(
        {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}
    ).encode()


def test_what_was_connected_again_is_not_removed(full: ChannelAccount, ada: Any) -> None:
    job = disconnecting.disconnect(account=full, by=ada, remove=True)
    assert job is not None
    connecting.resume_account(account=full, by=ada)
    ChannelAccount.objects.update(is_active=True)
    done = jobs.run_job(job.pk)
    assert done is not None and done.state == "failed"
    assert Interaction.objects.count() == 2


# Over the API


def test_integrators_read_health_test_and_compare(ada: Any, amy: Any, account: ChannelAccount) -> None:
    caller, reader = Caller(ada), Caller(amy, maker=ada)
    hear(account)
    told = caller.get(f"channel-accounts/{account.pk}/health/").json()
    assert (told["parked"], told["troubles"], len(told["days"])) == (0, [], account_health.DAYS)
    assert told["days"][0]["here"] + told["days"][1]["here"] == 1
    found = caller.post(f"channel-accounts/{account.pk}/examine/")
    assert [(one["scope"], one["works"]) for one in found.json()] == [("read", True), ("write", True)]
    started = caller.post(f"channel-accounts/{account.pk}/compare/", {"days": 3})
    assert started.status_code == 202
    assert Job.objects.get(pk=started.json()["id"]).input["days"] == 3
    assert caller.post(f"channel-accounts/{account.pk}/compare/", {}).status_code == 409
    assert caller.post(f"channel-accounts/{account.pk}/compare/", {"days": 31}).status_code == 400
    assert reader.get(f"channel-accounts/{account.pk}/health/").status_code == 403
    for act in ("examine", "compare"):
        assert reader.post(f"channel-accounts/{account.pk}/{act}/", {}).status_code == 403


def test_over_the_api_a_channel_that_cannot_be_compared_says_so(ada: Any, general: Any) -> None:
    account = ChannelAccount.objects.create(
        connector="api", network="x", external_id="x", name="X", team=general
    )
    answer = Caller(ada).post(f"channel-accounts/{account.pk}/compare/", {})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "cannot_compare"
