"""Random sequences of arrivals, attaches, detaches, merges and undos, against an oracle in plain Python.

RAPPORT_SEQUENCES says how many are drawn; a plain run takes fewer.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.models import Customer
from crm.strays import find_strays
from tests.crm.merging_world import HANDLES, World, snapshot

pytestmark = pytest.mark.django_db
SEQUENCES = int(os.environ.get("RAPPORT_SEQUENCES", "25"))
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]

names = st.sampled_from(HANDLES)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), names, names),
        st.tuples(st.just("arrive"), names, st.just("")),
        st.tuples(st.just("buy"), names, st.just("")),
        st.tuples(st.just("agree"), names, st.just("")),
        st.tuples(st.just("record"), names, st.just("")),
        st.tuples(st.just("attach"), names, names),
        st.tuples(st.just("detach"), names, st.just("")),
        st.tuples(st.just("merge"), names, names),
        st.tuples(st.just("merge"), names, names),
        st.tuples(st.just("several"), names, names),
        st.tuples(st.just("undo"), names, st.just("")),
    ),
    min_size=6,
    max_size=24,
)


def take(world: World, step: tuple[str, str, str]) -> None:
    """One step of a sequence; those about handles nobody has are passed over."""
    what, one, other = step
    if what == "arrive":
        world.arrive(one, answer_to=other)
    elif what == "buy":
        world.buy(one)
    elif what == "undo":
        world.undo(HANDLES.index(one))
    elif one in world.oracle.seat and (not other or other in world.oracle.seat):
        {
            "agree": lambda: world.agree(one),
            "record": lambda: world.keep_record(one),
            "attach": lambda: world.attach(one, other),
            "detach": lambda: world.detach(one),
            "merge": lambda: world.merge([one, other]),
            "several": lambda: world.merge([one, other, *world.known()[:2]]),
        }[what]()


def check(world: World) -> None:
    """Every row where the oracle has it: none lost, none astray, none on a customer who was merged away."""
    assert world.owned() == world.oracle.owned()
    parents = dict(Customer.objects.exclude(merged_into=None).values_list("pk", "merged_into_id"))
    assert parents == world.oracle.parent
    assert find_strays() == {}


@given(steps, st.lists(st.integers(0, 9), max_size=8))
@settings(max_examples=SEQUENCES, deadline=None, suppress_health_check=QUIET, database=None)
def test_any_sequence_leaves_every_row_where_it_belongs(
    max: Any, sequence: list[tuple[str, str, str]], order: list[int]
) -> None:
    with transaction.atomic():
        world = World(max)
        for name in HANDLES[:3]:
            world.arrive(name)
        for step in sequence:
            take(world, step)
        check(world)
        world.undo_all(order)
        check(world)
        assert not Customer.objects.exclude(merged_into=None).exists()
        transaction.set_rollback(True)


@given(steps, st.lists(names, min_size=2, max_size=4, unique=True), st.lists(st.integers(0, 9), max_size=8))
@settings(max_examples=SEQUENCES, deadline=None, suppress_health_check=QUIET, database=None)
def test_merges_and_their_undo_in_any_order_restore_the_exact_start(
    max: Any, sequence: list[tuple[str, str, str]], merged: list[str], order: list[int]
) -> None:
    """After any history: several merges, all taken back in a drawn order, every column as it was."""
    with transaction.atomic():
        world = World(max)
        for name in HANDLES:
            world.arrive(name)
        for place, customer in enumerate(Customer.objects.order_by("pk")):
            _describe(customer, place)
        for step in sequence:
            take(world, step)
        before = snapshot()
        standing = set(world.oracle.merges)
        for turn in range(len(merged) - 1):
            world.merge(merged[turn:])
            world.merge([merged[-1], *merged[:turn]])
        fresh = sorted(set(world.oracle.merges) - standing)
        for place in order:
            if fresh:
                world.undo(sorted(world.oracle.merges).index(fresh.pop(place % len(fresh))))
        while fresh:
            world.undo(sorted(world.oracle.merges).index(fresh.pop()))
        assert snapshot() == before
        transaction.set_rollback(True)


def _describe(customer: Customer, place: int) -> None:
    """Different words from different sources, of which a merge picks."""
    source = ("staff", "import", "customer", "journey")[place % 4]
    at = f"2026-03-0{place + 1}T10:00:00+00:00"
    customer.city, customer.birth_year = f"Town {place}", 1970 + place if place % 2 else None
    customer.interests, customer.custom = [f"hobby {place % 3}"], {"size": place} if place % 3 else {}
    customer.profiling_refused = place == 2
    customer.home_referred_by_id = customer.referred_by_id = (customer.pk - 1) if place in (1, 4) else None
    customer.origins = {
        name: {"source": source, "at": at, "by": None} for name in ("city", "birth_year", "custom.size")
    }
    customer.save()
