"""An admin connects a shop by each of the three ways."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Team
from engagement.models import ChannelAccount
from tests.channels.shopify.double import ID, SECRET, SHOP, TOKEN, signed

WAYS = {
    "app": {"client_id": ID, "client_secret": SECRET},
    "token": {"access_token": TOKEN, "client_secret": SECRET},
}


@pytest.fixture
def admin(db, ada):
    client = Client()
    client.force_login(ada)
    return client


def asked(way, **more):
    values = {
        "name": "Snowdevil",
        "goal_minutes": "60",
        "shop": "snowdevil",
        "way": way,
        "api_version": "2026-10",
    }
    return {**values, "team": Team.general().pk, **more}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_shop_is_connected_by_keys(there, admin, way):
    where = reverse("engagement:channel-connect", args=["shopify"])
    assert admin.get(where).status_code == 200
    assert admin.post(where, asked(way, **WAYS[way])).status_code == 302
    account = ChannelAccount.objects.get()
    assert (account.external_id, account.network, account.issuer) == (SHOP, "shopify", SHOP)
    assert bool(account.token_expires_at) == (way == "app")
    page = admin.get(reverse("engagement:channel-edit", args=[account.pk])).content.decode()
    assert SHOP in page and SECRET not in page and TOKEN not in page and "shpat_granted" not in page


def test_a_shop_is_connected_by_a_login(there, admin, settings):
    settings.CHANNEL_APPS = {"shopify": {"id": ID, "secret": SECRET}}
    begun = admin.post(reverse("engagement:channel-connect", args=["shopify"]), asked("login"))
    assert begun.status_code == 302 and "/admin/oauth/authorize" in begun["Location"]
    state = parse_qs(urlsplit(begun["Location"]).query)["state"][0]
    query = signed({"code": "a-code", "shop": SHOP, "state": state, "timestamp": "1700000000"})
    back = admin.get(reverse("engagement:channel-back", args=["shopify"]), query, follow=True)
    assert back.status_code == 200 and SHOP.partition(".")[0] in back.content.decode()
    assert there.grants == 1 and "shpat_" not in back.content.decode()
