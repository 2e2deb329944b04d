"""Connecting a Page: the login, the self-test, and asking for webhooks."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from engagement.channels.base import AuthFailure, PermanentFailure, SendFailed
from tests.channels.facebook.accounts import link, new_account
from tests.channels.facebook.graph import APP, PAGE, TOKEN, MetaPlatform

BACK = "https://rapport.example/settings/channels/back/facebook/"
ADDRESS = "https://rapport.example/hooks/facebook/"


def page(number: str = PAGE, **more) -> dict:
    tasks = ["MODERATE", "MESSAGING"]
    return {"id": number, "name": "Shop", "access_token": f"token-of-{number}", "tasks": tasks, **more}


def finish(**query: str):
    return link("facebook").finish_login(query, {"settings": {"human_agent": True}}, back_to=BACK)


def test_the_browser_is_sent_to_the_dialog(meta: MetaPlatform) -> None:
    login = link("facebook").begin_login({"human_agent": True}, state="state-1", back_to=BACK)
    query = parse_qs(urlsplit(login.url).query)
    assert urlsplit(login.url).path.endswith("/dialog/oauth")
    assert query["client_id"] == [APP["id"]] and query["state"] == ["state-1"]
    assert query["redirect_uri"] == [BACK]
    assert set(query["scope"][0].split(",")) == set(link("facebook").scopes)
    assert APP["secret"] not in login.url and login.remembered == {"settings": {"human_agent": True}}


def test_without_an_app_the_operator_is_told_what_is_missing(settings) -> None:
    settings.CHANNEL_APPS = {}
    with pytest.raises(PermanentFailure, match="CHANNEL_APP_META_ID"):
        link("facebook").begin_login({}, state="s", back_to=BACK)


def test_every_page_is_offered_with_its_own_token(meta: MetaPlatform) -> None:
    meta.pages_of_user = [page(), page("2"), page("3", tasks=["ANALYZE"]), page("4", access_token=None)]
    offers = finish(code="good-code", state="s")
    assert [offer.external_id for offer in offers] == [PAGE, "2", "3", "4"]
    first, _second, third, fourth = offers
    assert first.credentials == {"access_token": f"token-of-{PAGE}"} and first.issuer == PAGE
    assert first.settings == {"human_agent": True} and first.scopes == ("pages_messaging",)
    assert not first.why_not and "role" in third.why_not and "token" in fourth.why_not
    assert first.expires_at is None and f"token-of-{PAGE}" not in repr(first)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"error": "access_denied", "error_reason": "user_denied"}, "cancelled"),
        ({"error": "server_error", "error_description": "Out of order"}, "Out of order"),
        ({}, "did not succeed"),
        ({"code": "used-code"}, "has been used"),
    ],
)
def test_a_login_that_failed_says_why(meta: MetaPlatform, query, words) -> None:
    with pytest.raises(SendFailed, match=words) as raised:
        finish(**query)
    assert APP["secret"] not in str(raised.value)


@pytest.mark.django_db
def test_webhooks_are_asked_for_once_for_the_app_and_for_each_page(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    for _ in range(2):
        assert link("facebook").subscribe(account, ADDRESS).active
    (known,) = meta.subscriptions
    assert known["object"] == "page" and known["callback_url"] == ADDRESS
    assert known["verify_token"] == APP["verify_token"]
    fields = meta.acts[0][2]["subscribed_fields"].split(",")
    assert {"feed", "messages", "message_edits", "message_echoes", "message_reads"} <= set(fields)
    assert len(meta.acts) == 2
    link("facebook").unsubscribe(account)
    assert meta.acts[-1] == ("unsubscribe", PAGE, None)


@pytest.mark.django_db
def test_an_address_that_meta_cannot_reach_is_told(meta: MetaPlatform) -> None:
    body = {"error": {"code": 2200, "message": "Callback verification failed"}}
    meta.fail(400, body, path="/subscriptions", method="POST")
    told = link("facebook").subscribe(new_account("facebook"), ADDRESS)
    assert not told.active and "Callback verification failed" in told.text


@pytest.mark.django_db
def test_the_self_test_tries_each_permission(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    meta.scopes = ["pages_show_list", "pages_manage_engagement"]
    findings = {finding.scope: finding for finding in link("facebook").examine(account)}
    assert set(findings) == set(link("facebook").scopes) and all(one.works for one in findings.values())
    meta.fail(400, {"error": {"code": 10, "message": "needs pages_messaging"}}, path="/conversations")
    meta.scopes = []
    findings = {finding.scope: finding for finding in link("facebook").examine(account)}
    broken = {scope for scope, finding in findings.items() if not finding.works}
    assert broken == {"pages_messaging", "pages_show_list", "pages_manage_engagement"}
    assert all(findings[scope].remedy for scope in broken)


@pytest.mark.django_db
def test_a_dead_token_fails_the_check(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    link("facebook").check(account)
    meta.tokens = set()
    with pytest.raises(AuthFailure) as raised:
        link("facebook").check(account)
    assert TOKEN not in str(raised.value)
