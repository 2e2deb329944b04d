"""An admin connects an account by the pages of Settings, by a login there or with a token."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from accounts.models import Team
from engagement.models import ChannelAccount

PAGE = "/settings/channels/new/mastodon/keys/"


@pytest.fixture
def window(ada, signed_in):
    return signed_in(ada)


def asked(there, **more):
    return {"name": "", "team": Team.general().pk, "goal_minutes": 240, "reply_goal_minutes": 240,
            "instance": there.url, **more}  # fmt: skip


def test_a_token_connects_at_once(window, there):
    answer = window.post(PAGE, asked(there, access_token="our-token-0123456789"))
    account = ChannelAccount.objects.get(connector="mastodon")
    assert answer.status_code == 302 and str(account.pk) in answer["Location"]
    assert (account.external_id, account.issuer) == ("shop@mammoth.example", "127.0.0.1")
    assert "our-token" not in str(account.settings)


def test_a_wrong_token_is_told_in_the_servers_words(window, there):
    answer = window.post(PAGE, asked(there, access_token="wrong-token-0123"))
    assert "The access token is invalid" in answer.content.decode()
    assert not ChannelAccount.objects.exists()


def test_a_login_connects_what_one_chooses(window, there):
    there.pkce = False
    begun = window.post(PAGE, asked(there))
    assert begun["Location"].startswith(there.url)
    query = {name: values[0] for name, values in parse_qs(urlsplit(begun["Location"]).query).items()}
    there.codes["the-code"] = ""
    back = window.get(urlsplit(query["redirect_uri"]).path, {"code": "the-code", "state": query["state"]})
    assert back.status_code == 302
    choice = window.get(back["Location"])
    assert "@shop@mammoth.example" in choice.content.decode()
    window.post(back["Location"], {"team": Team.general().pk, "goal_minutes": 240,
                                   "chosen": ["shop@mammoth.example"]})  # fmt: skip
    account = ChannelAccount.objects.get(connector="mastodon")
    assert account.settings["only_new"] is True and account.settings["account_id"]
    assert there.tokens[account.credentials["access_token"]]
