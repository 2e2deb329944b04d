"""API keys: shown once, hashed, limited, revocable."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from accounts import services
from accounts.authentication import APIKeyAuthentication
from accounts.models import APIKey, AuditEntry
from accounts.permissions import Requires


class CustomersView(APIView):
    authentication_classes = (APIKeyAuthentication,)
    permission_classes = (Requires("customer.read", write="customer.edit"),)

    def get(self, request):
        return Response({"user": request.user.email, "key": request.auth.name})

    def post(self, request):
        return Response({})


def call(token=None, method="get", scheme="Bearer"):
    headers = {"Authorization": f"{scheme} {token}"} if token else {}
    request = getattr(APIRequestFactory(), method)("/", headers=headers)
    return CustomersView.as_view()(request)


@pytest.fixture
def key_and_token(ada):
    return services.create_api_key(name="Web shop", scopes=["customer.read"], by=ada)


def test_a_key_opens_what_it_was_made_for(key_and_token):
    answer = call(key_and_token[1])
    assert answer.status_code == 200
    assert answer.data == {"user": "ada@example.com", "key": "Web shop"}


def test_a_key_does_nothing_beyond_its_scopes(key_and_token):
    answer = call(key_and_token[1], "post")
    assert answer.status_code == 403
    assert "customer.edit" in str(answer.data)


def test_a_key_has_its_shape_and_the_database_never_sees_the_secret(key_and_token):
    key, token = key_and_token
    start, prefix, secret = token.split("_", 2)
    assert (start, prefix) == ("rk", key.prefix) and len(secret) >= 43
    with connection.cursor() as cursor:
        for table in ("accounts_apikey", "accounts_auditentry", "core_event"):
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
            assert secret not in cursor.fetchone()[0]


@pytest.mark.parametrize("token", ["nonsense", "rk_", "rk_a_", "rk_0000000000_nothing", "rk_é_ü"])
def test_a_key_nobody_made_is_refused(db, token):
    answer = call(token)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_right_prefix_with_a_wrong_secret_is_refused(key_and_token):
    assert call(key_and_token[1][:-1] + "~").status_code == 401


def test_no_key_at_all_is_401(db):
    assert call().status_code == 401


def test_another_scheme_is_left_to_others(db):
    assert call("YTpi", scheme="Basic").status_code == 401


def test_a_revoked_key_is_refused_at_once(key_and_token, ada):
    key, token = key_and_token
    services.revoke_api_key(key=key, by=ada)
    answer = call(token)
    assert answer.status_code == 401 and "revoked" in str(answer.data)
    services.revoke_api_key(key=key, by=ada)
    assert AuditEntry.objects.filter(verb="apikey.revoked").count() == 1


def test_a_key_ends_with_the_account_of_its_maker(key_and_token, ada, staff):
    other = staff("bea", "admin")
    services.deactivate_staff(user=ada, by=other)
    assert call(key_and_token[1]).status_code == 401


def test_the_last_use_is_written_at_most_once_a_minute(key_and_token, django_assert_num_queries):
    key, token = key_and_token
    with django_assert_num_queries(2):
        call(token)
    with django_assert_num_queries(1):
        call(token)
    APIKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now() - timedelta(seconds=61))
    call(token)
    key.refresh_from_db()
    assert timezone.now() - key.last_used_at < timedelta(seconds=5)


def test_what_a_key_did_is_audited_as_the_key(key_and_token):
    key, _token = key_and_token
    by = key.created_by
    by.api_key = key
    entry = services.record_audit(by=by, verb="customer.merged")
    assert (entry.actor, entry.api_key) == (by, key)


@pytest.mark.parametrize("scopes", [[], ["staff.manage"], ["customer.fly"]])
def test_a_key_cannot_have_nothing_too_much_or_what_does_not_exist(ada, scopes):
    with pytest.raises(ValidationError):
        services.create_api_key(name="x", scopes=scopes, by=ada)


def test_only_admins_make_keys(max):
    with pytest.raises(PermissionDenied):
        services.create_api_key(name="x", scopes=["customer.read"], by=max)


def test_rights_are_named_as_refusals_name_them(ada, signed_in):
    page = signed_in(ada).get(reverse("accounts:key-create")).content.decode()
    assert "Push orders (order.write)" in page


def test_the_page_shows_a_key_once(ada, signed_in):
    browser = signed_in(ada)
    made = browser.post(
        reverse("accounts:key-create"), {"name": "Web shop", "scopes": ["customer.read", "order.write"]}
    )
    token = made.context["token"]
    assert token in made.content.decode()
    assert "no-store" in made.headers["Cache-Control"]
    tried = Client().get(urlsplit(made.context["api_url"]).path, headers={"Authorization": f"Bearer {token}"})
    assert tried.json()["key"]["name"] == "Web shop"
    listed = browser.get(reverse("accounts:key-list")).content.decode()
    assert token not in listed and f"rk_{APIKey.objects.get().prefix}" in listed
