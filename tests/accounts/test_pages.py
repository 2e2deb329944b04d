"""Who opens which page of Settings, and that each one is drawn."""

import json
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from accounts.services import create_api_key, create_team, invite_staff, record_audit
from core.models import Job, Workspace

EVERYBODY = {"ada", "max", "amy", "mia", "vic"}
LEADS = {"ada", "max"}
PAGES = {
    "accounts:profile": EVERYBODY,
    "accounts:security": EVERYBODY,
    "accounts:notice-list": EVERYBODY,
    "accounts:notice-count": EVERYBODY,
    "accounts:staff-list": LEADS,
    "accounts:team-list": LEADS,
    "accounts:team-create": LEADS,
    "accounts:audit-list": LEADS,
    "accounts:audit-export": LEADS,
    "accounts:staff-invite": {"ada"},
    "accounts:key-list": {"ada"},
    "accounts:key-create": {"ada"},
    "accounts:workspace": {"ada"},
}


@pytest.fixture
def cast(ada, max, amy, mia, vic):
    invite_staff(email="noor@example.com", role="agent", by=ada)
    create_api_key(name="Web shop", scopes=["customer.read"], by=ada)
    return {"ada": ada, "max": max, "amy": amy, "mia": mia, "vic": vic}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_to_those_who_may(name, cast, signed_in, client):
    for person, user in cast.items():
        status = signed_in(user).get(reverse(name)).status_code
        assert status == (200 if person in PAGES[name] else 403), person
    answer = client.get(reverse(name))
    assert answer.status_code == 302 and answer["Location"].startswith("/accounts/login/")


LISTS = [
    "accounts:staff-list",
    "accounts:team-list",
    "accounts:key-list",
    "accounts:audit-list",
    "core:job-list",
]
PINNED = json.loads((Path(__file__).parent.parent / "query_counts.json").read_text())
POSTS = {
    "accounts:staff-deactivate": {"ada"},
    "accounts:staff-reactivate": {"ada"},
    "accounts:key-revoke": {"ada"},
    "accounts:invitation-withdraw": {"ada"},
    "accounts:team-delete": LEADS,
}


@pytest.mark.parametrize("name", POSTS)
def test_an_act_is_refused_to_those_who_may_not(name, cast, signed_in, client):
    url = reverse(name, args=[999_999])
    for person, user in cast.items():
        assert signed_in(user).post(url).status_code == (404 if person in POSTS[name] else 403), person
        assert signed_in(user).get(url).status_code == 405
    assert client.post(url).status_code == 302


def test_settings_shows_only_the_sections_one_may_open(cast, signed_in):
    page = signed_in(cast["amy"]).get(reverse("accounts:profile")).content.decode()
    assert reverse("accounts:security") in page
    assert reverse("accounts:key-list") not in page
    assert (
        reverse("accounts:key-list")
        in signed_in(cast["ada"]).get(reverse("accounts:profile")).content.decode()
    )


def test_a_profile_is_saved_and_times_follow_its_zone(amy, signed_in):
    record_audit(by=amy, verb="staff.signed_in")
    browser, url = signed_in(amy), reverse("accounts:profile")
    given = {"name": "Amy Lind", "zone": "Asia/Tokyo", "language": "en", "theme": "dark", "tone": "4"}
    assert browser.post(url, given).status_code == 302
    amy.refresh_from_db()
    assert (amy.name, amy.zone, amy.theme, amy.tone) == ("Amy Lind", "Asia/Tokyo", "dark", 4)
    page = browser.get(url).content.decode()
    assert 'data-theme="dark"' in page and "Your profile is saved." in page


@pytest.mark.parametrize("change", [{"zone": "Mars/Base"}, {"tone": "9"}, {"name": ""}, {"theme": "pink"}])
def test_a_profile_with_a_mistake_is_shown_again(amy, signed_in, change):
    given = {"name": "Amy", "zone": "", "language": "en", "theme": "dark", "tone": "4", **change}
    answer = signed_in(amy).post(reverse("accounts:profile"), given)
    assert answer.status_code == 422
    amy.refresh_from_db()
    assert amy.theme == "system"


def test_the_switch_in_the_bar_is_kept_with_the_account(amy, signed_in):
    browser = signed_in(amy)
    assert browser.post(reverse("accounts:theme-set"), {"theme": "dark"}).status_code == 204
    assert browser.post(reverse("accounts:theme-set"), {"theme": "pink"}).status_code == 400
    amy.refresh_from_db()
    assert amy.theme == "dark"


def test_the_workspace_is_saved_and_what_changed_is_audited(ada, signed_in):
    given = {"name": "T&T", "zone": "Europe/Brussels", "country": "BE", "currency": "EUR", "week_start": "1"}
    assert signed_in(ada).post(reverse("accounts:workspace"), given).status_code == 302
    workspace = Workspace.current()
    assert (workspace.name, workspace.country, workspace.currency) == ("T&T", "BE", "EUR")
    entry = AuditEntry.objects.get(verb="workspace.changed")
    assert entry.detail["to"]["currency"] == "EUR" and "week_start" not in entry.detail["to"]


def test_a_currency_that_is_none_is_refused(ada, signed_in):
    given = {"name": "T&T", "zone": "UTC", "country": "BE", "currency": "euro", "week_start": "1"}
    answer = signed_in(ada).post(reverse("accounts:workspace"), given)
    assert answer.status_code == 422 and "currency" in answer.context["form"].errors


def test_the_list_of_staff_is_searched_and_narrowed(cast, signed_in):
    browser, url = signed_in(cast["ada"]), reverse("accounts:staff-list")
    names = lambda **query: [person.name for person in browser.get(url, query).context["page"]]  # noqa: E731
    assert names(q="AMY") == ["Amy"]
    assert names(role="viewer") == ["Vic"]
    assert names(closed="1") == []
    fragment = browser.get(url, {"q": "amy"}, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment and "Amy" in fragment


@pytest.mark.parametrize("name", LISTS)
def test_a_longer_list_costs_no_more_statements(name, ada, staff, signed_in, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    browser, workspace = signed_in(ada), Workspace.current()
    assert workspace.pk

    def cost():
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(reverse(name)).status_code == 200
        return len(queries)

    def add(n):
        person = staff(f"person{n}", "agent")
        create_team(name=f"Team {n}", members=[person], by=ada)
        create_api_key(name=f"Key {n}", scopes=["customer.read"], by=ada)
        invite_staff(email=f"guest{n}@example.com", role="agent", by=ada)
        Job.objects.create(kind="import", title=f"Import {n}", state="done", created_by=person)

    add(0)
    before = cost()
    for n in range(1, 6):
        add(n)
    assert cost() == before == PINNED[name]


def test_the_bell_tells_of_ones_own_jobs_until_they_were_seen(amy, mia, signed_in):
    browser = signed_in(amy)
    for who, title in ((amy, "Spring fair"), (mia, "Not yours")):
        Job.objects.create(
            kind="import", title=title, state="failed", created_by=who, finished_at=timezone.now()
        )
    count = lambda: browser.get(reverse("accounts:notice-count")).content.decode()  # noqa: E731
    assert "one new" in count()
    bell = browser.get(reverse("accounts:notice-list"))
    assert "Spring fair" in bell.content.decode() and "Not yours" not in bell.content.decode()
    assert bell.headers["HX-Trigger"] == "rapport:notices"
    assert "new" not in count()
