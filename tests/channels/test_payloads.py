"""Each payload gives the expected events; repeated, shuffled, late or edited, all give the same state."""

from __future__ import annotations

import difflib
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engagement import channels
from tests.channels import playing
from tests.channels.payloads import TOLD, Payload, normal, payloads, strays, written

PAYLOADS = payloads()
CONNECTORS = sorted({one.connector for one in PAYLOADS if one.connector in channels.paths()})
EXAMPLES = 3
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""A failing order is shown as it was drawn: to shrink it would play thousands more."""
each_payload = pytest.mark.parametrize("payload", PAYLOADS, ids=lambda one: one.id)


def as_lines(value: Any) -> list[str]:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).splitlines()


@each_payload
def test_a_payload_gives_the_expected_events(payload: Payload) -> None:
    if "error" in payload.told:
        with pytest.raises(ValueError, match=re.escape(payload.told["error"])):
            payload.parse()
        return
    expected, found = normal(payload.told["expected"]), written(payload.parse())
    if found != expected:
        lines = difflib.unified_diff(
            as_lines(expected), as_lines(found), "expected", "found", lineterm="", n=4
        )
        pytest.fail(f"{payload.expected_path}\n" + "\n".join(lines), pytrace=False)


@each_payload
def test_a_payload_says_where_it_is_from(payload: Payload) -> None:
    told = payload.told
    assert told.keys() <= TOLD
    assert len(told["source"]) > 5
    assert date(2026, 1, 1) <= date.fromisoformat(told["date"]) <= date(2027, 12, 31)
    assert isinstance(told["guess"], bool)
    assert ("expected" in told) != ("error" in told)


@each_payload
def test_a_payload_that_we_made_up_is_listed_in_the_connectors_doc(payload: Payload) -> None:
    if not payload.told["guess"]:
        return
    doc = Path(channels.__file__).parent / payload.connector / "doc.md"
    assert payload.path.stem in doc.read_text(), f"{doc} does not list the guess {payload.path.name}"


def test_every_expectation_has_its_payload() -> None:
    assert strays() == []


def test_a_connector_with_webhooks_has_payloads() -> None:
    with_hooks = {name for name in channels.BUILT_IN if channels.connector(name).takes_hooks}
    assert with_hooks <= {one.connector for one in PAYLOADS}


@pytest.mark.django_db
@pytest.mark.parametrize("name", CONNECTORS)
def test_any_order_of_all_payloads_leaves_the_same(name: str) -> None:
    """All payloads of a connector, with edits, hidings and deletions of what they say, as a hypothesis plays
    them: repeated, shuffled and late, against the same once and in order of time."""
    for round_ in playing.rounds([one for one in PAYLOADS if one.connector == name]):
        _play_in_any_order(name, round_)


def _play_in_any_order(name: str, round_: playing.Round) -> None:
    steps = range(len(round_.steps))
    in_order = _final_state(round_, list(steps))

    @given(st.data())
    @settings(max_examples=EXAMPLES, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
    def play(data: Any) -> None:
        repeated = data.draw(st.lists(st.sampled_from(steps), max_size=len(steps) // 2 + 1))
        order = data.draw(st.permutations([*steps, *repeated]))
        found = _final_state(round_, order)
        if found != in_order:
            lines = difflib.unified_diff(in_order, found, "in order", "shuffled", lineterm="", n=1)
            names = [round_.steps[number].name for number in order]
            pytest.fail(f"{name}: {names}\n" + "\n".join(lines), pytrace=False)

    play()


def _final_state(round_: playing.Round, order: list[int]) -> list[str]:
    """What the database holds after these steps; everything is taken back."""
    with transaction.atomic():
        accounts = round_.make_accounts()
        for number in order:
            round_.steps[number].play(accounts)
        found = playing.state(round_.joined())
        transaction.set_rollback(True)
    return found
