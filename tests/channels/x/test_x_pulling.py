"""Mentions and direct messages of X come in whole: page by page, after a crash, and at the pace X allows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine

from engagement import outbox, pulls
from engagement.channels.base import AuthFailure, Change, Event, RateReached, TransientFailure
from engagement.channels.x.ids import id_at, moment_of, with_overlap
from engagement.models import Conversation, Delivery, Interaction, Post, RawEvent
from engagement.replies import reply
from tests.channels.x.chirper import BOB, EVE, ME


def pulled(link, account):
    return list(link.pull(account))


def texts(pages):
    return [one.text for page in pages for one in page.events if isinstance(one, Event)]


def test_a_mention_comes_in_with_its_author(link, account, there):
    own = there.write(EVE, "Hey @ExampleUser, where is it &amp; when? https://t.co/abc",
                      entities={"urls": [{"start": 0, "end": 1, "url": "https://t.co/abc",
                                          "expanded_url": "https://shop.example/1"}]})  # fmt: skip
    (event,) = pulled(link, account)[0].events
    assert event.external_id == own
    assert event.text == "Hey @ExampleUser, where is it & when? https://shop.example/1"
    assert (event.author.external_id, event.author.handle, event.author.name) == (EVE, "eve", "Eve & Co")
    assert (event.kind, event.public, event.direction) == ("mention", True, "inbound")
    assert event.thread_keys == (f"post:{own}:{EVE}",)
    assert event.object_key == f"x:{own}"


def test_a_reply_to_our_post_hangs_on_it(link, account, there):
    post = there.write(ME, "We open on Sunday")
    reply = there.write(BOB, "Great!", answers=post)
    (event,) = pulled(link, account)[0].events
    assert (event.kind, event.in_reply_to, event.post.external_id) == ("comment", post, post)
    assert event.external_id == reply


def test_everybody_under_a_post_has_a_conversation_and_each_goes_on_with_it(account, there):
    post = there.write(ME, "We open on Sunday")
    first = there.write(BOB, "Great!", answers=post)
    there.write(EVE, "And on Monday?", answers=post)
    ours = there.write(ME, "See you there", answers=first)
    there.write(BOB, "Yes!", answers=ours)
    pulls.pull_account(account.pk)
    assert sorted(Conversation.objects.values_list("count", flat=True)) == [1, 2]


def test_pages_are_followed_to_the_last(link, account, there):
    there.size = 5
    for number in range(23):
        there.write(BOB, f"@ExampleUser {number}")
    pages = [page for page in pulled(link, account) if page.events]
    assert [len(page.events) for page in pages] == [5, 5, 5, 5, 3]
    assert [page.more for page in pages] == [True, True, True, True, False]


def test_the_cursor_moves_only_at_the_end_and_a_crash_goes_on_where_it_was(link, account, there):
    there.size = 2
    ids = [there.write(BOB, f"@ExampleUser {number}") for number in range(5)]
    walk = link.pull(account)
    first = next(walk)
    walk.close()
    assert first.cursor.get("since", "") == "" and first.cursor["token"]
    account.cursor = dict(first.cursor)
    rest = pulled(link, account)
    assert {one.external_id for page in [first, *rest] for one in page.events} == set(ids)
    assert rest[-1].cursor["since"] == ids[-1]


def test_a_forgotten_page_token_begins_the_walk_anew(link, account, there):
    there.write(BOB, "@ExampleUser hello")
    account.cursor = {"token": "page-token-00000099", "newest": "", "since": ""}
    there.fail(400, {"title": "Invalid Request", "detail": "pagination_token"}, path="mentions")
    assert texts(pulled(link, account)) == ["@ExampleUser hello"]


def test_what_x_lists_late_is_read_in_the_overlap(link, account, there):
    now = datetime.now(UTC)
    there.write(BOB, "@ExampleUser newest", at=now)
    account.cursor = dict(pulled(link, account)[-1].cursor)
    there.write(EVE, "@ExampleUser late", at=now - timedelta(minutes=5))
    assert "@ExampleUser late" in texts(pulled(link, account))


def test_ids_tell_their_time():
    moment = datetime(2026, 7, 24, 21, 23, 23, tzinfo=UTC)
    assert abs(moment_of("2080765813578191303") - moment) < timedelta(seconds=2)
    assert moment_of(id_at(moment)) == moment
    assert moment_of(with_overlap(id_at(moment))) == moment - timedelta(minutes=10)


def test_only_what_is_new_where_nobody_wants_history(link, account, there):
    old = account.created_at - timedelta(days=2)
    there.write(BOB, "@ExampleUser old", at=old)
    there.message(BOB, "old too", at=old)
    there.write(BOB, "@ExampleUser new")
    there.message(BOB, "new too")
    account.settings = {"only_new": True}
    assert texts(pulled(link, account)) == ["@ExampleUser new", "new too"]
    account.settings = {}
    assert len(texts(pulled(link, account))) == 4


def test_old_pages_are_history(link, account, there):
    there.write(BOB, "@ExampleUser old", at=account.created_at - timedelta(days=2))
    assert pulled(link, account)[0].history


def test_direct_messages_come_with_our_own(link, account, there):
    there.message(BOB, "Hello &lt;there&gt;")
    there.message(ME, "Hi Bob", to=BOB)
    ours, theirs = [one for page in pulled(link, account) for one in page.events]
    assert (theirs.text, theirs.direction, theirs.thread_keys) == ("Hello <there>", "inbound", (f"dm:{BOB}",))
    assert (ours.direction, ours.author, ours.thread_keys) == ("outbound", None, (f"dm:{BOB}",))
    assert theirs.external_id.startswith("dm:") and not theirs.public


def test_our_own_message_comes_back_as_the_same_line(account, there, amy):
    there.message(BOB, "Hello")
    pulls.pull_account(account.pk)
    reply(conversation=Conversation.objects.get(), by=amy, text="Hi Bob", client_key=uuid4())
    outbox.send_delivery(Delivery.objects.get().pk)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=70), tick=True):
        pulls.pull_account(account.pk)
    assert there.count("/2/dm_events") == 2
    ours = Interaction.objects.get(direction="outbound")
    assert (ours.text, ours.external_id) == ("Hi Bob", f"dm:{there.messages[-1]['id']}")
    assert Conversation.objects.get().count == 2


def test_a_group_is_a_thread_of_its_own(link, account, there):
    there.message(BOB, "Hi all", dm_conversation_id="77", participant_ids=[ME, BOB, EVE])
    there.message(EVE, "Hi!", dm_conversation_id="77", participant_ids=[ME, BOB, EVE])
    keys = {one.thread_keys for page in pulled(link, account) for one in page.events}
    assert keys == {("dm:group:77",)}


def test_messages_are_walked_to_what_is_known(link, account, there):
    there.size = 3
    for number in range(7):
        there.message(BOB, f"m{number}", at=datetime.now(UTC) - timedelta(hours=10 - number))
    first = pulled(link, account)
    assert len(texts(first)) == 7
    account.cursor = {**first[-1].cursor, "dm_after": 0}
    there.message(BOB, "m7")
    there.calls.clear()
    assert texts(pulled(link, account))[0] == "m7"
    assert there.count("/2/dm_events") == 1


def test_messages_are_asked_at_the_pace_x_allows(link, account, there):
    account.cursor = dict(pulled(link, account)[-1].cursor)
    there.calls.clear()
    pulled(link, account)
    assert there.count("/2/dm_events") == 0
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=70), tick=True):
        pulled(link, account)
    assert there.count("/2/dm_events") == 1


def test_messages_that_x_holds_back_hold_nothing_else_back(link, account, there):
    there.write(BOB, "@ExampleUser hello")
    there.fail(429, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}, path="dm_events",
               headers={"x-rate-limit-remaining": "0", "Retry-After": "600"})  # fmt: skip
    pages = pulled(link, account)
    assert texts(pages) == ["@ExampleUser hello"]
    assert pages[-1].cursor["dm_after"] >= datetime.now(UTC).timestamp() + 590


def test_the_last_allowed_page_of_messages_is_kept_for_later(link, account, there):
    there.size = 2
    for number in range(5):
        there.message(BOB, f"m{number}")
    there.headers = {"x-rate-limit-limit": "15", "x-rate-limit-remaining": "0",
                     "x-rate-limit-reset": str(int(datetime.now(UTC).timestamp()) + 500)}  # fmt: skip
    pages = pulled(link, account)
    assert len(texts(pages)) == 2
    there.headers = {}
    account.cursor = {**pages[-1].cursor, "dm_after": 0}
    assert len(texts(pulled(link, account))) == 3


def test_an_account_without_messages_is_not_asked_for_them(link, account, there):
    account.scopes = ["tweet.read", "users.read"]
    pulled(link, account)
    assert there.count("/2/dm_events") == 0


def test_an_edit_changes_what_we_hold(link, account, there):
    first = there.write(BOB, "@ExampleUser helo")
    there.write(BOB, "@ExampleUser hello", edits=first)
    event, change = pulled(link, account)[0].events
    assert event.external_id == first
    assert isinstance(change, Change) and (change.external_id, change.kind) == (first, "edit")
    assert change.text == "@ExampleUser hello"


def test_an_edit_reaches_the_line_that_is_stored(account, there):
    first = there.write(BOB, "@ExampleUser helo")
    pulls.pull_account(account.pk)
    there.write(BOB, "@ExampleUser hello", edits=first, at=datetime.now(UTC) + timedelta(seconds=2))
    pulls.pull_account(account.pk)
    (line,) = Interaction.objects.filter(account=account)
    assert line.text == "@ExampleUser hello" and line.edited_at


def test_our_posts_come_with_what_people_did(account, there):
    metrics = {"like_count": 3, "reply_count": 2, "repost_count": 1, "quote_count": 0, "bookmark_count": 5,
               "impression_count": 99}  # fmt: skip
    own = there.write(ME, "We open on Sunday", public_metrics=metrics)
    pulls.pull_account(account.pk)
    post = Post.objects.get(account=account, external_id=own)
    assert post.metrics == {"likes": 3, "comments": 2, "shares": 1, "quotes": 0, "saves": 5, "views": 99}
    assert (post.text, post.media) == ("We open on Sunday", "text")


def test_posts_that_cannot_be_had_stop_nothing(link, account, there):
    there.write(BOB, "@ExampleUser hello")
    there.fail(403, {"title": "Forbidden"}, path="/tweets", times=5)
    assert texts(pulled(link, account)) == ["@ExampleUser hello"]


def test_the_elder_words_are_understood(link, account, there):
    there.elder_words = True
    post = there.write(ME, "We open on Sunday")
    there.write(BOB, "Great!", answers=post)
    (event,) = pulled(link, account)[0].events
    assert (event.kind, event.in_reply_to) == ("comment", post)


def test_a_page_without_data_is_empty(link, account, there):
    assert texts(pulled(link, account)) == []


def test_an_answer_of_200_that_holds_an_error_is_one(link, account, there):
    there.fail(200, {"errors": [{"title": "Over capacity", "detail": "Try later"}]}, path="mentions")
    with pytest.raises(TransientFailure, match="Try later"):
        pulled(link, account)


def test_errors_beside_good_data_lose_nothing(link, account, there):
    own = there.write(BOB, "@ExampleUser hello")
    body = {"data": [there.posts[own]], "meta": {"result_count": 1},
            "errors": [{"title": "Not Found Error", "detail": "Could not find user"}]}  # fmt: skip
    there.fail(200, body, path="mentions")
    (event,) = pulled(link, account)[0].events
    assert event.author.external_id == BOB and event.author.name == ""


def test_something_that_is_no_json_is_tried_again_later(link, account, there):
    there.fail(200, "<html>over capacity</html>", path="mentions")
    with pytest.raises(TransientFailure):
        pulled(link, account)


def test_a_token_that_comes_again_ends_the_walk(account, there):
    own = there.write(BOB, "@ExampleUser hello")
    other = there.write(EVE, "@ExampleUser hello again")
    for number, post in enumerate((own, other, own)):
        body = {"data": [there.posts[post]], "meta": {"next_token": f"token-{number % 2}"}}
        there.fail(200, body, path="mentions")
    found = pulls.pull_account(account.pk)
    account.refresh_from_db()
    assert "repeats a page" in found.failure and "repeats a page" in account.health_text
    assert Interaction.objects.filter(account=account).count() == 2


def test_a_page_that_comes_again_ends_the_walk(link, account, there):
    own = there.write(BOB, "@ExampleUser hello")
    for number in range(3):
        body = {"data": [there.posts[own]], "meta": {"next_token": f"token-{number}"}}
        there.fail(200, body, path="mentions")
    with pytest.raises(TransientFailure, match="same items"):
        pulled(link, account)


def test_pages_without_end_end(link, account, there):
    for number in range(70):
        body = {"data": [{**there.posts[there.write(BOB, f"@ExampleUser {number}")]}],
                "meta": {"next_token": f"token-{number}"}}  # fmt: skip
        there.fail(200, body, path="mentions")
    with pytest.raises(TransientFailure, match="no end"):
        pulled(link, account)


@pytest.mark.parametrize("missing", ["author_id", "created_at", "text", "id"])
def test_a_post_that_cannot_be_understood_is_parked_and_the_others_come_in(account, there, missing):
    broken = there.write(BOB, "@ExampleUser broken")
    there.write(EVE, "@ExampleUser fine")
    post = there.posts[broken]
    body = {"data": [{name: value for name, value in post.items() if name not in (
        missing, "edit_history_post_ids")}, there.posts[max(there.posts)]],
        "includes": {"users": list(there.users.values())}, "meta": {"result_count": 2}}  # fmt: skip
    there.fail(200, body, path="mentions")
    pulls.pull_account(account.pk)
    assert [one.text for one in Interaction.objects.filter(account=account)] == ["@ExampleUser fine"]
    (raw,) = RawEvent.objects.filter(account=account)
    assert missing in raw.error
    assert json.loads(bytes(raw.body))["post"]


def test_a_parked_item_is_understood_once_it_can_be(link, account, there):
    there.write(BOB, "@ExampleUser hello")
    body = json.dumps({"post": there.posts[max(there.posts)], "includes": {"users": [there.users[BOB]]}})
    raw = RawEvent(account=account, source=f"x:{account.pk}", body=body.encode())
    ((event,),) = [parcel.events for parcel in link.parse(raw)]
    assert (event.text, event.author.handle) == ("@ExampleUser hello", "bob")


def test_strange_text_is_stored(account, there):
    there.write(BOB, "@ExampleUser \x00 \ud83d lone " + "long " * 100_000)
    pulls.pull_account(account.pk)
    (line,) = Interaction.objects.filter(account=account)
    assert "\x00" not in line.text and line.text.startswith("@ExampleUser")


def test_a_time_in_the_future_is_parked(account, there):
    there.write(BOB, "@ExampleUser later", at=datetime.now(UTC) + timedelta(days=40))
    pulls.pull_account(account.pk)
    assert not Interaction.objects.filter(account=account).exists()
    assert RawEvent.objects.filter(account=account, state="parked").count() == 1


def test_a_refused_token_and_a_used_up_allowance_are_told_apart(link, account, there):
    there.fail(401, {"title": "Unauthorized"}, path="mentions")
    with pytest.raises(AuthFailure):
        pulled(link, account)
    there.fail(429, {"title": "Too Many Requests"}, path="mentions", headers={"Retry-After": "77"})
    with pytest.raises(RateReached) as raised:
        pulled(link, account)
    assert raised.value.retry_after == 77


def test_an_ended_token_is_renewed_and_the_pull_goes_on(account, there):
    there.write(BOB, "@ExampleUser hello")
    there.grant.access = "another"
    pulls.pull_account(account.pk)
    account.refresh_from_db()
    assert account.health == "healthy"
    assert account.credentials["access_token"] == there.grant.access
    assert Interaction.objects.filter(account=account).count() == 1
