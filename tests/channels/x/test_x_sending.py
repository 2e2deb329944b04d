"""Answers at X, what we do to posts, and whether one of ours is there already."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from engagement.channels.base import (
    Act,
    AuthFailure,
    Author,
    File,
    PermanentFailure,
    PermissionMissing,
    RateReached,
    Target,
    TransientFailure,
    Uncertain,
)
from engagement.channels.x.connector import XConnector
from engagement.channels.x.counting import weighted_length
from tests.channels.x.chirper import BOB, ME


def target(external_id, *, direction="inbound", public=True, author=BOB):
    return Target(external_id, Author(author) if author else None, public, "mention", direction)


# Sending


def test_an_answer_is_a_reply_to_what_was_said(link, there, outgoing):
    post = there.write(BOB, "@ExampleUser hello")
    sent = link.send(outgoing("Hi Bob", answers=post))
    assert there.posts[sent.external_id]["referenced_posts"] == [{"type": "replied_to", "id": post}]


def test_in_a_conversation_that_ended_in_private_the_last_post_is_answered(link, there, outgoing):
    post = there.write(BOB, "@ExampleUser hello")
    sent = link.send(outgoing("Hi", answers="dm:5", references=("4", post, "dm:5")))
    assert there.posts[sent.external_id]["referenced_posts"] == [{"type": "replied_to", "id": post}]
    with pytest.raises(PermanentFailure):
        link.send(outgoing("Hi", answers="dm:5"))


def test_a_direct_message_goes_to_the_person(link, there, outgoing):
    sent = link.send(outgoing("Hi Bob", public=False))
    assert sent.external_id == f"dm:{there.messages[0]['id']}"
    assert there.messages[0]["text"] == "Hi Bob"


def test_an_answer_in_a_group_goes_to_the_group(link, there, outgoing):
    link.send(outgoing("Hi all", public=False, thread_key="dm:group:77"))
    assert there.messages[0]["dm_conversation_id"] == "77"


def test_pictures_are_put_there_first(link, there, outgoing):
    post = there.write(BOB, "@ExampleUser hello")
    files = [File("a.png", "image/png", content=b"one"), File("b.gif", "image/gif", content=b"two")]
    link.send(outgoing("Look", answers=post, files=files))
    body = next(call.json for call in there.calls if call.path == "/2/tweets")
    assert body["media"]["media_ids"] == list(there.media)
    assert [one["media_category"] for one in there.media.values()] == ["tweet_image", "tweet_gif"]
    link.send(outgoing("", public=False, files=files[:1]))
    assert list(there.media.values())[-1]["media_category"] == "dm_image"


def test_who_did_not_ask_gets_no_answer_and_the_agent_reads_why(link, there, outgoing):
    there.summoned_only = True
    ours = there.write(ME, "We open on Sunday")
    post = there.write(BOB, "Great!", answers=ours)
    with pytest.raises(PermanentFailure, match="not been mentioned") as raised:
        link.send(outgoing("See you", answers=post))
    assert "mention this account" in raised.value.advice


def test_the_same_words_again_are_refused_for_good(link, there, outgoing):
    post = there.write(BOB, "@ExampleUser hello")
    link.send(outgoing("Thanks!", answers=post))
    with pytest.raises(PermanentFailure, match="duplicate") as raised:
        link.send(outgoing("Thanks!", answers=post))
    assert "differently" in raised.value.advice


@pytest.mark.parametrize(
    ("answer", "failure", "advice"),
    [
        ((403, {"errors": [{"code": 187, "message": "Status is a duplicate."}]}),
         PermanentFailure, "differently"),
        ((403, {"errors": [{"code": 385, "message": "Deleted."}]}),
         PermanentFailure, "direct message"),
        ((403, {"errors": [{"code": 186, "message": "Too long."}]}),
         PermanentFailure, "Shorten"),
        ((403, {"errors": [{"code": 326, "message": "Locked."}]}),
         AuthFailure, "unlock"),
        ((403, {"errors": [{"code": 64, "message": "Suspended."}]}),
         AuthFailure, "suspended"),
        ((403, {"type": "https://api.x.com/2/problems/client-forbidden", "title": "Client Forbidden"}),
         PermissionMissing, "console"),
        ((401, {"title": "Unauthorized"}),
         AuthFailure, "Connect"),
        ((402, {"title": "CreditsDepleted"}),
         TransientFailure, "credit"),
        ((404, {"title": "Not Found Error"}),
         PermanentFailure, "deleted"),
        ((400, {"title": "Invalid Request", "detail": "text is too long"}),
         PermanentFailure, ""),
        ((429, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}),
         RateReached, ""),
        ((429, {"type": "https://api.x.com/2/problems/usage-capped", "title": "UsageCapExceeded"}),
         RateReached, "plan"),
        ((503, {"title": "Service Unavailable"}),
         TransientFailure, ""),
        ((500, {"title": "Internal Server Error"}),
         Uncertain, ""),
        ((200, {"errors": [{"message": "No."}]}),
         PermanentFailure, ""),
        ((201, {"data": {"text": "no id"}}),
         Uncertain, ""),
        ((201, "<html>"),
         Uncertain, ""),
        ((0, None),
         Uncertain, ""),
    ],
)  # fmt: skip
def test_each_refusal_means_what_follows_from_it(there, outgoing, answer, failure, advice):
    link = XConnector()
    post = there.write(BOB, "@ExampleUser hello")
    there.fail(*answer, path="/2/tweets", method="POST")
    with pytest.raises(failure) as raised:
        link.send(outgoing("Hi", answers=post))
    assert advice in raised.value.advice
    assert type(raised.value) is failure or failure in (AuthFailure,)


def test_somebody_who_takes_no_messages(link, there, outgoing):
    there.blocked.add(BOB)
    with pytest.raises(PermanentFailure) as raised:
        link.send(outgoing("Hi", public=False))
    assert "in public" in raised.value.advice


def test_a_picture_that_did_not_arrive_may_be_tried_again(link, there, outgoing):
    there.fail(path="/2/media")
    with pytest.raises(TransientFailure):
        link.send(outgoing("Look", public=False, files=[File("a.png", "image/png", content=b"one")]))


# Read back


def test_an_answer_whose_answer_was_lost_is_found(link, there, outgoing):
    post = there.write(BOB, "@ExampleUser hello")
    ours = outgoing("Tea & cake <now>", answers=post)
    there.fail(path="/2/tweets", method="POST", after=True)
    with pytest.raises(Uncertain):
        link.send(ours)
    found = link.find_sent(ours)
    assert found is not None and there.posts[found.external_id]["text"] == "Tea & cake <now>"


def test_an_answer_that_never_arrived_is_not_found(link, there, outgoing):
    post = there.write(BOB, "@ExampleUser hello")
    other = there.write(BOB, "@ExampleUser and")
    there.write(ME, "Hi Bob", answers=other)
    there.write(ME, "Something else", answers=post)
    assert link.find_sent(outgoing("Hi Bob", answers=post)) is None


def test_a_message_is_found_but_not_an_elder_one_of_the_same_words(link, there, outgoing):
    there.message(ME, "Yes", to=BOB, at=timezone.now() - timedelta(minutes=5))
    there.message(BOB, "Yes")
    ours = outgoing("Yes", public=False)
    assert link.find_sent(ours) is None
    sent = link.send(ours)
    assert link.find_sent(ours) == sent


def test_it_cannot_be_said_while_x_is_away(link, there, outgoing):
    there.fail(503, {}, times=9)
    with pytest.raises(TransientFailure):
        link.find_sent(outgoing("Hi", answers="1"))


# Acts


def test_what_we_do_to_posts_and_messages(link, account, there):
    post = there.write(BOB, "@ExampleUser hello")
    for _twice in range(2):
        link.act(account, Act.LIKE, target(post))
        link.act(account, Act.HIDE, target(post))
        link.act(account, Act.BLOCK, target("dm:5", public=False))
    assert (there.likes, there.hidden, there.blocked) == ({post}, {post}, {BOB})
    link.act(account, Act.UNLIKE, target(post))
    link.act(account, Act.UNHIDE, target(post))
    link.act(account, Act.UNBLOCK, target("dm:5", public=False))
    assert (there.likes, there.hidden, there.blocked) == (set(), set(), set())


def test_ours_is_deleted_and_what_is_gone_counts_as_deleted(link, account, there):
    post = there.write(ME, "Hi")
    message = there.message(ME, "Hi", to=BOB)
    for _twice in range(2):
        link.act(account, Act.DELETE, target(post, direction="outbound"))
        link.act(account, Act.DELETE, target(f"dm:{message}", direction="outbound"))
    assert there.posts == {} and there.messages == []


def test_what_x_cannot_do_is_said(link, account, there):
    for act, one in [
        (Act.DELETE, target("5")),
        (Act.LIKE, target("dm:5", public=False)),
        (Act.BLOCK, target("5")),
        (Act.BLOCK, target("dm:5", public=False, author="")),
    ]:
        with pytest.raises(PermanentFailure):
            link.act(account, act, one)


# Length and limits


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("Hello", 5),
        ("é", 1),
        ("e\u0301", 1),
        ("日本語", 6),
        ("한국", 4),
        ("see https://example.com/a/very/long/path?with=query", 27),
        ("https://example.com.", 24),
        ("(http://a.co)", 25),
        ("example.com", 23),
        ("mail me@example.com", 19),
        ("no.thing here", 13),
        ("😀", 2),
        ("👨\u200d👩\u200d👧\u200d👦", 2),
        ("👍🏽", 2),
        ("🇩🇪🇫🇷", 4),
        ("❤️", 2),
        ("1️⃣", 2),
        ("“quoted” – so", 13),
        ("line\nbreak", 10),
        ("a" * 280, 280),
    ],
)
def test_length_is_weighted_as_x_weighs_it(text, length):
    assert weighted_length(text) == length


def test_limits_are_those_of_the_place(link, account):
    assert link.limits(account, public=True).length == 280
    assert link.limits(account, public=False).length == 10_000
    assert (link.limits(account, public=True).files, link.limits(account, public=False).files) == (4, 1)
    assert link.count_length("日本語") == 6
