"""Attaching a handle somebody has, and taking it off again."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from crm.attaching import attach_existing, detach_identity, plan_detach
from crm.models import Customer, Identity, Suspect, SuspectState
from crm.services import Handle, create_customer
from crm.strays import find_strays
from engagement.models import Interaction
from tests.crm.merging_world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(max: Any) -> World:
    made = World(max)
    for name in ("eva", "ben"):
        made.arrive(name)
    return made


def handle(name: str) -> Identity:
    return Identity.objects.get(external_id=name)


def lines(name: str) -> set[int]:
    return set(Interaction.objects.filter(identity__external_id=name).values_list("customer_id", flat=True))


def test_a_handle_that_is_all_its_customer_has_takes_the_customer_along(world: World) -> None:
    eva, ben = handle("eva").customer, handle("ben").customer
    outcome = attach_existing(identity=handle("ben"), to=eva, by=world.staff)
    assert outcome.merge is not None
    assert Customer.objects.get(pk=eva.pk).name == "Eva"
    assert Customer.objects.get(pk=ben.pk).merged_into == eva
    plan = plan_detach(handle("ben"))
    assert plan.merge == outcome.merge
    detach_identity(identity=handle("ben"), by=world.staff)
    assert (handle("ben").customer, lines("ben")) == (ben, {ben.pk})


def test_one_of_several_handles_moves_alone_with_what_came_by_it(world: World, max: Any) -> None:
    eva, ben = handle("eva").customer, handle("ben").customer
    Identity.objects.create(network="email", external_id="b@example.org", customer=ben, home_customer=ben)
    outcome = attach_existing(identity=handle("ben"), to=eva, by=max)
    assert outcome.merge is None
    assert (lines("ben"), handle("b@example.org").customer) == ({eva.pk}, ben)
    assert plan_detach(handle("ben")).to == ben
    assert detach_identity(identity=handle("ben"), by=max).customer == ben
    assert lines("ben") == {ben.pk}
    assert find_strays() == {}


def test_a_handle_that_was_always_here_gets_a_customer_of_its_own_and_loses_nothing(world: World) -> None:
    eva = handle("eva").customer
    eva.profiling_refused = True
    eva.save()
    outcome = detach_identity(identity=handle("eva"), by=world.staff)
    assert outcome.is_new
    assert outcome.customer.profiling_refused
    assert lines("eva") == {outcome.customer.pk}
    back = attach_existing(identity=handle("eva"), to=eva, by=world.staff)
    assert (back.customer, lines("eva")) == (eva, {eva.pk})
    assert Customer.objects.get(pk=outcome.customer.pk).merged_into == eva


def test_who_was_parted_by_hand_is_not_suspected_again(world: World, max: Any) -> None:
    outcome = detach_identity(identity=handle("eva"), by=max)
    pair = Suspect.objects.get()
    assert (pair.state, pair.decided_by) == (SuspectState.REJECTED, max)
    assert outcome.customer.pk in (pair.low_id, pair.high_id)


def test_a_persons_handle_goes_to_an_organization_alone(world: World, max: Any) -> None:
    firm = create_customer(values={"name": "Firm", "kind": "organization"}, by=max)
    ben = handle("ben").customer
    outcome = attach_existing(identity=handle("ben"), to=firm, by=max)
    assert (outcome.merge, handle("ben").customer) == (None, firm)
    assert Customer.objects.get(pk=ben.pk).merged_into is None


def test_attaching_where_it_is_changes_nothing(world: World, max: Any) -> None:
    before = world.owned()
    assert attach_existing(identity=handle("eva"), to=handle("eva").customer, by=max).merge is None
    assert world.owned() == before


def test_only_those_who_may_merge_attach_and_detach(world: World, mia: Any, vic: Any) -> None:
    for by in (mia, vic):
        with pytest.raises(PermissionDenied):
            attach_existing(identity=handle("ben"), to=handle("eva").customer, by=by)
        with pytest.raises(PermissionDenied):
            detach_identity(identity=handle("ben"), by=by)


def test_a_new_handle_is_attached_and_one_somebody_has_asks(world: World, max: Any, signed_in: Any) -> None:
    eva, browser = handle("eva").customer, signed_in(max)
    answer = browser.post(
        f"/customers/{eva.pk}/identities/", {"network": "instagram", "external_id": "ben"}, follow=True
    )
    assert b"Is it" in answer.content
    assert create_customer(values={"name": "x"}, identities=[Handle("email", "x@y.org")], by=max).pk
