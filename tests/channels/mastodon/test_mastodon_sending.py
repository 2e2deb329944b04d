"""Answers on Mastodon keep the visibility of what they answer, reach their person, and go out once."""

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
from engagement.channels.mastodon.connector import MastodonConnector
from engagement.channels.mastodon.counting import count_letters
from tests.channels.mastodon.mammoth import BOB, EVE, ME


def target(external_id, *, direction="inbound", author=BOB):
    return Target(external_id, Author(author) if author else None, True, "mention", direction)


@pytest.mark.parametrize("visibility", ["public", "unlisted"])
def test_an_answer_has_the_visibility_of_what_it_answers_and_names_its_author(
    link, there, outgoing, visibility
):
    own = there.write(EVE, "@shop hello", visibility=visibility)
    sent = there.statuses[link.send(outgoing("Hi Eve", answers=own)).external_id]
    assert (sent["visibility"], sent["in_reply_to_id"]) == (visibility, own)
    assert sent["content"] == "<p>@eve@far.example Hi Eve</p>"


@pytest.mark.parametrize("visibility", ["direct", "private"])
def test_an_answer_in_private_stays_private(link, there, outgoing, visibility):
    own = there.write(BOB, "@shop psst", visibility=visibility)
    for public in (True, False):
        sent = there.statuses[link.send(outgoing(f"Yes {public}", answers=own, public=public)).external_id]
        assert sent["visibility"] == "direct"
    assert "@bob " in sent["content"]


@pytest.mark.parametrize(
    ("author", "text", "named"),
    [
        (EVE, "Hello @Eve@far.example!", True),
        (EVE, "Hello @eve", False),
        (BOB, "Hello @bob.", True),
        (BOB, "@bob@mammoth.example hello", True),
        (BOB, "Hello @bobby and @bob@far.example", False),
        (BOB, "mail@bob", False),
    ],
)
def test_somebody_who_is_named_is_not_named_twice(there, outgoing, author, text, named):
    own = there.write(author, "@shop hello")
    sent = MastodonConnector().send(outgoing(text, answers=own))
    assert sent.external_id in there.statuses
    assert (text == there.calls[-1].json["status"]) == named


def test_a_repeat_is_no_second_status(link, there, outgoing):
    own = there.write(BOB, "@shop hello")
    ours = outgoing("Hi Bob", answers=own)
    assert link.send(ours) == link.send(ours)
    assert len(there.statuses) == 2


def test_an_answer_that_was_cut_off_is_found_where_the_server_forgets_the_key(link, there, outgoing):
    there.forgets_keys = True
    own = there.write(EVE, "@shop hello")
    ours = outgoing("Tea & cake, see https://shop.example/a?b=1", answers=own)
    assert link.find_sent(ours) is None
    there.fail(path="/api/v1/statuses", method="POST", after=True)
    with pytest.raises(Uncertain):
        link.send(ours)
    found = link.find_sent(ours)
    assert found is not None and found.external_id == max(there.statuses, key=int)


def test_other_answers_are_not_taken_for_ours(link, there, outgoing):
    own, other = there.write(BOB, "@shop hello"), there.write(BOB, "@shop and")
    there.write(ME, "@bob Hi", answers=other)
    there.write(EVE, "@bob Hi", answers=own)
    there.write(ME, "@bob Hi", answers=own, at=timezone.now() - timedelta(minutes=3))
    there.write(ME, "@bob Hi there", answers=own)
    assert link.find_sent(outgoing("Hi", answers=own)) is None


def test_an_answer_is_found_though_what_it_answers_is_gone(link, there, outgoing):
    own = there.write(BOB, "@shop hello")
    ours = outgoing("Hi Bob", answers=own)
    sent = link.send(ours)
    del there.statuses[own]
    there.statuses[sent.external_id]["in_reply_to_id"] = None
    assert link.find_sent(ours) == sent


def test_what_is_gone_cannot_be_answered(link, there, outgoing):
    with pytest.raises(PermanentFailure, match="does not exist") as raised:
        link.send(outgoing("Hi", answers="99999"))
    assert raised.value.advice


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ((401, {"error": "The access token is invalid"}), AuthFailure),
        ((403, {"error": "This action is outside the authorized scopes"}), PermissionMissing),
        ((422, {"error": "Validation failed: Text character limit of 500 exceeded"}), PermanentFailure),
        ((400, {"error": "text too long"}), PermanentFailure),
        ((429, {"error": "Too many requests"}), RateReached),
        ((503, {"error": "Service temporarily unavailable"}), TransientFailure),
        ((500, {"error": "An unexpected error occurred"}), Uncertain),
        ((200, '{"error": "trunc'), Uncertain),
        ((200, {"error": "oops"}), Uncertain),
        ((200, {"content": "no id"}), Uncertain),
        ((0, None), Uncertain),
    ],
)
def test_each_refusal_means_what_follows_from_it(link, there, outgoing, fault, failure):
    own = there.write(BOB, "@shop hello")
    there.fail(*fault, path="/api/v1/statuses", method="POST")
    with pytest.raises(failure) as raised:
        link.send(outgoing("Hi", answers=own))
    assert type(raised.value) is failure


def test_files_are_there_before_the_words(link, there, outgoing):
    own = there.write(BOB, "@shop hello")
    there.slow_media = 2
    files = [File("a.png", "image/png", content=b"one"), File("b.png", "image/png", content=b"two")]
    link.send(outgoing("Look", answers=own, files=files))
    (body,) = [one.json for one in there.calls if (one.method, one.path) == ("POST", "/api/v1/statuses")]
    assert body["media_ids"] == list(there.media) and len(body["media_ids"]) == 2


def test_a_file_that_did_not_arrive_may_be_tried_again(link, there, outgoing):
    own = there.write(BOB, "@shop hello")
    there.fail(path="/api/v2/media")
    with pytest.raises(TransientFailure):
        link.send(outgoing("Look", answers=own, files=[File("a.png", "image/png", content=b"one")]))


def test_what_we_do_to_statuses_and_people(link, account, there):
    own, ours = there.write(BOB, "@shop hello"), there.write(ME, "Hi")
    for _twice in range(2):
        link.act(account, Act.LIKE, target(own))
        link.act(account, Act.BLOCK, target(own))
        link.act(account, Act.DELETE, target(ours, direction="outbound"))
    assert (there.favourites, there.blocks, set(there.statuses)) == ({own}, {BOB}, {own})
    link.act(account, Act.UNLIKE, target(own))
    link.act(account, Act.UNBLOCK, target(own))
    assert (there.favourites, there.blocks) == (set(), set())


def test_what_cannot_be_done_is_said(link, account, there):
    for act, one in [(Act.DELETE, target("5")), (Act.BLOCK, target("5", author=""))]:
        with pytest.raises(PermanentFailure):
            link.act(account, act, one)


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("Hello", 5),
        ("日本語", 3),
        ("👨\u200d👩\u200d👧\u200d👦!", 2),
        ("e\u0301", 1),
        ("see https://example.com/a/very/long/path?with=query.", 28),
        ("@eve@far.example hi", 7),
        ("mail eve@far.example", 20),
    ],
)
def test_length_is_counted_as_the_server_counts_it(text, letters):
    assert count_letters(text) == letters
