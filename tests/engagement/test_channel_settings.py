"""Settings of channels: who may, connecting with a live check, pausing, disconnecting; and canned replies."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from core.models import Workspace
from engagement import connecting, outbox, replies
from engagement.channels.base import AuthFailure
from engagement.models import CannedReply, ChannelAccount, Health
from tests.engagement.desk import double, general, hear, make_account

__all__ = ["double", "general"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Nothing is sent by itself, and mail servers on this machine may be used."""
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = ["127.0.0.1"]
    monkeypatch.setattr("engagement.tasks.send_delivery.delay", lambda pk: None)


def url(name: str, *args: Any) -> str:
    return reverse(f"engagement:{name}", args=args)


def mailbox(general: Any, imap_server: Any, smtp_server: Any, **more: Any) -> dict[str, Any]:
    """What an admin types to connect a mailbox of the test servers."""
    return {
        "name": "Care",
        "team": general.pk,
        "goal_minutes": 60,
        "address": "care@shop.example",
        "folder": "INBOX",
        "imap_host": "127.0.0.1",
        "imap_port": imap_server.port,
        "imap_security": "none",
        "imap_user": imap_server.user,
        "imap_password": imap_server.password,
        "smtp_host": "127.0.0.1",
        "smtp_port": smtp_server.port,
        "smtp_security": "none",
        **more,
    }


PAGES = ["channel-list", "channel-new", "canned-list", "canned-new"]


@pytest.mark.parametrize(
    ("person", "status"), [("ada", 200), ("max", 200), ("amy", 403), ("mia", 403), ("vic", 403)]
)
def test_only_those_who_manage_channels_see_the_pages(signed_in, anonymous, request, person, status) -> None:
    client = signed_in(request.getfixturevalue(person))
    for name in PAGES:
        assert client.get(url(name)).status_code == status
        assert anonymous.get(url(name)).status_code == 302


def test_a_mailbox_is_connected_after_it_was_tried(signed_in, ada, general, imap_server, smtp_server) -> None:
    form = mailbox(general, imap_server, smtp_server)
    answer = signed_in(ada).post(url("channel-connect", "email"), form)
    account = ChannelAccount.objects.get()
    assert answer.headers["Location"] == url("channel-setup", account.pk)
    assert (account.external_id, account.network, account.health) == ("care@shop.example", "email", "healthy")
    assert account.reply_goal_minutes == 60
    assert account.next_pull_at is not None
    assert "imap_password" not in account.settings
    assert account.credentials["imap_password"] == imap_server.password
    assert AuditEntry.objects.get(verb="channel.connected").object_id == str(account.pk)
    page = signed_in(ada).get(url("channel-edit", account.pk)).content.decode()
    assert imap_server.password not in page


def test_a_stored_password_is_not_sent_to_another_server(
    signed_in, ada, general, imap_server, smtp_server
) -> None:
    client, form = signed_in(ada), mailbox(general, imap_server, smtp_server)
    client.post(url("channel-connect", "email"), form)
    account = ChannelAccount.objects.get()
    elsewhere = {**form, "imap_host": "localhost", "imap_password": ""}
    answer = client.post(url("channel-edit", account.pk), {**elsewhere, "untried": "1"})
    assert answer.status_code == 422 and "Type it again" in answer.content.decode()
    account.refresh_from_db()
    assert account.settings["imap_host"] == "127.0.0.1"
    again = {**elsewhere, "imap_password": imap_server.password, "untried": "1"}
    assert client.post(url("channel-edit", account.pk), again).status_code == 302
    account.refresh_from_db()
    assert account.settings["imap_host"] == "localhost"
    rest = {**elsewhere, "name": "Care desk", "untried": "1"}
    assert client.post(url("channel-edit", account.pk), rest).status_code == 302


def test_wrong_credentials_are_not_kept_and_say_why(
    signed_in, ada, general, imap_server, smtp_server
) -> None:
    form = mailbox(general, imap_server, smtp_server, imap_password="wrong")
    answer = signed_in(ada).post(url("channel-connect", "email"), form)
    assert answer.status_code == 422
    assert "IMAP" in answer.content.decode()
    assert not ChannelAccount.objects.exists()


def test_a_left_out_field_is_named(signed_in, ada, general, imap_server, smtp_server) -> None:
    form = mailbox(general, imap_server, smtp_server)
    form.pop("imap_host")
    answer = signed_in(ada).post(url("channel-connect", "email"), form)
    assert answer.status_code == 422
    assert "imap_host" in answer.context["own"].errors


def test_the_same_mailbox_twice_is_refused(signed_in, ada, general, imap_server, smtp_server) -> None:
    client, form = signed_in(ada), mailbox(general, imap_server, smtp_server)
    client.post(url("channel-connect", "email"), form)
    answer = client.post(url("channel-connect", "email"), form)
    assert "connected already" in answer.content.decode()
    assert ChannelAccount.objects.count() == 1


def test_an_account_for_pushes_is_made_for_any_network(signed_in, ada, general) -> None:
    form = {
        "name": "Our Instagram", "team": general.pk, "goal_minutes": 60,
        "network": "instagram", "external_id": "tamperandtide",
    }  # fmt: skip
    signed_in(ada).post(url("channel-connect", "api"), form)
    account = ChannelAccount.objects.get()
    assert (account.connector, account.network, account.external_id) == ("api", "instagram", "tamperandtide")


def test_nothing_real_is_connected_while_the_demo_is_there(signed_in, ada, general) -> None:
    Workspace.objects.filter(pk=Workspace.current().pk).update(demo_since=timezone.now())
    form = {"name": "X", "team": general.pk, "goal_minutes": 60, "network": "x", "external_id": "x"}
    answer = signed_in(ada).post(url("channel-connect", "api"), form)
    assert answer.status_code == 422
    assert "Remove the demo" in answer.content.decode()
    assert not ChannelAccount.objects.exists()


def test_an_unknown_connector_and_the_demos_own_are_not_there(signed_in, ada) -> None:
    assert signed_in(ada).get(url("channel-connect", "nothing")).status_code == 404
    assert signed_in(ada).get(url("channel-connect", "demo")).status_code == 404
    assert "/new/demo/" not in signed_in(ada).get(url("channel-new")).content.decode()


def test_pausing_keeps_what_is_written_until_it_goes_on(signed_in, ada, amy, general, double) -> None:
    account = make_account(general)
    conversation = hear(account)
    client = signed_in(ada)
    client.post(url("channel-pause", account.pk))
    message = replies.reply(conversation=conversation, by=amy, text="Hi", client_key=uuid4())
    outbox.sweep()
    assert message.deliveries.get().state == "queued"
    client.post(url("channel-resume", account.pk))
    outbox.sweep()
    assert message.deliveries.get().state == "sent"
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {"channel.paused", "channel.resumed"} <= verbs


def test_new_credentials_end_the_pause_and_send_what_waited(ada, amy, general, double) -> None:
    account = make_account(general)
    message = replies.reply(conversation=hear(account), by=amy, text="Hi", client_key=uuid4())
    double.outcomes.append(AuthFailure("535"))
    outbox.sweep()
    account.refresh_from_db()
    assert account.health == Health.NEEDS_LOGIN
    connecting.change_account(
        account=account, name="Care", cleaned={}, team=general, brand=None, goal_minutes=60, by=ada
    )
    outbox.sweep()
    assert message.deliveries.get().state == "sent"


def test_disconnecting_forgets_the_credentials_and_keeps_what_was_said(
    signed_in, ada, amy, general, double
) -> None:
    account = make_account(general)
    ChannelAccount.objects.filter(pk=account.pk).update(credentials={"token": "secret"})
    conversation = hear(account)
    signed_in(ada).post(url("channel-disconnect", account.pk))
    account.refresh_from_db()
    assert (account.is_active, account.credentials) == (False, {})
    page = signed_in(amy).get(url("conversation", conversation.pk)).content.decode()
    assert "It overshoots by three degrees." in page
    assert "was disconnected" in page


def test_an_agent_cannot_pause_by_calling_the_address(signed_in, amy, general, double) -> None:
    account = make_account(general)
    for name in ("channel-pause", "channel-resume", "channel-disconnect", "channel-check"):
        assert signed_in(amy).post(url(name, account.pk)).status_code == 403
    account.refresh_from_db()
    assert account.health == Health.HEALTHY


def test_admins_hear_of_a_channel_that_needs_credentials_and_agents_do_not(
    signed_in, ada, amy, general, double
) -> None:
    account = make_account(general)
    ChannelAccount.objects.filter(pk=account.pk).update(health=Health.NEEDS_LOGIN, health_text="535")
    notices = reverse("accounts:notice-list")
    assert "needs new credentials" in signed_in(ada).get(notices).content.decode()
    assert "needs new credentials" not in signed_in(amy).get(notices).content.decode()


def test_a_canned_reply_is_written_changed_and_forgotten(signed_in, ada) -> None:
    client = signed_in(ada)
    client.post(url("canned-new"), {"shortcut": "return", "text": "Send it back."})
    canned = CannedReply.objects.get()
    client.post(url("canned-edit", canned.pk), {"shortcut": "return", "text": "Please send it back."})
    canned.refresh_from_db()
    assert canned.text == "Please send it back."
    twice = client.post(url("canned-new"), {"shortcut": "return", "text": "x"})
    assert twice.status_code == 422
    client.post(url("canned-delete", canned.pk))
    assert not CannedReply.objects.exists()
