"""The shell in a real browser: signing in, palette, theme, menus, phone, and what axe-core finds."""

import pytest
from django.utils import timezone

from accounts.services import create_api_key, create_team, first_admin_link, invite_staff
from core.models import Job, Workspace
from tests.accessibility import DESK, PHONE, is_well, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "correct-horse-battery"
PAGES = [
    "/settings/profile/",
    "/settings/security/",
    "/settings/workspace/",
    "/settings/staff/",
    "/settings/staff/invite/",
    "/settings/teams/",
    "/settings/teams/new/",
    "/settings/keys/",
    "/settings/keys/new/",
    "/settings/audit/",
    "/settings/jobs/",
    "/accounts/password/change/",
    "/nothing/here/",
]


@pytest.fixture
def full_workspace(ada):
    """Something on every page."""
    create_team(name="Customer care", members=[ada], by=ada)
    create_api_key(name="Web shop", scopes=["customer.read", "order.write"], by=ada)
    invite_staff(email="noor.with-a-long-address@example.com", role="agent", by=ada)
    Job.objects.create(kind="import", title="Import of spring-fair.csv", state="running", total=9, done=4)
    Job.objects.create(
        kind="import", title="Spring", state="failed", created_by=ada, finished_at=timezone.now()
    )
    Workspace.objects.filter(pk=Workspace.current().pk).update(demo_since=timezone.now())
    return ada


def test_pages_keep_the_policy_have_no_violation_and_fit(full_workspace, new_window):
    page, said = new_window(full_workspace), []
    page.on(
        "console", lambda message: said.append(message.text) if "Content Security" in message.text else None
    )
    page.on("pageerror", lambda error: said.append(str(error)))
    for path in PAGES:
        page.goto(path)
        is_well(page)
    assert said == []


def test_ways_in_have_no_violation(db, page):
    for path in ("/accounts/login/", "/accounts/password/reset/", f"/first/{first_admin_link()}/"):
        page.goto(path)
        is_well(page)


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_menus_and_dialogs_have_no_violation(full_workspace, new_window, width):
    page = new_window(full_workspace, width=width)
    page.goto("/settings/profile/")
    for opener in ("button:has(.ti-bell)", "button:has(.r-av)", '[data-dialog="demo-remove"]'):
        page.locator(opener).first.click()
        is_well(page, widths=(width,))
        page.keyboard.press("Escape")


def test_somebody_signs_in_by_keyboard(amy, page):
    page.goto("/settings/security/")
    page.keyboard.press("Tab")
    page.get_by_label("E-mail").fill("amy@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Password and two-factor").wait_for()


def test_the_palette_goes_where_it_is_told(ada, new_window):
    page = new_window(ada)
    page.goto("/settings/profile/")
    page.keyboard.press("Control+k")
    page.keyboard.type("audit")
    page.locator('#found [role="option"][aria-selected="true"]', has_text="Audit trail").wait_for()
    assert violations(page) == []
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings/audit/")


def test_escape_closes_the_palette_and_gives_focus_back(ada, new_window):
    page = new_window(ada)
    page.goto("/settings/profile/")
    page.locator('[data-open="palette"]').focus()
    page.keyboard.press("Enter")
    assert page.locator("#palette").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#palette").is_hidden()
    assert page.evaluate("document.activeElement.matches('[data-open=palette]')")


def test_the_palette_says_when_nothing_is_found(ada, new_window):
    page = new_window(ada)
    page.goto("/settings/profile/")
    page.keyboard.press("Control+k")
    page.keyboard.type("xyzzy<b>")
    page.get_by_text("Nothing is called “xyzzy<b>”").wait_for()


def test_the_theme_switch_is_kept_with_the_account(amy, new_window):
    page = new_window(amy)
    page.goto("/settings/profile/")
    assert page.locator("html").get_attribute("data-bs-theme") == "light"
    with page.expect_response("**/theme/"):
        page.locator("[data-theme-switch]").click()
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
    other = new_window(amy)
    other.goto("/settings/profile/")
    assert other.locator("html").get_attribute("data-bs-theme") == "dark"


def test_the_demo_is_removed_only_after_the_word(full_workspace, new_window):
    page = new_window(full_workspace)
    page.goto("/settings/profile/")
    page.locator('[data-dialog="demo-remove"]').click()
    button = page.locator("#demo-remove button[type=submit]")
    assert button.is_disabled()
    page.locator("[data-confirm-word]").fill("remove")
    button.click()
    page.get_by_text("The demo is gone").wait_for()
    assert page.get_by_text("Demo workspace").count() == 0


def test_the_bell_tells_and_then_is_quiet(full_workspace, new_window):
    page = new_window(full_workspace)
    Job.objects.filter(title="Spring").update(finished_at=timezone.now())
    page.goto("/settings/profile/")
    page.locator(".r-ib .dot").wait_for()
    page.locator("button:has(.ti-bell)").click()
    page.locator("#notices").get_by_text("Spring").wait_for()
    page.locator(".r-ib .dot").wait_for(state="detached")


def test_a_key_is_copied_from_the_page_that_shows_it_once(ada, new_window):
    page = new_window(ada)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/settings/keys/new/")
    page.get_by_label("What it is for").fill("Web shop")
    page.get_by_label("Read customers, identities and orders").check()
    page.get_by_role("button", name="Make key").click()
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("Copied", exact=True).wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("rk_")
    assert violations(page) == []


def test_a_revoked_key_asks_first(ada, new_window):
    create_api_key(name="Web shop", scopes=["customer.read"], by=ada)
    page = new_window(ada)
    page.goto("/settings/keys/")
    page.get_by_role("button", name="Revoke Web shop").click()
    page.get_by_role("button", name="Revoke key").click()
    page.get_by_text("is revoked; the next call").wait_for()
    assert page.get_by_text("revoked now").is_visible()


def test_the_list_of_staff_is_searched_while_typing(ada, amy, max, new_window):
    page = new_window(ada)
    page.goto("/settings/staff/")
    page.get_by_label("Search staff").press_sequentially("amy")
    page.locator("#staff").get_by_title("Max", exact=True).wait_for(state="detached")
    assert page.locator("#staff").get_by_title("Amy", exact=True).is_visible()
    assert "q=amy" in page.url
