"""The rule compiler over the real field set against plain Python that imports none of it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from core.conditions import Context, describe, fieldset, matching, parse, sentence, why
from tests.personas.rule_oracle import Oracle, Tables
from tests.personas.rule_world import PLACES, WINDOWS, Rules, RuleWorld, depth, select

pytestmark = pytest.mark.django_db
SEED, CUSTOMERS, RULES = 20261122, 220, 60


def test_random_rules_find_whom_plain_python_finds() -> None:
    RuleWorld(SEED, customers=CUSTOMERS)
    customers, tables = fieldset("customer"), Tables(select)
    oracles = [(day, Oracle(tables, day, ZoneInfo(zone))) for zone, day in PLACES]
    rules = Rules(SEED, describe(customers), oracles[0][1].value, sorted(tables.customers))
    deep = divided = 0
    for number in range(RULES):
        day, oracle = oracles[number % len(oracles)]
        rule = rules.draw()
        context, node = Context(today=day, zone=oracle.zone), parse(rule, customers)
        expected = oracle.members(rule)
        with connection.cursor() as cursor:
            cursor.execute(*matching(node, customers, context))
            assert {pk for (pk,) in cursor.fetchall()} == expected, rule
        somebody = rules.random.choice(rules.customers)
        told = why(node, customers, context, somebody)
        assert told is not None and told.holds == (somebody in expected), rule
        assert sentence(node, customers).endswith(".")
        deep += depth(rule) >= 3
        divided += 0.01 <= len(expected) / len(tables.customers) <= 0.99
    assert deep >= RULES / 2
    assert divided >= 0.6 * RULES


def test_the_oracle_knows_every_field_and_event() -> None:
    RuleWorld(SEED, customers=30)
    tables, told = Tables(select), describe(fieldset("customer"))
    oracle = Oracle(tables, PLACES[0][1], ZoneInfo(PLACES[0][0]))
    somebody = min(tables.customers)
    for group in told["groups"]:
        for field in group["fields"]:
            if field["type"] not in ("tag", "membership", "consent"):
                oracle.value(field["name"], somebody)
        for event in group["events"]:
            oracle.holds({"event": {"what": event["name"]}, "op": "at_least", "count": 1}, somebody)


def test_windows_begin_and_end_with_the_local_day_also_where_clocks_change() -> None:
    RuleWorld(SEED, customers=CUSTOMERS)
    customers, tables = fieldset("customer"), Tables(select)
    for zone, day in PLACES:
        oracle = Oracle(tables, day, ZoneInfo(zone))
        context = Context(today=day, zone=oracle.zone)
        for op in ("in_last_days", "more_than_days_ago", "in_next_days"):
            for days in WINDOWS:
                rule = {"field": "traits.last_order_at", "op": op, "value": days}
                with connection.cursor() as cursor:
                    cursor.execute(*matching(parse(rule, customers), customers, context))
                    assert {pk for (pk,) in cursor.fetchall()} == oracle.members(rule), (zone, day, rule)
