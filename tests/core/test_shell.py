"""The shell of every page: rail by rights, content policy, nothing inline, error pages."""

import re

import pytest
from django.test import Client, override_settings
from django.urls import path, reverse

from accounts.context import RAIL
from accounts.permissions import can
from accounts.services import create_api_key, first_admin_link, invite_staff
from config.urls import urlpatterns as real_urlpatterns
from core.models import Workspace

INLINE = re.compile(
    r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)(?![^>]*application/json)", re.IGNORECASE
)
INSIDE = [
    "accounts:profile",
    "accounts:security",
    "accounts:workspace",
    "accounts:staff-list",
    "accounts:staff-invite",
    "accounts:team-list",
    "accounts:team-create",
    "accounts:key-list",
    "accounts:key-create",
    "accounts:audit-list",
    "account_change_password",
    "account_reauthenticate",
    "mfa_index",
    "core:job-list",
]
OUTSIDE = ["account_login", "account_reset_password", "account_reset_password_done", "account_signup"]


def boom(request):
    raise RuntimeError("boom")


urlpatterns = [*real_urlpatterns, path("boom/", boom)]
handler500 = "django.views.defaults.server_error"


def assert_strict(answer):
    policy = answer.headers["Content-Security-Policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";") if " " in part.strip())
    assert directives["script-src"] == directives["style-src"] == "'self'"
    assert directives["frame-ancestors"] == directives["object-src"] == "'none'"
    found = INLINE.search(answer.content.decode())
    assert found is None, answer.content.decode()[found.start() - 60 : found.end() + 60]


@pytest.mark.parametrize("name", INSIDE)
def test_a_page_inside_has_a_strict_policy_and_nothing_inline(name, ada, signed_in):
    invite_staff(email="noor@example.com", role="agent", by=ada)
    create_api_key(name="Web shop", scopes=["customer.read"], by=ada)
    answer = signed_in(ada).get(reverse(name))
    assert answer.status_code == 200
    assert_strict(answer)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_page_outside_has_a_strict_policy_and_nothing_inline(name, db, client):
    answer = client.get(reverse(name))
    assert answer.status_code == 200
    assert_strict(answer)


def test_the_set_up_page_is_strict_too(db, client):
    assert_strict(client.get(reverse("accounts:first-admin", args=[first_admin_link()])))


def test_the_check_for_inline_finds_what_it_must():
    for bad in ("<style>", '<p style="x">', '<a onclick="x">', "<script>x</script>", 'href="javascript:x"'):
        assert INLINE.search(bad)
    for good in ('<script type="module" src="/x.js">', '<script type="application/json">{}</script>'):
        assert not INLINE.search(good)


@pytest.mark.parametrize("person", ["ada", "max", "amy", "mia", "vic"])
def test_the_rail_shows_what_one_may_open(person, request, signed_in):
    user = request.getfixturevalue(person)
    page = signed_in(user).get(reverse("accounts:profile"))
    shown = {place["url"] for place in page.context["rail"]}
    assert shown == {reverse(place.url_name) for place in RAIL if can(user, place.verb) and is_routed(place)}


def is_routed(place):
    from accounts.context import resolve_or_blank

    return bool(resolve_or_blank(place.url_name))


def test_the_start_page_is_the_first_place_of_the_rail(amy, signed_in):
    answer = signed_in(amy).get("/")
    assert answer.status_code == 302 and answer["Location"] != "/"


def test_the_start_page_sends_strangers_to_sign_in(db, client):
    assert client.get("/")["Location"].startswith("/accounts/login/")


def test_the_demo_is_named_on_every_page_while_it_is_one(ada, vic, signed_in):
    from django.utils import timezone

    url = reverse("accounts:profile")
    assert "Demo workspace" not in signed_in(vic).get(url).content.decode()
    Workspace.objects.filter(pk=Workspace.current().pk).update(demo_since=timezone.now())
    seen_by_vic, seen_by_ada = (signed_in(user).get(url).content.decode() for user in (vic, ada))
    assert "Demo workspace" in seen_by_vic and "Demo workspace" in seen_by_ada
    assert 'data-dialog="demo-remove"' in seen_by_ada and 'data-dialog="demo-remove"' not in seen_by_vic


def test_a_missing_page_says_so_to_staff_and_strangers(amy, signed_in, client):
    for browser in (client, signed_in(amy)):
        answer = browser.get("/nothing/here/")
        assert answer.status_code == 404
        assert "There is nothing at this address" in answer.content.decode()
        assert_strict(answer)


def test_a_refused_page_names_the_role_and_the_right(vic, signed_in):
    answer = signed_in(vic).get(reverse("accounts:key-list"))
    assert answer.status_code == 403
    page = answer.content.decode()
    assert "Viewer" in page and "Make and revoke API keys" in page
    assert_strict(answer)


def test_a_form_without_its_token_is_refused_with_a_way_on(amy):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(amy, backend="django.contrib.auth.backends.ModelBackend")
    answer = browser.post(reverse("accounts:theme-set"), {"theme": "dark"})
    assert answer.status_code == 403
    assert "open for too long" in answer.content.decode()


def test_a_broken_page_token_is_a_clear_answer(ada, signed_in):
    answer = signed_in(ada).get(reverse("accounts:audit-list"), {"page": "broken"})
    assert answer.status_code == 400
    assert "This address cannot be read" in answer.content.decode()


@override_settings(ROOT_URLCONF="tests.core.test_shell")
def test_a_failure_of_ours_says_what_is_safe(amy, signed_in):
    browser = signed_in(amy)
    browser.raise_request_exception = False
    answer = browser.get("/boom/")
    assert answer.status_code == 500
    assert "What was saved before is safe" in answer.content.decode()
    assert_strict(answer)
