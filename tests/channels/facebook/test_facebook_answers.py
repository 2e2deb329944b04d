"""What goes out as a Page, what Meta says to it, and what follows from that."""

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
    SendFailed,
    Target,
    TransientFailure,
    Uncertain,
    WindowClosed,
)
from engagement.models import ChannelAccount
from tests.channels.facebook.accounts import KEY, link, new_account, outgoing
from tests.channels.facebook.graph import PAGE, MetaPlatform, error

pytestmark = pytest.mark.django_db


def send(text: str = "Hello", **more):
    account = ChannelAccount.objects.first() or new_account("facebook")
    return link("facebook").send(outgoing(account, text, **more))


def comment(text: str = "Hello", **more):
    about = {"public": True, "in_reply_to": "900_1", "thread_key": f"post:{PAGE}_900:900_1", **more}
    return outgoing(new_account("facebook"), text, **about)


def test_a_message_goes_out_with_our_key(meta: MetaPlatform) -> None:
    sent = send("It left yesterday.")
    (told,) = meta.sent
    assert sent.external_id.startswith("m_")
    assert told["recipient"] == {"id": "7"} and told["messaging_type"] == "RESPONSE"
    assert told["message"] == {"text": "It left yesterday.", "metadata": KEY}


def test_a_comment_is_answered_below_what_was_said_last(meta: MetaPlatform) -> None:
    sent = link("facebook").send(comment("Thank you!"))
    assert meta.sent == [{"under": "900_1", "message": "Thank you!"}] and sent.external_id.startswith("900_")


@pytest.mark.parametrize(
    ("human", "hours", "tag"), [(True, 30, "HUMAN_AGENT"), (False, 30, None), (True, 2, None)]
)
def test_a_human_agent_may_answer_for_a_week(meta: MetaPlatform, human, hours, tag) -> None:
    account = new_account("facebook", settings={"human_agent": human})
    heard = timezone.now() - timedelta(hours=hours)
    link("facebook").send(outgoing(account, heard=heard))
    assert meta.sent[0].get("tag") == tag
    window = link("facebook").limits(account, public=False).window
    assert window == (timedelta(days=7) if human else timedelta(hours=24))
    assert link("facebook").limits(account, public=True).window is None


def test_a_file_goes_first_and_its_words_follow(meta: MetaPlatform) -> None:
    send("The bill", files=[File("bill.pdf", "application/pdf", content=b"%PDF-1.7 bill")])
    file, words = meta.sent
    assert b"%PDF-1.7 bill" in file["multipart"] and KEY.encode() in file["multipart"]
    assert words["message"] == {"text": "The bill"}


def test_words_that_do_not_follow_their_file_are_told_and_nothing_is_sent_twice(meta: MetaPlatform) -> None:
    original = meta.message

    def second_fails(call):
        return error(100, text="too long") if meta.sent else original(call)

    meta.message = second_fails  # type: ignore[method-assign]
    with pytest.raises(Uncertain, match="The file was sent"):
        send("words", files=[File("a.png", "image/png", content=b"png")])


FAILURES = [
    ((190, 463), AuthFailure),
    ((190, 460), AuthFailure),
    ((102, 0), AuthFailure),
    ((10, 2018278), WindowClosed),
    ((10, 2018065), WindowClosed),
    ((10, 0), PermissionMissing),
    ((200, 0), PermissionMissing),
    ((230, 0), PermissionMissing),
    ((4, 0), RateReached),
    ((613, 0), RateReached),
    ((80006, 0), RateReached),
    ((368, 0), RateReached),
    ((1, 0), TransientFailure),
    ((2, 0), TransientFailure),
    ((1200, 0), TransientFailure),
    ((100, 2018001), PermanentFailure),
    ((551, 0), PermanentFailure),
    ((506, 0), PermanentFailure),
]


@pytest.mark.parametrize(("code", "kind"), FAILURES)
@pytest.mark.parametrize("status", [200, 400])
def test_each_code_has_what_follows_from_it(meta: MetaPlatform, code, kind, status) -> None:
    meta.fail(status, error(*code)[1], path="/messages", method="POST")
    with pytest.raises(kind) as raised:
        send()
    assert type(raised.value) is kind and "Meta's words" in str(raised.value)
    assert str(code[0]) in str(raised.value)


def test_what_a_person_can_do_is_said(meta: MetaPlatform) -> None:
    for code in ((190, 463), (10, 2018278), (551, 0), (10, 0)):
        meta.fail(400, error(*code)[1], path="/messages", method="POST")
        with pytest.raises(SendFailed) as raised:
            send()
        assert len(raised.value.advice) > 20


def test_how_long_to_wait_is_what_the_headers_say(meta: MetaPlatform) -> None:
    usage = '{"112233445566778":[{"type":"messenger","call_count":100,"estimated_time_to_regain_access":12}]}'
    meta.fail(
        400, error(613)[1], path="/messages", method="POST", headers={"X-Business-Use-Case-Usage": usage}
    )
    with pytest.raises(RateReached) as raised:
        send()
    assert raised.value.retry_after == 720


@pytest.mark.parametrize(("status", "after"), [(0, False), (0, True), (502, False)])
def test_an_answer_that_never_came_is_uncertain(meta: MetaPlatform, status, after) -> None:
    meta.fail(status, "oops", path="/messages", method="POST", after=after)
    with pytest.raises(Uncertain):
        send()


def test_an_error_on_metas_side_of_which_nothing_is_said_may_have_sent_it(meta: MetaPlatform) -> None:
    for code in (1, 2):
        meta.fail(500, error(code)[1], path="/messages", method="POST", after=True)
        with pytest.raises(Uncertain):
            send()


def test_an_answer_that_nobody_can_read_is_uncertain(meta: MetaPlatform) -> None:
    for body in ("<html>", {}, {"message_id": 3.5}, []):
        meta.fail(200, body, path="/messages", method="POST", after=True)
        with pytest.raises(Uncertain):
            send()


def test_secrets_are_in_no_failure(meta: MetaPlatform) -> None:
    meta.fail(400, {"error": {"code": 100, "message": "bad token page-token-of-the-shop"}}, path="/messages")
    with pytest.raises(PermanentFailure) as refused:
        send()
    assert "page-token" not in str(refused.value) and "bad token" in str(refused.value)
    meta.fail(0, path="/messages")
    with pytest.raises(Uncertain) as raised:
        send()
    assert "page-token" not in str(raised.value) and "proof" not in str(raised.value)
    (call, *_rest) = meta.calls
    assert "access_token" not in call.query and len(call.query["appsecret_proof"]) == 64


# Reading back


def test_a_message_that_was_cut_off_is_found(meta: MetaPlatform) -> None:
    one = outgoing(new_account("facebook"), "It left yesterday.")
    assert link("facebook").find_sent(one) is None
    meta.fail(0, path="/messages", method="POST", after=True)
    with pytest.raises(Uncertain):
        link("facebook").send(one)
    found = link("facebook").find_sent(one)
    assert found is not None and found.external_id == meta.conversations[0]["said"][0]["id"]


def test_an_older_message_with_the_same_words_is_another_one(meta: MetaPlatform) -> None:
    meta.add_message("7", timezone.now() - timedelta(hours=1), "OK", ours=True)
    meta.add_message("7", timezone.now(), "OK")
    assert link("facebook").find_sent(outgoing(new_account("facebook"), "OK")) is None


def test_a_comment_that_was_cut_off_is_found(meta: MetaPlatform) -> None:
    one = comment("Thank you!")
    assert link("facebook").find_sent(one) is None
    meta.fail(0, path="/900_1/comments", method="POST", after=True)
    with pytest.raises(Uncertain):
        link("facebook").send(one)
    assert link("facebook").find_sent(one).external_id.startswith("900_")


def test_a_file_with_words_is_left_to_a_person(meta: MetaPlatform) -> None:
    one = outgoing(new_account("facebook"), "words", files=[File("a", "image/png", content=b"a")])
    with pytest.raises(Uncertain):
        link("facebook").find_sent(one)


# Acts


def target(**more) -> Target:
    given = {"author": Author("7"), "public": True, "kind": "comment", "direction": "inbound", **more}
    return Target("900_1", **given)


@pytest.mark.parametrize(
    ("act", "done"),
    [
        (Act.HIDE, ("change", "900_1", {"is_hidden": True})),
        (Act.UNHIDE, ("change", "900_1", {"is_hidden": False})),
        (Act.LIKE, ("like", "900_1", None)),
        (Act.UNLIKE, ("unlike", "900_1", None)),
        (Act.DELETE, ("delete", "900_1", None)),
        (Act.BLOCK, ("block", PAGE, {"psid": ["7"]})),
        (Act.UNBLOCK, ("unblock", PAGE, {"psid": "7"})),
    ],
)
def test_each_act_is_one_call_and_twice_is_as_once(meta: MetaPlatform, act, done) -> None:
    account = new_account("facebook")
    link("facebook").act(account, act, target())
    link("facebook").act(account, act, target())
    assert meta.acts == [done, done]


def test_nobody_cannot_be_blocked(meta: MetaPlatform) -> None:
    with pytest.raises(PermanentFailure):
        link("facebook").act(new_account("facebook"), Act.BLOCK, target(author=None))
