"""Who is signed in at the shop: by a token of its server, linked at once, and never believed otherwise."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.urls import reverse

from accounts.models import AuditEntry, Team
from crm.models import Customer, Identity, MergeRecord
from crm.orders import OrderIn, store_orders
from engagement.channels import connector
from engagement.models import ChannelAccount, ChatProof, ChatVisitor, Interaction
from tests.engagement.test_visits import Page, view
from tests.engagement.test_webchat import SHOP, Browser

pytestmark = pytest.mark.django_db
SECRET = "a-secret-of-the-site-that-is-long-enough"


@pytest.fixture
def site(db: None) -> ChannelAccount:
    account = ChannelAccount(name="Morning Goods", team=Team.general())
    connector("webchat").fill_account(account, {"allowed_origins": [SHOP], "token_issuer": "shop"})
    account.credentials = {"identity_secret": SECRET}
    account.save()
    return account


def token(sub: str = "42", *, secret: str = SECRET, minutes: int = 10, **claims: Any) -> str:
    now = datetime.now(UTC)
    found = {"iss": "shop", "sub": sub, "exp": now + timedelta(minutes=minutes), "jti": str(now), **claims}
    return jwt.encode(found, secret, algorithm="HS256")


class Shopper(Browser):
    """A browser of somebody who is signed in at the shop."""

    def identify(self, given: str) -> Any:
        return self.ask("POST", "identify", {"token": given})


@pytest.fixture
def shopper(site: ChannelAccount) -> Shopper:
    found = Shopper(site)
    found.begin()
    return found


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


def test_a_token_links_the_chat_with_the_customer_of_the_orders_at_once(shopper: Shopper) -> None:
    from decimal import Decimal

    order = OrderIn(
        external_id="o1", customer_id="eva@example.org", network="email", total=Decimal(20), currency="USD",
        placed_at=datetime(2026, 3, 3, 9, tzinfo=UTC),
    )  # fmt: skip
    store_orders("shop", [order])
    buyer = Customer.objects.get()
    shopper.say("Where is it?")
    assert Customer.objects.filter(merged_into=None).count() == 2
    assert shopper.identify(token(email="Eva@Example.org", name="Eva Lind")).json() == {"linked": True}
    assert Interaction.objects.get().customer == buyer
    assert Customer.objects.filter(merged_into=None).count() == 1
    assert set(buyer.identities.values_list("network", "verified")) == {
        ("email", True),
        ("id", True),
        ("chat", True),
    }
    record = MergeRecord.objects.get()
    assert (record.proof, record.by) == ("shop: 42", None)


def test_two_browsers_of_one_person_are_one_customer(site: ChannelAccount) -> None:
    for _device in range(2):
        browser = Shopper(site)
        browser.begin()
        browser.say("Hello")
        assert browser.identify(token()).status_code == 200
    assert Customer.objects.filter(merged_into=None).count() == 1
    assert Identity.objects.filter(external_id="user:42").count() == 1


def test_a_visitor_who_did_nothing_is_nobody_s_customer_yet(shopper: Shopper) -> None:
    given = token(email="eva@example.org")
    assert shopper.identify(given).json() == {"linked": False}
    assert not Customer.objects.exists()
    shopper.say("Hello")
    assert shopper.identify(given).json() == {"linked": True}
    assert Identity.objects.filter(external_id="eva@example.org", verified=True).exists()


def test_visits_are_linked_like_messages(site: ChannelAccount, shopper: Shopper) -> None:
    Page(site, token=shopper.token).track(view(1))
    assert shopper.identify(token(email="eva@example.org")).json() == {"linked": True}
    assert Interaction.objects.get().customer.identities.filter(network="email").exists()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda: token(minutes=-10), "expired"),
        (lambda: token(secret="another-site-s-secret-of-32-letters-x"), "not signed with this secret"),
        (lambda: token(iss="other"), "iss"),
        (lambda: token(minutes=60 * 25), "longer"),
        (lambda: token(sub=""), "sub"),
        (lambda: "nonsense", "no token"),
        (lambda: "", "1 to 4,096"),
        (lambda: token(email="not an address"), "cannot be used"),
        (
            lambda: jwt.encode({"iss": "shop", "sub": "42", "exp": 9_999_999_999}, "", algorithm="none"),
            "HS256",
        ),
    ],
)
def test_a_token_that_proves_nothing_is_refused_and_says_why(shopper: Shopper, given: Any, says: str) -> None:
    shopper.say("Hello")
    answer = shopper.identify(given())
    assert refused(answer) == (403, "bad_token")
    assert says in answer.json()["errors"][0]["detail"]
    assert Identity.objects.count() == 1


def test_a_changed_token_is_refused(shopper: Shopper) -> None:
    head, body, mark = token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "1"}).encode()).decode().rstrip("=")
    assert refused(shopper.identify(f"{head}.{forged}.{mark}")) == (403, "bad_token")


def test_a_token_that_another_browser_showed_is_refused(site: ChannelAccount, shopper: Shopper) -> None:
    given = token()
    shopper.say("Hello")
    assert shopper.identify(given).status_code == 200
    assert shopper.identify(given).status_code == 200
    thief = Shopper(site)
    thief.begin()
    thief.say("Hello from elsewhere")
    answer = thief.identify(given)
    assert refused(answer) == (403, "bad_token")
    assert "another browser" in answer.json()["errors"][0]["detail"]
    assert Customer.objects.filter(merged_into=None).count() == 2


def test_proofs_that_expired_are_forgotten(shopper: Shopper) -> None:
    shopper.identify(token())
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        shopper.identify(token())
    assert ChatProof.objects.count() == 1


def test_somebody_else_on_the_same_browser_begins_anew(shopper: Shopper) -> None:
    shopper.say("Hello")
    shopper.identify(token("42"))
    assert refused(shopper.identify(token("43"))) == (409, "other_person")
    assert ChatVisitor.objects.get().identifier == "42"


def test_a_stranger_without_a_session_identifies_nobody(site: ChannelAccount) -> None:
    assert Shopper(site).identify(token()).status_code == 401


# The secret


def test_a_new_secret_is_shown_once_and_ends_the_one_before(
    site: ChannelAccount, shopper: Shopper, ada: Any, signed_in: Any
) -> None:
    ada.teams.add(Team.general())
    browser, url = signed_in(ada), reverse("webchat:secret-new", args=[site.external_id])
    settings = reverse("engagement:channel-edit", args=[site.pk])
    assert SECRET not in browser.get(settings).content.decode()
    page = browser.post(url)
    site.refresh_from_db()
    made = site.credentials["identity_secret"]
    assert made != SECRET and made in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert made not in browser.get(settings).content.decode()
    assert browser.get(url).status_code == 405
    assert AuditEntry.objects.filter(verb="channel.secret_made", actor=ada).count() == 1
    shopper.say("Hello")
    assert refused(shopper.identify(token())) == (403, "bad_token")
    assert shopper.identify(token(secret=made)).status_code == 200


def test_only_those_who_manage_channels_make_secrets(
    site: ChannelAccount, amy: Any, signed_in: Any, anonymous: Any
) -> None:
    amy.teams.add(Team.general())
    url = reverse("webchat:secret-new", args=[site.external_id])
    assert signed_in(amy).post(url).status_code == 403
    assert anonymous.post(url).status_code == 302
    site.refresh_from_db()
    assert site.credentials["identity_secret"] == SECRET
