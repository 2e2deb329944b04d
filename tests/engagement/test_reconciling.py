"""Comparing an account with its platform: nothing stays missing, nothing comes twice, each day is counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache

from core import jobs
from core.models import Job, Workspace
from crm.models import Identity, RetentionRule
from crm.privacy.erasing import erase_customer
from engagement import rates, reconciling
from engagement.channels.base import RateReached, TransientFailure
from engagement.ingest import ingest
from engagement.models import ChannelAccount, Interaction, Reconciliation
from tests.engagement.desk import general
from tests.engagement.harbour import Harbour, HarbourConnector, connected, event_of, harbour

__all__ = ["general", "harbour"]
pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _clock(time_machine: Any) -> None:
    time_machine.move_to(NOW)


@pytest.fixture
def account(general: Any, harbour: Harbour) -> ChannelAccount:
    return connected(general)


def fill(harbour: Harbour, *, days: int = 5, each: int = 4) -> None:
    """Messages of the last days, some a day."""
    for number in range(days * each):
        harbour.say(number, NOW - timedelta(days=number // each, hours=1 + number % each))


def take(account: ChannelAccount, harbour: Harbour, numbers: range) -> None:
    """What came in by the usual road."""
    ingest(account, [event_of(harbour.messages[f"m{number}"]) for number in numbers])


def compare(account: ChannelAccount, days: int = 7, by: Any = None) -> Job:
    job = jobs.start_job(reconciling.KIND, "x", input={"accounts": [account.pk], "days": days}, enqueue=False)
    done = jobs.run_job(job.pk)
    assert done is not None
    return done


def ids() -> set[str]:
    return set(Interaction.objects.values_list("external_id", flat=True))


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_missing_is_fetched_and_each_day_accounted_for(
    account: ChannelAccount, harbour: Harbour, monkeypatch: Any, whole: bool
) -> None:
    monkeypatch.setattr(HarbourConnector, "whole", whole)
    fill(harbour)
    take(account, harbour, range(3, 20))
    done = compare(account)
    assert (done.state, done.error) == ("done", "")
    assert done.result["counts"] == {
        "accounts": 1, "failed": 0, "theirs": 20, "missing": 3, "repaired": 3, "gone": 0,
    }  # fmt: skip
    assert ids() == set(harbour.messages)
    today = Reconciliation.objects.get(day=NOW.date())
    assert (today.theirs, today.ours, today.missing, today.repaired) == (4, 1, 3, 3)
    account.refresh_from_db()
    assert account.reconciled_at is not None and account.reconciled_at >= NOW
    assert account.reconcile_text == ""


def test_a_second_look_keeps_what_the_first_repaired(account: ChannelAccount, harbour: Harbour) -> None:
    fill(harbour, days=1)
    compare(account)
    compare(account)
    today = Reconciliation.objects.get(day=NOW.date())
    assert (today.theirs, today.ours, today.missing, today.repaired) == (4, 0, 4, 4)
    assert Interaction.objects.count() == 4


def test_what_cannot_be_fetched_stays_a_difference(
    account: ChannelAccount, harbour: Harbour, monkeypatch: Any
) -> None:
    monkeypatch.setattr(HarbourConnector, "whole", False)
    fill(harbour, days=1)
    lost = harbour.messages["m1"]

    def fetched(self: Harbour, call: Any) -> Any:
        return 200, [
            self.messages[pk]
            for pk in call.query["ids"].split(",")
            if pk in self.messages and pk != lost["id"]
        ]

    monkeypatch.setattr(Harbour, "fetched", fetched)
    compare(account)
    today = Reconciliation.objects.get(day=NOW.date())
    assert (today.missing, today.repaired) == (4, 3)


def test_what_is_gone_there_is_deleted_here(account: ChannelAccount, harbour: Harbour) -> None:
    fill(harbour, days=1)
    take(account, harbour, range(4))
    del harbour.messages["m2"]
    compare(account)
    assert Interaction.objects.get(deleted_at__isnull=False).external_id == "m2"
    assert Interaction.objects.filter(deleted_at__isnull=True).count() == 3
    assert Reconciliation.objects.get(day=NOW.date()).gone == 1


def test_nothing_of_before_the_connection_is_fetched(account: ChannelAccount, harbour: Harbour) -> None:
    fill(harbour)
    ChannelAccount.objects.filter(pk=account.pk).update(created_at=NOW - timedelta(days=1, hours=2))
    compare(account)
    assert ids() == {one for one, said in harbour.messages.items() if said["at"] >= "2026-03-19T10:00"}


def test_what_is_older_than_what_is_kept_does_not_come_back(
    account: ChannelAccount, harbour: Harbour
) -> None:
    fill(harbour)
    RetentionRule.objects.create(kind="conversations", days=2, is_on=True)
    compare(account)
    assert ids() == {one for one, said in harbour.messages.items() if said["at"] >= "2026-03-18T12:00"}


def test_the_newest_minutes_are_left_to_the_usual_road(account: ChannelAccount, harbour: Harbour) -> None:
    harbour.say(1, NOW - timedelta(minutes=3))
    compare(account)
    assert ids() == set()


def test_what_an_erased_person_said_is_not_missing(account: ChannelAccount, harbour: Harbour) -> None:
    fill(harbour, days=1)
    take(account, harbour, range(4))
    erase_customer(customer=Identity.objects.get(external_id="sailor2").customer, by=None)
    compare(account)
    assert ids() == {"m0", "m1", "m3"}
    today = Reconciliation.objects.get(day=NOW.date())
    assert (today.theirs, today.missing, today.repaired) == (4, 0, 0)


def test_days_are_the_workspaces(account: ChannelAccount, harbour: Harbour) -> None:
    Workspace.objects.filter(pk=Workspace.current().pk).update(zone="Asia/Tokyo")
    harbour.say(1, datetime(2026, 3, 18, 16, tzinfo=UTC))
    compare(account)
    assert Reconciliation.objects.get(theirs=1).day.isoformat() == "2026-03-19"


def test_a_token_that_ends_meanwhile_is_renewed(
    account: ChannelAccount, harbour: Harbour, monkeypatch: Any
) -> None:
    monkeypatch.setattr(HarbourConnector, "refreshes", True)
    fill(harbour, days=2)
    harbour.tokens = {"another"}
    assert compare(account).state == "done"
    account.refresh_from_db()
    assert account.credentials["access_token"] == "token-2"
    assert ids() == set(harbour.messages)


def test_a_platform_that_fails_is_told_and_the_job_says_so(account: ChannelAccount, harbour: Harbour) -> None:
    harbour.fail(503, times=50)
    done = compare(account)
    assert done.state == "failed"
    account.refresh_from_db()
    assert "503" in account.reconcile_text and account.reconciled_at is None


def test_one_account_that_fails_does_not_stop_the_others(
    account: ChannelAccount, harbour: Harbour, general: Any
) -> None:
    other = connected(general, external_id="pier")
    harbour.say(1, NOW - timedelta(hours=3), to="pier")
    harbour.fail(503, times=50, path="/accounts/quay")
    job = jobs.start_job(
        reconciling.KIND, "x", input={"accounts": [account.pk, other.pk], "days": 7}, enqueue=False
    )
    done = jobs.run_job(job.pk)
    assert done is not None and done.state == "done"
    assert done.result["counts"]["failed"] == 1
    assert Interaction.objects.get().account == other


def test_a_run_that_was_killed_goes_on_with_the_day_it_stood_at(
    account: ChannelAccount, harbour: Harbour, monkeypatch: Any
) -> None:
    fill(harbour)
    real, looked_at = reconciling.compare_day, []

    def killed(account: Any, day: Any, *args: Any, **more: Any) -> Any:
        looked_at.append(day)
        if len(looked_at) == 4:
            raise KeyboardInterrupt
        return real(account, day, *args, **more)

    monkeypatch.setattr(reconciling, "compare_day", killed)
    job = jobs.start_job(reconciling.KIND, "x", input={"accounts": [account.pk], "days": 7}, enqueue=False)
    with pytest.raises(KeyboardInterrupt):
        jobs.run_job(job.pk)
    Job.objects.filter(pk=job.pk).update(lease_until=NOW - timedelta(minutes=1))
    done = jobs.run_job(job.pk)
    assert done is not None and done.state == "done"
    assert looked_at[3] == looked_at[4] and len(looked_at) == 8
    assert ids() == set(harbour.messages)
    assert done.result["counts"]["repaired"] == 20


def test_a_list_that_goes_round_ends(account: ChannelAccount, harbour: Harbour, monkeypatch: Any) -> None:
    harbour.say(1, NOW - timedelta(hours=2))

    def round_and_round(self: Any, account: Any, since: Any, until: Any) -> Any:
        real = list(HarbourConnector.list_window(self, account, since, until))
        while True:
            yield real[0]

    class Round(HarbourConnector):
        list_window = round_and_round

    monkeypatch.setattr(reconciling, "connector", lambda name: Round())
    day = (NOW.date(), NOW - timedelta(hours=12), NOW)
    with pytest.raises(TransientFailure, match="again and again"):
        reconciling.compare_day(account, *day, beat=lambda: None)


def test_an_allowance_that_is_used_up_is_left_to_the_next_night(
    account: ChannelAccount, harbour: Harbour, monkeypatch: Any
) -> None:
    monkeypatch.setattr(rates, "take", lambda account, *names: 900.0)
    with pytest.raises(RateReached):
        reconciling.compare_day(account, NOW.date(), NOW - timedelta(hours=2), NOW, beat=lambda: None)


# When


def test_the_night_is_compared_once_after_half_past_three(
    account: ChannelAccount, harbour: Harbour, django_capture_on_commit_callbacks: Any
) -> None:
    assert reconciling.sweep(datetime(2026, 3, 20, 3, 29, tzinfo=UTC)) is None
    job = reconciling.sweep(datetime(2026, 3, 20, 3, 31, tzinfo=UTC))
    assert job is not None and job.input["accounts"] == [account.pk]
    cache.clear()
    assert reconciling.sweep(datetime(2026, 3, 20, 5, tzinfo=UTC)) is None
    assert jobs.run_job(job.pk).state == "done"  # type: ignore[union-attr]
    cache.clear()
    assert reconciling.sweep(datetime(2026, 3, 20, 23, tzinfo=UTC)) is None
    cache.clear()
    assert reconciling.sweep(datetime(2026, 3, 21, 4, tzinfo=UTC)) is not None


def test_nobody_is_compared_whose_platform_cannot_tell(general: Any, harbour: Harbour, ada: Any) -> None:
    account = ChannelAccount.objects.create(
        connector="api", network="x", external_id="x", name="X", team=general
    )
    assert reconciling.sweep(NOW) is None
    with pytest.raises(ValueError, match="cannot be compared"):
        reconciling.compare_now(account=account, days=7, by=ada)


def test_by_hand_thirty_days_at_most_and_one_at_a_time(account: ChannelAccount, ada: Any) -> None:
    with pytest.raises(ValueError, match="1 to 30"):
        reconciling.compare_now(account=account, days=31, by=ada)
    reconciling.compare_now(account=account, days=30, by=ada)
    with pytest.raises(jobs.JobIsOpen):
        reconciling.compare_now(account=account, days=7, by=ada)


def test_a_page_takes_the_same_statements_for_few_and_many(
    account: ChannelAccount, harbour: Harbour, django_assert_num_queries: Any
) -> None:
    take_all = range(40)
    for number in take_all:
        harbour.say(number, NOW - timedelta(hours=1, minutes=number))
    take(account, harbour, take_all)
    link = HarbourConnector()
    look = reconciling._Look(account, link, NOW, NOW, lambda: None)
    listed = [reconciling.Listed(one, NOW) for one in harbour.messages]
    with django_assert_num_queries(1):
        assert look.missing(listed) == []
