"""Several folders of one mailbox, the Sent folder among them, and what the server says it has."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from engagement import outbox, pulls, reconciling, replies
from engagement.channels.email import pulling
from engagement.channels.email.connector import EmailConnector
from engagement.models import ChannelAccount, Conversation, Delivery, Interaction, RawEvent
from engagement.raw_events import understand
from tests.channels.email.bounces import bounce
from tests.mail_servers import free_port

pytestmark = pytest.mark.django_db
LINK = EmailConnector()


class More:
    """Another folder on the same server."""

    def __init__(self, imap_server):
        self.server, self.name = imap_server, f"More-{uuid4().hex[:12]}"
        with imap_server.client() as client:
            client.create_folder(self.name)

    def deliver(self, content, **more):
        with self.server.client() as client:
            client.append(self.name, content, **more)

    def remove(self):
        with self.server.client() as client:
            client.delete_folder(self.name)


@pytest.fixture
def more(imap_server):
    return More(imap_server)


@pytest.fixture
def mailbox(new_account, imap_server, smtp_server, more):
    """Reads two folders."""
    account = new_account(imap=imap_server, smtp=smtp_server)
    account.settings["folder"] = f"{imap_server.folder}\n{more.name}"
    account.save()
    return account


@pytest.fixture
def both(new_account, imap_server, smtp_server, more):
    """Reads one folder and the Sent folder."""
    return new_account(imap=imap_server, smtp=smtp_server, read_sent=True, sent_folder=more.name)


@pytest.fixture
def agent(both, staff):
    return staff("amy", "agent", teams=[both.team])


def pull(account, **options):
    return pulls.pull_account(account.pk, **options)


def ids():
    return set(Interaction.objects.values_list("external_id", flat=True))


# Several folders


def test_each_folder_is_read_from_where_it_was_left(mailbox, imap_server, more, new_mail):
    imap_server.deliver(new_mail(message_id="a1@x"))
    more.deliver(new_mail(message_id="b1@x"))
    more.deliver(new_mail(message_id="b2@x"))
    assert pull(mailbox).stored == 3
    more.deliver(new_mail(message_id="b3@x"))
    pulled = pull(mailbox)
    assert (pulled.received, pulled.stored) == (1, 1)
    places = ChannelAccount.objects.get().cursor["folders"]
    assert set(places) == {imap_server.folder, more.name}
    assert pull(mailbox).received == 0


def test_a_mail_moved_to_another_folder_stays_one_interaction(mailbox, imap_server, more, new_mail):
    mail = new_mail(message_id="a1@x")
    imap_server.deliver(mail)
    pull(mailbox)
    more.deliver(mail)
    pulled = pull(mailbox)
    assert (pulled.received, pulled.stored) == (1, 0)


def test_a_large_folder_does_not_keep_the_others_waiting(mailbox, imap_server, more, new_mail, monkeypatch):
    monkeypatch.setattr(pulling, "PAGE_MAILS", 1)
    for number in range(3):
        imap_server.deliver(new_mail(message_id=f"a{number}@x"))
    more.deliver(new_mail(message_id="b0@x"))
    first = pull(mailbox, seconds=0)
    assert first.more and ids() == {"a0@x"}
    assert pull(mailbox, seconds=0).more and ids() == {"a0@x", "b0@x"}
    assert not pull(mailbox).more
    assert ids() == {"a0@x", "a1@x", "a2@x", "b0@x"}


def test_a_folder_that_is_gone_is_told_and_the_others_are_read(mailbox, imap_server, more, new_mail):
    pull(mailbox)
    more.remove()
    imap_server.deliver(new_mail(message_id="a1@x"))
    pulled = pull(mailbox)
    assert more.name in pulled.failure and ids() == {"a1@x"}
    assert ChannelAccount.objects.get().health == "failing"


def test_a_cursor_of_one_folder_goes_on_where_it_stood(new_account, imap_server, more, new_mail):
    account = new_account(imap=imap_server)
    imap_server.deliver(new_mail(message_id="a1@x"))
    pull(account)
    inside = ChannelAccount.objects.get().cursor["folders"][imap_server.folder]
    ChannelAccount.objects.update(cursor=inside)
    imap_server.deliver(new_mail(message_id="a2@x"))
    assert pull(account).received == 1
    assert ids() == {"a1@x", "a2@x"}


def test_two_accounts_read_one_mailbox_each_for_itself(new_account, imap_server, new_mail):
    one = new_account(imap=imap_server)
    other = new_account(imap=imap_server, address="sales@example.com")
    imap_server.deliver(new_mail(message_id="a1@x", to="shop@example.com, sales@example.com"))
    assert (pull(one).stored, pull(other).stored) == (1, 1)
    assert Interaction.objects.values("object_key").distinct().count() == 1
    assert Conversation.objects.count() == 2


# The Sent folder


def answer_from_program(new_mail, **more):
    return new_mail(
        "We send another one.",
        sender="Amy from the shop <shop@example.com>",
        to="bob@example.org",
        Subject="Re: Parcel",
        **more,
    )


def test_an_answer_written_in_a_mail_program_stands_in_its_conversation(both, imap_server, more, new_mail):
    imap_server.deliver(new_mail(message_id="q@x", Subject="Parcel"))
    pull(both)
    assert Conversation.objects.get().waiting_since is not None
    more.deliver(answer_from_program(new_mail, message_id="r@program", answers="q@x"))
    assert pull(both).stored == 1
    said = Interaction.objects.get(external_id="r@program")
    assert (said.direction, said.text, said.staff_name) == (
        "outbound",
        "We send another one.",
        "Amy from the shop",
    )
    assert said.identity is None and said.conversation == Conversation.objects.get()
    assert Conversation.objects.get().waiting_since is None
    imap_server.deliver(new_mail("Thanks", message_id="t@x", answers="r@program"))
    pull(both)
    assert Interaction.objects.get(external_id="t@x").conversation == said.conversation


def test_an_answer_to_a_mail_from_a_program_that_was_read_first_joins_it(both, imap_server, more, new_mail):
    pull(both)
    imap_server.deliver(new_mail("Yes, please", message_id="t@x", answers="begun@program"))
    more.deliver(answer_from_program(new_mail, message_id="begun@program"))
    pull(both)
    assert ids() == {"t@x", "begun@program"}
    assert Conversation.objects.count() == 1
    assert Conversation.objects.get().identity.external_id == "bob@example.org"


def sent_copy(imap_server, more):
    with imap_server.client() as client:
        client.select_folder(more.name)
        (found,) = client.fetch("1", ["BODY[]"]).values()
    return found[b"BODY[]"]


def test_our_own_copy_in_the_sent_folder_is_no_second_message(both, agent, imap_server, more, new_mail):
    both.settings["save_sent"] = True
    both.save()
    imap_server.deliver(new_mail(message_id="q@x", Subject="Parcel"))
    pull(both)
    said = replies.reply(
        conversation=Conversation.objects.get(), by=agent, text="On its way", client_key=uuid4()
    )
    outbox.send_delivery(Delivery.objects.get().pk)
    with imap_server.client() as client:
        assert client.select_folder(more.name)[b"EXISTS"] == 1
    pulled = pull(both)
    assert (pulled.received, ids()) == (0, {"q@x", said.external_id})


@pytest.mark.parametrize("times", [1, 2])
def test_our_mail_under_an_id_of_outlooks_is_ours_and_answers_to_it_find_it(
    both, agent, imap_server, more, times
):
    replies.start_conversation(account=both, to="bob@example.org", text="Hi", by=agent, client_key=uuid4())
    outbox.send_delivery(Delivery.objects.get().pk)
    ours = Interaction.objects.get().external_id
    head = "From: shop@example.com\r\nTo: bob@example.org\r\nMessage-ID: <AM0PR@prod.outlook.com>\r\n"
    copy = f"{head}X-Microsoft-Original-Message-ID: <{ours}>\r\n\r\nHi"
    answer = "From: bob@example.org\r\nMessage-ID: <a@x>\r\nIn-Reply-To: <AM0PR@prod.outlook.com>\r\n\r\nYes"
    for _ in range(times):
        more.deliver(copy.encode())
        pull(both)
        assert ids() == {"AM0PR@prod.outlook.com"}
    imap_server.deliver(answer.encode())
    pull(both)
    assert sorted(one.external_id for one in window(both)) == ["a@x"]
    assert Conversation.objects.count() == 1 and Interaction.objects.count() == 2
    assert Delivery.objects.get().state == "sent"


def test_a_copy_that_lies_there_already_is_not_put_there_again(both, agent, imap_server, more):
    both.settings["save_sent"] = True
    both.save()
    replies.start_conversation(account=both, to="bob@example.org", text="Hi", by=agent, client_key=uuid4())
    outgoing = outbox.gather(Delivery.objects.get())
    LINK.send(outgoing)
    LINK.send(outgoing)
    with imap_server.client() as client:
        assert client.select_folder(more.name)[b"EXISTS"] == 1


def test_a_parked_mail_of_ours_is_ours_when_it_is_read_again(both, more, new_mail, monkeypatch):
    more.deliver(answer_from_program(new_mail, message_id="r@program"))
    with monkeypatch.context() as broken:
        broken.setattr(pulling, "read_mail", lambda *args, **options: 1 / 0)
        assert pull(both).parked == 1
    understand(RawEvent.objects.get())
    assert Interaction.objects.get().direction == "outbound"


def test_the_sent_folder_is_left_alone_where_that_is_wanted(new_account, imap_server, more, new_mail):
    account = new_account(imap=imap_server, read_sent=False, sent_folder=more.name)
    more.deliver(answer_from_program(new_mail, message_id="r@program"))
    assert pull(account).received == 0


def test_what_was_sent_before_the_connection_stays_out_with_only_new(
    new_account, imap_server, more, new_mail
):
    account = new_account(imap=imap_server, read_sent=True, sent_folder=more.name, only_new=True)
    more.deliver(answer_from_program(new_mail, message_id="old@program"))
    pull(account)
    more.deliver(answer_from_program(new_mail, message_id="new@program"))
    pull(account)
    assert ids() == {"new@program"}


# Comparing


def window(account, days=1):
    account.refresh_from_db()
    now = timezone.now()
    pages = LINK.list_window(account, now - timedelta(days=days), now + timedelta(minutes=5))
    return [one for page in pages for one in page]


def test_the_server_is_asked_for_every_mail_that_is_an_interaction(both, agent, imap_server, more, new_mail):
    replies.start_conversation(account=both, to="gone@example.org", text="Hi", by=agent, client_key=uuid4())
    ours = Interaction.objects.get().external_id
    for mail in (
        new_mail(message_id="a1@x"),
        new_mail(message_id="a1@x"),
        new_mail(message_id="loop@x", sender="shop@example.com"),
        new_mail(message_id=""),
        bounce(ours),
        new_mail(message_id="daemon@x", sender="Postmaster <postmaster@example.org>", Subject="Hello"),
    ):
        imap_server.deliver(mail)
    more.deliver(answer_from_program(new_mail, message_id="r@program"))
    more.deliver(new_mail(message_id=ours, sender="shop@example.com", to="gone@example.org"))
    pull(both)
    listed = window(both)
    stored = ids() - {ours}
    assert len(stored) == 4
    assert sorted(one.external_id for one in listed) == sorted(stored)


def test_what_is_missing_here_is_fetched_by_its_message_id(mailbox, imap_server, more, new_mail):
    for number in range(3):
        imap_server.deliver(new_mail(f"text {number}", message_id=f"a{number}@x"))
    more.deliver(new_mail(message_id="b0@x"))
    pull(mailbox)
    mailbox.refresh_from_db()
    page = LINK.fetch(mailbox, ["a1@x", "b0@x", "never@x"])
    assert {event.external_id: event.text for event in page.events} == {
        "a1@x": "text 1",
        "b0@x": "Hello, where is my parcel?",
    }


def test_a_window_holds_only_what_arrived_in_it(mailbox, imap_server, new_mail):
    now = timezone.now()
    for days in (0, 1, 3):
        imap_server.deliver(new_mail(message_id=f"{days}@x"), msg_time=now - timedelta(days=days, hours=1))
    pull(mailbox)
    assert [one.external_id for one in window(mailbox)] == ["0@x"]
    assert {one.external_id for one in window(mailbox, days=2)} == {"0@x", "1@x"}


def test_what_was_left_out_at_connecting_and_what_no_pull_reached_is_not_missing(
    new_account, imap_server, new_mail
):
    account = new_account(imap=imap_server, only_new=True)
    imap_server.deliver(new_mail(message_id="old@x"))
    pull(account)
    imap_server.deliver(new_mail(message_id="new@x"))
    pull(account)
    imap_server.deliver(new_mail(message_id="coming@x"))
    assert [one.external_id for one in window(account)] == ["new@x"]


def test_the_nightly_comparison_brings_back_what_was_lost_and_takes_nothing_as_gone(
    both, imap_server, more, new_mail
):
    for number in range(3):
        imap_server.deliver(new_mail(message_id=f"a{number}@x"))
    more.deliver(answer_from_program(new_mail, message_id="r@program", answers="a0@x"))
    pull(both)
    Interaction.objects.filter(external_id__in=["a1@x", "r@program"]).delete()
    with imap_server.client() as client:
        client.select_folder(imap_server.folder)
        client.delete_messages(client.search(["HEADER", "Message-ID", "a2@x"]))
        client.expunge()
    both.refresh_from_db()
    now = timezone.now()
    found = reconciling.compare_day(
        both, now.date(), now - timedelta(hours=1), now + timedelta(minutes=1), beat=lambda **_: None
    )
    assert (found.theirs, found.missing, found.repaired, found.gone) == (3, 2, 2, 0)
    assert ids() == {"a0@x", "a1@x", "a2@x", "r@program"}
    assert Interaction.objects.get(external_id="r@program").direction == "outbound"


# The self-test


def test_each_thing_is_tried_alone(both, imap_server, more):
    found = {one.name: one for one in LINK.examine(both)}
    assert [one.works for one in found.values()] == [True] * 5
    assert found["Sent folder"].text == more.name
    assert found["SMTP"].text == "Takes mails up to 67 MB."
    both.settings |= {"folder": f"{imap_server.folder}\nNowhere", "sent_folder": "Nothing"}
    failed = {one.name: one for one in LINK.examine(both) if not one.works}
    assert set(failed) == {"Folder Nowhere", "Sent folder"}
    assert failed["Folder Nowhere"].remedy


def test_a_server_that_is_away_fails_its_own_line_only(both):
    both.settings["smtp_port"] = free_port()
    assert [one.name for one in LINK.examine(both) if not one.works] == ["SMTP"]
    both.credentials = {"imap_password": "wrong"}
    assert [one.name for one in LINK.examine(both) if not one.works] == ["IMAP", "SMTP"]
