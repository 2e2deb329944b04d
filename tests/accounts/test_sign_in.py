"""Coming in: password, limits, reset, second factor."""

import base64
import hashlib
import hmac
import re
import struct
import time

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry

PASSWORD = "correct-horse-battery"
LOGIN = "/accounts/login/"


def sign_in(client, email="amy@example.com", password=PASSWORD, **more):
    return client.post(LOGIN, {"login": email, "password": password}, **more)


def is_inside(client):
    return client.get(reverse("accounts:profile")).status_code == 200


def test_staff_sign_in_by_address_whatever_its_case(amy, client):
    assert sign_in(client, "AMY@Example.COM").status_code == 302
    assert is_inside(client)


def test_a_wrong_password_stays_outside_and_is_audited(amy, client):
    answer = sign_in(client, password="wrong")
    assert "not correct" in answer.content.decode()
    assert not is_inside(client)
    entry = AuditEntry.objects.get(verb="staff.sign_in_failed")
    assert (entry.object_name, entry.object_id, entry.ip) == ("amy@example.com", str(amy.pk), "127.0.0.1")


def test_an_unknown_address_is_answered_like_a_wrong_password(amy, client):
    known = sign_in(client, password="wrong").context["form"].non_field_errors()
    unknown = sign_in(client, "ghost@example.com").context["form"].non_field_errors()
    assert known == unknown


def test_a_sign_in_is_audited(amy, client):
    sign_in(client)
    entry = AuditEntry.objects.get(verb="staff.signed_in")
    assert entry.actor == amy and entry.ip == "127.0.0.1"


def test_guessing_is_stopped_even_when_the_cache_forgets(amy, client):
    for _ in range(5):
        sign_in(client, password="wrong")
        cache.clear()
    answer = sign_in(client)
    assert "Too many failed" in answer.content.decode()
    assert not is_inside(client)


def test_others_still_come_in_while_one_address_is_guessed(amy, max, client):
    for _ in range(6):
        sign_in(client, password="wrong")
        cache.clear()
    assert sign_in(Client(), "max@example.com").status_code == 302


def test_nobody_signs_up(db, client):
    page = client.get("/accounts/signup/")
    assert "By invitation only" in page.content.decode()
    answer = client.post(
        "/accounts/signup/", {"email": "eve@x.org", "password1": PASSWORD, "password2": PASSWORD}
    )
    assert "By invitation only" in answer.content.decode()
    assert not is_inside(client)


def test_after_signing_in_one_is_where_one_wanted_to_go(amy, client):
    wanted = client.get(reverse("accounts:security"))
    assert wanted.status_code == 302 and "next=/settings/security/" in wanted["Location"]
    answer = client.post(
        wanted["Location"], {"login": amy.email, "password": PASSWORD, "next": "/settings/security/"}
    )
    assert answer["Location"] == "/settings/security/"


def test_a_fragment_sends_the_whole_page_to_sign_in(db, client):
    answer = client.get(
        reverse("accounts:notice-list"),
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/settings/keys/?a=1"},
    )
    assert answer.headers["HX-Redirect"] == "/accounts/login/?next=/settings/keys/%3Fa%3D1"


def test_signing_out_needs_a_post(amy, signed_in):
    browser = signed_in(amy)
    browser.get("/accounts/logout/")
    assert is_inside(browser)
    browser.post("/accounts/logout/")
    assert not is_inside(browser)


def test_a_forgotten_password_is_replaced_by_mail(amy, client, signed_in):
    elsewhere = signed_in(amy)
    client.post("/accounts/password/reset/", {"email": "AMY@example.com"})
    link = re.search(r"http://[^/]+(/accounts/password/reset/key/\S+)", mail.outbox[0].body).group(1)
    form = client.get(link, follow=True)
    new = "a-much-better-one-7"
    client.post(form.redirect_chain[-1][0], {"password1": new, "password2": new})
    assert not is_inside(elsewhere)
    assert sign_in(client, password=new).status_code == 302
    assert AuditEntry.objects.filter(verb="staff.password_changed", object_id=amy.pk).exists()


def test_no_letter_goes_to_an_address_nobody_has(amy, client):
    answer = client.post("/accounts/password/reset/", {"email": "ghost@example.com"}, follow=True)
    assert "Look into your mail" in answer.content.decode()
    assert mail.outbox == []


def test_changing_the_password_asks_for_the_old_one(amy, signed_in):
    browser = signed_in(amy)
    new = {"password1": "a-much-better-one-7", "password2": "a-much-better-one-7"}
    browser.post("/accounts/password/change/", {"oldpassword": "wrong", **new})
    assert amy.check_password(PASSWORD)
    browser.post("/accounts/password/change/", {"oldpassword": PASSWORD, **new})
    amy.refresh_from_db()
    assert amy.check_password("a-much-better-one-7")
    assert is_inside(browser)


def code(secret):
    """What an authenticator app shows now: RFC 6238 with 30 seconds, six digits and SHA-1."""
    counter = struct.pack(">Q", int(time.time()) // 30)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def test_with_a_second_factor_the_password_alone_opens_nothing(amy, client):
    authenticator = TOTP.activate(amy, "JBSWY3DPEHPK3PXP").instance
    sign_in(client)
    assert not is_inside(client)
    client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert not is_inside(client)
    client.post("/accounts/2fa/authenticate/", {"code": code("JBSWY3DPEHPK3PXP")})
    assert is_inside(client)
    assert "JBSWY3DPEHPK3PXP" not in str(Authenticator.objects.get(pk=authenticator.pk).data)


def test_the_second_factor_is_turned_on_with_a_code(amy, client, django_capture_on_commit_callbacks):
    sign_in(client)
    asked = client.get("/accounts/2fa/totp/activate/")
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    page = client.post(asked["Location"], {"password": PASSWORD}, follow=True)
    secret = page.context["form"].secret
    assert "data:image/svg+xml" in page.content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/accounts/2fa/totp/activate/", {"code": code(secret)})
    assert Authenticator.objects.filter(user=amy, type="totp").exists()
    assert AuditEntry.objects.filter(verb="staff.second_factor_added", actor=amy).exists()
    codes = client.get("/accounts/2fa/recovery-codes/")
    assert codes.status_code == 200 and len(codes.context["unused_codes"]) == 10
