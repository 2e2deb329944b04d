"""Connecting an account at X, keeping its access, trying its permissions, comparing what it has."""

from __future__ import annotations

import base64
import threading
from datetime import timedelta
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.utils import timezone

from engagement import credentials
from engagement.channels.base import AuthFailure, File, PermanentFailure, SendFailed, TransientFailure
from engagement.models import ChannelAccount
from tests.channels.x.chirper import BOB, EVE, ME

BACK = "https://crm.example.com/settings/channels/back/x/"


def begun(link):
    login = link.begin_login({}, state="the-state", back_to=BACK)
    parts = urlsplit(login.url)
    return login, parts, {name: values[0] for name, values in parse_qs(parts.query).items()}


def test_a_login_uses_pkce(link, there):
    login, parts, asked = begun(link)
    challenge = base64.urlsafe_b64encode(sha256(login.remembered["verifier"].encode()).digest())
    assert parts.path == "/i/oauth2/authorize"
    assert asked["code_challenge"] == challenge.rstrip(b"=").decode()
    assert asked["code_challenge_method"] == "S256"
    assert (asked["state"], asked["redirect_uri"]) == ("the-state", BACK)
    assert set(asked["scope"].split()) == set(link.scopes)
    assert login.remembered["verifier"] not in repr(login)


def test_people_log_in_at_the_site_and_not_at_the_api(link, settings):
    settings.CHANNEL_URLS = {}
    settings.CHANNEL_APPS = {"x": {"id": "app"}}
    assert begun(link)[1].netloc == "x.com"


def test_a_login_gives_the_account(link, there):
    login, _parts, _asked = begun(link)
    there.codes["the-code"] = login.remembered["verifier"]
    (offer,) = link.finish_login({"code": "the-code"}, login.remembered, back_to=BACK)
    assert (offer.external_id, offer.name) == (ME, "@ExampleUser")
    assert offer.credentials == {"access_token": there.grant.access, "refresh_token": there.grant.refresh}
    assert "dm.read" in offer.scopes
    assert timedelta(hours=1) < offer.expires_at - timezone.now() <= timedelta(hours=2)
    assert there.grant.access not in repr(offer)
    sent = next(call for call in there.calls if call.path.endswith("token"))
    assert sent.headers["Authorization"].startswith("Basic ")


def test_a_login_that_fails_says_why(link, there, settings):
    with pytest.raises(PermanentFailure, match="access_denied"):
        link.finish_login({"error": "access_denied"}, {}, back_to=BACK)
    with pytest.raises(AuthFailure) as raised:
        link.finish_login({"code": "wrong-code-0123"}, {"verifier": "v"}, back_to=BACK)
    assert "wrong-code" not in str(raised.value)
    there.fail(503, {})
    with pytest.raises(TransientFailure):
        link.finish_login({"code": "c"}, {"verifier": "v"}, back_to=BACK)
    settings.CHANNEL_APPS = {}
    with pytest.raises(PermanentFailure) as missing:
        link.begin_login({}, state="s", back_to=BACK)
    assert "CHANNEL_APP_X_ID" in missing.value.advice


def test_a_refresh_gives_both_tokens_anew(link, account, there):
    fresh = link.refresh(account)
    assert fresh.credentials == {"access_token": there.grant.access, "refresh_token": there.grant.refresh}
    assert there.grant.access not in repr(fresh)


@pytest.mark.django_db(transaction=True)
def test_two_workers_use_a_refresh_token_once(account, there):
    failures, both_have_read = [], threading.Barrier(2)

    def renew():
        mine = ChannelAccount.objects.get(pk=account.pk)
        both_have_read.wait(10)
        try:
            credentials.refresh(mine)
        except SendFailed as failure:
            failures.append(failure)
        finally:
            connection.close()

    workers = [threading.Thread(target=renew) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    account.refresh_from_db()
    assert not failures
    assert there.count("oauth2/token") == 1
    assert account.credentials["refresh_token"] == there.grant.refresh


def test_a_refresh_that_is_refused_needs_a_person_and_else_only_time(link, account, there):
    account.credentials = {**account.credentials, "refresh_token": "used-up-0123456789"}
    with pytest.raises(AuthFailure) as raised:
        link.refresh(account)
    assert "used-up" not in str(raised.value)
    for status, body in [(503, {}), (429, {}), (0, None), (200, {"token_type": "bearer"})]:
        there.fail(status, body, path="token")
        with pytest.raises(TransientFailure):
            link.refresh(account)
    account.credentials = {}
    with pytest.raises(AuthFailure):
        link.refresh(account)


def test_every_permission_is_tried_alone(link, account, there):
    account.scopes = ["tweet.read", "users.read", "tweet.write", "offline.access"]
    there.fail(403, {"title": "Forbidden", "detail": "No messages"}, path="dm_events")
    found = {one.scope or one.name: one for one in link.examine(account)}
    assert found["users.read"].works and found["tweet.read"].works and found["tweet.write"].works
    assert not found["dm.read"].works and "No messages" in found["dm.read"].text
    assert not found["dm.write"].works and found["dm.write"].remedy
    assert found["webhook"].works


def test_a_token_of_somebody_else_is_refused(link, account, there):
    link.check(account)
    account.external_id = BOB
    with pytest.raises(AuthFailure, match="ExampleUser"):
        link.check(account)


# Comparing


def window(link, account, hours=3):
    until = timezone.now() + timedelta(minutes=1)
    return [one for page in link.list_window(account, until - timedelta(hours=hours), until) for one in page]


def test_a_window_lists_what_others_said_in_it(link, account, there):
    there.size = 2
    past = timezone.now() - timedelta(minutes=30)
    wanted = {there.write(BOB, f"@ExampleUser {n}", at=past) for n in range(5)}
    there.write(EVE, "@ExampleUser long ago", at=past - timedelta(days=3))
    there.message(ME, "ours", to=BOB, at=past)
    wanted.add(f"dm:{there.message(BOB, 'hello', at=past)}")
    found = window(link, account)
    assert {one.external_id for one in found} == wanted
    assert all(one.event is not None for one in found)


def test_what_is_gone_is_known_and_only_that(link, account, there):
    kept, deleted = there.write(BOB, "a"), there.write(BOB, "b")
    del there.posts[deleted]
    assert list(link.gone(account, [kept, deleted, "dm:5", "out:abc"])) == [deleted]


def test_a_picture_of_a_message_is_asked_of_the_api(link, account, there, settings):
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = []
    file = File("a.jpg", "image/jpeg", url="https://ton.twitter.com/1.1/ton/data/dm/5/6/abc.jpg")
    assert link.fetch_file(account, file, most=100).content == b"a picture"
    with pytest.raises(SendFailed):
        link.fetch_file(account, File("a.jpg", "image/jpeg", url="http://127.0.0.1:1/a.jpg"), most=100)
