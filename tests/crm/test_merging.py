"""Merging two customers, taking it back, and moving one handle alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from core.jobs import run_job
from crm.merging import CannotMerge, merge_customers, move_identity, undo_merge
from crm.models import Customer, CustomerNote, CustomerTag, Identity, Order, Tag
from crm.orders import store_orders
from crm.strays import find_strays, mend_strays
from crm.trees import root_of
from engagement.ingest import ingest
from engagement.models import Conversation, Interaction
from personas.models import PersonaMembership, Traits
from personas.nightly import start_rebuild
from personas.segments import create_segment
from tests.crm.orders import order
from tests.engagement.events import account, inbound

pytestmark = pytest.mark.django_db


def owned() -> dict[str, Any]:
    """Which handle's customer owns what, by natural keys."""
    return {
        "identities": sorted(Identity.objects.values_list("external_id", "customer_id")),
        "lines": sorted(Interaction.objects.values_list("external_id", "customer_id")),
        "orders": sorted(Order.objects.values_list("external_id", "customer_id")),
        "talks": sorted(Conversation.objects.values_list("pk", "customer_id")),
        "tags": sorted(CustomerTag.objects.values_list("pk", "customer_id")),
        "customers": sorted(Customer.objects.values_list("pk", "name", "merged_into_id", "last_seen_at")),
    }


def people(*names: str) -> list[Customer]:
    """One customer a name, each with a message, an order and a tag."""
    shop = account()
    tag = Tag.objects.create(name="vip")
    for n, name in enumerate(names):
        ingest(shop, [inbound(f"m-{name}", who=name, minute=n, thread=f"dm:{name}")])
        store_orders("shop", [order(f"o-{name}", buyer=f"b-{name}")])
        buyer = Identity.objects.get(external_id=f"b-{name}").customer
        CustomerTag.objects.create(tag=tag, home_customer=buyer, customer=buyer)
    return [Identity.objects.get(external_id=name).customer for name in names]


def strays() -> int:
    """Rows that do not belong to the customer of the identity they came by, or to the root of their home."""
    wrong = 0
    for model in (Interaction, Order, Conversation):
        for row in model.objects.exclude(customer=None).select_related("identity", "home_customer"):
            wrong += row.customer_id != row.identity.customer_id
    for row in CustomerTag.objects.select_related("home_customer"):
        wrong += row.customer_id != root_of(row.home_customer).pk
    return wrong


def test_a_merge_moves_everything_and_its_undo_restores_the_start() -> None:
    eva, ben = people("eva", "ben")
    before = owned()
    record = merge_customers(keep=eva, drop=ben, fields={"name": ben.pk})
    assert not Interaction.objects.filter(customer=ben).exists()
    assert Customer.objects.get(pk=eva.pk).name == "Ben"
    assert strays() == 0
    undo_merge(record=record)
    assert owned() == before


def test_what_came_since_stays_with_the_identity_it_came_by() -> None:
    eva, ben = people("eva", "ben")
    record = merge_customers(keep=eva, drop=ben)
    ingest(account("other"), [inbound("since", who="ben", minute=50, thread="since")])
    assert Interaction.objects.get(external_id="since").customer == eva
    undo_merge(record=record)
    assert Interaction.objects.get(external_id="since").customer == ben


def test_merges_are_undone_in_any_order() -> None:
    eva, ben, cia = people("eva", "ben", "cia")
    before = owned()
    first = merge_customers(keep=ben, drop=cia)
    second = merge_customers(keep=eva, drop=Customer.objects.get(pk=ben.pk))
    undo_merge(record=first)
    assert Identity.objects.get(external_id="cia").customer == cia
    assert Identity.objects.get(external_id="ben").customer == eva
    assert strays() == 0
    undo_merge(record=second)
    assert owned() == before


def test_a_handle_moved_alone_takes_its_rows_and_stays_through_an_undo() -> None:
    eva, ben, cia = people("eva", "ben", "cia")
    record = merge_customers(keep=eva, drop=ben)
    move_identity(identity=Identity.objects.get(external_id="ben"), to=cia)
    assert Interaction.objects.get(external_id="m-ben").customer == cia
    undo_merge(record=record)
    assert Interaction.objects.get(external_id="m-ben").customer == cia
    assert strays() == 0


def test_what_cannot_be_merged_is_refused() -> None:
    eva, ben = people("eva", "ben")
    with pytest.raises(CannotMerge, match="itself"):
        merge_customers(keep=eva, drop=eva)
    organization = Customer.objects.create(kind="organization", name="Firm")
    with pytest.raises(CannotMerge, match="organization"):
        merge_customers(keep=eva, drop=organization)
    record = merge_customers(keep=eva, drop=ben)
    with pytest.raises(CannotMerge, match="already"):
        merge_customers(keep=eva, drop=ben)
    undo_merge(record=record)
    with pytest.raises(CannotMerge, match="undone already"):
        undo_merge(record=record)


def test_the_database_keeps_a_customer_from_being_merged_into_itself() -> None:
    eva = Customer.objects.create(name="Eva")
    with pytest.raises(IntegrityError), transaction.atomic():
        Customer.objects.filter(pk=eva.pk).update(merged_into=eva)


def test_rows_astray_are_found_and_brought_home() -> None:
    """What a writer without locks would leave behind: rows of all kinds, and what was computed."""
    eva, ben = people("eva", "ben")
    merge_customers(keep=eva, drop=ben)
    assert find_strays() == {}
    gone = Customer.objects.get(pk=ben.pk)
    Interaction.objects.filter(external_id="m-ben").update(customer=gone)
    CustomerNote.objects.create(text="x", home_customer=gone, customer=gone)
    Traits.objects.create(customer=gone, computed_at=timezone.now())
    assert find_strays() == {
        "engagement.Interaction.customer": 1, "crm.CustomerNote.customer": 1, "personas.Traits computed": 1,
    }  # fmt: skip
    assert sum(mend_strays().values()) == 3
    assert find_strays() == {}
    assert set(Interaction.objects.values_list("customer", flat=True)) == {eva.pk}
    Identity.objects.filter(external_id="eva").update(customer=gone)
    assert find_strays()["crm.Identity"] == 1


def test_both_sides_are_computed_again_after_a_merge_and_after_its_undo(mia: Any) -> None:
    """Traits, segments and personas, by a real rebuild; those of the dropped one go at once."""
    eva, ben, cia = people("eva", "ben", "cia")
    rule = {"all": [{"field": "traits.inbound_total", "op": "gte", "value": 2}]}
    segment = create_segment(name="Talkers", rule=rule, by=mia)

    def computed() -> dict[str, Any]:
        run_job(start_rebuild(enqueue=False).pk)
        shown = {eva.pk: "eva", ben.pk: "ben", cia.pk: "cia"}
        traits = Traits.objects.filter(customer__in=shown).values_list("customer", "inbound_total")
        typed = PersonaMembership.objects.filter(customer__in=shown).values_list("customer", flat=True)
        return {
            "traits": sorted((shown[pk], n) for pk, n in traits),
            "members": sorted(shown[pk] for pk in segment.memberships.values_list("customer", flat=True)),
            "personas": sorted(shown[pk] for pk in typed),
        }

    start = computed()
    assert start["traits"] == [("ben", 1), ("cia", 1), ("eva", 1)]
    record = merge_customers(keep=eva, drop=ben)
    assert not Traits.objects.filter(customer=ben).exists()
    assert not PersonaMembership.objects.filter(customer=ben).exists()
    assert computed() == {
        "traits": [("cia", 1), ("eva", 2)], "members": ["eva"], "personas": ["cia", "eva"],
    }  # fmt: skip
    undo_merge(record=record)
    assert computed() == start
