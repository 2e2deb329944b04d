"""A Shopify shop: reading, webhooks, what the law asks, comparing, and how all of it fails."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry
from crm.models import Customer, Identity, Order, Task
from engagement import channels, pulls, raw_events
from engagement.channels.base import (
    AuthFailure,
    Forged,
    Hook,
    PermanentFailure,
    PermissionMissing,
    RateReached,
    TokenExpired,
    TransientFailure,
)
from engagement.channels.shopify import client, events, queries
from engagement.hooks import address_of
from engagement.intake import take_in
from engagement.models import ChannelAccount, Health, Interaction, RawEvent
from engagement.reconciling import compare_day
from tests.channels.machine import pull_to_the_end, stored_orders
from tests.channels.shopify.conftest import new_account
from tests.channels.shopify.double import NODE, NOW, SECRET, SHOP, errors, iso

LINK = channels.connector("shopify")
HOOK_ORDER = {
    "id": 7, "name": "#7", "email": "bob@example.com", "created_at": iso(NOW), "updated_at": iso(NOW),
    "financial_status": "paid", "currency": "USD", "total_price": "20.00", "note": None, "test": False,
    "line_items": [],
}  # fmt: skip


# Reading


def test_customers_come_first_and_their_verified_addresses_are_one_with_them(account, there):
    there.customer(1)
    there.customer(2, verifiedEmail=False)
    there.order(10, customer=there.customers[1])
    take_in(account, events.people_of([]))
    pull_to_the_end(account)
    order = Order.objects.get()
    assert order.identity.handle == "c1@example.com" and order.identity.issuer == SHOP
    same = Identity.objects.filter(customer=order.customer).values_list("network", "external_id", "verified")
    assert set(same) == {("shopify", "1", True), ("email", "c1@example.com", True)}
    assert not Identity.objects.filter(external_id="c2@example.com").exists()


def test_an_order_keeps_its_amounts_lines_and_state(account, there):
    money = {"shopMoney": {"amount": "15.5", "currencyCode": "EUR"}}
    there.order(1, totalRefundedSet=money, displayFinancialStatus="PARTIALLY_REFUNDED")
    there.order(2, cancelledAt=iso(NOW))
    there.order(3, customer=None, email="A.B@Example.com")
    there.order(4, customer=None, email=None, phone="+12025550178")
    there.order(5, customer=None, email=None)
    there.order(6, test=True)
    pull_to_the_end(account)
    rows = {one.external_id: one for one in Order.objects.select_related("identity")}
    assert set(rows) == {"1", "2", "3", "4"}
    assert (rows["1"].status, rows["1"].refunded, rows["1"].units) == ("paid", Decimal("15.5"), 2)
    assert rows["2"].status == "cancelled"
    assert rows["3"].identity.external_id == "a.b@example.com" and rows["4"].identity.network == "phone"


def test_every_page_is_read_and_again_nothing_changes(account, there):
    for number in range(1, 36):
        there.order(number)
    pull_to_the_end(account)
    assert len(stored_orders()) == 35
    account.refresh_from_db()
    assert account.cursor["orders"] == iso(NOW + timedelta(minutes=35)) and account.cursor["read"]
    before = list(Order.objects.order_by("pk").values())
    there.calls.clear()
    pull_to_the_end(account)
    assert list(Order.objects.order_by("pk").values()) == before
    asked = [one.json["variables"] for one in there.calls if one.json["operationName"] == "Orders"]
    assert asked[0]["query"] == f"updated_at:>='{iso(NOW + timedelta(minutes=25))}'" and len(asked) == 2


def test_an_order_that_changes_while_pages_are_read_is_met_again(account, there):
    for number in range(1, 31):
        there.order(number)
    moved = iso(NOW + timedelta(hours=2))
    there.between = [lambda: there.orders[3].update(updatedAt=moved, displayFinancialStatus="REFUNDED")]
    pull_to_the_end(account)
    assert len(stored_orders()) == 30 and Order.objects.get(external_id="3").status == "refunded"


def test_a_change_that_becomes_visible_late_is_still_found(account, there):
    there.order(1, NOW + timedelta(minutes=30))
    pull_to_the_end(account)
    there.order(2, NOW + timedelta(minutes=25))
    pull_to_the_end(account)
    assert stored_orders() == {"1", "2"}


def test_a_reading_that_was_cut_off_goes_on(account, there):
    for number in range(1, 36):
        there.order(number)
    pages = LINK.pull(account)
    for _ in range(3):
        pulls.store_page(account, next(pages))
    assert len(stored_orders()) == 20
    pull_to_the_end(account)
    assert len(stored_orders()) == 35


def test_lines_that_do_not_fit_into_a_page_are_asked_for(account, there):
    lines = {
        "nodes": NODE["lineItems"]["nodes"] * 20,
        "pageInfo": {"hasNextPage": True, "endCursor": "page-2"},
    }
    there.order(1, lineItems=lines)
    pull_to_the_end(account)
    assert Order.objects.get().lines.count() == 220


def test_the_first_reading_is_history_and_only_the_first(account, there):
    there.order(1)
    first = list(LINK.pull(account))
    assert all(page.history for page in first)
    account.cursor = dict(first[-1].cursor)
    assert not any(page.history for page in LINK.pull(account))


def test_only_what_is_new_where_that_was_asked_for(db, there):
    account = new_account(only_new=True)
    there.order(1, NOW - timedelta(days=1))
    there.order(2)
    pull_to_the_end(account)
    assert stored_orders() == {"2"}


def test_without_the_permission_for_customers_orders_still_come(account, there):
    there.order(1)
    denied = errors(
        "ACCESS_DENIED", "Access denied for customers field.", requiredAccess="`read_customers` scope"
    )
    there.fail(200, denied, path="graphql")
    pull_to_the_end(account)
    assert stored_orders() == {"1"}
    there.fail(200, {"data": there.do_Shop({})}, path="graphql")
    there.fail(200, {"data": {"orders": {}}}, path="graphql")
    there.fail(200, denied, path="graphql")
    found = {one.name: one for one in LINK.examine(account)}
    assert not found["customers"].works and found["customers"].scope == "read_customers"
    assert "Protected customer data" in found["customers"].remedy


def test_a_list_that_repeats_itself_is_stopped(account, there):
    there.order(1)
    page = {"data": {"orders": {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": "same"}}}}
    page["data"]["customers"] = page["data"]["orders"]
    there.fail(200, page, times=9, path="graphql")
    assert "repeats itself" in pulls.pull_account(account.pk).failure


def test_a_broken_order_is_parked_and_can_be_taken_in_again(account, there):
    there.order(1, updatedAt=None, createdAt=iso(NOW))
    there.orders[1]["updatedAt"] = iso(NOW)
    there.order(2)
    there.orders[1]["totalPriceSet"] = {"shopMoney": {"amount": "much"}}
    pull_to_the_end(account)
    assert stored_orders() == {"2"}
    raw = RawEvent.objects.get(state="parked")
    assert "totalPriceSet 'much' is no amount" in raw.error
    raw.body = bytes(raw.body).replace(b'{"amount": "much"}', b'{"amount": "5", "currencyCode": "USD"}')
    raw_events.understand(raw)
    assert stored_orders() == {"1", "2"}


def test_an_order_of_the_future_is_refused_with_its_reason(account, there):
    there.order(1, processedAt="2036-01-01T00:00:00Z")
    pull_to_the_end(account)
    assert not stored_orders() and "in the future" in RawEvent.objects.get().error


# How it fails


def test_throttled_with_status_200_waits_as_long_as_the_points_take(account, there):
    there.fail(200, errors("THROTTLED", "Throttled", left=200.0), path="graphql")
    with client.client(account) as link, pytest.raises(RateReached) as raised:
        client.ask(link, queries.SHOP)
    assert raised.value.retry_after == 5.0


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"errors": "[API] Invalid API key or access token"}, TokenExpired),
        (402, {"errors": "Payment required"}, AuthFailure),
        (403, {"errors": "Forbidden"}, AuthFailure),
        (404, {"errors": "Not Found"}, AuthFailure),
        (423, {"errors": "Locked"}, AuthFailure),
        (429, "", RateReached),
        (500, "", TransientFailure),
        (503, "", TransientFailure),
        (0, "", TransientFailure),
        (200, "<html>", TransientFailure),
        (200, "[]", TransientFailure),
        (200, {"data": None}, TransientFailure),
        (200, errors("ACCESS_DENIED", "Access denied."), PermissionMissing),
        (200, errors("SHOP_INACTIVE", "Shop is inactive."), AuthFailure),
        (200, errors("INTERNAL_SERVER_ERROR", "Sorry."), TransientFailure),
        (200, errors("MAX_COST_EXCEEDED", "Too expensive."), PermanentFailure),
        (200, {"errors": "a text"}, PermanentFailure),
    ],
)
def test_a_failure_is_told_by_its_code(account, there, status, body, kind):
    there.fail(status, body, path="graphql", times=9)
    with client.client(account) as link, pytest.raises(kind) as raised:
        client.ask(link, queries.SHOP)
    assert type(raised.value) is kind
    assert "shpat_" not in str(raised.value)


def test_a_shop_is_always_one_at_shopify(account, there):
    for name in (
        "evil.example.com",
        "a.myshopify.com.evil.example",
        "x@snowdevil.myshopify.com",
        "127.0.0.1",
    ):
        account.settings |= {"shop": name}
        with pytest.raises(AuthFailure, match="no shop at Shopify"):
            LINK.check(account)
    assert there.calls == []


# Webhooks


def sign(body, secret=SECRET):
    return base64.b64encode(hmac.new(secret.encode(), body, sha256).digest()).decode()


def tell(account, item, topic="orders/updated", **headers):
    body = json.dumps(item).encode()
    told = {
        "X-Shopify-Hmac-Sha256": sign(body),
        "X-Shopify-Topic": topic,
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-Webhook-Id": sha256(body + topic.encode()).hexdigest(),
        **headers,
    }
    where = urlsplit(address_of(account)).path
    return Client().post(where, body, content_type="application/json", headers=told)


def test_webhooks_in_any_order_leave_the_newest_state(account, there):
    new = dict(HOOK_ORDER, financial_status="refunded", updated_at=iso(NOW + timedelta(hours=1)))
    for item in (new, HOOK_ORDER, new, HOOK_ORDER):
        assert tell(account, item).status_code == 200
        raw_events.sweep()
    assert Order.objects.get().status == "refunded" and RawEvent.objects.count() == 2


def test_a_note_is_said_by_the_customer_unless_staff_write_there(account, there):
    item = dict(HOOK_ORDER, note="Please wrap it as a gift.")
    tell(account, item)
    raw_events.sweep()
    said = Interaction.objects.get()
    assert (said.direction, said.text, said.identity.external_id) == (
        "inbound", "Please wrap it as a gift.", "bob@example.com",
    )  # fmt: skip
    assert events.parcels(
        json.dumps(item).encode(), "orders/create", shop=SHOP, sender=SHOP,
        settings={"notes_by_customers": False},
    )[0].events == []  # fmt: skip


def test_a_wrong_signature_is_refused_and_the_old_secret_counts_for_a_day(account, there):
    body = b"{}"

    def verify(secret):
        LINK.verify(Hook("POST", "", {"x-shopify-hmac-sha256": sign(body, secret)}, {}, body), account)

    verify(SECRET)
    with pytest.raises(Forged):
        verify("another")
    form = LINK.settings_form({"shop": SHOP, "way": "token", "client_secret": "the-new-secret"})
    assert form.is_valid(), form.errors
    LINK.fill_account(account, form.cleaned_data)
    verify("the-new-secret")
    verify(SECRET)
    account.credentials |= {"old_secret_until": (timezone.now() - timedelta(minutes=1)).isoformat()}
    with pytest.raises(Forged):
        verify(SECRET)
    account.credentials = {}
    with pytest.raises(Forged):
        verify("")


def test_the_secret_of_the_operators_app_counts_for_a_login(account, there, settings):
    settings.CHANNEL_APPS = {"shopify": {"id": "x", "secret": "of-the-app", "old_secret": "of-before"}}
    account.settings |= {"way": "login"}
    for secret in ("of-the-app", "of-before"):
        LINK.verify(Hook("POST", "", {"x-shopify-hmac-sha256": sign(b"{}", secret)}, {}, b"{}"), account)


def test_a_webhook_for_another_shop_is_parked(account, there):
    tell(account, HOOK_ORDER, **{"X-Shopify-Shop-Domain": "other.myshopify.com"})
    raw_events.sweep()
    assert "for other.myshopify.com" in RawEvent.objects.get().error and not stored_orders()


def test_webhooks_are_made_once_and_again_where_shopify_deleted_them(account, there):
    where = "https://crm.example.com/hooks/shopify/key/"
    done = LINK.subscribe(account, where)
    assert done.active and len(there.hooks) == 5
    LINK.subscribe(account, where)
    assert len(there.hooks) == 5
    del there.hooks[1]
    LINK.subscribe(account, where)
    assert {one["topic"] for one in there.hooks} >= {"ORDERS_CREATE", "ORDERS_UPDATED"}
    account.settings |= done.settings
    assert where in LINK.hook_copied(account)[0]
    LINK.unsubscribe(account)
    assert there.hooks == []
    with pytest.raises(PermanentFailure, match="not allowed"):
        LINK.subscribe(account, "http://localhost/hooks/")
    account.credentials = {"access_token": account.credentials["access_token"]}
    assert "client secret" in LINK.subscribe(account, where).text


def test_an_app_that_was_removed_stops_the_channel(account, there):
    tell(account, {"id": 1}, "app/uninstalled")
    raw_events.sweep()
    account.refresh_from_db()
    assert account.health == Health.NEEDS_LOGIN and "removed from the shop" in account.health_text


# What the law asks


def known_customer(account):
    take_in(account, events.people_of([events.person_of_hook({
        "id": 191167, "email": "john@example.com", "first_name": "John", "verified_email": True,
    })]))  # fmt: skip
    return Customer.objects.get(merged_into=None)


REQUEST = {
    "shop_id": 954889, "shop_domain": SHOP, "orders_requested": [1], "data_request": {"id": 9999},
    "customer": {"id": 191167, "email": "john@example.com", "phone": "555-625-1199"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "words"), [("customers/data_request", "hand out"), ("customers/redact", "erase")]
)
def test_a_request_about_a_customer_is_one_task_for_an_admin(account, there, ada, topic, words):
    customer = known_customer(account)
    for number in range(3):
        tell(account, REQUEST, topic, **{"X-Shopify-Webhook-Id": f"delivery-{number}"})
        raw_events.sweep()
    task = Task.objects.get()
    assert (task.customer, task.assignee) == (customer, ada) and words in task.title
    assert 13 <= (task.due_on - timezone.localdate()).days <= 15
    assert not RawEvent.objects.filter(state="parked").exists()
    from crm.todo import notices_for

    assert len(notices_for(ada, 10)) == 1


def test_a_request_about_nobody_we_know_is_a_line_in_the_audit_trail(account, there, ada):
    tell(account, REQUEST, "customers/redact")
    raw_events.sweep()
    assert not Task.objects.exists() and not Identity.objects.exists()
    assert AuditEntry.objects.get(verb="privacy.asked").detail == {"known": False}


def other_shop(account, secret):
    return ChannelAccount.objects.create(
        connector="shopify",
        network="shopify",
        external_id="other.myshopify.com",
        issuer="other.myshopify.com",
        name="Other",
        team=account.team,
        settings={"shop": "other.myshopify.com", "way": "token"},
        credentials={"client_secret": secret},
    )


@pytest.mark.parametrize("topic", ["shop/redact", "customers/redact", "customers/data_request"])
def test_nobody_speaks_for_a_shop_of_another_app(account, there, ada, topic):
    other = other_shop(account, "shpss_of-another-app")
    known_customer(other)
    tell(account, {**REQUEST, "shop_domain": other.external_id, "customer": {"id": 191167}}, topic)
    raw_events.sweep()
    other.refresh_from_db()
    assert not Task.objects.exists() and other.health == Health.HEALTHY
    assert "does not speak for" in RawEvent.objects.get(state="parked").error


def test_a_request_for_another_shop_of_the_app_finds_its_account(account, there, ada):
    other = other_shop(account, SECRET)
    known_customer(other)
    asked = {**REQUEST, "shop_domain": "other.myshopify.com", "customer": {"id": 191167}}
    tell(account, asked, "customers/redact")
    raw_events.sweep()
    assert Task.objects.count() == 1


def test_a_request_to_erase_the_shop_stops_the_channel_and_says_what_to_do(account, there):
    tell(account, {"shop_id": 954889, "shop_domain": SHOP}, "shop/redact")
    raw_events.sweep()
    account.refresh_from_db()
    assert account.health == Health.NEEDS_LOGIN and "together with its data" in account.health_text


# Bad input


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("id", None, "id is missing"),
        ("id", True, "id is missing"),
        ("updated_at", "", "updated_at is missing"),
        ("created_at", "soon", "is not a date"),
        ("total_price", None, "total_price 'None' is no amount"),
        ("total_price", "Infinity", "is no amount"),
        ("customer", {}, "id is missing"),
    ],
)
def test_what_is_missing_is_named(name, value, reason):
    body = json.dumps(dict(HOOK_ORDER, **{name: value})).encode()
    with pytest.raises(ValueError, match=reason):
        events.parcels(body, "orders/create", shop=SHOP, sender=SHOP, settings={})


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"7", b"{}"])
@pytest.mark.parametrize("topic", ["orders/create", "customers/redact", "customers/update", ""])
def test_a_broken_body_is_a_reason(body, topic):
    with pytest.raises(ValueError, match=r"\w"):
        events.parcels(body, topic, shop=SHOP, sender=SHOP, settings={})


@pytest.mark.parametrize("text", ["a\x00b", "half \ud83d pair", "x" * 5_000_000])
def test_whatever_somebody_writes_with_an_order_is_taken_in(account, text):
    parcel = events.parcel_of(events.order_of_hook(dict(HOOK_ORDER, note=text)), {})
    assert take_in(account, parcel).reasons == {}
    assert Interaction.objects.count() == 1 and stored_orders() == {"7"}


# Comparing


def test_orders_that_never_came_are_found_by_comparing(account, there):
    for number in range(1, 24):
        there.order(number)
    there.order(30, test=True)
    there.order(31, customer=None, email=None)
    until = NOW + timedelta(hours=1)
    found = compare_day(account, NOW.date(), NOW, until, beat=lambda *a, **k: None)
    assert (found.theirs, found.missing, found.repaired) == (23, 23, 23)
    again = compare_day(account, NOW.date(), NOW, until, beat=lambda *a, **k: None)
    assert (again.theirs, again.missing) == (23, 0)
