"""A Page that is read: posts, comments and messages, page after page, and nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from engagement import pulls
from engagement.channels.base import AuthFailure, TransientFailure
from engagement.models import ChannelAccount, Conversation, Health, Interaction, Post, RawEvent
from engagement.raw_events import understand_one
from tests.channels.facebook.accounts import link, new_account
from tests.channels.facebook.graph import PAGE, MetaPlatform, days, error, stamp

pytestmark = pytest.mark.django_db


def now() -> datetime:
    return timezone.now().replace(microsecond=0)


def pull(account: ChannelAccount) -> ChannelAccount:
    ChannelAccount.objects.filter(pk=account.pk).update(closed_until=None, pull_lease_until=None)
    pulls.pull_account(account.pk)
    account.refresh_from_db()
    return account


def texts() -> set[str]:
    return set(Interaction.objects.values_list("text", flat=True))


def test_everything_of_a_page_comes_in_once(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    post = meta.add_post(now() - days(3))
    for number in range(5):
        meta.add_comment(post, now() - days(2) + timedelta(minutes=number), f"comment {number}")
    for number in range(7):
        meta.add_message("7", now() - days(1) + timedelta(minutes=number), f"message {number}")
    account = pull(account)
    assert texts() == {*(f"comment {n}" for n in range(5)), *(f"message {n}" for n in range(7))}
    assert account.health == Health.HEALTHY and "run" not in account.cursor and account.cursor["since"]
    pull(account)
    assert Interaction.objects.count() == 12
    stored = Post.objects.get()
    assert stored.metrics == {"likes": 7, "comments": 5, "shares": 3} and stored.media == "image"


def test_answers_hang_on_their_comment_however_deep(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    post = meta.add_post(now() - days(3))
    top = meta.add_comment(post, now() - timedelta(minutes=30), "top")
    below = meta.add_comment(post, now() - timedelta(minutes=20), "below", parent=top)
    meta.page_size = 50
    pull(account)
    meta.add_comment(post, now() - timedelta(minutes=5), "deep", parent=below)
    pull(account)
    assert Conversation.objects.count() == 1


def test_our_own_comments_and_messages_are_outbound(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    post = meta.add_post(now() - days(1))
    meta.add_comment(post, now() - timedelta(hours=2), "ours", by=PAGE)
    meta.add_message("7", now() - timedelta(hours=1), "ours too", ours=True)
    pull(account)
    assert set(Interaction.objects.values_list("direction", flat=True)) == {"outbound"}


def test_a_pull_that_was_cut_off_goes_on_where_it_was(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    post = meta.add_post(now() - days(3))
    for number in range(6):
        meta.add_comment(post, now() - days(2) + timedelta(minutes=number), f"comment {number}")
    pages = link("facebook").pull(account)
    first = next(pages)
    pulls.store_page(account, first)
    second = next(pages)
    pulls.store_page(account, second)
    asked = meta.count(f"/{post}/comments")
    assert first.more and second.more and asked == 1
    pull(account)
    assert meta.count(f"/{PAGE}/feed") == 1, "the walk does not begin anew"
    assert texts() == {f"comment {n}" for n in range(6)}


def test_what_is_older_than_the_connection_is_history(meta: MetaPlatform) -> None:
    account = new_account("facebook", created_at=now() - timedelta(hours=1))
    meta.add_message("7", now() - days(20), "long ago")
    meta.add_message("8", now() - timedelta(minutes=5), "just now")
    meta.page_size = 50
    pull(account)
    states = dict(Conversation.objects.values_list("last_text", "status"))
    assert states == {"long ago": "resolved", "just now": "open"}


def test_only_new_leaves_out_what_was_said_before(meta: MetaPlatform) -> None:
    account = new_account("facebook", created_at=now() - timedelta(hours=1), settings={"only_new": True})
    meta.add_message("7", now() - days(2), "before")
    meta.add_message("8", now() - timedelta(minutes=5), "after")
    pull(account)
    assert texts() == {"after"}


def test_the_next_pull_overlaps_and_asks_nothing_old(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    old = meta.add_post(now() - days(20))
    meta.add_comment(old, now() - days(19), "old")
    account = pull(account)
    asked = meta.count("/comments")
    late = meta.add_message("7", now() - timedelta(minutes=3), "a little late")
    pull(account)
    assert meta.count("/comments") == asked, "a post that nobody touched is not read again"
    assert Interaction.objects.filter(external_id=late).exists()


def test_a_list_that_goes_in_circles_ends_and_is_told(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    post = meta.add_post(now() - days(1))
    meta.add_comment(post, now() - timedelta(minutes=9), "one")
    circle = {
        "data": [{"id": "9_1", "message": "again", "created_time": stamp(now()), "from": {"id": "5"}}],
        "paging": {"cursors": {"after": "same"}, "next": "https://graph/next?after=same"},
    }
    meta.fail(200, circle, times=50, path=f"/{post}/comments")
    account = pull(account)
    assert account.health == Health.FAILING and "again and again" in account.health_text
    assert meta.count(f"/{post}/comments") <= 3


def test_a_list_that_goes_on_without_saying_where_is_not_cut_short(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    meta.fail(200, {"data": [], "paging": {"next": "https://graph/next"}}, path=f"/{PAGE}/feed")
    assert "not where" in pull(account).health_text


def test_an_item_that_cannot_be_understood_is_parked_and_can_be_replayed(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    post = meta.add_post(now() - days(1))
    meta.add_comment(post, now() - timedelta(minutes=9), "good")
    meta.add_comment(post, now() - timedelta(minutes=8), "nobody", **{"from": None})
    pull(account)
    parked = RawEvent.objects.get()
    assert texts() == {"good"} and "from is missing" in parked.error
    body = bytes(parked.body).replace(b'"from": null', b'"from": {"id": "44", "name": "Ann"}')
    RawEvent.objects.filter(pk=parked.pk).update(body=body, state="new")
    understand_one(parked.pk)
    assert texts() == {"good", "nobody"}


def test_a_dead_token_asks_for_a_login(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    meta.tokens.clear()
    account = pull(account)
    assert account.health == Health.NEEDS_LOGIN
    assert "Session has expired" in account.health_text and "page-token" not in account.health_text


def test_an_error_inside_an_answer_of_200_is_an_error(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    meta.fail(200, error(2, text="Service temporarily unavailable")[1], path=f"/{PAGE}/feed")
    with pytest.raises(TransientFailure, match="temporarily"):
        next(link("facebook").pull(account))
    meta.fail(200, error(190)[1], path=f"/{PAGE}/feed")
    with pytest.raises(AuthFailure):
        next(link("facebook").pull(account))


def test_a_comparison_lists_what_customers_said_in_the_window(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    since, until = now() - days(3), now() - days(1)
    post = meta.add_post(now() - days(10))
    inside = meta.add_comment(post, since + timedelta(hours=1), "inside")
    meta.add_comment(post, until + timedelta(hours=1), "after")
    meta.add_comment(post, since - timedelta(hours=1), "before")
    meta.add_comment(post, since + timedelta(hours=2), "ours", by=PAGE)
    message = meta.add_message("7", since, "at its very beginning")
    meta.add_message("8", until, "at its very end")
    listed = [one for found in link("facebook").list_window(account, since, until) for one in found]
    assert {one.external_id for one in listed} == {inside, message}
    assert all(one.event is not None and since <= one.at < until for one in listed)


def test_what_was_deleted_is_told_apart_from_what_cannot_be_asked(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    post = meta.add_post(now() - days(1))
    there = meta.add_comment(post, now(), "there")
    assert list(link("facebook").gone(account, [there, "900_77", "m_5"])) == ["900_77"]
    meta.tokens.clear()
    with pytest.raises(AuthFailure):
        link("facebook").gone(account, ["900_77"])


def test_a_mention_that_was_only_named_is_fetched(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    at = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    author = {"id": "9", "name": "Bo"}
    meta.things["555_666"] = {"message": "Thanks @Shop", "created_time": stamp(at), "from": author}
    page = link("facebook").fetch(account, ["mention:555_1:555_666", "mention:555_1:555_667"])
    (event,) = page.events
    assert (event.external_id, event.text, event.author.name) == ("555_666", "Thanks @Shop", "Bo")
    assert event.thread_keys == ("post:555_1:555_666",)
