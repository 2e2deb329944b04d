"""An erased person leaves no trace, does not come back, and takes nobody else's words along."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Team
from benchmarks import _traces
from core.events import live_redis
from crm.erased import erased_before, identity_key
from crm.identities import IdentityKey
from crm.models import Customer, ErasedKey, Erasure, Identity, Order
from crm.orders import LineIn, store_orders
from crm.privacy.erasing import erase_customer
from engagement.channels.base import Author, Change
from engagement.ingest import ingest
from engagement.models import (
    ChannelAccount,
    Conversation,
    Delivery,
    Interaction,
    PendingChange,
    RawEvent,
)

pytestmark = pytest.mark.django_db


def everything() -> str:
    """All rows of all tables, as PostgreSQL writes them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [row[0] for row in cursor.fetchall()]
        parts = []
        for table in tables:
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            parts += [row[0] for row in cursor.fetchall()]
    return "\n".join(parts)


@pytest.fixture
def planted(settings: Any, tmp_path: Path) -> _traces.Planted:
    settings.VAR_DIR = tmp_path
    return _traces.plant()


def test_the_tokens_are_really_there(planted: _traces.Planted, settings: Any) -> None:
    dump = everything()
    here = _traces.found_in_dump(dump, planted.tokens) | _traces.found_in_files(
        Path(settings.MEDIA_ROOT), planted.tokens
    )
    here |= _traces.found_in_redis(live_redis(), planted.tokens)
    assert set(planted.tokens) - here == set()


def test_nothing_is_found_of_an_erased_person(
    planted: _traces.Planted, settings: Any, ada: Any, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        erase_customer(customer=planted.customer, by=ada)
    dump = everything()
    assert _traces.found_in_dump(dump, planted.tokens) == set()
    assert _traces.found_in_files(Path(settings.MEDIA_ROOT), planted.tokens) == set()
    assert _traces.found_in_redis(live_redis(), planted.tokens) == set()
    assert [words for words in planted.kept if words not in "\n".join(_traces.readable(dump))] == []


def test_other_people_stay_whole(planted: _traces.Planted, ada: Any) -> None:
    erase_customer(customer=planted.customer, by=ada)
    assert set(Customer.objects.values_list("name", flat=True)) == {"Bob Stay", "Stay Ltd"}
    mixed = Conversation.objects.get(interactions__external_id="<m2@stay.example>")
    assert mixed.customer is not None and mixed.customer.name == "Bob Stay"
    assert mixed.subject == "[erased]"
    assert mixed.count == mixed.interactions.exclude(direction="internal").count()
    assert mixed.interactions.get(external_id="<m2@stay.example>").subject == "Re: [erased]"


def test_a_conversation_of_theirs_alone_goes_with_our_answers(planted: _traces.Planted, ada: Any) -> None:
    erase_customer(customer=planted.customer, by=ada)
    assert not Interaction.objects.filter(external_id__in=["p1", "p2"]).exists()
    waiting = Delivery.objects.get(state="queued")
    assert waiting.payload["cc"] == ["bob@stay.example"]


def test_pulling_the_same_pages_again_brings_nothing_back(planted: _traces.Planted, ada: Any) -> None:
    erase_customer(customer=planted.customer, by=ada)
    for account, events in planted.pages:
        result = ingest(account, events)
        gone = [event.external_id for event in events if _is_theirs(event)]
        by_id = dict(zip([event.external_id for event in events], result.outcomes, strict=True))
        assert {by_id[one] for one in gone} <= {"erased"}
        assert set(by_id.values()) <= {"erased", "repeated"}
    store_orders("shop", planted.orders)
    assert not Order.objects.exists()
    assert _traces.found_in_dump(everything(), planted.tokens) == set()


def _is_theirs(event: Any) -> bool:
    return (event.author is not None and event.author.name == _traces.NAME) or event.external_id == "p2"


def test_the_same_pages_in_an_empty_account_bring_back_others_alone(
    planted: _traces.Planted, ada: Any
) -> None:
    erase_customer(customer=planted.customer, by=ada)
    for account, events in planted.pages:
        Interaction.objects.filter(account=account).delete()
        Conversation.objects.filter(account=account).delete()
        ingest(account, events)
    assert not Identity.objects.filter(external_id=_traces.MAIL).exists()
    assert set(Interaction.objects.filter(direction="inbound").values_list("external_id", flat=True)) == {
        "c2", "<m2@stay.example>",
    }  # fmt: skip


def test_changes_of_what_was_erased_are_not_kept(planted: _traces.Planted, ada: Any) -> None:
    account = planted.pages[0][0]
    erase_customer(customer=planted.customer, by=ada)
    result = ingest(account, [Change("p1", "edit", timezone.now(), text="once more")])
    assert result.outcomes == ["erased"]
    assert not PendingChange.objects.exists()


def test_who_writes_anew_is_a_new_customer(planted: _traces.Planted, ada: Any) -> None:
    account, events = planted.pages[0]
    number = planted.customer.pk
    erase_customer(customer=planted.customer, by=ada)
    later = timezone.now() + timedelta(minutes=1)
    anew = replace(events[0], external_id="p9", occurred_at=later, text="hello again", files=())
    assert ingest(account, [anew, replace(events[0], files=())]).outcomes == ["stored", "erased"]
    customer = Customer.objects.get(identities__external_id="17849900112233")
    assert customer.pk != number
    assert [one.text for one in customer.interactions.all()] == ["hello again"]
    answer = replace(events[1], external_id="p10", occurred_at=later + timedelta(minutes=1))
    assert ingest(account, [answer]).outcomes == ["stored"]


def test_an_erasure_leaves_its_record_and_keys(planted: _traces.Planted, ada: Any) -> None:
    erasure = erase_customer(customer=planted.customer, by=ada, reason="request")
    assert (erasure.number, erasure.reason, erasure.by) == (planted.customer.pk, "request", ada)
    assert erasure.counts["crm_customer"] == 3, "two records of theirs, and one that named them"
    key = identity_key(IdentityKey("email", "", _traces.MAIL))
    assert erased_before([key]) == {key: erasure.at}
    assert _traces.MAIL.encode() not in b"".join(bytes(row.digest) for row in ErasedKey.objects.all())
    assert Erasure.objects.count() == 1


def test_a_new_key_of_the_installation_forgets_no_erasure(
    planted: _traces.Planted, ada: Any, settings: Any
) -> None:
    erase_customer(customer=planted.customer, by=ada)
    key = identity_key(IdentityKey("email", "", _traces.MAIL))
    settings.RAPPORT_OLD_KEYS = [settings.RAPPORT_KEY]
    settings.RAPPORT_KEY = "another"
    assert key in erased_before([key])


def test_a_first_name_is_blotted_nearby_alone(ada: Any) -> None:
    from tests.engagement.events import account, inbound, outbound

    own = account()
    anna = Author("anna99", handle="@anna99", name="Anna")
    ingest(
        own,
        [inbound("1", author=anna, public=True), inbound("2", who="bob", public=True, text="Anna is right")],
    )
    ingest(
        own,
        [
            inbound("3", who="carl", thread="t2", text="My sister Anna is here"),
            outbound("4", text="Hi Anna!"),
        ],
    )
    erase_customer(customer=Customer.objects.get(name="Anna"), by=ada)
    texts = dict(Interaction.objects.values_list("external_id", "text"))
    assert texts == {"2": "[erased] is right", "3": "My sister Anna is here", "4": "Hi [erased]!"}


def test_a_name_that_another_customer_bears_stays_theirs(ada: Any) -> None:
    from tests.engagement.events import account, inbound

    own = account()
    for number in ("a", "b"):
        author = Author(f"maria-{number}-2231", name="Maria Quistgaard")
        ingest(own, [inbound(number, author=author, thread=number)])
    ingest(own, [inbound("c", who="carl", thread="c", text="Is Maria Quistgaard in?")])
    erase_customer(customer=Customer.objects.get(identities__external_id="maria-a-2231"), by=ada)
    assert Interaction.objects.get(external_id="c").text == "Is Maria Quistgaard in?"
    assert Customer.objects.filter(name="Maria Quistgaard").count() == 1


def test_rows_at_home_with_the_erased_person_stay_with_whom_they_belong_to(ada: Any) -> None:
    from crm.merging import move_identity
    from tests.engagement.events import account, inbound

    own = account()
    ingest(
        own,
        [
            inbound("1", who="eva"),
            inbound("2", who="second", thread="t2"),
            inbound("3", who="bob", thread="t3"),
        ],
    )
    eva, bob = (Customer.objects.get(identities__external_id=who) for who in ("eva", "bob"))
    second = Identity.objects.get(external_id="second")
    third = Identity.objects.create(
        network="instagram", external_id="third", customer=eva, home_customer=eva, handle="third"
    )
    ingest(own, [inbound("4", who="third", thread="t4")])
    move_identity(identity=second, to=eva)
    move_identity(identity=third, to=bob)
    erase_customer(customer=eva, by=ada)
    third.refresh_from_db()
    assert (third.customer_id, third.home_customer_id) == (bob.pk, bob.pk)
    assert set(Interaction.objects.values_list("external_id", flat=True)) == {"3", "4"}
    assert not Identity.objects.filter(external_id="second").exists()


def test_a_restored_backup_is_erased_again(
    planted: _traces.Planted, ada: Any, django_capture_on_commit_callbacks: Any
) -> None:
    """The list beside the database knows erasures that the backup does not."""
    from io import StringIO

    from django.core.management import call_command

    with django_capture_on_commit_callbacks(execute=True):
        erase_customer(customer=planted.customer, by=ada)
    ErasedKey.objects.all().delete()
    Erasure.objects.all().delete()
    Interaction.objects.all().delete()
    Conversation.objects.all().delete()
    account, events = planted.pages[0]
    ingest(account, [replace(events[0], files=())])
    Identity.objects.filter(external_id="17849900112233").update(created_at=_traces.START)
    later = timezone.now() + timedelta(minutes=1)
    ingest(
        account,
        [replace(events[0], external_id="n", author=Author("newcomer-88"), occurred_at=later, files=())],
    )
    told = StringIO()
    call_command("erase_again", stdout=told)
    assert "1 customers erased again" in told.getvalue()
    left = Identity.objects.filter(network="instagram").values_list("external_id", flat=True)
    assert sorted(left) == ["bob.public", "newcomer-88"]
    assert Erasure.objects.get().reason == "restored"


def test_somebody_who_waited_for_an_erasure_is_somebody_new(
    ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An identity that vanished while its lock was waited for is made anew."""
    from core import sql
    from crm import arrivals
    from tests.engagement.events import account, inbound

    own = account()
    ingest(own, [inbound("1", who="racer-4411")])
    rows, calls = sql.rows, []

    def vanish(app: str, name: str, parameters: Any) -> Any:
        if name == "lock_identities" and not calls:
            calls.append(name)
            erase_customer(customer=Customer.objects.get(), by=ada)
        return rows(app, name, parameters)

    monkeypatch.setattr(arrivals.sql, "rows", vanish)
    later = timezone.now() + timedelta(minutes=1)
    page = [inbound("2", who="racer-4411"), inbound("3", who="racer-4411", occurred_at=later)]
    assert ingest(own, page).outcomes == ["erased", "stored"]


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("Zoë Quistgaard", "Ask ZOË  QUISTGAARD or Quistgaard, Zoë", "Ask [erased] or [erased]"),
        ("O'Neill-Zarkov Ann", "<p>O&#x27;Neill-Zarkov <b>Ann</b> rang</p>", "<p>[erased]</b> rang</p>"),
        ("王小明", "我问了王小明昨天", "我问了[erased]昨天"),
        ("Florencia Zubizar", "zubizarreta is somebody else", "zubizarreta is somebody else"),
    ],
)
def test_names_are_found_in_every_spelling(name: str, text: str, left: str, ada: Any) -> None:
    from crm.models import CustomerNote

    customer, other = (Customer.objects.create(name=one) for one in (name, "Other"))
    CustomerNote.objects.create(text=text, customer=other, home_customer=other)
    erase_customer(customer=customer, by=ada)
    assert CustomerNote.objects.get().text == left


def test_a_word_of_the_trade_or_a_place_is_not_taken_for_a_name(ada: Any) -> None:
    from tests.crm.orders import order

    pot = LineIn(title="Kettlewell pot")
    store_orders("shop", [order(str(n), buyer=f"b{n}", lines=(pot,)) for n in range(3)])
    lisbeth = Customer.objects.create(name="Kettlewell")
    sevilla = Customer.objects.create(name="Sevilla")
    other = Customer.objects.create(name="Other", city="Sevilla", note="Kettlewell pot, sent to Sevilla")
    for one in (lisbeth, sevilla):
        erase_customer(customer=one, by=ada)
    other.refresh_from_db()
    assert (other.city, other.note) == ("Sevilla", "Kettlewell pot, sent to Sevilla")


def test_mails_written_to_files_go(ada: Any, settings: Any, tmp_path: Path) -> None:
    settings.EMAIL_FILE_PATH = str(tmp_path)
    (tmp_path / "1.log").write_text("To: zq.mails@example.org\n\nHello")
    (tmp_path / "2.log").write_text("To: other@example.org\n\nHello")
    customer = Customer.objects.create(name="Somebody")
    Identity.objects.create(
        network="email", external_id="zq.mails@example.org", customer=customer, home_customer=customer
    )
    erase_customer(customer=customer, by=ada)
    assert [path.name for path in tmp_path.glob("*.log")] == ["2.log"]


@pytest.mark.parametrize(
    "body",
    [
        b'Subject: hello\nContent-Type: text/plain; charset="no-such-thing"\n\nfrom zq.mails@example.org',
        b'Subject: hello\nContent-Type: text/plain; charset="hex"\n\nfrom zq.mails@example.org',
        b"Subject: =?utf-8?b?a?=\n\nfrom zq.mails@example.org",
        b"[" * 200_000 + b"zq.mails@example.org",
    ],
)
def test_a_body_that_nobody_can_read_stops_no_erasure(body: bytes, ada: Any) -> None:
    own = ChannelAccount.objects.create(
        connector="email", network="email", external_id="us@example.com", name="Us", team=Team.general()
    )
    RawEvent.objects.create(
        account=own, source=f"email:{own.pk}", delivery_key="1", month=timezone.now().date().replace(day=1),
        state="parked", body=body,
    )  # fmt: skip
    customer = Customer.objects.create(name="Somebody")
    Identity.objects.create(
        network="email", external_id="zq.mails@example.org", customer=customer, home_customer=customer
    )
    erase_customer(customer=customer, by=ada)
    assert not any(b"zq.mails" in bytes(raw.body) for raw in RawEvent.objects.all())
