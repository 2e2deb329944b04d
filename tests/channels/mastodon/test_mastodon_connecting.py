"""Connecting an account on any server: a login there or a token, and what the server allows."""

from __future__ import annotations

import base64
from datetime import timedelta
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from engagement.channels.base import AuthFailure, PermanentFailure, SendFailed, TransientFailure
from engagement.channels.mastodon.forms import ServerForm
from engagement.models import ChannelAccount
from tests.channels.mastodon.mammoth import BOB, EVE, ME

BACK = "https://crm.example.com/settings/channels/back/mastodon/"


def begun(link, there):
    login = link.begin_login({"instance": there.url}, state="the-state", back_to=BACK)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(login.url).query).items()}
    return login, asked


@pytest.mark.parametrize("pkce", [True, False])
def test_a_login_registers_an_app_and_gives_the_account(link, there, pkce):
    there.pkce = pkce
    login, asked = begun(link, there)
    verifier = login.remembered["verifier"]
    if pkce:
        challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        assert asked["code_challenge"] == challenge
    assert bool(verifier) == pkce == ("code_challenge" in asked)
    assert asked["client_id"] == there.apps[0]["client_id"]
    assert (asked["state"], there.apps[0]["redirect_uris"]) == ("the-state", BACK)
    assert set(asked["scope"].split()) == set(link.scopes)
    there.codes["the-code"] = verifier
    (offer,) = link.finish_login({"code": "the-code"}, login.remembered, back_to=BACK)
    assert (offer.external_id, offer.name) == ("shop@mammoth.example", "@shop@mammoth.example")
    assert offer.issuer == "127.0.0.1"
    assert offer.settings["account_id"] == ME and offer.settings["limits"]["letters"] == 500
    assert set(offer.scopes) == set(link.scopes)
    assert there.tokens[offer.credentials["access_token"]] == ME
    assert offer.credentials["access_token"] not in repr(offer)


def test_a_login_that_fails_says_why(link, there):
    login, _asked = begun(link, there)
    with pytest.raises(PermanentFailure, match="said no"):
        query = {"error": "access_denied", "error_description": "The owner said no"}
        link.finish_login(query, login.remembered, back_to=BACK)
    with pytest.raises(PermanentFailure, match="invalid") as raised:
        link.finish_login({"code": "wrong-code-0123"}, login.remembered, back_to=BACK)
    assert "wrong-code" not in str(raised.value)
    there.fail(503, {}, times=9)
    with pytest.raises(TransientFailure):
        begun(link, there)


def test_a_login_never_leads_into_our_own_network(link, there, settings):
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = []
    for address in (there.url, "http://10.0.0.1", "http://[::1]", "http://169.254.169.254"):
        with pytest.raises(SendFailed):
            link.begin_login({"instance": address}, state="s", back_to=BACK)
    assert there.calls == []


def test_a_redirect_to_a_private_address_is_refused(link, there):
    there.fail(302, "", headers={"Location": "http://10.0.0.1/"}, path="verify")
    account = ChannelAccount(
        settings={"instance": there.url}, credentials={"access_token": "our-token-0123456789"}
    )
    with pytest.raises(SendFailed):
        link.check(account)


def test_a_pasted_token_tells_whose_it_is(link, there):
    account = ChannelAccount(connector="mastodon", name="")
    cleaned = {"instance": there.url, "access_token": "our-token-0123456789", "only_new": True}
    assert not link.wants_login(cleaned) and link.wants_login({"instance": there.url, "access_token": ""})
    link.fill_account(account, cleaned)
    assert (account.external_id, account.issuer) == ("shop@mammoth.example", "127.0.0.1")
    assert account.credentials == {"access_token": "our-token-0123456789"}
    assert "access_token" not in account.settings
    assert account.scopes == ["read", "write"]
    with pytest.raises(AuthFailure):
        link.fill_account(ChannelAccount(connector="mastodon"), {**cleaned, "access_token": "wrong"})


def test_a_token_of_somebody_else_is_refused(link, account, there):
    there.people[ME] = {**there.people[ME], "id": "999", "acct": "other"}
    with pytest.raises(AuthFailure, match="other"):
        link.check(account)


def test_limits_are_the_servers_own(link, account, there):
    assert link.limits(account, public=True).length == 468
    there.letters = 5000
    link.check(account)
    found = link.limits(account, public=False)
    assert (found.length, found.file_bytes, found.files) == (4968, 1_000_000, 4)
    assert found.file_types == ("image/png", "video/mp4")


def test_a_server_that_says_nothing_of_itself_has_mastodons_numbers(link, account, there):
    there.fail(404, {"error": "no"}, path="/api/v2/instance")
    link.check(account)
    assert link.limits(account, public=True).length == 468
    assert account.external_id == "shop@127.0.0.1"


def test_every_permission_is_tried_alone(link, account, there):
    account.scopes = ["read:accounts", "read:statuses", "write"]
    there.fail(403, {"error": "This action is outside the authorized scopes"}, path="notifications")
    found = {one.scope: one for one in link.examine(account)}
    assert found["read:accounts"].works and found["read:statuses"].works and found["write:media"].works
    assert not found["read:notifications"].works and "scopes" in found["read:notifications"].text
    account.scopes = ["read"]
    assert not {one.scope: one for one in link.examine(account)}["write:statuses"].works


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("mastodon.social", "https://mastodon.social"),
        ("@shop@Mastodon.Social", "https://mastodon.social"),
        ("https://mastodon.social/", "https://mastodon.social"),
        ("https://social.example.org:8443", "https://social.example.org:8443"),
        ("http://mastodon.social", ""),
        ("https://mastodon.social/@shop", ""),
        ("https://user:pw@mastodon.social", ""),
        ("ftp://mastodon.social", ""),
        ("mast odon.social", ""),
        ("https://host:99999", ""),
        ("https://", ""),
    ],
)
def test_the_form_takes_a_server_and_nothing_else(given, address):
    form = ServerForm({"instance": given})
    assert form.is_valid() == bool(address)
    assert form.cleaned_data.get("instance", "") == address


def test_without_encryption_only_what_the_operator_named(settings):
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = ["social.internal"]
    assert ServerForm({"instance": "http://social.internal"}).is_valid()


# Comparing


def test_a_window_lists_what_others_said_in_it(link, account, there):
    there.limit = 2
    past = timezone.now() - timedelta(minutes=30)
    there.write(EVE, "@shop long ago", at=past - timedelta(days=3))
    there.write(EVE, "@shop a little before", at=past - timedelta(hours=2))
    wanted = {there.write(BOB, f"@shop {number}", at=past) for number in range(5)}
    there.write(EVE, "@shop after", at=timezone.now())
    since, until = past - timedelta(minutes=1), past + timedelta(minutes=1)
    found = [one for page in link.list_window(account, since, until) for one in page]
    assert {one.external_id for one in found} == wanted
    assert all(one.event is not None for one in found)


@pytest.mark.parametrize("together", [True, False])
def test_what_is_gone_is_known_and_only_that(link, account, there, together):
    there.gives_together = together
    kept, deleted = there.write(BOB, "@shop a"), there.write(BOB, "@shop b")
    del there.statuses[deleted]
    assert list(link.gone(account, [kept, deleted, "out:abc/../x"])) == [deleted]
