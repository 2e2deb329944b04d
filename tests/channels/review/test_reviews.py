"""Reviews of any site, by file and over the API."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from django.core.management import call_command

from accounts.models import Team
from core.files import Row
from engagement import outbox, pushing, replies
from engagement.channels.review.connector import ReviewConnector
from engagement.channels.review.forms import ReviewForm
from engagement.channels.review.importing import store_rows
from engagement.imports import event_of
from engagement.ingest import Outcome
from engagement.models import ChannelAccount, Conversation, Delivery, Interaction

pytestmark = pytest.mark.django_db
REVIEW = {
    "site": "Google",
    "place": "shop-berlin",
    "review_id": "r1",
    "rating": "2",
    "title": "Late",
    "text": "The parcel came late.",
    "created_at": "2026-11-01T10:00:00Z",
    "author_id": "u1",
    "author_name": "Eva Lind",
    "language": "en",
}


def store(*rows, **options):
    return store_rows([Row(number, row) for number, row in enumerate(rows, 2)], options)


def the_review(external_id="r1"):
    return Interaction.objects.get(external_id=external_id)


# Files


def test_a_line_becomes_a_public_review_in_a_conversation_of_its_own():
    assert store(REVIEW).counts == {"stored": 1}
    found = the_review()
    assert (found.kind, found.direction, found.is_public, found.rating) == ("review", "inbound", True, 2)
    assert (found.subject, found.text, found.account.network) == ("Late", "The parcel came late.", "google")
    assert (found.identity.external_id, found.identity.customer.name) == ("u1", "Eva Lind")
    assert found.account.connector == "review" and found.account.external_id == "shop-berlin"
    assert Conversation.objects.get().threads.get().thread_key == "review:r1"


def test_the_same_file_again_changes_nothing():
    store(REVIEW)
    assert store(REVIEW).counts == {"repeated": 1}
    assert Interaction.objects.count() == 1


def test_a_review_that_was_edited_there_is_edited_here_with_its_stars():
    store(REVIEW)
    again = {**REVIEW, "text": "They sent another one.", "rating": "5", "updated_at": "2026-11-05T10:00:00Z"}
    assert store(again).counts == {"changed": 1}
    found = the_review()
    assert (found.text, found.rating) == ("They sent another one.", 5)
    assert found.edited_at.isoformat() == "2026-11-05T10:00:00+00:00"
    assert store(again).counts == {"repeated": 1}


def test_an_older_file_puts_no_old_words_back():
    newest = {**REVIEW, "text": "Newest", "rating": "4", "updated_at": "2026-11-09T10:00:00Z"}
    store(newest)
    store({**REVIEW, "updated_at": "2026-11-02T10:00:00Z"})
    assert (the_review().text, the_review().rating) == ("Newest", 4)


def test_stars_alone_can_change():
    store(REVIEW)
    store({**REVIEW, "rating": "3"})
    assert the_review().rating == 3


@pytest.mark.parametrize(
    ("rating", "scale", "stars"),
    [
        ("5", "", 5),
        ("4,5", "", 5),
        ("3.2", "5", 3),
        ("10", "10", 5),
        ("7", "10", 4),
        ("1", "10", 1),
        ("0", "10", 1),
    ],
)
def test_ratings_are_kept_as_stars(rating, scale, stars):
    store({**REVIEW, "rating": rating, "scale": scale})
    assert the_review().rating == stars


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"rating": "6"}, "between 1 and 5"),
        ({"rating": "0"}, "between 1 and 5"),
        ({"rating": "11", "scale": "10"}, "between 0 and 10"),
        ({"rating": "good"}, "not a number"),
        ({"rating": "nan"}, "between"),
        ({"scale": "7"}, "neither 5 nor 10"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"updated_at": "soon"}, "updated_at"),
        ({"site": ""}, "site is missing"),
        ({"place": "x" * 201}, "place"),
        ({"review_id": "", "author_id": "", "author_name": ""}, "author"),
        ({"text": {"a": 1}}, "must be text"),
        ({"created_at": "2099-01-01"}, "future"),
    ],
)
def test_a_line_that_is_no_review_is_refused_and_the_others_are_in(wrong, reason):
    result = store({**REVIEW, **wrong}, {**REVIEW, "review_id": "r2"})
    assert result.counts == {"stored": 1}
    ((line, told),) = result.rejected
    assert line == 2 and reason in told


def test_a_line_without_id_is_known_again_by_author_and_time():
    nameless = {**REVIEW, "review_id": "", "author_id": ""}
    store(nameless)
    store({**nameless, "text": "Edited"})
    assert Interaction.objects.get().text == "Edited"


def test_reviews_without_an_authors_id_are_not_taken_for_one_person():
    for number in (1, 2):
        store({**REVIEW, "review_id": f"r{number}", "author_id": "", "author_name": "A Google user"})
    assert Interaction.objects.values("customer").distinct().count() == 2


def test_our_answer_there_stands_in_the_thread_once():
    answered = {**REVIEW, "answer": "We are sorry.", "answered_at": "2026-11-02T08:00:00Z"}
    store(answered)
    store(answered)
    said = the_review("r1:answer")
    assert (said.direction, said.text, said.in_reply_to) == ("outbound", "We are sorry.", "r1")
    assert said.conversation == the_review().conversation
    assert Conversation.objects.get().waiting_since is None
    store({**answered, "answer": "We are very sorry."})
    assert the_review("r1:answer").text == "We are very sorry."


def test_bad_bytes_and_endless_words_do_no_harm():
    store({**REVIEW, "text": "a\x00b \ud800 " + "x" * 5_000_000, "title": "t\x00" * 400})
    assert the_review().attachments.count() == 1


def test_the_command_reads_a_file(tmp_path, capsys):
    file = tmp_path / "reviews.jsonl"
    lines = [REVIEW, {**REVIEW, "review_id": "r2", "site": "trustpilot", "place": "shop.example"}]
    file.write_text("\n".join(json.dumps(line) for line in lines))
    call_command("import_reviews", str(file))
    networks = set(ChannelAccount.objects.values_list("network", flat=True))
    assert networks == {"google", "trustpilot"}


# The API


@pytest.fixture
def connected():
    def make(**cleaned):
        form = ReviewForm({"site": "trustpilot", "external_id": "shop.example", "scale": "5", **cleaned})
        assert form.is_valid(), form.errors
        account = ChannelAccount(connector="review", name="Trustpilot", team=Team.general())
        ReviewConnector().fill_account(account, form.cleaned_data)
        account.save()
        return account

    return make


def pushed(by, *items):
    pairs = []
    for item in items:
        values = {"direction": "inbound", "kind": "review", "occurred_at": "2026-11-01T10:00:00Z", **item}
        pairs.append((("trustpilot", "shop.example"), event_of(values)))
    return [one.status for one in pushing.push_interactions(pairs, by=by)]


def test_what_is_pushed_is_a_review_and_pushed_again_an_edit(ada, connected):
    connected(scale="10")
    first = {"external_id": "r1", "text": "Good", "rating": 8}
    assert pushed(ada, first, first) == [Outcome.STORED, Outcome.REPEATED]
    found = the_review()
    assert (found.rating, found.is_public, found.kind) == (4, True, "review")
    assert found.conversation.threads.get().thread_key == "review:r1"
    assert pushed(ada, {**first, "text": "Bad", "rating": 2}) == [Outcome.CHANGED]
    assert (the_review().text, the_review().rating) == ("Bad", 1)
    assert pushed(ada, {"external_id": "r1", "text": "Bad"}) == [Outcome.REPEATED]


def test_two_versions_in_one_call_leave_the_later(ada, connected):
    connected()
    first = {"external_id": "r1", "text": "One", "rating": 3}
    assert pushed(ada, first, {**first, "text": "Two"}) == [Outcome.STORED, Outcome.CHANGED]
    assert the_review().text == "Two"


# Answers


def test_an_answer_waits_until_somebody_says_that_it_is_published(ada, staff, connected):
    account = connected(page_url="https://business.example/reviews")
    agent = staff("amy", "agent", teams=[account.team])
    pushed(ada, {"external_id": "r1", "text": "Bad", "rating": 1, "author": {"external_id": "u1"}})
    conversation = Conversation.objects.get()
    replies.reply(conversation=conversation, by=agent, text="We are sorry", client_key=uuid4())
    outbox.send_delivery(Delivery.objects.get().pk)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.failure) == ("failed", "by_hand")
    assert "https://business.example/reviews" in delivery.advice
    conversation.refresh_from_db()
    assert conversation.waiting_since is not None
    outbox.confirm_arrived(delivery=delivery, by=agent)
    delivery.refresh_from_db()
    conversation.refresh_from_db()
    assert (delivery.state, delivery.failure) == ("sent", "") and delivery.sent_at
    assert conversation.waiting_since is None


def test_an_answer_that_was_published_by_hand_is_known_in_the_export(staff):
    store(REVIEW)
    agent = staff("amy", "agent", teams=[Team.general()])
    conversation = Conversation.objects.get()
    replies.reply(conversation=conversation, by=agent, text="We are sorry.", client_key=uuid4())
    outbox.send_delivery(Delivery.objects.get().pk)
    outbox.confirm_arrived(delivery=Delivery.objects.get(), by=agent)
    store({**REVIEW, "answer": "We are sorry.", "answered_at": "2026-11-02T08:00:00Z"})
    assert Interaction.objects.filter(direction="outbound").count() == 1


def test_the_inbox_offers_to_say_so(ada, staff, connected, signed_in):
    account = connected()
    agent = staff("amy", "agent", teams=[account.team])
    pushed(ada, {"external_id": "r1", "text": "Bad", "rating": 1, "author": {"external_id": "u1"}})
    conversation = Conversation.objects.get()
    replies.reply(conversation=conversation, by=agent, text="We are sorry", client_key=uuid4())
    outbox.send_delivery(Delivery.objects.get().pk)
    page = signed_in(agent).get(f"/inbox/{conversation.pk}/").content.decode()
    assert "To be published by hand" in page and "I published it" in page and "Send again" not in page


def test_a_site_that_is_not_known_gives_ids_of_its_own(connected):
    account = connected(site="review", external_id="my-forum")
    assert (account.network, account.issuer) == ("review", "my-forum")
    assert connected(external_id="other").issuer == ""
