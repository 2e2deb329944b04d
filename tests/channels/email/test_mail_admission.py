"""Which conversation a mail may join."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from engagement.channels.base import Author, Change, Event, KnownConversation
from engagement.channels.email import tokens
from engagement.channels.email.admission import admit

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SHOP = SimpleNamespace(pk=7, external_id="shop@example.com")
OURS = tokens.own_message_id(SHOP, "key1")
KNOWN = KnownConversation(1, "mail:first@x", frozenset({"bob@example.org"}), "My parcel")


def mail(sender, *answers, own="self@x", minute=0, subject="Re: My parcel", to=()):
    return Event(
        external_id=own,
        kind="message",
        direction="inbound",
        occurred_at=NOW + timedelta(minutes=minute),
        text="",
        subject=subject,
        thread_keys=(*(f"mail:{one}" for one in answers), f"mail:{own}"),
        author=Author(sender),
        participants=tuple(("other", Author(one)) for one in to),
    )


def keys(*mails, known=None):
    def lookup(asked):
        return {key: one for key, one in (known or {}).items() if key in asked}

    return [event.thread_keys for event in admit(SHOP, mails, lookup)]


def test_somebody_in_the_conversation_joins_it_whatever_the_subject():
    answer = mail("bob@example.org", "first@x", subject="Something else entirely")
    assert keys(answer, known={"mail:first@x": KNOWN}) == [("mail:first@x", "mail:self@x")]


def test_a_stranger_who_guesses_the_answered_id_gets_a_conversation_of_his_own():
    assert keys(mail("eve@evil.example", "first@x"), known={"mail:first@x": KNOWN}) == [("mail:self@x",)]


def test_a_colleague_with_an_id_we_signed_joins_when_he_keeps_the_subject():
    known = {f"mail:{OURS}": KNOWN}
    kept = mail("carl@example.org", OURS)
    changed = mail("carl@example.org", OURS, subject="Buy my product")
    assert keys(kept, known=known) == [("mail:first@x", f"mail:{OURS}", "mail:self@x")]
    assert keys(changed, known=known) == [("mail:self@x",)]


def test_a_forged_signature_is_no_signature():
    forged = OURS.replace("key1", "key2")
    assert keys(mail("eve@evil.example", forged), known={f"mail:{forged}": KNOWN}) == [("mail:self@x",)]


def test_nobody_lands_in_the_conversation_of_one_who_wrote_down_his_id_beforehand():
    claimed = KnownConversation(9, "mail:evil@x", frozenset({"eve@evil.example"}), "Trap")
    (found,) = keys(mail("bob@example.org"), known={"mail:self@x": claimed})
    assert found == ("mail:self@x of bob@example.org",)


def test_an_answer_finds_the_question_of_the_same_page():
    question = mail("bob@example.org", own="q@x", subject="My parcel")
    answer = mail("bob@example.org", "q@x", own="a@x", minute=1)
    stranger = mail("eve@evil.example", "q@x", own="e@x", minute=2)
    assert keys(stranger, answer, question) == [
        ("mail:e@x",),
        ("mail:q@x", "mail:a@x"),
        ("mail:q@x",),
    ]


def test_somebody_who_was_written_to_may_answer():
    question = mail("bob@example.org", own="q@x", to=("carl@example.org",))
    answer = mail("carl@example.org", "q@x", own="a@x", minute=1, subject="New words")
    assert keys(question, answer)[1] == ("mail:q@x", "mail:a@x")


def test_an_answer_that_comes_before_its_question_keeps_the_claim():
    answer = mail("carl@example.org", "q@x", own="a@x", to=("bob@example.org",))
    assert keys(answer) == [("mail:q@x", "mail:a@x")]


def test_statuses_pass_and_the_order_stays():
    change = Change(external_id=OURS, kind="status", at=NOW, status="failed")
    event = mail("bob@example.org")
    assert list(admit(SHOP, [change, event], lambda keys: {})) == [change, event]
