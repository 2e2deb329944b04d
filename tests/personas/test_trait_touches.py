"""Whoever's traits follow from what others did is looked at by the next rebuild."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from core.sql import run
from crm.models import Customer, CustomerTouch
from crm.privacy.erasing import erase_customer
from engagement.channels.base import PostRef
from engagement.ingest.posts import store_known_posts
from engagement.models import Interaction, Post
from personas.models import Traits
from tests.personas.test_traits import TODAY, refresh
from tests.personas.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World(20, today=TODAY, customers=0)


def touched() -> set[int]:
    return set(CustomerTouch.objects.values_list("customer_id", flat=True))


def test_a_post_of_another_kind_touches_who_reacted(world: World) -> None:
    customer, other = world.add_customer(), world.add_customer()
    Interaction.objects.all().delete()
    world.say(customer)
    account = world.accounts[0]
    post = Post.objects.create(account=account, external_id="p", media="image")
    Interaction.objects.filter(customer=customer).update(post=post, deleted_at=None, kind="comment")
    refresh()
    assert Traits.objects.get(customer=customer).top_media == "image"
    store_known_posts(account, [PostRef(external_id="p", text="new words")])
    assert touched() == set()
    store_known_posts(account, [PostRef(external_id="p", media="video")])
    assert touched() == {customer.pk}
    refresh(since=TODAY)
    assert Traits.objects.get(customer=customer).top_media == "video"
    assert Traits.objects.get(customer=other).top_media is None


def test_the_stage_among_the_traits_follows_the_journey(world: World) -> None:
    customer = world.add_customer()
    refresh()
    Customer.objects.filter(pk=customer.pk).update(stage="advocacy")
    assert run("personas", "follow_stages", {"customers": [customer.pk]}) == 1
    assert Traits.objects.get(customer=customer).stage == "advocacy"
    assert run("personas", "follow_stages", {"customers": [customer.pk]}) == 0


def test_a_referrer_counts_anew_when_who_they_brought_is_changed(world: World) -> None:
    referrer, brought = world.add_customer(), world.add_customer()
    Customer.objects.filter(pk=referrer.pk).update(referred_by=None)
    Customer.objects.filter(pk=brought.pk).update(referred_by=referrer, home_referred_by=referrer)
    world.touch(brought)
    refresh(since=date(2026, 9, 19))
    assert Traits.objects.get(customer=referrer).referred == 1


def test_an_erased_customer_is_no_longer_counted_with_others(world: World, ada: Any) -> None:
    referrer, gone = world.add_customer(), world.add_customer()
    Interaction.objects.all().delete()
    Customer.objects.filter(pk=referrer.pk).update(referred_by=None)
    Customer.objects.filter(pk=gone.pk).update(referred_by=referrer, home_referred_by=referrer)
    world.say(referrer)
    line = Interaction.objects.filter(customer=referrer, direction="inbound").earliest("pk")
    world.join(line.conversation, gone, after=1)
    Interaction.objects.update(deleted_at=None, kind="comment", is_public=True)
    refresh()
    assert Traits.objects.values_list("referred", "reach").get(customer=referrer) == (1, 1)
    erase_customer(customer=gone, by=ada)
    assert referrer.pk in touched()
    refresh(since=TODAY)
    assert Traits.objects.values_list("referred", "reach").get(customer=referrer) == (0, 0)
