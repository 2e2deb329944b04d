"""An erasure while others write: nobody waits for ever, and nothing of the erased person comes through."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from crm.models import Customer, Identity
from crm.privacy.erasing import erase_customer
from engagement.channels.base import Author
from engagement.ingest import ingest
from engagement.models import ChannelAccount, Conversation, Interaction
from tests.engagement.events import account, inbound

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 4


@pytest.fixture(autouse=True)
def _own_list(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.VAR_DIR = tmp_path
    yield


def in_threads(*works: Any) -> list[Exception]:
    """Run each in a thread of its own, begun together; what they raised."""
    raised: list[Exception] = []
    begin = threading.Barrier(len(works))

    def run(work: Any) -> None:
        try:
            begin.wait(10)
            work()
        except Exception as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised


def lines(own: ChannelAccount, number: int, *, who: str, thread: str) -> None:
    """A page of lines dated before the erasure, several people in one thread."""
    people = [who, "bob-stays-881", who, "carl-stays-882"]
    ingest(
        own,
        [
            inbound(
                f"{thread}-{who}-{number}-{at}",
                author=Author(one, name=one),
                thread=thread,
                minute=at,
                public=True,
            )
            for at, one in enumerate(people)
        ],
    )


def test_an_erasure_and_ingests_of_the_same_conversation_get_through() -> None:
    own = account()
    for number in range(ROUNDS):
        who, thread = f"eva-goes-{number}77", f"t{number}"
        lines(own, 0, who=who, thread=thread)
        customer = Customer.objects.get(identities__external_id=who)

        def erase(customer: Customer = customer) -> None:
            erase_customer(customer=customer, by=None)

        def write(at: int, who: str = who, thread: str = thread) -> None:
            for page in range(3):
                lines(own, 10 * at + page, who=who, thread=thread)

        raised = in_threads(erase, lambda: write(1), lambda: write(2))
        assert not raised, raised
        assert not Identity.objects.filter(external_id=who).exists()
        assert not Interaction.objects.filter(external_id__contains=who, customer=None).exists()
    assert set(Customer.objects.values_list("name", flat=True)) == {"bob-stays-881", "carl-stays-882"}
    for conversation in Conversation.objects.all():
        assert conversation.customer is not None
        assert conversation.count == conversation.interactions.count()


def test_who_writes_while_being_erased_is_erased_or_somebody_new() -> None:
    own = account()
    for number in range(ROUNDS):
        who = f"eva-writes-{number}77"
        lines(own, 0, who=who, thread=who)
        customer = Customer.objects.get(identities__external_id=who)
        later = timezone.now() + timedelta(minutes=5)
        anew = inbound(f"new-{number}", author=Author(who, name=who), thread=who, occurred_at=later)
        raised = in_threads(
            lambda customer=customer: erase_customer(customer=customer, by=None),
            lambda anew=anew: ingest(own, [anew]),
        )
        assert not raised, raised
        left = Interaction.objects.filter(identity__external_id=who)
        assert list(left.values_list("external_id", flat=True)) in ([], [f"new-{number}"])
        assert not Customer.objects.filter(pk=customer.pk).exists()
