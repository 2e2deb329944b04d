"""What a shop's page may know: by a public key and a proof, from listed pages alone, and nothing personal."""

from __future__ import annotations

import logging
import time
from typing import Any
from urllib.parse import quote

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Team
from core.models import Event
from crm.merging import merge_customers
from crm.models import Customer, Identity
from crm.privacy.erasing import erase_customer
from crm.profiling import refuse_profiling
from engagement.channels import connector
from engagement.channels.webchat.visitors import new_visitor
from engagement.models import ChannelAccount
from personas import personalize_api
from personas.models import (
    Persona,
    PersonaMembership,
    Prediction,
    PublishableKey,
    Segment,
    SegmentMembership,
)
from personas.reach.keys import checked_origins, make_key, revoke_key
from personas.reach.personalizing import LONGEST_SECONDS, sign

pytestmark = pytest.mark.django_db
SHOP, OTHER = "https://shop.example", "https://evil.example"
NOBODY = {"persona": None, "segments": [], "next_category": None}
EVA = "email:eva%40example.org"


@pytest.fixture
def eva(db: None) -> Customer:
    customer = Customer.objects.create(name="Eva Secret", city="Esch")
    Identity.objects.create(
        network="email", external_id="eva@example.org", customer=customer, home_customer=customer
    )
    persona = Persona.objects.create(name="Gardeners")
    since = timezone.now()
    PersonaMembership.objects.create(customer=customer, persona=persona, confidence=0.9, since=since)
    for name in ("Told", "Untold"):
        segment = Segment.objects.create(name=name)
        SegmentMembership.objects.create(segment=segment, customer=customer, version=1, since=since)
    Prediction.objects.create(customer=customer, next_category="houseplants", computed_at=since)
    return customer


class Shop:
    """A shop with a key and its secret."""

    def __init__(self, by: Any, **more: Any) -> None:
        told = list(Segment.objects.filter(name="Told"))
        self.key, self.secret = make_key(name="Shop", origins=[SHOP], segments=told, by=by, **more)
        self.client = Client()

    def ask(self, *, origin: str = SHOP, key: str = "", **headers: str) -> Any:
        sent = {**({"Origin": origin} if origin else {}), **headers}
        return self.client.get("/api/v1/personalize/", {"key": key or self.key.key}, headers=sent)

    def signed(
        self, identity: str = EVA, *, ahead: float = 600, secret: str = "", **more: str
    ) -> dict[str, str]:
        expires = int(time.time() + ahead)
        signature = sign(secret or self.secret, self.key.key, identity, expires)
        found = {
            personalize_api.IDENTITY: identity,
            personalize_api.EXPIRES: str(expires),
            personalize_api.SIGNATURE: signature,
        }
        return found


@pytest.fixture
def shop(eva: Customer, max: Any) -> Shop:
    return Shop(max)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


def test_a_signed_identity_is_told_what_the_key_may_tell_and_nothing_else(shop: Shop, eva: Customer) -> None:
    answer = shop.ask(**shop.signed())
    persona = PersonaMembership.objects.get(customer=eva).persona_id
    assert answer.json() == {
        "persona": {"id": persona, "name": "Gardeners"},
        "segments": [{"id": Segment.objects.get(name="Told").pk, "name": "Told"}],
        "next_category": "houseplants",
    }
    for personal in ("Eva", "eva@", "Esch", "Untold"):
        assert personal not in answer.content.decode()
    assert answer["Cache-Control"] == "private, max-age=60"
    assert answer["Access-Control-Allow-Origin"] == SHOP
    assert not answer.has_header("Access-Control-Allow-Credentials")
    for name in ("Origin", personalize_api.VISITOR, personalize_api.IDENTITY, personalize_api.SIGNATURE):
        assert name.lower() in answer["Vary"].lower()


def test_a_key_that_tells_little_tells_little(eva: Customer, max: Any) -> None:
    shop = Shop(max, tells_persona=False, tells_category=False)
    told = shop.ask(**shop.signed()).json()
    assert (told["persona"], told["next_category"]) == (None, None)


def test_the_visitor_of_our_script_is_known_by_the_token_of_its_browser(shop: Shop, eva: Customer) -> None:
    site = ChannelAccount(name="Shop", team=Team.general())
    connector("webchat").fill_account(site, {"allowed_origins": [SHOP]})
    site.save()
    visitor, token = new_visitor(site)
    assert shop.ask(**{personalize_api.VISITOR: token}).json() == NOBODY
    visitor.identity = Identity.objects.get(customer=eva)
    visitor.save()
    assert shop.ask(**{personalize_api.VISITOR: token}).json()["persona"]["name"] == "Gardeners"
    assert shop.ask(**{personalize_api.VISITOR: token[:-1]}).json() == NOBODY
    assert shop.ask(**{personalize_api.VISITOR: str(visitor.visitor_id)}).json() == NOBODY
    ChannelAccount.objects.filter(pk=site.pk).update(is_active=False)
    assert shop.ask(**{personalize_api.VISITOR: token}).json() == NOBODY


def test_unknown_erased_and_unwilling_people_are_answered_alike(shop: Shop, eva: Customer, ada: Any) -> None:
    unknown = shop.ask(**shop.signed("email:nobody%40example.org"))
    refuse_profiling(customer=eva, source="customer")
    unwilling = shop.ask(**shop.signed())
    erase_customer(customer=eva, by=ada)
    erased = shop.ask(**shop.signed())
    for answer in (unknown, unwilling, erased):
        assert (answer.status_code, answer.json()) == (200, NOBODY)
        assert answer["Cache-Control"] == unknown["Cache-Control"]
        assert set(answer.headers) == set(unknown.headers)


def test_whoever_was_merged_answers_as_the_survivor(shop: Shop, eva: Customer, amy: Any) -> None:
    other = Customer.objects.create(name="Eva S.")
    Identity.objects.create(network="email", external_id="e@example.org", customer=other, home_customer=other)
    merge_customers(keep=eva, drop=other, by=amy)
    assert shop.ask(**shop.signed("email:e%40example.org")).json()["persona"]["name"] == "Gardeners"


def test_without_a_proof_nobody_is_told_anything(shop: Shop) -> None:
    assert code(shop.ask()) == (401, "no_proof")
    assert code(shop.ask(**{personalize_api.IDENTITY: EVA})) == (403, "bad_signature")
    assert code(shop.ask(**{personalize_api.SIGNATURE: "00" * 32})) == (403, "bad_signature")


def test_forged_changed_and_old_signatures_are_refused(shop: Shop, max: Any) -> None:
    good = shop.signed()
    other = Shop(max)
    assert code(shop.ask(**shop.signed(secret="wrong" * 12))) == (403, "bad_signature")
    assert (
        code(shop.ask(**{**good, personalize_api.IDENTITY: "email:max%40example.org"}))[1] == "bad_signature"
    )
    later = str(int(good[personalize_api.EXPIRES]) + 1)
    assert code(shop.ask(**{**good, personalize_api.EXPIRES: later}))[1] == "bad_signature"
    assert code(other.ask(**good))[1] == "bad_signature"
    assert code(shop.ask(**shop.signed(ahead=-2)))[1] == "expired"
    assert code(shop.ask(**shop.signed(ahead=LONGEST_SECONDS + 60)))[1] == "too_long"
    for odd in ("", "1e9", "-1", "9" * 40, "٣"):
        sent = {**good, personalize_api.EXPIRES: quote(odd)}
        assert code(shop.ask(**sent))[1] == "bad_signature", odd


@pytest.mark.parametrize(
    "identity", ["email", ":", "email:", "a/b/c:d", "email:%00", "x" * 600, "email:%ff%fe", "phone:abc"]
)
def test_a_signed_identity_that_cannot_be_is_nobody(shop: Shop, identity: str) -> None:
    assert shop.ask(**shop.signed(identity)).json() == NOBODY


def test_other_pages_are_refused_and_may_not_read_why(shop: Shop) -> None:
    for origin in (OTHER, "null", "http://shop.example", f"{SHOP}.evil.example", f"{SHOP}:8443"):
        answer = shop.ask(origin=origin, **shop.signed())
        assert code(answer) == (403, "origin_not_allowed")
        assert not answer.has_header("Access-Control-Allow-Origin")
    assert shop.ask(origin="", **shop.signed()).status_code == 200


def test_a_preflight_opens_to_the_keys_pages_alone(shop: Shop) -> None:
    def preflight(origin: str, key: str) -> Any:
        sent = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        return shop.client.options(f"/api/v1/personalize/?key={key}", headers=sent)

    good = preflight(SHOP, shop.key.key)
    assert good.status_code == 204
    assert personalize_api.VISITOR in good["Access-Control-Allow-Headers"]
    assert not preflight(OTHER, shop.key.key).has_header("Access-Control-Allow-Origin")
    assert not preflight(SHOP, "pk_unknown").has_header("Access-Control-Allow-Origin")


def test_a_revoked_key_is_as_unknown_as_a_guessed_one(shop: Shop, max: Any) -> None:
    sent = shop.signed()
    revoke_key(key=shop.key, by=max)
    revoked = shop.ask(**sent)
    guessed = shop.ask(key="pk_" + "a" * 32, **sent)
    assert code(revoked) == code(guessed) == (401, "unknown_key")
    assert revoked.json() == guessed.json()
    assert not revoked.has_header("Access-Control-Allow-Origin")
    assert dict(PublishableKey.objects.get().secrets) == {}


def test_a_key_that_no_table_can_hold_is_unknown(db: None) -> None:
    answer = Client().get("/api/v1/personalize/", {"key": "pk_\x00"})
    assert code(answer) == (401, "unknown_key")


def test_staff_and_api_keys_open_nothing_here(shop: Shop, ada: Any) -> None:
    shop.client.force_login(ada)
    assert code(shop.ask()) == (401, "no_proof")
    assert shop.client.get("/api/v1/personalize/").status_code == 401
    assert shop.client.post(f"/api/v1/personalize/?key={shop.key.key}").status_code == 405


def test_who_asks_too_often_waits(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personalize_api, "CALLS_A_PERSON", 2)
    sent = shop.signed()
    forged = {**sent, personalize_api.SIGNATURE: "00" * 32}
    assert [shop.ask(**forged).status_code for _turn in range(3)] == [403] * 3, "uses up nobody's calls"
    other = [{**sent, personalize_api.VISITOR: f"other {turn}"} for turn in range(3)]
    assert [shop.ask(**one).status_code for one in other] == [200, 200, 429]
    assert shop.ask(**sent).status_code == 429
    monkeypatch.setattr(personalize_api, "CALLS_AN_ADDRESS", 2)
    assert shop.ask(key="pk_guess").status_code == 429


# Keys


def test_the_secret_is_shown_once_and_stands_nowhere(
    client: Client, max: Any, eva: Customer, caplog: Any
) -> None:
    client.force_login(max)
    caplog.set_level(logging.DEBUG)
    answer = client.post(
        reverse("personas:key-new"),
        {"name": "Shop", "origins": f"{SHOP}\nhttp://localhost:3000", "tells_persona": "on"},
    )
    key = PublishableKey.objects.get()
    secret = key.secrets["signing"]
    assert secret in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    assert key.origins == [SHOP, "http://localhost:3000"]
    assert not key.tells_category
    page = client.get(reverse("personas:key-list")).content.decode()
    assert key.key in page
    assert secret not in page
    assert secret not in caplog.text
    assert secret not in repr(key.secrets)
    written = [
        *AuditEntry.objects.values_list("detail", flat=True),
        *Event.objects.values_list("ids", flat=True),
    ]
    assert secret not in str(written)


@pytest.mark.parametrize(
    "origin",
    [
        "http://shop.example", "ftp://shop.example", "shop.example", "https://shop.example/path", "*", "null",
        "https://*.shop.example", "https://user@shop.example", "https://shop.example?x=1", "https://",
        "javascript:1", "https://shop.example:99999", "https://shöp.example", "http://localhost.evil.example",
    ],
)  # fmt: skip
def test_only_origins_that_a_browser_would_send_are_taken(origin: str) -> None:
    with pytest.raises(ValidationError):
        checked_origins([origin])


def test_origins_are_kept_as_a_browser_writes_them() -> None:
    given = [
        "https://Shop.Example:443/",
        "https://shop.example",
        "http://127.0.0.1:8000",
        "http://[::1]:3000",
    ]
    assert checked_origins(given) == [SHOP, "http://127.0.0.1:8000", "http://[::1]:3000"]
    with pytest.raises(ValidationError):
        checked_origins([])


def test_only_leads_make_and_revoke_keys(client: Client, shop: Shop, mia: Any, vic: Any, max: Any) -> None:
    for by in (mia, vic):
        with pytest.raises(PermissionDenied):
            make_key(name="x", origins=[SHOP], by=by)
        with pytest.raises(PermissionDenied):
            revoke_key(key=shop.key, by=by)
        client.force_login(by)
        assert client.get(reverse("personas:key-list")).status_code == 403
        assert client.get(reverse("personas:key-new")).status_code == 403
        assert client.post(reverse("personas:key-revoke", args=[shop.key.pk])).status_code == 403
    client.force_login(max)
    assert client.post(reverse("personas:key-revoke", args=[shop.key.pk])).status_code == 302
    assert PublishableKey.objects.get().revoked_at is not None


def test_use_is_noted_once_a_minute(shop: Shop) -> None:
    shop.ask(**shop.signed())
    first = PublishableKey.objects.get().last_used_at
    shop.ask(**shop.signed())
    assert first is not None
    assert PublishableKey.objects.get().last_used_at == first
