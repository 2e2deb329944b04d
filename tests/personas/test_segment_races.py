"""Two people at the same segments in the same moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connections, transaction
from django.utils import timezone

from core.models import Workspace
from personas.building import Built, build_segment
from personas.handmade import make_persona
from personas.models import Persona, Segment
from personas.segments import copy_segment, create_segment, delete_segment, update_segment

pytestmark = pytest.mark.django_db(transaction=True)
NAMED = {"field": "customer.name", "op": "is", "value": "Ann"}


def asks_about(segment: Segment) -> dict[str, Any]:
    return {"all": [NAMED, {"field": "segment", "op": "in", "value": segment.pk}]}


class Slow(threading.Thread):
    """Does something, and keeps its transaction open for a while."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.work, self.done = work, threading.Event()
        self.errors: list[Exception] = []

    def run(self) -> None:
        try:
            with transaction.atomic():
                self.work()
                self.done.set()
                time.sleep(0.4)
        except Exception as error:
            self.errors.append(error)
        finally:
            self.done.set()
            connections.close_all()


def meanwhile(work: Callable[[], Any], mine: Callable[[], Any]) -> Exception | None:
    """What `mine` is refused with while `work` is about to be committed."""
    other = Slow(work)
    other.start()
    assert other.done.wait(5)
    try:
        mine()
    except Exception as error:
        return error
    finally:
        other.join(5)
        assert other.errors == []
    return None


@pytest.fixture
def one(db: None) -> Segment:
    return create_segment(name="One", rule=NAMED)


@pytest.fixture
def other(db: None) -> Segment:
    return create_segment(name="Other", rule=NAMED)


def test_two_rules_that_would_make_a_circle_are_not_both_taken(one: Segment, other: Segment) -> None:
    refused = meanwhile(
        lambda: update_segment(segment=one, rule=asks_about(other)),
        lambda: update_segment(segment=other, rule=asks_about(one)),
    )
    assert isinstance(refused, ValidationError)
    other.refresh_from_db()
    assert other.version == 1


def test_a_second_click_on_save_is_told_that_the_name_is_taken(one: Segment) -> None:
    refused = meanwhile(
        lambda: create_segment(name="Twice", rule=NAMED), lambda: create_segment(name="Twice", rule=NAMED)
    )
    assert isinstance(refused, ValidationError)
    assert Segment.objects.filter(name="Twice").count() == 1


def test_two_copies_have_two_names(one: Segment) -> None:
    assert meanwhile(lambda: copy_segment(segment=one), lambda: copy_segment(segment=one)) is None
    assert set(Segment.objects.values_list("name", flat=True)) == {"One", "One (copy)", "One (copy 2)"}


def test_what_a_rule_begins_to_ask_about_is_not_deleted(one: Segment, other: Segment) -> None:
    refused = meanwhile(
        lambda: update_segment(segment=one, rule=asks_about(other)), lambda: delete_segment(segment=other)
    )
    assert isinstance(refused, ValidationError)
    assert Segment.objects.filter(pk=other.pk).exists()


def test_what_a_persona_is_made_of_is_not_deleted(one: Segment) -> None:
    refused = meanwhile(lambda: make_persona(segment=one, name="Fans"), lambda: delete_segment(segment=one))
    assert isinstance(refused, ValidationError)
    assert Persona.objects.filter(segment=one).exists()


def test_a_second_click_makes_no_second_persona(one: Segment) -> None:
    refused = meanwhile(
        lambda: make_persona(segment=one, name="Fans"), lambda: make_persona(segment=one, name="Others")
    )
    assert isinstance(refused, ValidationError)
    assert Persona.objects.filter(segment=one).count() == 1


def test_a_rule_cannot_ask_about_what_was_just_deleted(one: Segment, other: Segment) -> None:
    refused = meanwhile(
        lambda: delete_segment(segment=other), lambda: update_segment(segment=one, rule=asks_about(other))
    )
    assert isinstance(refused, ValueError), "the rule names a segment that there is not"
    one.refresh_from_db()
    assert one.version == 1


def test_a_segment_that_is_gone_when_its_turn_comes_is_passed_over(one: Segment) -> None:
    pk = one.pk
    delete_segment(segment=one)
    workspace = Workspace.current()
    built = build_segment(segment_id=pk, today=workspace.today(), zone=workspace.zone, now=timezone.now())
    assert built == Built(0)
