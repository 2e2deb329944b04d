"""Pulling a real IMAP mailbox into the database."""

from __future__ import annotations

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from engagement import pulls
from engagement.channels.email import pulling
from engagement.models import Attachment, ChannelAccount, Conversation, Health, Interaction, RawEvent
from tests.mail_servers import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailbox(new_account, imap_server):
    return new_account(imap=imap_server)


def pull(account):
    return pulls.pull_account(account.pk)


def place_in(folder):
    return ChannelAccount.objects.get().cursor["folders"][folder]


def ids():
    return set(Interaction.objects.values_list("external_id", flat=True))


def test_a_mail_becomes_an_interaction_of_a_customer(mailbox, imap_server, new_mail):
    imap_server.deliver(new_mail("Where is my parcel?", message_id="m1@example.org", Subject="Parcel"))
    pulled = pull(mailbox)
    assert (pulled.received, pulled.stored, pulled.failure) == (1, 1, "")
    found = Interaction.objects.select_related("conversation", "identity__customer").get()
    assert (found.external_id, found.text, found.subject) == (
        "m1@example.org",
        "Where is my parcel?",
        "Parcel",
    )
    assert found.identity.external_id == "bob@example.org"
    assert found.identity.customer.name == "Bob"
    assert found.conversation.customer == found.customer
    account = ChannelAccount.objects.get()
    assert (account.received, account.stored, account.parked) == (1, 1, 0)
    assert account.pull_lease_until is None and account.next_pull_at is not None


def test_the_same_mailbox_again_brings_nothing(mailbox, imap_server, new_mail):
    imap_server.deliver(new_mail())
    pull(mailbox)
    assert pull(mailbox).received == 0
    imap_server.deliver(new_mail())
    assert pull(mailbox).stored == 1
    assert Interaction.objects.count() == 2


def test_reading_marks_nothing_as_seen_and_seen_mail_is_read_too(mailbox, imap_server, new_mail):
    imap_server.deliver(new_mail())
    imap_server.deliver(new_mail(), flags=[b"\\Seen"])
    assert pull(mailbox).stored == 2
    with imap_server.client() as client:
        client.select_folder(imap_server.folder)
        assert len(client.search(["UNSEEN"])) == 1
        assert len(client.search(["ALL"])) == 2


def test_a_mailbox_is_read_page_by_page_and_each_page_is_saved(mailbox, imap_server, new_mail, monkeypatch):
    monkeypatch.setattr(pulling, "PAGE_MAILS", 3)
    for number in range(8):
        imap_server.deliver(new_mail(message_id=f"m{number}@example.org"))
    first = pulls.pull_account(mailbox.pk, seconds=0)
    assert (first.pages, first.stored, first.more) == (1, 3, True)
    assert ChannelAccount.objects.get().next_pull_at <= pulls.timezone.now()
    rest = pull(mailbox)
    assert (rest.pages, rest.stored, rest.more) == (2, 5, False)
    assert ids() == {f"m{number}@example.org" for number in range(8)}


def test_a_page_ends_before_it_grows_too_large(mailbox, imap_server, new_mail, monkeypatch):
    monkeypatch.setattr(pulling, "PAGE_BYTES", 10_000)
    for _ in range(3):
        imap_server.deliver(new_mail("x " * 3000))
    assert pull(mailbox).pages == 3


def test_only_new_mail_leaves_out_what_was_there(new_account, imap_server, new_mail):
    account = new_account(imap=imap_server, only_new=True)
    imap_server.deliver(new_mail(message_id="old@example.org"))
    assert pull(account).received == 0
    imap_server.deliver(new_mail(message_id="new@example.org"))
    pull(account)
    assert ids() == {"new@example.org"}


def test_what_was_there_before_the_connection_comes_in_as_history(mailbox, imap_server, new_mail):
    imap_server.deliver(new_mail(message_id="old@example.org", Date="Mon, 3 Mar 2025 10:00:00 +0000"))
    pull(mailbox)
    imap_server.deliver(
        new_mail(
            message_id="late@example.org",
            sender="carl@example.org",
            Date="Mon, 3 Mar 2025 11:00:00 +0000",
        )
    )
    pull(mailbox)
    status = {one.subject: one.status for one in Conversation.objects.all()}
    states = dict(Interaction.objects.values_list("external_id", "conversation__status"))
    assert states == {"old@example.org": "resolved", "late@example.org": "open"}, status


def test_a_folder_made_anew_is_recognized_by_message_id(mailbox, imap_server, new_mail):
    mails = [new_mail(message_id=f"m{number}@example.org") for number in range(3)]
    for mail in mails:
        imap_server.deliver(mail)
    pull(mailbox)
    before = place_in(imap_server.folder)
    imap_server.make_anew()
    for mail in [*reversed(mails), new_mail(message_id="m3@example.org")]:
        imap_server.deliver(mail)
    pulled = pull(mailbox)
    assert (pulled.received, pulled.stored) == (4, 1)
    after = place_in(imap_server.folder)
    assert after["uidvalidity"] != before["uidvalidity"]
    assert ids() == {f"m{number}@example.org" for number in range(4)}


def test_a_folder_made_anew_still_holds_back_what_was_older_than_the_connection(
    new_account, imap_server, new_mail
):
    account = new_account(imap=imap_server, only_new=True)
    pull(account)
    imap_server.make_anew()
    old = pulls.timezone.now() - pulls.timedelta(days=30)
    imap_server.deliver(new_mail(message_id="old@example.org"), msg_time=old)
    imap_server.deliver(new_mail(message_id="new@example.org"))
    pull(account)
    assert ids() == {"new@example.org"}
    assert "resync_since" not in place_in(imap_server.folder)


def test_one_mail_to_two_mailboxes_is_two_conversations(new_account, imap_server, new_mail):
    first = new_account(imap=imap_server)
    second = new_account(imap=imap_server, address="sales@example.com")
    imap_server.deliver(new_mail(message_id="m1@example.org"))
    pull(first)
    pull(second)
    found = Interaction.objects.order_by("account_id")
    assert [one.external_id for one in found] == ["m1@example.org"] * 2
    assert len({one.conversation_id for one in found}) == 2
    assert len({one.customer_id for one in found}) == 1
    assert len({one.object_key for one in found}) == 1


def test_a_mail_without_message_id_comes_in_once(mailbox, imap_server, new_mail):
    raw = new_mail(message_id="")
    imap_server.deliver(raw)
    pull(mailbox)
    imap_server.make_anew()
    imap_server.deliver(raw)
    pull(mailbox)
    assert Interaction.objects.get().external_id.startswith("sha256:")


def test_a_bad_mail_is_parked_and_the_next_ones_come_in(mailbox, imap_server, new_mail):
    imap_server.deliver(new_mail(message_id="m1@example.org"))
    imap_server.deliver(b"Subject: no sender at all\r\n\r\nwho am I")
    imap_server.deliver(new_mail(sender="bob@localhost.but not", message_id="m2@example.org"))
    imap_server.deliver(new_mail(message_id="m3@example.org"))
    pull(mailbox)
    assert {"m1@example.org", "m3@example.org"} <= ids()
    account = ChannelAccount.objects.get()
    assert account.received == 4
    assert account.received == account.stored + account.parked
    parked = RawEvent.objects.filter(state="parked").order_by("id").first()
    assert bytes(parked.body).startswith(b"Subject: no sender at all")
    assert "no sender" in parked.error


def test_a_parked_mail_is_taken_in_once_its_reason_is_gone(mailbox, imap_server, new_mail, monkeypatch):
    from engagement import raw_events

    imap_server.deliver(new_mail(message_id="m1@example.org"))
    with monkeypatch.context() as patched:
        patched.setattr(pulling, "events_of", lambda *a, **k: 1 / 0)
        pull(mailbox)
    parked = RawEvent.objects.get()
    assert (parked.state, parked.error) == ("parked", "ZeroDivisionError: division by zero")
    raw_events.understand(parked)
    assert ids() == {"m1@example.org"}
    assert RawEvent.objects.get().state == "done"


def test_a_mail_that_the_server_does_not_hand_over_stops_no_other(
    mailbox, imap_server, new_mail, monkeypatch
):
    for number in range(3):
        imap_server.deliver(new_mail(message_id=f"m{number}@example.org"))
    real, asked = IMAPClient.fetch, []

    def refuse_one(client, uids, data, **more):
        if data == ["BODY.PEEK[]"]:
            asked.append(list(uids))
            if len(uids) > 1 or uids == asked[0][1:2]:
                raise IMAPClientError("FETCH failed: NO [SERVERBUG] Internal error")
        return real(client, uids, data, **more)

    monkeypatch.setattr(IMAPClient, "fetch", refuse_one)
    pulled = pull(mailbox)
    assert (pulled.stored, pulled.parked, pulled.failure) == (2, 1, "")
    assert ids() == {"m0@example.org", "m2@example.org"}
    assert "does not hand it over" in RawEvent.objects.get().error


def test_a_broken_charset_comes_in_with_replacement(mailbox, imap_server):
    imap_server.deliver(
        b"From: bob@example.org\r\nMessage-ID: <m1@x>\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\nGr\xff\xfee\x00!"
    )
    pull(mailbox)
    assert Interaction.objects.get().text == "Gr��e!"


def test_a_mail_with_thirty_megabytes_keeps_its_text_and_says_why(mailbox, imap_server, new_mail):
    imap_server.deliver(new_mail("See video", files=(("video.mov", b"\x01" * (30 * 1024 * 1024)),)))
    imap_server.deliver(new_mail("next", message_id="next@example.org"))
    pulled = pull(mailbox)
    assert (pulled.stored, pulled.parked, pulled.failure) == (2, 0, "")
    kept = Attachment.objects.get()
    assert not kept.file
    assert "MB" in kept.note
    assert Interaction.objects.get(pk=kept.interaction_id).text == "See video"


def test_of_a_huge_mail_only_the_beginning_is_fetched(mailbox, imap_server, new_mail, monkeypatch):
    monkeypatch.setattr(pulling, "WHOLE_UP_TO", 100_000)
    monkeypatch.setattr(pulling, "BEGINNING", 20_000)
    imap_server.deliver(new_mail("See video", files=(("video.mov", b"\x01" * 300_000),)))
    assert pull(mailbox).stored == 1
    kept = Attachment.objects.get()
    assert (kept.name, bool(kept.file)) == ("video.mov", False)
    assert kept.note.startswith("Not fetched")


def test_files_and_inline_pictures_are_kept(mailbox, imap_server):
    imap_server.deliver(
        b"From: bob@example.org\r\nMessage-ID: <m1@x>\r\n"
        b'Content-Type: multipart/related; boundary="b"\r\n\r\n'
        b'--b\r\nContent-Type: text/html\r\n\r\n<p>Hi <img src="cid:logo@x"></p>\r\n'
        b"--b\r\nContent-Type: image/png; name=logo.png\r\nContent-ID: <logo@x>\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--b--\r\n"
    )
    pull(mailbox)
    kept = Attachment.objects.get()
    assert (kept.name, kept.content_id, kept.content_type) == ("logo.png", "logo@x", "image/png")
    assert kept.file.read() == b"\x89PNG\r\n\x1a\n"
    assert 'data-cid="logo@x"' in kept.interaction.mail.html


def test_html_quotation_and_headers_are_kept_beside_the_interaction(mailbox, imap_server, new_mail):
    imap_server.deliver(new_mail("New\n\n> old", html="<p>New</p><script>x</script>", Subject="S"))
    pull(mailbox)
    found = Interaction.objects.get()
    assert (found.text, found.mail.quoted, found.mail.html) == ("New", "> old", "<p>New</p>")
    assert found.mail.headers["from"] == "Bob <bob@example.org>"


# Threads


def test_an_answer_joins_its_conversation_and_a_stranger_does_not(mailbox, imap_server, new_mail):
    imap_server.deliver(new_mail(message_id="q@example.org", Subject="Parcel"))
    pull(mailbox)
    imap_server.deliver(
        new_mail(message_id="more@example.org", answers="q@example.org", Subject="Other words")
    )
    imap_server.deliver(
        new_mail(
            sender="eve@evil.example",
            message_id="e@evil.example",
            answers="q@example.org",
            Subject="Re: Parcel",
        )
    )
    pull(mailbox)
    placed = dict(Interaction.objects.values_list("external_id", "conversation_id"))
    assert placed["more@example.org"] == placed["q@example.org"]
    assert placed["e@evil.example"] != placed["q@example.org"]
    assert Conversation.objects.get(pk=placed["q@example.org"]).subject == "Parcel"


def test_the_same_subject_joins_nothing(mailbox, imap_server, new_mail):
    imap_server.deliver(new_mail(Subject="Order 7"))
    imap_server.deliver(new_mail(sender="eve@evil.example", Subject="Re: Order 7"))
    pull(mailbox)
    assert Conversation.objects.count() == 2


# What goes wrong


def test_a_wrong_password_asks_for_a_login_and_tells_once(mailbox):
    from core.models import Event

    ChannelAccount.objects.update(credentials={"imap_password": "wrong"})
    assert "refuses the sign-in" in pull(mailbox).failure
    pull(mailbox)
    account = ChannelAccount.objects.get()
    assert account.health == Health.NEEDS_LOGIN
    assert "wrong" not in account.health_text
    assert Event.objects.filter(type="channel.needs_login").count() == 1
    assert pulls.due_accounts(pulls.timezone.now() + pulls.timedelta(days=1)) == []


def test_a_server_that_is_away_is_asked_again_later_and_later(mailbox, imap_server, new_mail):
    reach(free_port())
    waits = []
    for _ in range(3):
        start = pulls.timezone.now()
        assert "cannot be reached" in pull(mailbox).failure
        waits.append((ChannelAccount.objects.get().next_pull_at - start).total_seconds())
    assert waits[0] < waits[1] < waits[2]
    assert ChannelAccount.objects.get().health == Health.FAILING
    reach(imap_server.port)
    imap_server.deliver(new_mail())
    assert pull(mailbox).stored == 1
    account = ChannelAccount.objects.get()
    assert (account.health, account.failures, account.health_text) == (Health.HEALTHY, 0, "")


def reach(port):
    settings = ChannelAccount.objects.get().settings
    ChannelAccount.objects.update(settings=settings | {"imap_port": port})


def test_a_folder_that_is_not_there_is_said_so(new_account, imap_server):
    account = new_account(imap=imap_server, folder="Nowhere")
    assert "'Nowhere' cannot be opened" in pull(account).failure


def test_a_private_server_is_not_visited_without_the_operators_word(mailbox, settings):
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = []
    assert "RAPPORT_ALLOW_PRIVATE_HOSTS" in pull(mailbox).failure


def test_the_search_for_new_uids_leaves_out_the_last_mail(imap_server, new_mail):
    """`UID n+1:*` answers the last mail even where its UID is not above n (RFC 3501, 6.4.8)."""
    imap_server.deliver(new_mail())
    client: IMAPClient = imap_server.client()
    with client:
        mailbox = pulling.Mailbox(client, imap_server.folder)
        (uid,) = mailbox.uids_after(0)
        assert mailbox.uids_after(uid) == []
