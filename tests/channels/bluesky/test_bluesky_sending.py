"""Answers leave once, under a key of ours, and what Bluesky refuses is said in plain words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import Team
from engagement import pulls
from engagement.channels.base import (
    Act,
    AuthFailure,
    Author,
    File,
    PermanentFailure,
    RateReached,
    Target,
    TokenExpired,
    TransientFailure,
    Uncertain,
)
from engagement.channels.bluesky import richtext
from engagement.channels.bluesky.ids import record_key
from engagement.connecting import change_account, connect_account
from engagement.examining import examine
from engagement.models import ChannelAccount
from tests.channels.bluesky.far import BEN, MARA, PASSWORD, START, US, moment

PUT = "repo.putRecord"


@pytest.fixture
def question(far):
    root = far.post(US, "New lights are in")
    return far.say(MARA, "How bright?", 1, to=root)


def test_an_answer_names_root_and_parent_with_their_versions(far, link, outgoing, question):
    sent = link.send(outgoing(public=True, in_reply_to=question))
    record = far.records[sent.external_id]["value"]
    root = far.posts[question]["record"]["reply"]["root"]
    assert record["reply"] == {"parent": far.ref(question), "root": root}
    assert sent.external_id.startswith(f"at://{US}/app.bsky.feed.post/3")


def test_an_answer_sent_twice_is_one_post(far, link, outgoing, question):
    one = outgoing(public=True, in_reply_to=question)
    first = link.send(one)
    before = len(far.records)
    assert link.send(one) == first
    assert len(far.records) == before
    assert link.find_sent(one) == first
    assert link.find_sent(outgoing(public=True, in_reply_to=question)) is None


def test_an_answer_whose_confirmation_is_lost_may_be_sent_again(far, link, outgoing, question):
    one = outgoing(public=True, in_reply_to=question)
    far.fail(path=PUT, after=True)
    with pytest.raises(TransientFailure):
        link.send(one)
    assert link.send(one).external_id in far.records
    assert sum(1 for uri in far.records if uri.startswith(f"at://{US}/") and uri not in far.posts) == 0


def test_a_key_sorts_by_time_and_differs_by_seed():
    now = timezone.now()
    assert record_key(now, "a") == record_key(now, "a") != record_key(now, "b")
    assert record_key(now, "z") < record_key(now + timedelta(milliseconds=1), "a")
    assert len(record_key(START, "a")) == 13


def test_links_mentions_and_tags_are_marked_by_bytes(far, link, outgoing, question):
    text = "Grüße 🚲 @ben.test @nobody.test, see https://example.org/a_(b). #rad #1"
    sent = link.send(outgoing(text, public=True, in_reply_to=question))
    raw = text.encode()
    found = {
        raw[one["index"]["byteStart"] : one["index"]["byteEnd"]].decode(): one["features"][0]
        for one in far.records[sent.external_id]["value"]["facets"]
    }
    assert found["@ben.test"]["did"] == BEN
    assert found["https://example.org/a_(b)"]["uri"] == "https://example.org/a_(b)"
    assert found["#rad"]["tag"] == "rad"
    assert len(found) == 3


@pytest.mark.parametrize(
    ("text", "letters"),
    [("👨‍👩‍👧‍👦", 1), ("e\u0301", 1), ("🇩🇪🇦🇹", 2), ("abc", 3), ("", 0), ("\r\n", 1)],
)
def test_letters_are_counted_as_a_reader_sees_them(link, text, letters):
    assert link.count_length(text) == letters


def test_limits_differ_in_public_and_in_private(link, account):
    public, private = link.limits(account, public=True), link.limits(account, public=False)
    assert (public.length, public.files, public.file_types) == (300, 4, ("image/*",))
    assert (private.length, private.files) == (1000, 0)


@pytest.mark.parametrize("text", ["x" * 301, "👨‍👩‍👧‍👦" * 130, "x" * 5_000_000])
def test_a_text_that_is_too_long_is_refused_before_it_leaves(far, link, outgoing, question, text):
    with pytest.raises(PermanentFailure) as caught:
        link.send(outgoing(text, public=True, in_reply_to=question))
    assert "300" in str(caught.value) and caught.value.advice
    assert far.count(PUT) == 0


def test_pictures_go_along_and_other_files_do_not(far, link, outgoing, question):
    picture = File("a.png", "image/png", content=b"\x89PNG")
    sent = link.send(outgoing(public=True, in_reply_to=question, files=[picture]))
    images = far.records[sent.external_id]["value"]["embed"]["images"]
    assert images[0]["image"]["ref"] == {"$link": "bafkpicture"}
    for wrong in (
        File("a.pdf", "application/pdf", content=b"%PDF"),
        replace(picture, content=b"x" * 2_000_001),
    ):
        with pytest.raises(PermanentFailure):
            link.send(outgoing(public=True, in_reply_to=question, files=[wrong]))
    with pytest.raises(PermanentFailure):
        link.send(outgoing(files=[picture]))


def test_an_answer_to_nothing_never_becomes_a_post_of_its_own(far, link, outgoing):
    with pytest.raises(PermanentFailure, match="which post"):
        link.send(outgoing(public=True, in_reply_to=""))
    assert far.count(PUT) == 0


def test_an_answer_to_a_deleted_post_says_so(far, link, outgoing, question):
    far.hidden.add(question)
    with pytest.raises(PermanentFailure, match="no longer on Bluesky"):
        link.send(outgoing(public=True, in_reply_to=question))


@pytest.mark.parametrize(
    "case",
    [
        (400, "ExpiredToken", TokenExpired),
        (400, "InvalidToken", TokenExpired),
        (401, "AccountTakedown", AuthFailure),
        (401, "AuthenticationRequired", AuthFailure),
        (400, "InvalidRequest", PermanentFailure),
        (500, "InternalServerError", TransientFailure),
        (502, "UpstreamFailure", TransientFailure),
        (200, "InvalidRequest", PermanentFailure),
    ],
)
def test_a_refusal_is_told_by_its_code(far, link, outgoing, question, case):
    status, code, failure = case
    far.fail(status, {"error": code, "message": "in their words"}, path=PUT)
    with pytest.raises(failure) as caught:
        link.send(outgoing(public=True, in_reply_to=question))
    assert type(caught.value) is failure
    if status in (200, 400, 401):
        assert "in their words" in str(caught.value)


def test_a_used_up_allowance_waits_until_it_is_there_again(far, link, outgoing, question):
    headers = {
        "RateLimit-Limit": "5000",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": str(timezone.now().timestamp() + 90),
    }
    far.fail(429, {"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"}, path=PUT, headers=headers)
    with pytest.raises(RateReached) as caught:
        link.send(outgoing(public=True, in_reply_to=question))
    assert 80 < caught.value.retry_after < 95


# In private


def test_a_direct_message_goes_to_the_conversation_that_was_heard(far, link, outgoing):
    key = far.write("c1", MARA, "Is it in stock?", 1)
    sent = link.send(outgoing(in_reply_to=f"c1/{key}"))
    assert sent.external_id == f"c1/{far.messages['c1'][0]['id']}"
    assert far.messages["c1"][0]["text"] == "Yes, three left."


def test_a_direct_message_finds_the_conversation_of_two(far, link, outgoing):
    far.write("c1", MARA, "Is it in stock?", 1)
    assert link.send(outgoing(in_reply_to="")).external_id.startswith("c1/")
    assert link.send(outgoing(to=[Author(BEN)], thread_key=f"dm:{BEN}")).external_id.startswith(
        f"with-{BEN}/"
    )
    assert link.send(outgoing(thread_key="convo:c1")).external_id.startswith("c1/")


def test_a_direct_message_that_was_cut_off_is_not_sent_twice(far, link, outgoing):
    key = far.write("c1", MARA, "Is it in stock?", 1)
    one = outgoing(in_reply_to=f"c1/{key}")
    far.fail(path="sendMessage", after=True)
    with pytest.raises(Uncertain):
        link.send(one)
    assert link.find_sent(one) is not None
    one.delivery.attempts = 2
    assert link.send(one) == link.find_sent(one)
    assert [message["text"] for message in far.messages["c1"]].count("Yes, three left.") == 1


def test_the_same_words_said_before_are_not_taken_for_the_message_that_was_cut_off(far, link, outgoing):
    key = far.write("c1", MARA, "Is it in stock?", 1)
    first = link.send(outgoing(in_reply_to=f"c1/{key}"))
    second = outgoing(in_reply_to=f"c1/{key}", references=(f"c1/{key}", first.external_id))
    assert link.find_sent(second) is None
    second.delivery.attempts = 2
    assert link.send(second) != first
    assert link.find_sent(outgoing("Other words", in_reply_to=f"c1/{key}")) is None


def test_an_answer_that_cannot_be_read_may_have_been_sent(far, link, outgoing, question):
    far.write("c1", MARA, "Is it in stock?", 1)
    far.fail(200, "<html>", path="sendMessage")
    with pytest.raises(Uncertain):
        link.send(outgoing())
    far.fail(200, "<html>", path=PUT)
    with pytest.raises(TransientFailure):
        link.send(outgoing(public=True, in_reply_to=question))


def test_somebody_who_takes_no_messages_is_said_in_plain_words(far, link, outgoing):
    refusal = {"error": "MessagesDisabled", "message": "recipient has disabled incoming messages"}
    far.fail(400, refusal, path="getConvoForMembers")
    with pytest.raises(PermanentFailure, match="disabled incoming") as caught:
        link.send(outgoing())
    assert "follow" in caught.value.advice


# Acts


def target(uri, did=MARA, **more):
    filled = {"public": True, "kind": "comment", "direction": "inbound"}
    return Target(uri, Author(did), **{**filled, **more})


def liked(far):
    return [one for uri, one in far.records.items() if "/app.bsky.feed.like/" in uri]


def test_a_like_twice_is_one_like_and_can_be_taken_back(far, link, account, question):
    for _ in range(2):
        link.act(account, Act.LIKE, target(question))
    assert [one["value"]["subject"] for one in liked(far)] == [far.ref(question)]
    for _ in range(2):
        link.act(account, Act.UNLIKE, target(question))
    assert liked(far) == []


def test_somebody_is_blocked_once_and_let_in_again(far, link, account, question):
    for _ in range(2):
        link.act(account, Act.BLOCK, target(question))
    blocks = [one["value"]["subject"] for uri, one in far.records.items() if "graph.block" in uri]
    assert blocks == [MARA]
    for _ in range(2):
        link.act(account, Act.UNBLOCK, target(question))
    assert not any("graph.block" in uri for uri in far.records)


def test_an_answer_is_hidden_under_our_post_beside_what_was_hidden_before(far, link, account, question):
    root = far.posts[question]["record"]["reply"]["root"]["uri"]
    other = far.say(BEN, "spam", 2, to=root)
    gate = root.replace("app.bsky.feed.post", "app.bsky.feed.threadgate")
    for one in (question, other, other):
        link.act(account, Act.HIDE, target(one))
    assert far.records[gate]["value"]["hiddenReplies"] == [question, other]
    link.act(account, Act.UNHIDE, target(question))
    assert far.records[gate]["value"]["hiddenReplies"] == [other]


def test_only_our_own_posts_can_be_deleted(far, link, account, question):
    ours = far.post(US, "800 lumen", 2)
    for _ in range(2):
        link.act(account, Act.DELETE, target(ours, US, direction="outbound"))
    assert ours not in far.records
    with pytest.raises(PermanentFailure, match="Only its author"):
        link.act(account, Act.DELETE, target(question))
    with pytest.raises(PermanentFailure, match="posts only"):
        link.act(account, Act.LIKE, target("c1/3l1"))


def test_a_foreign_thread_hides_nothing(far, link, account):
    theirs = far.post(BEN, "hello")
    uri = far.say(MARA, "hi", 1, to=theirs)
    with pytest.raises(PermanentFailure, match="under our own"):
        link.act(account, Act.HIDE, target(uri))


# Comparing


def test_a_window_lists_what_was_said_in_it(far, link, account):
    root = far.post(US, "New lights are in")
    ids = [far.say(MARA, f"a {n}", n, to=root) for n in range(240)]
    key = far.write("c1", MARA, "Is it in stock?", 100)
    far.write("c1", US, "Yes", 101)
    found = [
        one
        for page in link.list_window(account, START + timedelta(minutes=50), START + timedelta(minutes=150))
        for one in page
    ]
    assert {one.external_id for one in found} == {*ids[50:150], f"c1/{key}"}
    assert all(one.event for one in found)


def test_only_what_is_in_no_repository_is_gone(far, link, account, question):
    deleted = far.say(BEN, "never mind", 2)
    del far.posts[deleted], far.records[deleted]
    blocked = far.say(BEN, "you cannot see me", 3)
    far.hidden.add(blocked)
    assert link.gone(account, [question, deleted, blocked, "c1/3l1"]) == [deleted]
    far.fail(503, path="/did:", times=9)
    far.fail(503, path=f"/{BEN}", times=9)
    assert link.gone(account, [deleted]) == []


def test_a_file_comes_from_the_server_of_its_author(far, link, account):
    file = link.fetch_file(account, File("a.png", "image/jpeg", url=f"{BEN}/bafkpicture"), most=1000)
    assert (file.content, file.content_type) == (b"\x89PNG picture", "image/png")
    with pytest.raises(PermanentFailure):
        link.fetch_file(account, File("a.png", "", url=f"{BEN}/bafkpicture"), most=4)
    with pytest.raises(PermanentFailure):
        link.fetch_file(account, File("a.png", "", url="not-a-did/x"), most=1000)


# Connecting


def test_connecting_finds_the_account_and_its_server(far, link, account):
    assert account.external_id == US and account.settings["handle"] == "shop.test"
    assert account.credentials["pds"] == far.url + "/"
    assert account.token_expires_at > timezone.now()
    assert [one.works for one in link.examine(account)] == [True, True, True]


def test_an_admin_connects_breaks_and_mends_an_account(far, ada, db):
    form = {"handle": "shop.test", "app_password": PASSWORD, "direct_messages": True}
    given = {"name": "", "team": Team.general(), "brand": None, "goal_minutes": 60, "by": ada}
    account = connect_account(connector_name="bluesky", cleaned=form, **given)
    assert (account.name, account.external_id) == ("shop.test", US)
    with pytest.raises(ValidationError, match="Invalid identifier"):
        change_account(account=account, cleaned={**form, "app_password": "wrong"}, **given)
    kept = ChannelAccount.objects.get(pk=account.pk)
    far.dead |= {kept.credentials["access_token"], kept.credentials["refresh_token"]}
    far.fail(401, {"error": "AuthenticationRequired", "message": "no"}, path="createSession")
    far.say(MARA, "hello", 1)
    pulls.pull_account(kept.pk)
    kept.refresh_from_db()
    assert kept.health == "needs_login"
    change_account(account=kept, cleaned={**form, "app_password": ""}, **given)
    assert pulls.pull_account(kept.pk).stored == 1
    assert all(one.works for one in examine(kept))


@pytest.mark.parametrize(
    ("handle", "password", "said"),
    [
        ("nobody.test", PASSWORD, "knows nobody"),
        ("shop.test", "wrong", "Invalid identifier"),
        ("shop.test", "", "no app password"),
    ],
)
def test_what_is_wrong_at_connecting_is_said(far, link, handle, password, said):
    made = ChannelAccount(connector="bluesky", network="bluesky")
    with pytest.raises((PermanentFailure, AuthFailure), match=said):
        link.fill_account(made, {"handle": handle, "app_password": password, "direct_messages": False})


def test_a_server_at_a_private_address_is_not_visited(far, link, settings):
    far.pds = "https://10.1.2.3"
    made = ChannelAccount(connector="bluesky", network="bluesky")
    with pytest.raises(PermanentFailure):
        link.fill_account(made, {"handle": "shop.test", "app_password": PASSWORD, "direct_messages": False})
    far.pds = "http://example.com"
    with pytest.raises(PermanentFailure, match="https"):
        link.fill_account(made, {"handle": "shop.test", "app_password": PASSWORD, "direct_messages": False})


def test_no_failure_shows_a_token_or_password(far, link, account, outgoing, question):
    token = account.credentials["access_token"]
    body = {"error": "InvalidRequest", "message": f"bad Bearer {token}"}
    far.fail(400, body, path=PUT)
    with pytest.raises(PermanentFailure) as caught:
        link.send(outgoing(public=True, in_reply_to=question))
    assert token not in str(caught.value) and token not in repr(caught.value)
    assert token not in repr(link.refresh(account))


def test_a_tag_or_link_at_the_edge_keeps_its_letters():
    assert richtext.facets("", lambda _: "") == []
    (one,) = richtext.facets("(https://a.org/x)", lambda _: "")
    assert one["features"][0]["uri"] == "https://a.org/x"
    assert richtext.facets("a@b.org me#no http:// @x", lambda _: "did:plc:x") == []


def test_a_moment_is_told_as_bluesky_tells_it():
    from engagement.channels.bluesky.pulling import written

    assert written(START) == moment(0)
