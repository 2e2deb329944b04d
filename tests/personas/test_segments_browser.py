"""In a real browser: "Lapsed fans who complained on Instagram" is built, and one in it explained."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from core.jobs import run_job
from core.models import Job, JobState, Workspace
from crm.models import Customer
from engagement.models import ChannelAccount
from personas import quick_counts
from personas.models import CustomerDay, Segment, SegmentChange, SegmentMembership, SegmentSize, Traits
from personas.segments import create_segment
from tests.accessibility import goes_sideways, is_well, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NAME = "Lapsed fans who complained on Instagram"


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.jobs._enqueue", lambda pk, kind: None)


@pytest.fixture
def fans(transactional_db: None) -> list[Customer]:
    """Forty customers: every fourth in retention has long not ordered, every second of those complained."""
    from accounts.models import Team

    now, today = timezone.now(), Workspace.current().today()
    team, _made = Team.objects.get_or_create(is_general=True, defaults={"name": "General"})
    ChannelAccount.objects.create(
        connector="api", network="instagram", external_id="shop", name="Shop", team=team
    )
    people = [
        Customer.objects.create(name=f"Fan {n:02d}", stage="retention" if n % 4 == 0 else "awareness")
        for n in range(40)
    ]
    for n, one in enumerate(people):
        Traits.objects.create(
            customer=one,
            computed_at=now,
            orders_total=4,
            last_order_at=now - timedelta(days=200 if n % 2 == 0 else 3),
        )
        if n % 8 == 0:
            CustomerDay.objects.create(
                customer=one, day=today - timedelta(days=9), network="instagram", kind="comment",
                direction="inbound", n=2, complaint_n=2, negative_n=1,
            )  # fmt: skip
    return people


def run_open_jobs() -> None:
    for job in Job.objects.filter(state=JobState.QUEUED).order_by("created_at"):
        run_job(job.pk)


def add(window: Page, what: str, words: str = "Condition") -> Any:
    """Add a condition by keys alone: the button, a search, the first that is found."""
    window.locator("#builder > fieldset > .r-row:last-child").get_by_role("button", name=words).focus()
    window.keyboard.press("Enter")
    window.keyboard.type(what)
    window.keyboard.press("Enter")
    return window.locator("#builder .r-cond").last


def number(window: Page, count: str) -> None:
    expect(window.locator("#rule-count [data-count]")).to_have_text(count)


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_lapsed_fans_who_complained_are_found_and_explained(
    width: int, theme: str, fans: list[Customer], mia: Any, new_window: Callable[..., Page]
) -> None:
    window = new_window(mia, width=width, theme=theme)
    window.goto("/segments/new/")
    number(window, "40")
    window.fill("#id_name", NAME)
    stage = add(window, "journey")
    stage.get_by_role("button", name="Take out: Awareness").click()
    stage.locator("select.r-more-values").select_option(label="Retention")
    number(window, "10")
    lapsed = add(window, "last order")
    expect(lapsed.get_by_label("Comparison")).to_be_focused()
    lapsed.get_by_label("Comparison").select_option("more_than_days_ago")
    lapsed.get_by_label("Value", exact=True).fill("120")
    complained = add(window, "complained")
    complained.locator("select.r-more-values").first.select_option(label="Instagram")
    number(window, "5")
    expect(window.locator("#sentence b").last).to_have_text(
        "complained on Instagram at least once in the last 90 days"
    )
    left_out = add(window, "conversation", "Leave out")
    expect(left_out.get_by_label("Comparison")).to_have_value("yes")
    expect(window.locator("#sentence b.no").first).to_have_text("leaving out")
    expect(window.locator("[data-leaf]").nth(2)).to_have_text("5")
    expect(window.locator("#rule-sample li")).to_have_count(5)
    expect(window.locator("[data-draft]")).to_be_visible()
    assert not goes_sideways(window)
    assert violations(window) == []
    window.get_by_role("button", name="Save").click()
    expect(window.locator("h1")).to_have_text(NAME)
    run_open_jobs()
    segment = Segment.objects.get()
    assert segment.size == 5
    window.goto(f"/segments/{segment.pk}/why/")
    window.locator("#id_find").press_sequentially("Fan 08", delay=20)
    window.get_by_role("link", name=re.compile("Why in.*Fan 08")).click()
    expect(window.locator(".r-proof").first).to_contain_text("complained on Instagram")
    expect(window.locator(".r-proof").first).to_contain_text("found: 2")
    expect(window.locator("main")).to_contain_text("In, since")
    assert not goes_sideways(window)
    assert violations(window) == []


def test_a_rule_is_nested_and_taken_apart_by_keys(
    fans: list[Customer], mia: Any, new_window: Callable[..., Page]
) -> None:
    window = new_window(mia)
    window.goto("/segments/new/")
    add(window, "journey")
    window.locator("#builder .r-cond").get_by_role("button", name="Put into a group of its own").focus()
    window.keyboard.press("Enter")
    expect(window.locator("#builder .r-rule .r-rule .r-cond")).to_have_count(1)
    expect(window.get_by_role("button", name="What it is about: Journey stage")).to_be_focused()
    window.get_by_role("button", name="Remove this group").focus()
    window.keyboard.press("Enter")
    expect(window.locator("#builder .r-cond")).to_have_count(0)
    expect(window.get_by_role("button", name="Condition")).to_be_focused()
    window.keyboard.press("Enter")
    expect(window.get_by_role("combobox", name="Search what rules can ask")).to_be_focused()
    window.keyboard.type("no such thing")
    expect(window.locator("dialog .r-none")).to_contain_text("Nothing of that name")
    window.keyboard.press("Escape")
    expect(window.get_by_role("button", name="Condition")).to_be_focused()


def test_what_is_wrong_stands_at_its_condition_and_nothing_is_lost(
    fans: list[Customer], mia: Any, new_window: Callable[..., Page]
) -> None:
    window = new_window(mia)
    window.goto("/segments/new/")
    window.fill("#id_name", "Unfinished")
    add(window, "orders")
    wrong = add(window, "last order")
    wrong.get_by_label("Value", exact=True).fill("")
    expect(wrong.locator(".r-problem")).to_contain_text("the days")
    expect(window.locator("#builder .r-cond").first.locator(".r-problem")).to_be_hidden()
    expect(window.locator("#rule-count")).to_contain_text("Not complete yet")
    window.get_by_role("button", name="Save").click()
    expect(window.locator("#problems")).to_be_visible()
    expect(window.locator("#id_name")).to_have_value("Unfinished")
    expect(window.locator("#builder .r-cond").last.locator(".r-problem")).to_be_visible()
    assert not Segment.objects.exists()


def test_leaving_an_unsaved_rule_is_asked_and_a_saved_one_is_not(
    fans: list[Customer], mia: Any, new_window: Callable[..., Page]
) -> None:
    segment = create_segment(name="All", rule={"all": []})
    window, asked = new_window(mia), []
    window.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    window.goto(f"/segments/{segment.pk}/")
    number(window, "40")
    window.goto("/segments/")
    assert asked == []
    window.goto(f"/segments/{segment.pk}/")
    add(window, "journey")
    expect(window.locator("[data-draft]")).to_be_visible()
    window.goto("/segments/")
    assert asked == ["beforeunload"]


def test_many_customers_are_told_about_first_and_then_exactly(
    fans: list[Customer], mia: Any, new_window: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_counts, "SMALL", 10)
    monkeypatch.setattr(quick_counts, "SAMPLE", quick_counts.SAMPLE.replace(", 100)", ", 2)"))
    window = new_window(mia)
    said: list[str] = []
    window.on(
        "response",
        lambda answer: "/segments/preview/" in answer.url and said.append(answer.request.post_data or ""),
    )
    window.goto("/segments/new/")
    complained = add(window, "complained")
    complained.locator("select.r-more-values").first.select_option(label="Instagram")
    number(window, "5")
    expect(window.locator("[data-leaf]")).to_contain_text("about")
    expect(window.locator("#rule-sample li")).to_have_count(5)
    stages = [stage for body in said for stage in ("first", "exact", "details") if f"\r\n{stage}\r\n" in body]
    assert stages[-3:] == ["first", "exact", "details"]


def test_every_page_of_a_segment_fits_and_passes_axe(
    fans: list[Customer], mia: Any, new_window: Callable[..., Page]
) -> None:
    rule = {"all": [{"field": "customer.stage", "op": "is", "value": "retention"}]}
    segment = create_segment(name=NAME, rule=rule, by=mia)
    create_segment(name="Asks", rule={"all": [{"field": "segment", "op": "in", "value": [segment.pk]}]})
    now, today = timezone.now(), Workspace.current().today()
    for back in range(5):
        SegmentSize.objects.create(segment=segment, day=today - timedelta(days=back), size=10 - back)
    for n, one in enumerate(fans[:6]):
        SegmentMembership.objects.create(segment=segment, customer=one, version=1, since=now)
        SegmentChange.objects.create(
            segment=segment, customer=one, entered=n % 3 > 0, version=1, at=now - timedelta(days=n % 4)
        )
    Segment.objects.filter(pk=segment.pk).update(size=6, built_at=now, built_version=1, build_seconds=0.9)
    window = new_window(mia)
    for part in ("", "members/", "history/", f"why/?customer={fans[0].pk}", "use/"):
        window.goto(f"/segments/{segment.pk}/{part}")
        is_well(window)
    window.goto(f"/segments/{segment.pk}/history/")
    window.get_by_role("table").get_by_role("link").first.click()
    expect(window.locator("#who")).to_contain_text("Who came and went on")
    window.goto("/segments/new-list/")
    is_well(window)


def test_a_list_is_kept_by_hand(fans: list[Customer], mia: Any, new_window: Callable[..., Page]) -> None:
    window = new_window(mia)
    window.goto("/segments/")
    window.get_by_role("link", name="New list").click()
    window.fill("#id_name", "Press")
    window.get_by_role("button", name="Save").click()
    window.locator("#id_find").press_sequentially("Fan 03", delay=20)
    window.get_by_role("button", name=re.compile("Put in.*Fan 03")).click()
    expect(window.locator("#members + .r-pill")).to_have_text("1")
    window.goto("/customers/?q=Fan+0")
    window.locator("input[data-row]").first.check()
    window.locator("#id_to_segment").select_option(label="Press")
    window.get_by_role("button", name="Add").click()
    expect(window.locator("body")).to_contain_text("put into Press")
    assert Segment.objects.get().size == 2
