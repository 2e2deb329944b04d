"""Merges in the middle of ingests, of other merges and of a rebuild, with real connections.

RAPPORT_INTERLEAVINGS says how many ingests are interrupted; a plain run takes fewer.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db.models import F

from core.jobs import run_job
from crm.attaching import attach_existing, detach_identity
from crm.linking import Confirmed, link_confirmed
from crm.merging import CannotMerge, merge_customers, merge_several, move_identity, undo_merge
from crm.models import Customer, Identity, MergeRecord, Order
from crm.notes import write_note
from crm.orders import store_orders
from crm.strays import find_strays
from crm.tagging import add_tag, tag_called
from engagement.ingest import ingest
from engagement.models import ChannelAccount, Conversation, Interaction
from personas.models import Traits
from personas.nightly import start_rebuild
from tests.crm.interleaving import begin_in_the_middle, both_at_once
from tests.crm.orders import order
from tests.engagement.events import account, inbound, outbound

pytestmark = pytest.mark.django_db(transaction=True)
INTERLEAVINGS = int(os.environ.get("RAPPORT_INTERLEAVINGS", "24"))
PEOPLE = ("eva", "ben", "cia")
STATEMENTS = 34
"""About as many as an ingest of one page takes; a merge takes some more."""


def owner(name: str) -> Customer:
    people = Identity.objects.filter(network="instagram").select_related("customer")
    return people.get(external_id=name).customer


def on_merged() -> dict[str, int]:
    """Rows on customers who were merged away."""
    gone = Customer.objects.exclude(merged_into=None)
    models: tuple[Any, ...] = (Interaction, Conversation, Order, Identity)
    return {m.__name__: n for m in models if (n := m.objects.filter(customer__in=gone).count())}


class Shop:
    """A page with three people, a wall on which all of them write, and what comes next."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.number = 0
        self.page: ChannelAccount = account("page")
        for name in PEOPLE:
            self.ingest([self.message(name, f"wall {name}")])

    def message(self, who: str, thread: str, **more: Any) -> Any:
        self.number += 1
        return inbound(f"m{self.number}", who=who, minute=self.number, thread=thread, **more)

    def ingest(self, page: list[Any]) -> None:
        ingest(self.page, page)

    def arrival(self) -> Callable[[], object]:
        """What comes in next: messages, comments on others' walls, answers that come too early, orders."""
        who, wall = self.draw.choice(PEOPLE), self.draw.choice(PEOPLE)
        kind = self.draw.choice(("message", "wall", "page", "answer", "order"))
        if kind == "order":
            self.number += 1
            bought = order(f"o{self.number}", buyer=who, network="instagram", issuer="")
            return lambda: store_orders("shop", [bought])
        if kind == "answer":
            # Our answer is filed under a new thread: its owner is the author of a line filed elsewhere.
            said = self.message(who, f"wall {who}")
            self.number += 1
            where = {"thread": f"new {self.number}", "in_reply_to": said.external_id}
            answer = outbound(f"m{self.number}", minute=self.number, **where)
            first, then = ([said], [answer]) if self.draw.random() < 0.5 else ([answer], [said])
            self.ingest(first)
            return lambda: self.ingest(then)
        people = PEOPLE if kind == "page" else (who,)
        walls = {"message": who}.get(kind, wall)
        page = [self.message(name, f"wall {walls}") for name in people]
        return lambda: self.ingest(page)

    def change(self, by: Any) -> Callable[[], object]:
        """What somebody does meanwhile: merge, undo, move, attach, detach."""
        keep, drop = self.draw.sample(PEOPLE, 2)
        standing = MergeRecord.objects.filter(undone_at=None).order_by("?").first()
        if standing is not None and self.draw.random() < 0.45:
            return lambda: undo_merge(record=standing)
        one, other = owner(keep), owner(drop)
        if one == other:
            identity = Identity.objects.get(external_id=keep)
            return lambda: detach_identity(identity=identity, by=by)
        kind = self.draw.choice(("merge", "merge", "merge", "move", "attach"))
        identity = Identity.objects.get(external_id=drop)
        if kind == "merge":
            return lambda: merge_customers(keep=one, drop=other)
        if kind == "attach":
            return lambda: attach_existing(identity=identity, to=one, by=by)
        return lambda: move_identity(identity=identity, to=one)


def test_a_change_in_the_middle_of_an_ingest_leaves_no_row_astray(max: Any) -> None:
    shop = Shop(seed=7)
    lines = 0
    for turn in range(INTERLEAVINGS):
        arrival, change = shop.arrival(), shop.change(max)
        first, second = (arrival, change) if turn % 3 else (change, arrival)
        failed = begin_in_the_middle(first, second, at=shop.draw.randrange(STATEMENTS))
        assert failed == [], f"turn {turn}"
        assert on_merged() == {}, f"turn {turn}"
        assert find_strays() == {}, f"turn {turn}"
        lines = Interaction.objects.count() + Order.objects.count()
    assert lines == shop.number


def test_staff_write_about_a_customer_who_is_just_merged(max: Any) -> None:
    """A note is kept with the record that stays, or refused; a tag finds it."""
    shop = Shop(seed=3)
    vip = tag_called("vip")
    for at in range(0, 24, 3):
        eva, ben = owner("eva"), owner("ben")

        def write(ben: Customer = ben, at: int = at) -> None:
            add_tag(customer=ben, tag=vip, by=max)
            write_note(
                customer=Customer.objects.get(identities__external_id="ben"), text=f"note {at}", by=max
            )

        failed = begin_in_the_middle(partial(merge_customers, keep=eva, drop=ben), write, at=at)
        assert all(getattr(error, "code", "") == "merged" for error in failed), failed
        assert find_strays() == {}
        undo_merge(record=MergeRecord.objects.get(undone_at=None))
        assert find_strays() == {}
    assert shop.number == len(PEOPLE)


def test_two_people_who_merge_at_once_make_no_circle_and_lose_nobody() -> None:
    shop = Shop(seed=5)
    for turn in range(16):
        eva, ben, cia = owner("eva"), owner("ben"), owner("cia")
        merge = partial(merge_customers, keep=eva, drop=ben)
        others = (
            partial(merge_customers, keep=ben, drop=eva),
            partial(merge_customers, keep=ben, drop=cia),
            partial(merge_several, keep=cia, drops=[ben, eva]),
            partial(merge_customers, keep=eva, drop=ben),
        )
        failed = both_at_once(merge, others[turn % 4])
        assert all(isinstance(error, CannotMerge) for error in failed), failed
        assert len(failed) == 1 or turn % 4 == 1
        assert find_strays() == {}
        assert not Customer.objects.filter(merged_into__merged_into=F("pk")).exists()
        for record in MergeRecord.objects.filter(undone_at=None):
            undo_merge(record=record)
        assert [owner(name).pk for name in PEOPLE] == [eva.pk, ben.pk, cia.pk]
    assert shop.number == len(PEOPLE)


def test_two_people_who_undo_at_once_undo_it_once() -> None:
    Shop(seed=5)
    record = merge_customers(keep=owner("eva"), drop=owner("ben"))
    failed = both_at_once(lambda: undo_merge(record=record), lambda: undo_merge(record=record))
    assert [type(error) for error in failed] == [CannotMerge]
    assert find_strays() == {}


def test_two_tokens_of_one_person_at_once_make_one_customer() -> None:
    keys = [Confirmed("email", "nora@example.org"), Confirmed("id", "7", issuer="shop")]
    link = partial(link_confirmed, keys, proof="shop: 7", source="webchat")
    for turn in range(8):
        other = partial(link_confirmed, keys[::-1], proof="shop: 7", source="webchat")
        assert both_at_once(link, other if turn % 2 else link) == []
        nora = Customer.objects.get()
        assert {one.customer for one in Identity.objects.all()} == {nora}
        assert find_strays() == {}
        Identity.objects.all().delete()
        Customer.objects.all().delete()


def test_somebody_arrives_by_a_handle_that_a_token_names_just_then() -> None:
    page = account("page")
    for at in range(0, 30, 3):
        name = f"nora{at}"
        keys = [Confirmed("instagram", name), Confirmed("id", name, issuer="shop")]
        link = partial(link_confirmed, keys, proof="shop", source="webchat")
        arrive = partial(ingest, page, [inbound(f"m{at}", who=name, thread=f"t{at}")])
        first, second = (link, arrive) if at % 2 else (arrive, link)
        assert begin_in_the_middle(first, second, at=at) == []
        assert owner(name) == Identity.objects.get(network="id", external_id=name).customer
        assert find_strays() == {}


def rebuild() -> None:
    done = run_job(start_rebuild(enqueue=False).pk)
    assert done is not None
    assert done.error == ""


def test_a_merge_during_a_rebuild_leaves_nothing_computed_on_who_is_gone() -> None:
    shop = Shop(seed=9)
    for at in range(1, 76, 15):
        eva, ben = owner("eva"), owner("ben")
        failed = begin_in_the_middle(rebuild, partial(merge_customers, keep=eva, drop=ben), at=at)
        assert failed == []
        assert find_strays() == {}
        rebuild()
        assert not Traits.objects.filter(customer=ben).exists()
        assert Traits.objects.get(customer=eva).inbound_total == 2
        undo_merge(record=MergeRecord.objects.get(undone_at=None))
        rebuild()
        counts = dict(Traits.objects.values_list("customer", "inbound_total"))
        assert counts == {owner(name).pk: 1 for name in PEOPLE}
    assert shop.number == len(PEOPLE)
