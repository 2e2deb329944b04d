"""Mailboxes that are opened by a login at their provider."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team
from engagement import credentials, outbox, pulls, replies
from engagement.channels.base import (
    AuthFailure,
    PermanentFailure,
    TokenExpired,
    TransientFailure,
)
from engagement.channels.email.access import Access, bearer
from engagement.channels.email.connector import EmailConnector
from engagement.channels.email.forms import MailboxForm
from engagement.models import ChannelAccount, Delivery, Health
from tests.channels.email.token_servers import Provider, TokenIMAP, TokenSMTP
from tests.mail_servers import free_port

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH")
BACK = "https://crm.example.com/settings/channels/back"
LINK = EmailConnector()


@pytest.fixture(params=["google", "microsoft"])
def name(request):
    return request.param


@pytest.fixture
def provider(settings):
    with Provider() as there:
        settings.CHANNEL_URLS = {"google": there.url, "microsoft": there.url}
        app = {"id": "app-id", "secret": "app-secret"}
        settings.CHANNEL_APPS = {"google": app, "microsoft": {**app, "tenant": "example"}}
        yield there


@pytest.fixture
def mailbox(provider, new_account):
    """A mailbox whose servers take nothing but the provider's tokens."""
    imap, smtp = TokenIMAP(free_port(), provider), TokenSMTP(free_port(), provider)
    imap.start()
    smtp.start()
    provider.refresh_tokens.add("refresh-0")
    account = new_account(sign_in="google")
    account.settings |= {
        "imap_port": imap.port, "smtp_port": smtp.port, "imap_user": account.external_id,
        "smtp_user": account.external_id,
    }  # fmt: skip
    account.credentials = {"access_token": "access-0", "refresh_token": "refresh-0"}
    account.token_expires_at = timezone.now() + timedelta(hours=1)
    account.save()
    account.imap, account.smtp = imap, smtp
    yield account
    imap.stop()
    smtp.stop()


def asked(**more):
    form = MailboxForm({"sign_in": "google", "folder": "INBOX", "read_sent": "on", **more})
    assert form.is_valid(), form.errors
    return form.cleaned_data


def logged_in(provider, name, **more):
    login = LINK.begin_login(asked(sign_in=name, **more), state="s", back_to=BACK)
    return LINK.finish_login(provider.authorize(login.url), login.remembered, back_to=BACK)


def test_a_login_gives_the_mailbox_with_its_servers_and_tokens(provider, name):
    (offer,) = logged_in(provider, name)
    assert (offer.external_id, offer.why_not) == ("shop@example.com", "")
    assert offer.credentials == {"access_token": "access-1", "refresh_token": "refresh-1"}
    assert offer.settings["imap_user"] == offer.settings["smtp_user"] == "shop@example.com"
    assert offer.settings["sign_in"] == name and offer.settings["read_sent"] is True
    assert offer.settings["imap_host"] in ("imap.gmail.com", "outlook.office365.com")
    left = offer.expires_at - timezone.now()
    assert timedelta(minutes=55) < left < timedelta(hours=1)
    assert "access-1" not in repr(offer) and "refresh-1" not in repr(offer)


def test_the_browser_is_sent_to_the_provider_with_a_challenge_and_never_the_verifier(provider, name):
    login = LINK.begin_login(asked(sign_in=name, address="shop@example.com"), state="abc", back_to=BACK)
    query = {key: values[0] for key, values in parse_qs(urlsplit(login.url).query).items()}
    assert (query["state"], query["redirect_uri"], query["client_id"]) == ("abc", BACK, "app-id")
    assert query["login_hint"] == "shop@example.com"
    assert login.remembered["verifier"] not in login.url and "app-secret" not in login.url
    assert login.remembered["verifier"] not in repr(login)


def test_a_shared_mailbox_is_opened_by_the_login_of_somebody_else(provider):
    provider.address = "amy@example.com"
    (offer,) = logged_in(provider, "microsoft", address="Support@Example.com")
    assert offer.external_id == offer.settings["imap_user"] == "support@example.com"
    assert offer.settings["logged_in_as"] == "amy@example.com"


def test_google_opens_no_mailbox_but_that_of_the_login(provider):
    provider.address = "amy@example.com"
    (offer,) = logged_in(provider, "google", address="support@example.com")
    assert "amy@example.com" in offer.why_not


@pytest.mark.django_db
def test_an_admin_connects_a_mailbox_by_a_login_alone(provider, ada, signed_in):
    browser = signed_in(ada)
    team = str(Team.general().pk)
    begin = reverse("engagement:channel-connect", args=["email"])
    handling = {"team": team, "goal_minutes": "60"}
    sent = browser.post(begin, {**handling, "sign_in": "google", "folder": "INBOX", "read_sent": "on"})
    assert sent.status_code == 302, sent.content
    query = provider.authorize(sent.headers["Location"])
    back = browser.get(reverse("engagement:channel-back", args=["email"]), query)
    done = browser.post(back.headers["Location"], {**handling, "chosen": ["shop@example.com"]})
    assert done.status_code == 302, done.content
    account = ChannelAccount.objects.get()
    assert (account.external_id, account.network) == ("shop@example.com", "email")
    assert account.settings["imap_host"] == "imap.gmail.com" and account.settings["read_sent"] is True
    assert account.settings["only_new"] is True
    assert account.credentials == {"access_token": "access-1", "refresh_token": "refresh-1"}
    assert account.token_expires_at > timezone.now()
    page = browser.get(reverse("engagement:channel-edit", args=[account.pk])).content.decode()
    assert "access-1" not in page and "refresh-1" not in page


def test_a_login_that_was_refused_or_belongs_to_another_is_none(provider):
    login = LINK.begin_login(asked(), state="s", back_to=BACK)
    with pytest.raises(PermanentFailure, match="refused"):
        LINK.finish_login({"error": "access_denied"}, login.remembered, back_to=BACK)
    with pytest.raises(PermanentFailure, match="no code"):
        LINK.finish_login({}, login.remembered, back_to=BACK)
    back = provider.authorize(login.url)
    provider.nonce = "of somebody else"
    with pytest.raises(PermanentFailure, match="another login"):
        LINK.finish_login(back, login.remembered, back_to=BACK)
    with pytest.raises(AuthFailure, match="invalid_grant"):
        LINK.finish_login(back, {**login.remembered, "verifier": "x" * 43}, back_to=BACK)


def test_without_the_operators_app_there_is_no_login(provider, settings):
    settings.CHANNEL_APPS = {}
    with pytest.raises(PermanentFailure) as failure:
        LINK.begin_login(asked(), state="s", back_to=BACK)
    assert "CHANNEL_APP_GOOGLE_ID" in failure.value.advice


def test_what_was_not_granted_is_said(provider):
    login = LINK.begin_login(asked(), state="s", back_to=BACK)
    back = provider.authorize(login.url)
    provider.scope = "openid email"
    (offer,) = LINK.finish_login(back, login.remembered, back_to=BACK)
    assert "https://mail.google.com/" in offer.why_not
    provider.without_refresh = True
    assert "hour" in logged_in(provider, "google")[0].why_not


@pytest.mark.django_db
def test_a_refresh_keeps_or_replaces_the_refresh_token_as_the_provider_wants(provider, mailbox):
    fresh = LINK.refresh(mailbox)
    assert fresh.credentials == {"access_token": "access-1", "refresh_token": "refresh-0"}
    provider.refresh_rotates = True
    fresh = LINK.refresh(mailbox)
    assert fresh.credentials == {"access_token": "access-2", "refresh_token": "refresh-2"}
    with pytest.raises(AuthFailure, match="invalid_grant") as failure:
        LINK.refresh(mailbox)
    assert "refresh-0" not in str(failure.value) and "Log in" in failure.value.advice


@pytest.mark.django_db
def test_a_provider_that_is_away_costs_nothing_but_time(provider, mailbox):
    provider.fail(503)
    with pytest.raises(TransientFailure):
        LINK.refresh(mailbox)
    provider.fail(0)
    with pytest.raises(TransientFailure):
        LINK.refresh(mailbox)
    provider.fail(200, {"unexpected": True})
    with pytest.raises(TransientFailure):
        LINK.refresh(mailbox)
    provider.fail(200, b"<html>")
    with pytest.raises(PermanentFailure):
        LINK.refresh(mailbox)


@pytest.mark.django_db
def test_a_token_that_ended_is_renewed_for_reading_and_for_sending(provider, mailbox, staff):
    with pytest.raises(TokenExpired):
        LINK.check(mailbox)
    credentials.with_fresh(mailbox, lambda: LINK.check(mailbox))
    assert ChannelAccount.objects.get().credentials["access_token"] == "access-1"
    assert pulls.pull_account(mailbox.pk).failure == ""
    agent = staff("amy", "agent", teams=[mailbox.team])
    replies.start_conversation(
        account=mailbox, to="bob@example.org", text="Hello", by=agent, client_key=uuid4()
    )
    outbox.send_delivery(Delivery.objects.get().pk)
    assert [one.recipients for one in mailbox.smtp.received] == [["bob@example.org"]]


@pytest.mark.django_db
@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_both_ways_to_sign_in_by_token_are_spoken(provider, mailbox, mechanism):
    mailbox.imap.mechanism = mechanism
    provider.good.add("access-0")
    assert pulls.pull_account(mailbox.pk).failure == ""
    provider.good.clear()
    provider.refresh_tokens.clear()
    assert "invalid_grant" in pulls.pull_account(mailbox.pk).failure
    assert ChannelAccount.objects.get().health == Health.NEEDS_LOGIN


@pytest.mark.django_db
def test_too_many_connections_are_no_wrong_password(provider, mailbox):
    mailbox.imap.busy = "[ALERT] Too many simultaneous connections. (Failure)"
    with pytest.raises(TransientFailure, match="Too many"):
        LINK.check(mailbox)
    mailbox.imap.busy = "[UNAVAILABLE] Temporary authentication failure."
    with pytest.raises(TransientFailure):
        LINK.check(mailbox)
    mailbox.imap.busy = ""
    mailbox.imap.mechanism = "PLAIN"
    with pytest.raises(AuthFailure, match="no sign-in by a login"):
        LINK.check(mailbox)


def test_the_words_of_a_sign_in_are_those_of_their_documents():
    access = Access("mail.example.com", 993, "ssl", "a=b,c@example.com", "", token="vF9")
    assert bearer(access)["XOAUTH2"] == "user=a=b,c@example.com\x01auth=Bearer vF9\x01\x01"
    assert bearer(access)["OAUTHBEARER"] == (
        "n,a=a=3Db=2Cc@example.com,\x01host=mail.example.com\x01port=993\x01auth=Bearer vF9\x01\x01"
    )
    assert "vF9" not in repr(access)


@pytest.mark.django_db
def test_a_form_with_a_login_asks_for_no_servers_and_goes_to_the_login(account):
    cleaned = asked(sign_in="microsoft", address="")
    assert LINK.wants_login(cleaned) and not LINK.wants_login({"sign_in": "password"})
    account.settings, account.credentials = {"sign_in": "microsoft"}, {"access_token": "a"}
    LINK.fill_account(account, cleaned)
    assert account.external_id == "shop@example.com"
    assert account.settings["imap_host"] == "outlook.office365.com"
    assert account.credentials == {"access_token": "a"}
    form = MailboxForm({"sign_in": "password", "address": "shop@example.com"})
    assert set(form.errors) == {
        "imap_host", "imap_port", "imap_security", "imap_user", "smtp_host", "smtp_port", "smtp_security",
    }  # fmt: skip
