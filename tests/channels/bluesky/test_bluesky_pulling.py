"""What is said on Bluesky comes in once, whatever the platform's pages are like."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts.models import Team
from engagement import pulls
from engagement.channels.base import Change, PermissionMissing, TransientFailure
from engagement.channels.bluesky import pulling
from engagement.models import ChannelAccount, Conversation, Interaction, Post, RawEvent
from engagement.raw_events import understand_one
from tests.channels.bluesky.far import BEN, MARA, US, WITHOUT_CHAT, moment
from tests.channels.machine import pages_of


def said(pages):
    return [event.external_id for page in pages for event in page.events if not isinstance(event, Change)]


def test_a_reply_belongs_to_its_person_under_our_post(far, link, account):
    root = far.post(US, "New lights are in")
    far.say(MARA, "How bright?", 1, to=root)
    (event,) = [one for page in pages_of(link, account) for one in page.events]
    assert event.thread_keys == (f"post:{root}:{MARA}",)
    assert (event.author.external_id, event.author.handle, event.author.name) == (MARA, "mara.test", "Mara")
    assert event.post.external_id == root and event.public and event.in_reply_to == ""


def test_thirteen_of_one_moment_come_in_whatever_the_page_size(far, link, account):
    root = far.post(US, "New lights are in")
    ids = {far.say(MARA, f"a {n}", 5 if n < 7 else 10 + n, to=root) for n in range(13)}
    for size in (1, 2, 3, 5, 10, 100):
        far.page_size = size
        account.cursor = {}
        found = said(pages_of(link, account))
        if size > 6:
            assert set(found) == ids
        else:
            # Beyond a whole page of one moment there is only Bluesky's own way on.
            assert len(set(found)) >= 6 + size


def test_the_second_pull_asks_one_page_and_stores_nothing_again(far, link, account):
    root = far.post(US, "New lights are in")
    for n in range(250):
        far.say(MARA, f"a {n}", n, to=root)
    assert len(set(said(pages_of(link, account)))) == 250
    far.calls.clear()
    assert said(pages_of(link, account)) == []
    assert far.count("listNotifications") == 1


def test_a_walk_that_is_cut_off_goes_on_without_a_gap(far, link, account):
    root = far.post(US, "New lights are in")
    pages_of(link, account)
    ids = {far.say(MARA, f"a {n}", 1 + n, to=root) for n in range(350)}
    found = []
    for page in link.pull(account):
        account.cursor = dict(page.cursor)
        found.append(page)
        if said(found):
            break
    assert 0 < len(set(said(found))) < 350
    ids.add(far.say(BEN, "while nobody looked", 500, to=root))
    found += pages_of(link, account)
    assert set(said(found)) == ids


def test_a_reply_dated_in_the_past_is_found_by_the_deep_walk(far, link, account, time_machine):
    root = far.post(US, "New lights are in")
    for n in range(150):
        far.say(MARA, f"a {n}", 100 + n, to=root)
    pages_of(link, account)
    old = far.say(BEN, "I wrote this last year", -500_000, to=root)
    assert old not in said(pages_of(link, account))
    time_machine.move_to(timezone.now() + pulling.DEEP_EVERY)
    pages = pages_of(link, account)
    assert old in said(pages)
    assert not any(page.history for page in pages)


def test_what_was_there_before_us_is_history_and_what_comes_later_is_news(far, link, account):
    root = far.post(US, "New lights are in")
    far.say(MARA, "before", 1, to=root)
    assert all(page.history for page in pages_of(link, account) if page.events)
    far.say(MARA, "after", 2, to=root)
    assert [page.history for page in pages_of(link, account) if page.events] == [False]


def test_a_list_without_end_stops(far, link, account, monkeypatch):
    root = far.post(US, "New lights are in")
    for n in range(5):
        far.say(MARA, f"a {n}", n, to=root)
    page = {"notifications": far.notes, "cursor": moment(3)}
    far.fail(200, page, path="listNotifications", times=50)
    with pytest.raises(TransientFailure, match="does not come to an end"):
        pages_of(link, account)
    assert far.count("listNotifications") < 6
    far.faults.clear()
    far.say(MARA, "after the fault", 9, to=root)
    assert len(said(pages_of(link, account))) >= 1


def test_a_place_that_bluesky_forgot_begins_the_walk_anew(far, link, account):
    root = far.post(US, "New lights are in")
    ids = {far.say(MARA, f"a {n}", n, to=root) for n in range(250)}
    found = []
    for page in link.pull(account):
        account.cursor = dict(page.cursor)
        found.append(page)
        if said(found):
            break
    far.fail(400, {"error": "InvalidRequest", "message": "Malformed cursor"}, path="listNotifications")
    assert set(said(found + pages_of(link, account))) == ids


def test_an_item_that_is_not_understood_is_put_aside_once(far, link, account):
    root = far.post(US, "New lights are in")
    far.say(MARA, "good", 1, to=root)
    bad = far.say(MARA, "bad", 2, to=root)
    for note in far.notes:
        if note["uri"] == bad:
            note["record"] = {**note["record"], "text": None}
    pages = pages_of(link, account)
    assert [one.error for page in pages for one in page.bad] == ["text is missing"]
    assert len(said(pages)) == 1
    assert [one for page in pages_of(link, account) for one in page.bad] == []


def test_answers_given_in_the_app_come_in_as_ours_and_posts_with_their_metrics(far, link, account):
    root = far.post(US, "New lights are in")
    question = far.say(MARA, "How bright?", 1, to=root)
    reply = {"root": far.ref(root), "parent": far.ref(question)}
    answer = far.post(US, "800 lumen", 2, reply=reply)
    pages = pages_of(link, account)
    (event,) = [one for page in pages for one in page.events if one.external_id == answer]
    assert (event.direction, event.author) == ("outbound", None)
    assert event.thread_keys == (f"post:{root}:{MARA}",)
    (post,) = [one for page in pages for one in page.posts]
    assert (post.external_id, post.metrics["likes"], post.metrics["comments"]) == (root, 2, 1)
    assert answer not in said(pages_of(link, account))


# Direct messages


def test_direct_messages_come_in_with_ours_and_their_deletion(far, link, account):
    first = far.write("c1", MARA, "Is it in stock?", 1)
    far.write("c1", US, "Yes", 2)
    pages = pages_of(link, account)
    events = [one for page in pages for one in page.events]
    assert [(one.direction, one.text, one.thread_keys) for one in events] == [
        ("inbound", "Is it in stock?", (f"dm:{MARA}",)),
        ("outbound", "Yes", (f"dm:{MARA}",)),
    ]
    assert events[0].author.handle == "mara.test"
    far.unsay("c1", first)
    (change,) = [one for page in pages_of(link, account) for one in page.events]
    assert (change.external_id, change.kind) == (f"c1/{first}", "delete")
    assert pages_of(link, account)[-1].events == [] or not pages_of(link, account)[-1].events


def test_a_log_that_does_not_go_on_stops(far, link, account):
    far.write("c1", MARA, "hello", 1)
    pages_of(link, account)
    far.fail(200, {"logs": far.log, "cursor": account.cursor["chat"]}, path="getLog", times=9)
    with pytest.raises(TransientFailure, match="does not go on"):
        pages_of(link, account)


def test_without_the_tick_direct_messages_are_refused_in_plain_words(far, link, account):
    with pytest.raises(PermissionMissing) as caught:
        link.fill_account(
            account, {"handle": "shop.test", "app_password": WITHOUT_CHAT, "direct_messages": True}
        )
        link.check(account)
    assert "app password" in caught.value.advice
    account.settings["direct_messages"] = False
    link.check(account)
    far.write("c1", MARA, "hello", 1)
    assert said(pages_of(link, account)) == []


# Through the machine


@pytest.fixture
def saved(account, db):
    account.name, account.team = "Bluesky", Team.general()
    account.save()
    return account


def test_a_whole_conversation_lands_in_one(far, saved):
    root = far.post(US, "New lights are in")
    question = far.say(MARA, "How bright? \x00\ud800", 1, to=root)
    answer = far.post(US, "800 lumen", 2, reply={"root": far.ref(root), "parent": far.ref(question)})
    far.say(MARA, "Thanks", 3, to=answer, root=root)
    pulled = pulls.pull_account(saved.pk)
    assert (pulled.failure, pulled.stored) == ("", 3)
    conversation = Conversation.objects.get()
    assert conversation.identity.external_id == MARA and conversation.count == 3
    assert Post.objects.get().external_id == root
    pulls.pull_account(saved.pk)
    assert Interaction.objects.count() == 3


def test_pages_of_one_moment_are_no_pull_that_goes_round(far, saved):
    root = far.post(US, "New lights are in")
    far.page_size = 5
    ids = {far.say(MARA, f"a {n}", 5 if n < 5 else 10 + n, to=root) for n in range(12)}
    pulled = pulls.pull_account(saved.pk)
    assert pulled.failure == ""
    assert set(Interaction.objects.values_list("external_id", flat=True)) == ids
    assert ChannelAccount.objects.get(pk=saved.pk).repeated == 0


def test_a_parked_item_is_understood_later(far, saved):
    uri = far.say(MARA, "hello", 1)
    record = far.notes[0]["record"]
    far.notes[0]["record"] = {**record, "text": 5}
    pulls.pull_account(saved.pk)
    raw = RawEvent.objects.get()
    assert raw.error == "text is not a text"
    RawEvent.objects.filter(pk=raw.pk).update(
        state="new", body=bytes(raw.body).replace(b'"text": 5', b'"text": "5"')
    )
    assert understand_one(raw.pk)
    assert Interaction.objects.get(external_id=uri).text == "5"


def test_a_token_that_ended_is_renewed_on_the_way(far, saved):
    far.say(MARA, "hello", 1)
    far.dead.add(saved.credentials["access_token"])
    assert pulls.pull_account(saved.pk).failure == ""
    assert Interaction.objects.count() == 1
    assert far.count("refreshSession") == 1 and far.count("createSession") == 0


def test_a_dead_refresh_token_leads_to_a_new_session(far, saved):
    far.dead |= {saved.credentials["access_token"], saved.credentials["refresh_token"]}
    assert pulls.pull_account(saved.pk).failure == ""
    assert far.count("createSession") == 1
    kept = ChannelAccount.objects.get(pk=saved.pk)
    assert kept.token_expires_at > timezone.now()
    assert kept.credentials["access_token"] not in far.dead


def test_a_withdrawn_app_password_asks_for_a_person_once(far, saved):
    far.dead |= {saved.credentials["access_token"], saved.credentials["refresh_token"]}
    wrong = {"error": "AuthenticationRequired", "message": "Invalid identifier or password"}
    far.fail(401, wrong, path="createSession", times=5)
    pulls.pull_account(saved.pk)
    kept = ChannelAccount.objects.get(pk=saved.pk)
    assert kept.health == "needs_login" and "Invalid identifier" in kept.health_text
