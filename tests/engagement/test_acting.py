"""Hiding, liking, deleting and blocking on a network: by right, once, in order, and told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Team
from core.models import Event as Happened
from engagement import acting, bell, channels, outbox
from engagement.channels.base import (
    Act,
    AuthFailure,
    PermanentFailure,
    RateReached,
    Target,
    TransientFailure,
)
from engagement.models import ActRecord, ChannelAccount, Health, Interaction
from tests.api import Caller, errors
from tests.engagement.desk import DoubleConnector, double, general, hear, make_account

__all__ = ["double", "general"]
pytestmark = pytest.mark.django_db


class ModeratedConnector(DoubleConnector):
    """A network on which everything can be done; `ends` says how each act ends, then all go well."""

    name = "moderated"
    acts = frozenset(Act)
    done: ClassVar[list[tuple[str, Target]]] = []
    ends: ClassVar[list[Exception]] = []

    def act(self, account: ChannelAccount, act: Act, target: Target) -> None:
        self.done.append((act.value, target))
        if self.ends:
            raise self.ends.pop(0)


@pytest.fixture(autouse=True)
def there(double: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[ModeratedConnector]]:
    monkeypatch.setitem(channels.BUILT_IN, "moderated", "tests.engagement.test_acting:ModeratedConnector")
    monkeypatch.setattr("engagement.tasks.do_act.delay", lambda pk: None)
    channels.connector.cache_clear()
    found: Any = type(channels.connector("moderated"))
    found.done.clear()
    found.ends.clear()
    yield found


@pytest.fixture
def comment(general: Team) -> Interaction:
    """What a customer wrote in public."""
    account = make_account(general, connector="moderated")
    return hear(account, "Buy followers here!", who="spam", public=True).interactions.get()


def do_due() -> None:
    for pk in acting.sweep():
        acting.do(pk)


def test_a_comment_is_hidden_and_shown_again(comment, there, amy) -> None:
    record = acting.ask_for(interaction=comment, act=Act.HIDE, by=amy)
    assert (record.state, there.done) == ("queued", [])
    do_due()
    comment.refresh_from_db()
    assert comment.hidden_at is not None
    (name, target) = there.done[0]
    assert (name, target.external_id, target.public) == ("hide", comment.external_id, True)
    assert target.author is not None
    assert target.author.external_id == "spam"
    assert ActRecord.objects.get().state == "done"
    assert acting.possible(comment, amy) == [Act.LIKE, Act.UNHIDE]
    acting.ask_for(interaction=comment, act=Act.UNHIDE, by=amy)
    do_due()
    comment.refresh_from_db()
    assert comment.hidden_at is None


def test_deleting_takes_the_words_here_too(comment, there, max) -> None:
    acting.ask_for(interaction=comment, act=Act.DELETE, by=max)
    do_due()
    comment.refresh_from_db()
    assert comment.deleted_at is not None
    assert comment.text == ""
    assert acting.possible(comment, max) == []


def test_whoever_is_blocked_once_can_only_be_unblocked_whatever_the_line(comment, there, max) -> None:
    other = hear(comment.account, "And again!", who="spam", public=True, thread="post:2").interactions.get()
    acting.ask_for(interaction=comment, act=Act.BLOCK, by=max)
    do_due()
    assert Act.BLOCK not in acting.possible(other, max)
    assert Act.UNBLOCK in acting.possible(other, max)
    acting.ask_for(interaction=other, act=Act.UNBLOCK, by=max)
    do_due()
    assert Act.BLOCK in acting.possible(comment, max)


def test_an_agent_moderates_and_those_who_lead_remove(comment, amy, max, mia, vic) -> None:
    assert acting.possible(comment, amy) == [Act.LIKE, Act.HIDE]
    assert acting.possible(comment, max) == [Act.LIKE, Act.HIDE, Act.DELETE, Act.BLOCK]
    for somebody, act in ((amy, Act.DELETE), (amy, Act.BLOCK), (mia, Act.HIDE), (vic, Act.LIKE)):
        with pytest.raises(PermissionDenied):
            acting.ask_for(interaction=comment, act=act, by=somebody)


def test_asked_for_twice_it_is_done_once(comment, there, amy) -> None:
    first = acting.ask_for(interaction=comment, act=Act.LIKE, by=amy)
    assert acting.ask_for(interaction=comment, act=Act.LIKE, by=amy) == first
    do_due()
    with pytest.raises(ValidationError):
        acting.ask_for(interaction=comment, act=Act.LIKE, by=amy)
    assert [name for name, _target in there.done] == ["like"]


def test_acts_on_one_line_keep_their_order(comment, there, amy) -> None:
    there.ends.append(TransientFailure("503"))
    acting.ask_for(interaction=comment, act=Act.HIDE, by=amy)
    acting.ask_for(interaction=comment, act=Act.UNHIDE, by=amy)
    do_due()
    assert [name for name, _target in there.done] == ["hide"]
    ActRecord.objects.update(next_try_at=timezone.now())
    do_due()
    assert [name for name, _target in there.done] == ["hide", "hide", "unhide"]
    comment.refresh_from_db()
    assert comment.hidden_at is None


def test_what_a_killed_worker_left_is_done_again(comment, there, amy) -> None:
    acting.ask_for(interaction=comment, act=Act.HIDE, by=amy)
    assert acting._claim(acting.due()) is not None
    assert acting.sweep() == []
    ActRecord.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    do_due()
    assert ActRecord.objects.get().state == "done"


def test_a_refusal_is_told_to_who_asked_and_can_be_tried_again(comment, there, amy) -> None:
    there.ends.append(PermanentFailure("(#10) not allowed", advice="Ask for pages_manage_engagement."))
    acting.ask_for(interaction=comment, act=Act.HIDE, by=amy)
    do_due()
    record = ActRecord.objects.get()
    assert record.failure_text == "(#10) not allowed Ask for pages_manage_engagement."
    told = Happened.objects.filter(type="interaction.acted").latest("id")
    assert f"user:{amy.pk}" in told.channels
    assert acting.shown([record]) == [record]
    (notice,) = bell.not_done(amy, 5)
    assert "Hide" in notice.text
    again = acting.ask_for(interaction=comment, act=Act.HIDE, by=amy)
    do_due()
    assert acting.shown(ActRecord.objects.order_by("-pk")) == []
    assert bell.not_done(amy, 5) == []
    assert again.pk != record.pk


def test_refused_credentials_pause_the_account_and_the_act_waits(comment, there, amy) -> None:
    there.ends.append(AuthFailure("190"))
    acting.ask_for(interaction=comment, act=Act.LIKE, by=amy)
    do_due()
    account = comment.account
    account.refresh_from_db()
    assert account.health == Health.NEEDS_LOGIN
    assert acting.sweep() == []
    ChannelAccount.objects.update(health=Health.HEALTHY)
    outbox.resume_account(account)
    do_due()
    assert ActRecord.objects.get().state == "done"


def test_a_used_up_allowance_makes_it_wait(comment, there, amy) -> None:
    there.ends.append(RateReached("slow", retry_after=90))
    acting.ask_for(interaction=comment, act=Act.LIKE, by=amy)
    do_due()
    record = ActRecord.objects.get()
    assert record.state == "queued"
    assert 85 < (record.next_try_at - timezone.now()).total_seconds() <= 90


def test_a_network_that_cannot_do_it_is_said_to(general, double, amy) -> None:
    plain = hear(make_account(general)).interactions.get()
    assert acting.possible(plain, amy) == []
    with pytest.raises(ValidationError, match="does not let us"):
        acting.ask_for(interaction=plain, act=Act.HIDE, by=amy)


def test_each_act_is_in_the_audit_trail(comment, amy) -> None:
    acting.ask_for(interaction=comment, act=Act.HIDE, by=amy)
    entry = AuditEntry.objects.latest("id")
    assert (entry.verb, entry.detail["act"]) == ("interaction.acted", "hide")


# Pages and API


def test_the_menu_shows_what_one_may_and_the_line_says_what_became_of_it(comment, there, amy) -> None:
    client = Client()
    client.force_login(amy)
    page = client.get(reverse("engagement:act-menu", args=[comment.pk])).content.decode()
    assert "Hide" in page
    assert "Block" not in page
    line = client.post(reverse("engagement:act-do", args=[comment.pk, "hide"])).content.decode()
    assert "on its way" in line
    do_due()
    line = client.get(reverse("engagement:message", args=[comment.pk])).content.decode()
    assert "hidden from others" in line
    refused = client.post(reverse("engagement:act-do", args=[comment.pk, "hide"]))
    assert (refused.status_code, "toast" in refused.headers["HX-Trigger"]) == (204, True)
    assert client.post(reverse("engagement:act-do", args=[comment.pk, "dance"])).status_code == 404


def test_whoever_only_reads_gets_no_menu(comment, vic) -> None:
    client = Client()
    client.force_login(vic)
    assert client.get(reverse("engagement:act-menu", args=[comment.pk])).status_code == 403
    shown = client.get(reverse("engagement:message", args=[comment.pk])).content.decode()
    assert "act-menu" not in shown
    assert f"acts-{comment.pk}" not in shown


def test_acts_over_the_api(comment, there, amy, ada) -> None:
    address, api = f"interactions/{comment.pk}/acts/", Caller(amy, maker=ada)
    made: Any = api.post(address, {"act": "hide"})
    assert (made.status_code, made.json()["state"]) == (201, "queued")
    assert api.post(address, {"act": "hide"}).status_code == 200
    assert api.post(address, {"act": "block"}).status_code == 403
    do_due()
    impossible = api.post(address, {"act": "hide"})
    assert (impossible.status_code, errors(impossible)[0][0]) == (400, "impossible")
    assert errors(api.post(address, {"act": "dance"})) == [("invalid_choice", "act")]
    found: Any = api.get(address)
    (shown,) = found.json()["results"]
    assert (shown["act"], shown["state"]) == ("hide", "done")
