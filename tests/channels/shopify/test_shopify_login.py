"""The three ways into a Shopify shop, and tokens that end."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from engagement import channels, credentials, pulls
from engagement.channels.base import AuthFailure, PermanentFailure, TransientFailure
from engagement.models import ChannelAccount, Health
from tests.channels.shopify.conftest import new_account
from tests.channels.shopify.double import ID, SECRET, SHOP, signed

LINK = channels.connector("shopify")
BACK = "https://crm.example.com/channels/back/shopify/"
ASKED = {"shop": SHOP, "way": "login", "api_version": "2026-10", "only_new": False}


@pytest.fixture
def app(settings):
    settings.CHANNEL_APPS = {"shopify": {"id": ID, "secret": SECRET}}


def back(**more):
    return signed({"code": "a-code", "shop": SHOP, "state": "a-state", "timestamp": "1700000000", **more})


def test_a_login_gives_tokens_that_end_and_can_be_renewed(app, there):
    begun = LINK.begin_login(ASKED, state="a-state", back_to=BACK)
    parts = urlsplit(begun.url)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert parts.path == "/admin/oauth/authorize"
    assert asked == {
        "client_id": ID, "scope": "read_orders,read_customers", "redirect_uri": BACK, "state": "a-state",
    }  # fmt: skip
    (offer,) = LINK.finish_login(back(), begun.remembered, back_to=BACK)
    assert (offer.external_id, offer.network, offer.issuer) == (SHOP, "shopify", SHOP)
    assert dict(offer.credentials) == {
        "access_token": "shpat_granted_1",
        "refresh_token": "a-refresh-token-2",
    }
    assert offer.settings["shop"] == SHOP and offer.settings["way"] == "login"
    assert timedelta(minutes=55) < offer.expires_at - timezone.now() < timedelta(hours=1)
    assert offer.scopes == ("read_orders", "read_customers")
    assert "shpat_" not in repr(offer) and SECRET not in repr(begun)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({**back(), "shop": "evil.myshopify.com"}, "not signed"),
        ({**back(), "hmac": ""}, "not signed"),
        ({**back(), "code": "another"}, "not signed"),
        (back(shop="other.myshopify.com"), "You signed in to other"),
        (back(code="used-before"), "gave no access"),
        ({"error": "access_denied", "error_description": "The owner said no."}, "The owner said no"),
    ],
)
def test_a_login_that_is_not_ours_is_refused(app, there, query, words):
    with pytest.raises((AuthFailure, PermanentFailure), match=words):
        LINK.finish_login(query, ASKED, back_to=BACK)
    assert there.grants == 0


def test_without_an_app_a_login_says_what_to_set(settings, there):
    settings.CHANNEL_APPS = {}
    with pytest.raises(AuthFailure) as raised:
        LINK.begin_login(ASKED, state="s", back_to=BACK)
    assert "CHANNEL_APP_SHOPIFY_ID" in raised.value.advice
    with pytest.raises(PermanentFailure, match="not signed"):
        LINK.finish_login(back(), ASKED, back_to=BACK)


def login_account():
    account = new_account(way="login")
    account.credentials = {"access_token": "shpat_ended", "refresh_token": "a-refresh-token-1"}
    account.token_expires_at = timezone.now() + timedelta(minutes=1)
    account.save()
    return account


def test_a_token_that_ends_is_renewed_and_stored_before_its_use(app, db, there):
    account = login_account()
    assert pulls.pull_account(account.pk).failure == ""
    kept = ChannelAccount.objects.get()
    assert kept.credentials == {"access_token": "shpat_granted_1", "refresh_token": "a-refresh-token-2"}
    assert kept.health == Health.HEALTHY and there.refresh_tokens == {"a-refresh-token-2"}


def test_a_token_that_ended_before_its_time_is_renewed_too(app, db, there):
    account = login_account()
    ChannelAccount.objects.update(token_expires_at=timezone.now() + timedelta(hours=1))
    assert pulls.pull_account(account.pk).failure == ""
    assert there.grants == 1


def test_a_refresh_token_that_is_refused_asks_for_a_person(app, db, there):
    account = login_account()
    there.refresh_tokens.clear()
    assert "gave no access" in pulls.pull_account(account.pk).failure
    assert ChannelAccount.objects.get().health == Health.NEEDS_LOGIN


def test_a_refresh_that_gets_no_answer_is_tried_again(app, db, there):
    account = login_account()
    there.fail(503, "", path="access_token")
    with pytest.raises(TransientFailure):
        credentials.refresh(account)
    there.fail(0, path="access_token")
    with pytest.raises(TransientFailure):
        credentials.refresh(account)
    credentials.refresh(account)
    assert account.credentials["access_token"] == "shpat_granted_1"


def test_an_app_of_ones_own_asks_for_its_token_by_its_secret(db, there):
    form = LINK.settings_form(
        {"shop": "https://Snowdevil.myshopify.com/", "way": "app", "client_id": ID, "client_secret": SECRET}
    )
    assert form.is_valid(), form.errors
    assert not LINK.wants_login(form.cleaned_data)
    account = ChannelAccount(connector="shopify")
    LINK.fill_account(account, form.cleaned_data)
    LINK.check(account)
    assert account.credentials["access_token"] == "shpat_granted_1" and account.external_id == SHOP
    assert timedelta(hours=23) < account.token_expires_at - timezone.now() < timedelta(hours=24)
    assert SECRET not in str(account.settings)
    account.credentials |= {"client_secret": "wrong"}
    with pytest.raises(AuthFailure, match="gave no access"):
        LINK.check(account)


def test_the_day_after_it_simply_asks_again(db, there):
    account = new_account(way="app", client_id=ID)
    there.tokens.clear()
    assert pulls.pull_account(account.pk).failure == ""
    assert ChannelAccount.objects.get().credentials["access_token"] == "shpat_granted_1"


def test_a_token_that_was_taken_back_asks_for_a_person(db, there):
    account = new_account()
    there.tokens.clear()
    pulls.pull_account(account.pk)
    assert ChannelAccount.objects.get().health == Health.NEEDS_LOGIN and there.grants == 0


@pytest.mark.parametrize(
    ("given", "shop"),
    [
        ("snowdevil", SHOP),
        (" https://snowdevil.myshopify.com/ ", SHOP),
        ("https://admin.shopify.com/store/snowdevil/products", SHOP),
        ("www.snowdevil.com", ""),
        ("snowdevil.myshopify.com.evil.example", ""),
        ("-x.myshopify.com", ""),
    ],
)
def test_the_form_takes_a_shop_in_any_spelling(given, shop):
    form = LINK.settings_form({"shop": given, "way": "token"})
    assert form.is_valid() == bool(shop)
    assert not shop or form.cleaned_data["shop"] == shop
    assert "api_version" in LINK.settings_form({"shop": "a", "way": "token", "api_version": "2026-11"}).errors


def test_how_far_back_orders_are_given_is_said(db, there):
    account = new_account()
    found = {one.name: one for one in LINK.examine(account)}
    assert "last 60 days" in found["older orders"].text and all(one.works for one in found.values())
    there.scopes.append("read_all_orders")
    assert {one.name: one.text for one in LINK.examine(account)}["older orders"] == ""
