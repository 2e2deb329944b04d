"""Mentions on Mastodon come in whole and once; what is edited or deleted afterwards follows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from django.utils import timezone

from engagement import outbox, pulls
from engagement.channels.base import AuthFailure, Change, Event, RateReached, TransientFailure
from engagement.models import Conversation, Delivery, Interaction, Post, RawEvent
from engagement.replies import reply
from tests.channels.mastodon.mammoth import BOB, EVE, ME


def pulled(link, account):
    return list(link.pull(account))


def events(pages):
    return [one for page in pages for one in page.events if isinstance(one, Event)]


def changes(pages):
    return [one for page in pages for one in page.events if isinstance(one, Change)]


def later(seconds):
    return time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds), tick=True)


def test_a_mention_comes_in_with_its_author(link, account, there):
    own = there.write(EVE, "@shop <where> is it?")
    (event,) = events(pulled(link, account))
    assert (event.external_id, event.text) == (own, "@shop <where> is it?")
    assert (event.author.external_id, event.author.handle) == (EVE, "eve@far.example")
    assert (event.kind, event.public, event.thread_keys) == ("mention", True, (f"post:{own}:{own}",))
    assert event.object_key.startswith("mastodon:https://")


def test_people_of_our_server_are_named_in_full(link, account, there):
    there.write(BOB, "@shop hello")
    (event,) = events(pulled(link, account))
    assert event.author.handle == "bob@mammoth.example"


def test_a_direct_message_is_private_and_goes_by_the_person(link, account, there):
    there.write(BOB, "@shop psst", visibility="direct")
    (event,) = events(pulled(link, account))
    assert (event.public, event.kind, event.thread_keys) == (False, "message", (f"dm:{BOB}",))


def test_everybody_under_a_post_of_ours_has_a_conversation_of_his_own(account, there):
    post = there.write(ME, "We open on Sunday")
    first = there.write(BOB, "@shop Great!", answers=post)
    there.write(EVE, "@shop And on Monday?", answers=post)
    ours = there.write(ME, "@bob See you there", answers=first)
    there.write(BOB, "@shop Yes!", answers=ours)
    pulls.pull_account(account.pk)
    found = Interaction.objects.filter(account=account, direction="inbound")
    assert {one.post.external_id for one in found} == {post}
    assert sorted(Conversation.objects.values_list("count", flat=True)) == [1, 2]


def test_an_answer_of_staff_at_the_server_itself_is_in_its_conversation(account, there):
    own = there.write(BOB, "@shop hello")
    pulls.pull_account(account.pk)
    there.write(ME, "@bob hi", answers=own)
    pulls.pull_account(account.pk)
    (conversation,) = Conversation.objects.all()
    assert list(conversation.interactions.values_list("direction", flat=True).order_by("pk")) == [
        "inbound",
        "outbound",
    ]


def test_a_thread_of_others_is_one_conversation(account, there):
    root = there.write(BOB, "@shop hello")
    there.write(EVE, "@bob @shop me too", answers=root)
    pulls.pull_account(account.pk)
    assert Conversation.objects.get().count == 2


def test_pages_are_walked_forward_by_their_links(link, account, there):
    there.limit = 3
    account.cursor = {"min_id": "0"}
    past = timezone.now() - timedelta(minutes=10)
    ids = [there.write(BOB, f"@shop {number}", at=past) for number in range(10)]
    pages = [page for page in pulled(link, account) if page.events]
    assert [len(page.events) for page in pages] == [3, 3, 3, 1]
    assert [one.external_id for one in events(pages)] == ids
    assert pages[-1].cursor["min_id"] == "10"


def test_a_first_pull_walks_back_as_history_and_then_forward(link, account, there):
    there.limit = 3
    old = account.created_at - timedelta(days=1)
    for number in range(7):
        there.write(BOB, f"@shop {number}", at=old)
    there.write(BOB, "@shop new")
    pages = pulled(link, account)
    assert {one.text for one in events(pages)} >= {f"@shop {number}" for number in range(7)} | {"@shop new"}
    assert [page.history for page in pages if page.events][-1]
    assert "back" not in pages[-1].cursor


def test_a_crash_on_the_way_back_goes_on_where_it_was(link, account, there):
    there.limit = 2
    ids = {there.write(BOB, f"@shop {number}") for number in range(7)}
    walk = link.pull(account)
    first = next(walk)
    walk.close()
    account.cursor = json.loads(json.dumps(dict(first.cursor)))
    assert {one.external_id for one in events([first, *pulled(link, account)])} == ids


def test_only_what_is_new_where_nobody_wants_history(link, account, there):
    there.write(BOB, "@shop old", at=account.created_at - timedelta(days=1))
    there.write(BOB, "@shop new")
    account.settings = {**account.settings, "only_new": True}
    assert [one.text for one in events(pulled(link, account))] == ["@shop new"]


def test_what_the_server_stores_late_is_not_passed_by(link, account, there):
    there.write(BOB, "@shop first")
    account.cursor = {"min_id": "0"}
    cursor = pulled(link, account)[-1].cursor
    assert cursor["min_id"] == "0"
    with later(300):
        account.cursor = dict(cursor)
        cursor = pulled(link, account)[-1].cursor
        assert cursor["min_id"] == "1"
        account.cursor = dict(cursor)
        there.calls.clear()
        pulled(link, account)
        assert there.count("/api/v1/notifications") == 1


def test_what_is_read_twice_is_no_reason_to_ask_again_at_once(account, there):
    for number in range(3):
        there.write(BOB, f"@shop {number}")
        assert not pulls.pull_account(account.pk).more
        account.refresh_from_db()
        assert account.next_pull_at > timezone.now() + timedelta(seconds=30)


def test_two_notifications_of_one_status_are_one_line(account, there):
    own = there.write(BOB, "@shop hello")
    there.notify(there.statuses[own], datetime.now(UTC))
    pulls.pull_account(account.pk)
    assert Interaction.objects.filter(account=account).count() == 1


def test_an_edit_changes_what_we_hold(account, there):
    own = there.write(BOB, "@shop helo")
    pulls.pull_account(account.pk)
    there.edit(own, "@shop hello", at=datetime.now(UTC) + timedelta(seconds=1))
    with later(400):
        pulls.pull_account(account.pk)
    (line,) = Interaction.objects.filter(account=account, direction="inbound")
    assert line.text == "@shop hello" and line.edited_at


@pytest.mark.parametrize("together", [True, False])
def test_a_deletion_is_followed(account, there, together):
    there.gives_together = together
    own, kept = there.write(BOB, "@shop hello"), there.write(EVE, "@shop stays")
    pulls.pull_account(account.pk)
    del there.statuses[own]
    with later(400):
        pulls.pull_account(account.pk)
    gone = {one.external_id: bool(one.deleted_at) for one in Interaction.objects.filter(account=account)}
    assert gone == {own: True, kept: False}
    account.refresh_from_db()
    assert account.cursor["watch"] == [[kept, ""]]


def test_only_the_newest_are_watched(link, account, there):
    for number in range(70):
        there.write(BOB, f"@shop {number}")
    cursor = pulled(link, account)[-1].cursor
    assert len(cursor["watch"]) == 60
    assert cursor["watch"][-1][0] == max(there.statuses, key=int)


def test_where_a_server_gives_them_one_by_one_all_take_turns(account, there):
    there.gives_together = False
    ids = [there.write(BOB, f"@shop {number}") for number in range(50)]
    pulls.pull_account(account.pk)
    for gone in (ids[0], ids[-1]):
        del there.statuses[gone]
    for turn in range(1, 4):
        with later(400 * turn):
            pulls.pull_account(account.pk)
    found = Interaction.objects.filter(account=account, deleted_at__isnull=False)
    assert set(found.values_list("external_id", flat=True)) == {ids[0], ids[-1]}


def test_our_own_answer_comes_back_as_the_same_line(account, there, amy):
    there.write(BOB, "@shop hello")
    pulls.pull_account(account.pk)
    reply(conversation=Conversation.objects.get(), by=amy, text="Hi Bob", client_key=uuid4())
    delivery = Delivery.objects.get()
    outbox.send_delivery(delivery.pk)
    pulls.pull_account(account.pk)
    ours = Interaction.objects.get(direction="outbound")
    assert (ours.text, ours.external_id) == ("Hi Bob", max(there.statuses, key=int))
    assert Conversation.objects.get().count == 2


def test_an_edit_that_came_before_we_read_it_is_marked(link, account, there):
    own = there.write(BOB, "@shop helo")
    there.edit(own, "@shop hello")
    (change,) = [one for one in changes(pulled(link, account)[:1]) if one.kind == "edit"]
    assert (change.external_id, change.text) == (own, "@shop hello")


def test_our_posts_come_with_what_people_did(account, there):
    own = there.write(ME, "We open on Sunday", favourites_count=3, replies_count=2, reblogs_count=1)
    pulls.pull_account(account.pk)
    post = Post.objects.get(account=account, external_id=own)
    assert post.metrics == {"likes": 3, "comments": 2, "shares": 1}
    assert (post.text, post.media) == ("We open on Sunday", "text")


def test_warning_poll_and_pictures_are_kept(link, account, there):
    there.write(
        BOB,
        "@shop which?",
        spoiler_text="About food",
        poll={"options": [{"title": "Tea"}, {"title": "Cake"}]},
        media_attachments=[
            {"id": "1", "type": "image", "url": "https://files.example/a/b.png"},
            {"id": "2", "type": "unknown", "url": None, "remote_url": "https://far.example/c.mp4"},
            {"id": "3", "type": "video", "url": None},
        ],
    )
    (event,) = events(pulled(link, account))
    assert event.text == "About food\n\n@shop which?\n\n- Tea\n- Cake"
    assert [(one.name, one.content_type, bool(one.url)) for one in event.files] == [
        ("b.png", "image/png", True),
        ("c.mp4", "video/mp4", True),
        ("video-3", "video/mp4", False),
    ]
    assert event.files[2].note


def test_what_cannot_be_understood_is_parked_and_the_others_come_in(account, there):
    broken, fine = there.write(BOB, "@shop broken"), there.write(EVE, "@shop fine")
    there.statuses[broken] = there.statuses[broken]
    del there.statuses[broken]["content"]
    pulls.pull_account(account.pk)
    assert [one.external_id for one in Interaction.objects.filter(account=account)] == [fine]
    (raw,) = RawEvent.objects.filter(account=account)
    assert "content" in raw.error
    assert json.loads(bytes(raw.body))["notification"]["status"]["id"] == broken


def test_a_parked_item_is_understood_once_it_can_be(link, account, there):
    post = there.write(ME, "We open")
    there.write(BOB, "@shop hello", answers=post)
    body = {"notification": there.notifications[0], "ancestors": [[post, ME]]}
    raw = RawEvent(account=account, source=f"mastodon:{account.pk}", body=json.dumps(body).encode())
    ((event,),) = [parcel.events for parcel in link.parse(raw)]
    assert [event] == events(pulled(link, account))


def test_strange_texts_and_names_are_stored(account, there):
    there.write(BOB, "@shop \x00 \ud83d " + "long " * 200_000)
    own = there.write(EVE, "@shop anonymous")
    there.statuses[own]["account"] = {"id": EVE}
    pulls.pull_account(account.pk)
    assert Interaction.objects.filter(account=account).count() == 2
    assert not any("\x00" in one.text for one in Interaction.objects.filter(account=account))


def test_an_answer_to_what_we_never_saw_comes_in(account, there):
    own = there.write(BOB, "@shop hello")
    there.statuses[own] |= {"in_reply_to_id": "99999", "in_reply_to_account_id": EVE}
    pulls.pull_account(account.pk)
    assert Interaction.objects.filter(account=account).count() == 1


def test_a_time_in_the_future_is_parked(account, there):
    there.write(BOB, "@shop later", at=datetime.now(UTC) + timedelta(days=40))
    pulls.pull_account(account.pk)
    assert RawEvent.objects.filter(account=account, state="parked").count() == 1


# When the server is not well


def test_a_page_that_comes_again_ends_the_walk(account, there):
    account.cursor = {"min_id": "0"}
    account.save()
    there.write(BOB, "@shop hello", at=datetime.now(UTC) - timedelta(hours=1))
    there.fail(200, there.notifications, path="notifications", times=5)
    found = pulls.pull_account(account.pk)
    account.refresh_from_db()
    assert "repeats a page" in found.failure and account.health_text == found.failure
    assert Interaction.objects.filter(account=account).count() == 1


def test_a_way_back_that_goes_in_circles_ends(link, account, there):
    there.write(BOB, "@shop hello")
    there.fail(200, there.notifications, path="notifications", times=5)
    with pytest.raises(TransientFailure, match="repeats"):
        pulled(link, account)


def test_pages_without_end_end(link, account, there):
    account.cursor = {"min_id": "0"}
    there.write(BOB, "@shop hello")
    for number in range(310):
        there.fail(200, [{**there.notifications[0], "id": str(number + 1)}], path="notifications")
    with pytest.raises(TransientFailure, match="no end"):
        pulled(link, account)


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ((401, {"error": "The access token is invalid"}), AuthFailure),
        ((429, {"error": "Too many requests"}), RateReached),
        ((200, "{not json"), TransientFailure),
        ((200, {"error": "oops"}), TransientFailure),
        ((200, {"some": "object"}), TransientFailure),
    ],
)
def test_each_trouble_means_what_follows_from_it(link, account, there, fault, failure):
    there.fail(*fault, path="notifications")
    with pytest.raises(failure):
        pulled(link, account)


def test_the_end_of_the_wait_is_read_as_a_date_or_as_a_number(link, account, there):
    ends = datetime.now(UTC) + timedelta(seconds=120)
    for reset in (f"{ends:%Y-%m-%dT%H:%M:%S}.000Z", str(int(ends.timestamp()))):
        headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
        there.fail(429, {"error": "Too many requests"}, headers=headers, path="notifications")
        with pytest.raises(RateReached) as raised:
            pulled(link, account)
        assert 100 < raised.value.retry_after <= 121


def test_a_server_that_leads_to_a_private_address_is_not_followed(link, account, there, settings):
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = []
    with pytest.raises(Exception, match="private") as raised:
        pulled(link, account)
    assert there.calls == [] and "our-token" not in str(raised.value)
