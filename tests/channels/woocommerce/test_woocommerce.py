"""A WooCommerce shop: what comes in whatever shifts meanwhile, what goes out, and how both fail."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import Customer, Identity, Order
from engagement import channels, outbox, pulls, raw_events
from engagement.channels.base import (
    AuthFailure,
    Forged,
    Hook,
    PermanentFailure,
    PermissionMissing,
    RateReached,
    TransientFailure,
    Uncertain,
)
from engagement.channels.woocommerce import events
from engagement.hooks import address_of
from engagement.intake import take_in
from engagement.models import (
    ChannelAccount,
    Conversation,
    Delivery,
    DeliveryState,
    Health,
    Interaction,
    RawEvent,
)
from engagement.reconciling import compare_day
from engagement.replies import reply
from tests.channels.machine import pull_to_the_end, stored_orders
from tests.channels.woocommerce.conftest import connected
from tests.channels.woocommerce.double import KEY, NOW, ORDER, SECRET, gmt, refusal

LINK = channels.connector("woocommerce")
LATER = NOW + timedelta(hours=5)


# Reading


def test_orders_come_with_their_buyers_lines_and_refunds(account, there):
    there.customer(25)
    there.order(1, customer_id=25, refunds=[{"id": 1, "total": "-4.35"}])
    there.order(2)
    pull_to_the_end(account)
    first = Order.objects.get(external_id="1")
    assert (first.total, first.refunded, first.currency, first.units) == (
        Decimal("29.35"), Decimal("4.35"), "USD", 3,
    )  # fmt: skip
    assert first.identity.network == "woocommerce" and first.identity.issuer == account.external_id
    assert first.identity.handle == "c25@example.com"
    assert Order.objects.get(external_id="2").identity.network == "email"
    assert first.lines.get(position=0).title == "Woo Single #1"


def test_every_page_is_read_and_again_nothing_changes(account, there):
    for number in range(1, 132):
        there.order(number)
        there.customer(number)
    pull_to_the_end(account)
    assert len(stored_orders()) == 131 and Identity.objects.filter(network="woocommerce").count() == 131
    before = list(Order.objects.order_by("pk").values())
    calls = there.count("/customers")
    pull_to_the_end(account)
    assert list(Order.objects.order_by("pk").values()) == before
    assert there.count("/customers") == calls + 1


def test_nothing_is_skipped_while_orders_change_appear_and_go_between_pages(account, there):
    for number in range(1, 131):
        there.order(number)
    there.now = LATER

    def shift():
        for number in (1, 2, 3, 4, 5):
            there.orders.pop(number)
        there.change(60, LATER + timedelta(minutes=1), status="completed")
        there.order(200)

    there.between = [shift]
    pull_to_the_end(account)
    assert set(map(str, range(6, 131))) <= stored_orders()
    pull_to_the_end(account)
    assert "200" in stored_orders()


def test_an_order_that_changes_behind_the_reading_is_of_the_next_one(account, there):
    for number in range(1, 61):
        there.order(number)
    there.now = LATER
    there.between = [lambda: there.change(1, LATER + timedelta(seconds=1), status="cancelled")]
    pull_to_the_end(account)
    assert Order.objects.get(external_id="1").status == "paid"
    there.now = LATER + timedelta(minutes=5)
    pull_to_the_end(account)
    assert Order.objects.get(external_id="1").status == "cancelled"


def test_the_shops_own_clock_counts(account, there):
    there.now = NOW - timedelta(days=2)
    pull_to_the_end(account)
    account.refresh_from_db()
    assert account.cursor["since"] == (NOW - timedelta(days=2, minutes=15)).strftime("%Y-%m-%dT%H:%M:%S")


def test_a_reading_that_was_cut_off_goes_on(account, there):
    for number in range(1, 121):
        there.order(number)
    pages = LINK.pull(account)
    for _ in range(2):
        pulls.store_page(account, next(pages))
    there.calls.clear()
    pull_to_the_end(account)
    assert there.calls[0].query["offset"] == "40" and len(stored_orders()) == 120


def test_only_what_is_new_where_that_was_asked_for(db, there):
    account = connected(there, only_new="on")
    there.order(-5)
    there.orders[-5]["id"] = 900
    there.order(1)
    pull_to_the_end(account)
    assert stored_orders() == {"1"}


def test_a_shop_that_gives_the_same_page_for_ever_is_stopped(account, there):
    page = [dict(ORDER, id=number) for number in range(1, 51)]
    there.fail(200, page, times=99, path="/orders")
    there.fail(200, [{"id": number, "email": f"c{number}@example.com"} for number in range(1, 51)], times=99)
    pulled = pulls.pull_account(account.pk)
    assert "same page" in pulled.failure
    assert ChannelAccount.objects.get().health == Health.FAILING


def test_a_broken_order_is_parked_and_the_next_ones_come_in(account, there):
    there.order(1, total="much")
    there.order(2)
    pull_to_the_end(account)
    assert stored_orders() == {"2"}
    raw = RawEvent.objects.get(state="parked")
    assert "is no amount" in raw.error
    raw.body = bytes(raw.body).replace(b'"much"', b'"5.00"')
    raw_events.understand(raw)
    assert stored_orders() == {"1", "2"}


def test_an_order_of_the_future_is_refused_with_its_reason(account, there):
    there.order(1, date_created_gmt="2036-01-01T00:00:00")
    pull_to_the_end(account)
    assert stored_orders() == set() and "in the future" in RawEvent.objects.get().error


def test_an_address_is_vouched_for_only_where_the_shop_confirms_it(db, there):
    there.customer(25, email="john.doe@example.com")
    there.order(1)
    account = connected(there)
    pull_to_the_end(account)
    assert Customer.objects.filter(merged_into=None).count() == 2
    account.settings |= {"emails_confirmed": True}
    account.cursor = {}
    account.save()
    pull_to_the_end(account)
    assert Customer.objects.filter(merged_into=None).count() == 1


def test_what_was_said_about_an_order_is_one_conversation(account, there):
    there.order(1, customer_note="Please ring twice.", date_modified_gmt=gmt(timezone.now()))
    there.note(1, "We will.<br>Sam")
    there.note(1, "Shipped.", author="WooCommerce")
    pull_to_the_end(account)
    conversation = Conversation.objects.get()
    assert conversation.subject == "Order #1" and conversation.identity.external_id == "john.doe@example.com"
    lines = set(Interaction.objects.values_list("direction", "text", "staff_name", "is_automatic"))
    assert lines == {
        ("inbound", "Please ring twice.", "", False),
        ("outbound", "We will.\nSam", "Sam", False),
        ("outbound", "Shipped.", "", True),
    }


def test_notes_are_not_asked_for_where_nobody_wants_them(db, there):
    account = connected(there, read_notes="")
    there.order(1, date_modified_gmt=gmt(timezone.now()))
    pull_to_the_end(account)
    assert there.count("/notes") == 0


# Webhooks


def sign(body, secret="a-secret-of-the-webhooks"):
    return base64.b64encode(hmac.new(secret.encode(), body, sha256).digest()).decode()


def tell(account, item, topic="order.updated", **headers):
    body = json.dumps(item).encode()
    told = {"X-WC-Webhook-Signature": sign(body), "X-WC-Webhook-Topic": topic, **headers}
    where = urlsplit(address_of(account)).path
    return Client().post(where, body, content_type="application/json", headers=told)


def test_a_webhook_brings_an_order_once_and_older_news_change_nothing(account, there):
    new = there.order(1, status="completed", date_modified_gmt="2026-11-22T10:00:00")
    old = dict(new, status="pending", date_modified_gmt="2026-11-22T09:30:00")
    for item in (new, new, old):
        assert tell(account, item, **{"X-WC-Webhook-Delivery-ID": str(uuid4())}).status_code == 200
        raw_events.sweep()
    assert Order.objects.get().status == "paid"
    assert not RawEvent.objects.filter(state="parked").exists()


def test_the_same_delivery_is_stored_once(account, there):
    for _ in range(3):
        tell(account, there.order(1), **{"X-WC-Webhook-Delivery-ID": "a-delivery"})
    assert RawEvent.objects.count() == 1


def test_a_ping_is_answered_and_not_stored(account):
    where = urlsplit(address_of(account)).path
    kind = "application/x-www-form-urlencoded"
    assert Client().post(where, b"webhook_id=142", content_type=kind).status_code == 200
    assert Client().post(where, b"webhook_id=142&more=1", content_type=kind).status_code == 401
    assert not RawEvent.objects.exists()


@pytest.mark.parametrize("secret", ["another", ""])
def test_a_wrong_signature_is_refused(account, secret):
    body = json.dumps(ORDER).encode()
    for headers in ({"x-wc-webhook-signature": sign(body, secret)}, {}):
        with pytest.raises(Forged):
            LINK.verify(Hook("POST", "", headers, {}, body), account)
    account.credentials = {}
    with pytest.raises(Forged):
        LINK.verify(Hook("POST", "", {"x-wc-webhook-signature": sign(body, "")}, {}, body), account)


def test_webhooks_are_made_once_woken_and_taken_off_again(account, there):
    where = "https://crm.example.com/hooks/woocommerce/key/"
    there.hooks[1] = {"id": 1, "topic": "order.updated", "delivery_url": "https://somebody.example/"}
    account.credentials = {"consumer_key": KEY, "consumer_secret": SECRET}
    done = LINK.subscribe(account, where)
    assert done.active and len(there.hooks) == 5 and len(done.secrets["hook_secret"]) == 64
    account.credentials |= dict(done.secrets)
    assert LINK.subscribe(account, where).secrets == done.secrets
    assert len(there.hooks) == 5
    there.hooks[3]["status"] = "disabled"
    assert "on again" in LINK.subscribe(account, where).text
    assert there.hooks[3]["status"] == "active"
    account.settings |= done.settings
    LINK.unsubscribe(account)
    assert list(there.hooks) == [1]


# Bad input


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("id", "7", "id is missing or no number"),
        ("id", None, "id is missing"),
        ("currency", None, "currency is missing"),
        ("status", 7, "status is missing"),
        ("line_items", {}, "line_items is missing"),
        ("total", "NaN", "is no amount"),
        ("date_created_gmt", "soon", "is not a date"),
        ("customer_id", "x", "customer_id is missing"),
    ],
)
def test_what_is_missing_is_named(name, value, reason):
    with pytest.raises(ValueError, match=reason):
        events.parcels(json.dumps(dict(ORDER, **{name: value})).encode(), "order.updated")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"7", b"{}"])
def test_a_broken_body_is_a_reason(body):
    with pytest.raises(ValueError, match=r"\w"):
        events.parcels(body, "order.updated")


@pytest.mark.parametrize("text", ["a\x00b", "half \ud83d pair", "x" * 5_000_000, "<script>x</script>hi"])
def test_whatever_somebody_writes_into_the_checkout_is_taken_in(account, there, text):
    parcel = events.of_order(dict(ORDER, customer_note=text))
    assert take_in(account, parcel).reasons == {}
    assert Interaction.objects.count() == 1 and "<script>" not in Interaction.objects.get().text


def test_an_order_without_names_and_with_odd_lines_is_taken_in(account):
    line = {"name": "", "quantity": 0.5, "total": "-3.00", "sku": None}
    item = dict(ORDER, billing={"email": "A.B@Example.com"}, line_items=[line, "x"], refunds=None)
    assert take_in(account, events.of_order(item)).reasons == {}
    assert Order.objects.get().identity.external_id == "a.b@example.com"


# Answering


@pytest.fixture
def outgoing(account, there, amy):
    """An answer to somebody's note that is ready to be sent."""
    there.order(1, customer_note="Please ring twice.")
    pull_to_the_end(account)
    reply(conversation=Conversation.objects.get(), by=amy, text="We will & <gladly>.", client_key=uuid4())
    delivery = Delivery.objects.select_related("account").get()
    return replace(outbox.gather(delivery), delivery=delivery)


def test_an_answer_is_a_note_that_the_shop_mails(outgoing, account, there):
    outbox.send_delivery(outgoing.delivery.pk)
    call = next(one for one in there.calls if one.method == "POST")
    assert call.json == {
        "note": "We will &amp; &lt;gladly&gt;.", "customer_note": True, "added_by_user": True,
    }  # fmt: skip
    assert Delivery.objects.get().state == DeliveryState.SENT
    there.change(1, timezone.now())
    there.now = timezone.now()
    pull_to_the_end(account)
    assert Interaction.objects.filter(direction="outbound").count() == 1


def test_an_order_without_an_address_is_not_answered(outgoing, there):
    there.orders[1]["billing"]["email"] = ""
    with pytest.raises(PermanentFailure, match="no e-mail address"):
        LINK.send(outgoing)
    assert there.count("/notes", "POST") == 0


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, refusal("woocommerce_rest_authentication_error", "Consumer key is invalid.", 401), AuthFailure),
        (401, refusal("woocommerce_rest_cannot_view", "Sorry.", 401), AuthFailure),
        (401, "<html>", AuthFailure),
        (403, refusal("woocommerce_rest_cannot_create", "Sorry.", 403), PermissionMissing),
        (403, "<html>Blocked by a firewall", TransientFailure),
        (404, refusal("rest_no_route", "No route was found.", 404), AuthFailure),
        (404, "<html>Not found", AuthFailure),
        (404, refusal("woocommerce_rest_shop_order_invalid_id", "Invalid ID.", 404), PermanentFailure),
        (429, "slow down", RateReached),
        (503, "<html>Maintenance", TransientFailure),
        (500, refusal("internal_server_error", "There has been a critical error.", 500), Uncertain),
        (200, "<br /><b>Notice</b>", TransientFailure),
    ],
)
def test_a_failure_is_told_by_its_code(outgoing, there, status, body, kind):
    method, path = ("POST", "/notes") if kind is Uncertain else ("GET", "/orders/1")
    there.fail(status, body, path=path, method=method, times=9)
    with pytest.raises(kind) as raised:
        LINK.send(outgoing)
    assert type(raised.value) is kind
    assert KEY not in str(raised.value) and SECRET not in str(raised.value)


def test_a_note_that_was_cut_off_is_found_by_its_words(outgoing, there):
    there.note(1, "We will &amp; &lt;gladly&gt;.", at=outgoing.delivery.created_at - timedelta(hours=1))
    assert LINK.find_sent(outgoing) is None
    there.now = outgoing.delivery.created_at
    there.fail(0, path="/notes", method="POST", after=True)
    with pytest.raises(Uncertain):
        LINK.send(outgoing)
    found = LINK.find_sent(outgoing)
    assert found and found.external_id == f"note:1:{there.notes[1][-1]['id']}"


def test_a_conversation_about_no_order_is_not_answered(outgoing):
    with pytest.raises(PermanentFailure, match="about no order"):
        LINK.send(replace(outgoing, thread_key="dm:25"))


# Connecting and comparing


def test_keys_are_never_sent_without_https_nor_in_an_address(account, there, settings):
    LINK.check(account)
    assert all("consumer" not in "".join(call.query) for call in there.calls)
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = []
    with pytest.raises(AuthFailure, match="no https"):
        LINK.check(account)
    form = LINK.settings_form({"site": "http://shop.example.com"})
    assert "https" in str(form.errors["site"])


def test_a_private_address_is_never_asked(account, there, settings):
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = []
    account.settings |= {"site": there.url.replace("http://", "https://")}
    with pytest.raises(PermanentFailure):
        LINK.check(account)
    assert there.calls == []


def test_a_redirect_elsewhere_takes_no_keys_along(account, there):
    there.fail(302, "", headers={"Location": "http://localhost:1/x"}, times=9)
    with pytest.raises(Exception, match=r"\w") as raised:
        LINK.check(account)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "site"),
    [
        ("shop.example.com", "https://shop.example.com"),
        (" https://Shop.Example.com/store/ ", "https://shop.example.com/store"),
        ("https://shop.example.com/wp-json/wc/v3", "https://shop.example.com"),
        ("https://user:pw@shop.example.com", ""),
        ("ftp://shop.example.com", ""),
        ("https://", ""),
    ],
)
def test_the_form_takes_an_address_in_any_spelling(given, site):
    form = LINK.settings_form({"site": given})
    assert form.is_valid() == bool(site)
    assert not site or form.cleaned_data["site"] == site


def test_a_long_address_still_names_its_orders(db):
    account = ChannelAccount(external_id="shop.example.com/" + "a" * 100)
    assert len(LINK.order_source(account)) == 60
    other = ChannelAccount(external_id="shop.example.com/" + "a" * 99 + "b")
    assert LINK.order_source(account) != LINK.order_source(other)


def test_each_permission_is_tried_alone(account, there):
    there.fail(403, refusal("woocommerce_rest_cannot_view", "Sorry.", 403), path="/customers")
    found = {one.name: one.works for one in LINK.examine(account)}
    assert found == {"orders": True, "customers": False, "webhooks": True}


def test_orders_that_never_came_are_found_by_comparing(account, there):
    for number in range(1, 8):
        there.order(number)
    there.order(8, billing={})
    tell(account, there.orders[1])
    raw_events.sweep()
    found = compare_day(account, NOW.date(), NOW, NOW + timedelta(hours=1), beat=lambda *a, **k: None)
    assert (found.theirs, found.missing, found.repaired) == (7, 6, 6)
    assert len(stored_orders()) == 7
    again = compare_day(account, NOW.date(), NOW, NOW + timedelta(hours=1), beat=lambda *a, **k: None)
    assert (again.theirs, again.missing) == (7, 0)
