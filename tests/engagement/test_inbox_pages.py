"""The inbox in HTTP: who sees what, what each click answers, and how many statements a page takes."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team
from engagement import conversations, outbox, replies
from engagement.channels.base import Uncertain
from engagement.channels.email.html import clean_html
from engagement.models import (
    Attachment,
    CannedReply,
    Conversation,
    Delivery,
    Draft,
    Interaction,
    MailContent,
)
from tests.engagement.desk import DoubleConnector, double, general, hear, make_account

__all__ = ["double", "general"]
pytestmark = pytest.mark.django_db
PINNED = json.loads((Path(__file__).parent.parent / "query_counts.json").read_text())
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engagement.tasks.send_delivery.delay", lambda pk: None)


@pytest.fixture
def conversation(double: type[DoubleConnector], general: Team) -> Conversation:
    return hear(make_account(general))


@pytest.fixture
def elsewhere(double: type[DoubleConnector]) -> Conversation:
    """A conversation of a team that Amy is not in."""
    workshop = Team.objects.create(name="Workshop")
    return hear(make_account(workshop, name="Workshop"), "The burrs squeak.", who="tomasz")


def url(name: str, *args: Any) -> str:
    return reverse(f"engagement:{name}", args=args)


def reading(client: Client, path: str) -> Any:
    return client.get(path, headers=HTMX)


# Who sees what


def test_strangers_are_sent_to_sign_in(anonymous, conversation) -> None:
    for path in (url("inbox"), url("conversation", conversation.pk), url("conversation-export")):
        assert anonymous.get(path).status_code == 302


def test_a_conversation_of_another_team_is_not_there(signed_in, amy, elsewhere) -> None:
    client, pk = signed_in(amy), elsewhere.pk
    said = elsewhere.interactions.get()
    reads = [
        url("conversation", pk), url("flow-earlier", pk), url("flow-since", pk) + "?after=0-0",
        url("thread-head", pk), url("about-pane", pk), url("assign-menu", pk), url("more-menu", pk),
        url("canned-find", pk), url("message", said.pk), url("message-text", said.pk),
    ]  # fmt: skip
    for path in reads:
        assert reading(client, path).status_code == 404, path
    posts = [
        url("reply-send", pk), url("note-add", pk), url("draft-save", pk), url("conversation-assign", pk),
        url("conversation-resolve", pk), url("conversation-reopen", pk), url("conversation-snooze", pk),
        url("conversation-priority", pk), url("conversation-team", pk), url("conversation-unread", pk),
        url("tag-add", pk), url("conversation-here", pk),
    ]  # fmt: skip
    for path in posts:
        assert client.post(path, {"text": "x", "client_key": uuid4()}).status_code == 404, path
    assert not Delivery.objects.exists()
    assert reading(client, url("conversation-row", pk) + "?view=all").content == b""
    assert "squeak" not in client.get(url("inbox") + "?view=all").content.decode()
    assert "The burrs" not in client.get(url("inbox") + "?view=all&q=squeak").content.decode()


def test_a_manager_sees_the_conversations_of_all_teams(signed_in, max, elsewhere) -> None:
    answer = signed_in(max).get(url("inbox") + "?view=all")
    assert "The burrs squeak." in answer.content.decode()


def test_another_teams_file_and_mail_are_not_there(signed_in, amy, max, elsewhere) -> None:
    said = elsewhere.interactions.get()
    kept = Attachment(interaction=said, name="bill.pdf", content_type="application/pdf", size=4)
    kept.file.save("bill", ContentFile(b"%PDF"))
    MailContent.objects.create(interaction=said, html="<p>Hi</p>")
    for path in (url("file", kept.pk), url("mail-frame", said.pk)):
        assert signed_in(amy).get(path).status_code == 404
        assert signed_in(max).get(path).status_code == 200


def test_a_viewer_reads_and_writes_nothing(signed_in, vic, conversation) -> None:
    client = signed_in(vic)
    page = client.get(url("conversation", conversation.pk)).content.decode()
    assert "It overshoots by three degrees." in page
    assert 'id="answer"' not in page
    assert client.post(url("reply-send", conversation.pk), {"text": "x"}).status_code == 403
    assert client.post(url("conversation-resolve", conversation.pk)).status_code == 403


def test_a_marketer_may_write_notes_only(signed_in, mia, conversation) -> None:
    client = signed_in(mia)
    page = client.get(url("conversation", conversation.pk)).content.decode()
    assert 'data-tab="note"' in page
    assert 'data-tab="reply"' not in page
    sent = client.post(url("note-add", conversation.pk), {"text": "Nice.", "client_key": uuid4()})
    assert sent.status_code == 200
    assert conversation.interactions.filter(direction="internal").count() == 1
    assert client.post(url("reply-send", conversation.pk), {"text": "x"}).status_code == 403


def test_only_those_who_may_export_do(signed_in, amy, mia, conversation) -> None:
    assert signed_in(amy).get(url("conversation-export")).status_code == 403
    Conversation.objects.update(subject="=cmd()")
    answer = signed_in(mia).get(url("conversation-export") + "?view=all")
    text = b"".join(answer.streaming_content).decode()
    assert text.splitlines()[0].startswith("\ufeffid,customer,network")
    assert "Marisol" in text
    assert "'=cmd()" in text


# Statements


def statements(client: Client, path: str) -> int:
    """Statements of one page; the session is left out, for it comes from the cache or not."""
    client.get(path)
    with CaptureQueriesContext(connection) as caught:
        assert client.get(path).status_code == 200
    return sum("django_session" not in query["sql"] for query in caught)


def fill(general: Team, amy: Any, n: int) -> Conversation:
    last = None
    for at in range(n):
        account = make_account(general, name=f"A{at % 3}")
        last = hear(account, f"line {at}", who=f"c{at}")
        for line in range(3):
            hear(account, f"more {line}", who=f"c{at}")
        conversations.assign(conversation=last, to=amy, by=amy)
        conversations.add_tag(conversation=last, name=f"tag{at}", by=amy)
        replies.reply(conversation=last, by=amy, text="Hi", client_key=uuid4())
        conversations.write_note(conversation=last, by=amy, text="Note")
    assert last is not None
    return last


@pytest.mark.parametrize("name", ["inbox", "conversation", "conversation-rows", "view-list"])
def test_pages_take_the_same_statements_however_much_there_is(signed_in, amy, double, general, name) -> None:
    client = signed_in(amy)

    def path(conversation: Conversation) -> str:
        return url(name, conversation.pk) if name == "conversation" else url(name)

    few = statements(client, path(fill(general, amy, 1)))
    for at in range(4):
        Team.objects.create(name=f"Team {at}").members.add(amy)
    many = statements(client, path(fill(general, amy, 12)))
    assert few == many
    assert many == PINNED.get(f"engagement:{name}")


# The list


def test_views_hold_what_they_say(signed_in, amy, max, conversation, general) -> None:
    account = conversation.account
    mine, late = hear(account, "mine", who="a"), hear(account, "late", who="b")
    called, rests = hear(account, "called", who="c"), hear(account, "rests", who="d")
    conversations.assign(conversation=mine, to=amy, by=amy)
    Conversation.objects.filter(pk=late.pk).update(due_at=timezone.now() - timedelta(hours=1))
    conversations.write_note(conversation=called, by=max, text="@Amy look")
    until = timezone.now() + timedelta(hours=2)
    conversations.set_status(conversation=rests, status="snoozed", by=amy, until=until)
    client = signed_in(amy)

    def shown(query: str) -> set[str]:
        page = client.get(url("inbox") + query).context["page"]
        return {row.last_text for row in page}

    assert shown("") == {"mine"}
    assert shown("?view=unassigned") == {conversation.last_text, "late", "called"}
    assert shown("?view=overdue") == {"late"}
    assert shown("?view=mentions") == {"called"}
    assert shown("?view=snoozed") == {"rests"}
    assert shown("?view=all&network=double") == {conversation.last_text, "mine", "late", "called", "rests"}
    assert shown("?view=all&network=other") == set()
    assert shown("?view=all&q=called") == {"called"}
    assert shown("?view=all&q=marisol") == {conversation.last_text}
    pane = client.get(url("view-list")).context["pane"]
    counts = {str(entry.label): int(entry.count) for entry in pane.views if entry.count is not None}
    assert counts == {
        "Mine": 1, "Unassigned": 3, "Mentions": 1, "Overdue": 1, "Snoozed": 1, "All open": 4,
    }  # fmt: skip


def test_counts_stop_at_ninety_nine(signed_in, amy, conversation) -> None:
    row = Conversation.objects.get()
    Conversation.objects.bulk_create(
        Conversation(account=row.account, team=row.team, first_at=row.first_at, last_at=row.last_at)
        for _ in range(120)
    )
    answer = reading(signed_in(amy), url("view-list"))
    assert "<span>99+</span>" in answer.content.decode()


def test_a_list_with_equal_times_shows_each_row_once(signed_in, amy, conversation) -> None:
    row, now = Conversation.objects.get(), timezone.now()
    Conversation.objects.bulk_create(
        Conversation(account=row.account, team=row.team, first_at=now, last_at=now) for _ in range(130)
    )
    client, seen, after = signed_in(amy), [], ""
    while True:
        page = client.get(url("conversation-rows"), {"view": "open", "sort": "due", "page": after}).context[
            "page"
        ]
        seen += [one.pk for one in page]
        if not page.next_token:
            break
        after = page.next_token
    assert len(seen) == len(set(seen)) == 131


@pytest.mark.parametrize(
    "query", ["?view=nothing", "?sort=nothing", "?team=x", "?account=1e9", "?page=forged"]
)
def test_a_query_that_cannot_be_meant_is_answered_with_400(signed_in, amy, query) -> None:
    assert signed_in(amy).get(url("conversation-rows") + query).status_code == 400


def test_somebody_without_a_team_sees_an_empty_inbox(signed_in, amy, conversation) -> None:
    amy.teams.clear()
    answer = signed_in(amy).get(url("inbox") + "?view=open")
    assert answer.status_code == 200
    assert "Nothing here" in answer.content.decode()


def test_many_at_once_touches_only_what_is_visible(signed_in, amy, conversation, elsewhere) -> None:
    client = signed_in(amy)
    form = {"action": "resolve", "id": [conversation.pk, elsewhere.pk]}
    assert client.post(url("conversation-bulk") + "?view=open", form).status_code == 302
    conversation.refresh_from_db(), elsewhere.refresh_from_db()
    assert (conversation.status, elsewhere.status) == ("resolved", "open")
    client.post(url("conversation-bulk"), {"action": "tag", "tag": "kettle", "id": [conversation.pk]})
    assert conversation.conversation_tags.get().tag.name == "kettle"


# The thread


def test_a_click_in_the_list_answers_two_panes_only(signed_in, amy, conversation) -> None:
    whole = signed_in(amy).get(url("conversation", conversation.pk)).content.decode()
    part = reading(signed_in(amy), url("conversation", conversation.pk)).content.decode()
    assert "<html" in whole
    assert "<html" not in part
    assert 'id="thread"' in part
    assert 'id="about"' in part
    assert "Paid, 12 mo" in part, "what they paid is not called by the name of what is expected of them"


def test_what_somebody_wrote_is_text_never_markup(signed_in, amy, conversation) -> None:
    evil = '<script>alert(1)</script> <img src=x onerror=alert(1)> javascript:alert(1) https://ok.example/"x'
    hear(conversation.account, evil, at=timezone.now())
    conversations.write_note(conversation=conversation, by=amy, text="@Amy <b>x</b>")
    Conversation.objects.update(subject="<i>subject</i>")
    page = signed_in(amy).get(url("conversation", conversation.pk)).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<b>x</b>" not in page
    assert "<i>subject</i>" not in page
    assert 'href="javascript:' not in page


def test_earlier_messages_come_piece_by_piece_and_each_once(signed_in, amy, conversation) -> None:
    at = timezone.now() - timedelta(days=3)
    for n in range(120):
        hear(conversation.account, f"line {n:03}", at=at)
    client = signed_in(amy)
    answer = client.get(url("conversation", conversation.pk))
    lines = lambda flow: [block.interaction.text for block in flow.blocks if block.kind == "message"]  # noqa: E731
    flow = answer.context["flow"]
    seen = lines(flow)
    while flow.earlier:
        flow = reading(
            client, url("flow-earlier", conversation.pk) + f"?before={quoted(flow.earlier)}"
        ).context["flow"]
        seen = lines(flow) + seen
    assert len(seen) == 121
    assert len(set(seen)) == 121


def quoted(value: str) -> str:
    from urllib.parse import quote

    return quote(value, safe="")


def test_what_came_since_is_asked_by_where_the_page_reached(signed_in, amy, max, conversation) -> None:
    client = signed_in(amy)
    flow = client.get(url("conversation", conversation.pk)).context["flow"]
    path = f"{url('flow-since', conversation.pk)}?day={flow.last_day}&after="
    assert reading(client, path + flow.reach).context["flow"].blocks == []
    hear(conversation.account, "And?", at=timezone.now())
    conversations.assign(conversation=conversation, to=max, by=max)
    piece = reading(client, path + flow.reach).context["flow"]
    assert [block.kind for block in piece.blocks] == ["message", "event"]
    assert reading(client, path + piece.reach).context["flow"].blocks == []


@pytest.mark.parametrize("query", ["?before=x", "?before=2026-01-01_x"])
def test_a_place_nobody_gave_is_answered_with_400(signed_in, amy, conversation, query) -> None:
    assert reading(signed_in(amy), url("flow-earlier", conversation.pk) + query).status_code == 400


def test_public_lines_stand_in_one_frame_apart_from_private_ones(signed_in, amy, double, general) -> None:
    account = make_account(general)
    opened = hear(account, "Love it.", thread="post:1", public=True)
    hear(account, "Me too.", who="tomasz", thread="post:1", public=True)
    page = signed_in(amy).get(url("conversation", opened.pk)).content.decode()
    assert page.count('class="r-public"') == 1
    assert page.count('class="r-comment"') == 2
    assert "anyone can read it" in page
    assert 'class="r-bubble"' not in page


def test_looking_marks_as_read_and_says_who_else_is_here(signed_in, amy, max, conversation) -> None:
    path = url("conversation-here", conversation.pk)
    signed_in(max).post(path, {"doing": "reply"})
    answer = signed_in(amy).post(path, {"doing": "reads"})
    assert "Max is writing a reply" in answer.content.decode()
    assert not Conversation.objects.with_seen(amy).get(pk=conversation.pk).is_unread


# Writing


def test_a_sent_reply_gives_back_an_empty_composer_with_a_new_key(signed_in, amy, conversation) -> None:
    client, key = signed_in(amy), str(uuid4())
    conversations.save_draft(conversation=conversation, by=amy, text="Tomo", is_note=False)
    answer = client.post(url("reply-send", conversation.pk), {"text": "Tomorrow.", "client_key": key})
    assert answer.status_code == 200
    assert key not in answer.content.decode()
    assert "Tomorrow." not in answer.content.decode()
    assert "rapport:changed" in answer.headers["HX-Trigger"]
    assert not Draft.objects.exists()
    client.post(url("reply-send", conversation.pk), {"text": "Tomorrow.", "client_key": key})
    assert Delivery.objects.count() == 1


def test_what_cannot_be_sent_comes_back_with_its_reason(signed_in, amy, conversation) -> None:
    answer = signed_in(amy).post(
        url("reply-send", conversation.pk), {"text": "x" * 300, "client_key": uuid4()}
    )
    assert answer.status_code == 422
    assert "300 characters" in answer.content.decode()
    assert "x" * 300 in answer.content.decode()
    assert not Delivery.objects.exists()


def test_a_form_without_its_key_is_refused(signed_in, amy, conversation) -> None:
    assert signed_in(amy).post(url("reply-send", conversation.pk), {"text": "x"}).status_code == 422


def test_send_and_resolve(signed_in, amy, conversation) -> None:
    form = {"text": "Done.", "client_key": uuid4(), "then": "resolve"}
    signed_in(amy).post(url("reply-send", conversation.pk), form)
    conversation.refresh_from_db()
    assert conversation.status == "resolved"


def test_canned_replies_carry_the_names(signed_in, amy, conversation, general) -> None:
    CannedReply.objects.create(shortcut="return", text='Dear {name}, {me} here. {"<b>"}')
    other = Team.objects.create(name="Workshop")
    CannedReply.objects.create(shortcut="repair", text="not yours", team=other)
    answer = reading(signed_in(amy), url("canned-find", conversation.pk) + "?q=re").content.decode()
    assert "Dear Marisol, Amy here." in answer
    assert "not yours" not in answer
    assert "<b>" not in answer


def test_the_agent_decides_on_a_message_that_may_have_been_sent(signed_in, amy, conversation, double) -> None:
    message = replies.reply(conversation=conversation, by=amy, text="Hi", client_key=uuid4())
    double.outcomes.append(Uncertain("cut off"))
    outbox.sweep()
    delivery = message.deliveries.get()
    client = signed_in(amy)
    page = client.get(url("conversation", conversation.pk)).content.decode()
    assert "May have been sent" in page
    assert "It arrived" in page
    answer = client.post(url("delivery-decide", delivery.pk, "again"))
    assert "Queued" in answer.content.decode()
    assert message.deliveries.count() == 2
    assert client.post(url("delivery-decide", delivery.pk, "burn")).status_code == 404


def test_a_decision_on_another_teams_message_is_refused(signed_in, amy, max, elsewhere) -> None:
    message = replies.reply(conversation=elsewhere, by=max, text="Hi", client_key=uuid4())
    path = url("delivery-decide", message.deliveries.get().pk, "stop")
    assert signed_in(amy).post(path).status_code == 404


def test_writing_first_by_the_page(signed_in, amy, vic, double, general) -> None:
    account = make_account(general)
    form = {"account": account.pk, "to": "tomasz", "text": "Hi", "subject": "Hello", "client_key": uuid4()}
    assert signed_in(vic).post(url("conversation-start"), form).status_code == 403
    answer = signed_in(amy).post(url("conversation-start"), form)
    begun = Conversation.objects.get()
    assert answer.headers["Location"] == url("conversation", begun.pk)
    assert begun.interactions.get().text == "Hi"


# The head's buttons


def test_the_buttons_do_what_they_say(signed_in, amy, max, conversation) -> None:
    client = signed_in(amy)
    client.post(url("conversation-assign", conversation.pk), {"to": max.pk})
    client.post(url("conversation-priority", conversation.pk), {"priority": "4"})
    client.post(url("tag-add", conversation.pk), {"name": "kettle"})
    client.post(url("conversation-snooze", conversation.pk), {"choice": "tomorrow"})
    conversation.refresh_from_db()
    assert (conversation.assignee, conversation.priority, conversation.status) == (max, 4, "snoozed")
    assert conversation.conversation_tags.get().tag.name == "kettle"
    answer = client.post(url("conversation-reopen", conversation.pk))
    assert "Open again" in answer.headers["HX-Trigger"]
    said = client.get(url("conversation", conversation.pk)).content.decode()
    for words in ("Assigned to Max by Amy", "Priority Urgent, set by Amy", "Tagged “kettle” by Amy"):
        assert words in said


def test_a_team_one_does_not_see_takes_the_conversation_off_the_screen(signed_in, amy, conversation) -> None:
    workshop = Team.objects.create(name="Workshop")
    answer = signed_in(amy).post(url("conversation-team", conversation.pk), {"team": workshop.pk})
    assert answer.headers["HX-Retarget"] == "#thread"
    assert "Choose a conversation" in answer.content.decode()


# Mails and files


@pytest.fixture
def mail(conversation: Conversation) -> Interaction:
    said = conversation.interactions.get()
    html = clean_html('<p>Hi <img src="cid:logo@1"><img src="https://tracker.example/p.gif"></p>')
    MailContent.objects.create(interaction=said, html=html, quoted="> earlier")
    kept = Attachment(
        interaction=said, name="logo.png", content_type="image/png", size=3, content_id="<logo@1>"
    )
    kept.file.save("logo", ContentFile(b"png"))
    return said


def test_a_mails_html_has_its_own_policy_and_no_scripts(signed_in, amy, mail) -> None:
    answer = signed_in(amy).get(url("mail-frame", mail.pk))
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert "https:" not in policy
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "data:image/png;base64,cG5n" in answer.content.decode()
    assert ' src="https://' not in answer.content.decode()


def test_remote_pictures_are_loaded_only_when_asked_for(signed_in, amy, mail) -> None:
    answer = signed_in(amy).get(url("mail-frame", mail.pk) + "?images=1")
    assert "img-src data: https: http:" in answer.headers["Content-Security-Policy"]
    assert ' src="https://tracker.example/p.gif"' in answer.content.decode()


@pytest.mark.parametrize(
    ("content_type", "inline"),
    [("image/png", True), ("image/svg+xml", False), ("text/html", False), ("application/pdf", False)],
)
def test_only_pictures_open_in_the_browser(signed_in, amy, conversation, content_type, inline) -> None:
    kept = Attachment(
        interaction=conversation.interactions.get(), name="a\r\nb.html", content_type=content_type, size=3
    )
    kept.file.save("x", ContentFile(b"abc"))
    answer = signed_in(amy).get(url("file", kept.pk))
    assert answer.headers["Content-Disposition"].startswith("inline" if inline else "attachment")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (answer.headers["Content-Type"] == content_type) is inline


def test_a_file_whose_content_is_gone_is_not_there(signed_in, amy, conversation) -> None:
    said = conversation.interactions.get()
    lost = Attachment.objects.create(interaction=said, name="x", file="attachments/none")
    noted = Attachment.objects.create(interaction=said, name="y", note="Not kept: 40 MB")
    client = signed_in(amy)
    assert client.get(url("file", lost.pk)).status_code == 404
    assert client.get(url("file", noted.pk)).status_code == 404
    assert "Not kept: 40 MB" in client.get(url("conversation", conversation.pk)).content.decode()
