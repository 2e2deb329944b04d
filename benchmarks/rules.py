"""Whether the rule compiler finds whom plain Python finds: 500 random rules over awkward customers.

The customers, with unknown values, zones whose clocks change and whole subtrees of conditions, come from
tests/personas/rule_world.py, and the judge from tests/personas/rule_oracle.py, which imports nothing of the
program. Fails where one customer differs, where a field or an operator was asked fewer than ten times, where
fewer than half of the rules are nested three deep, or where fewer than 300 divide the customers.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks._figures import Figures, is_small, migrated_django, say_machine

SEED = 20261122
RULES, SMALL_RULES = 500, 60
CUSTOMERS, SMALL_CUSTOMERS = 900, 220
ASKED = 10
DEEP = 3
SHOWN = 3


def main() -> int:
    """Measure and return the exit code."""
    figures = Figures()
    say_machine(figures)
    figures.say("seed", SEED)
    with migrated_django():
        _compare(figures)
    return figures.exit_code()


def _compare(figures: Figures) -> None:
    from core.conditions import describe, fieldset
    from tests.personas.rule_oracle import Oracle, Tables
    from tests.personas.rule_world import PLACES, Rules, RuleWorld, depth, select

    RuleWorld(SEED, customers=SMALL_CUSTOMERS if is_small() else CUSTOMERS)
    tables = Tables(select)
    everybody = sorted(tables.customers)
    oracles = [Oracle(tables, day, ZoneInfo(zone)) for zone, day in PLACES]
    rules = Rules(SEED, describe(fieldset("customer")), oracles[0].value, everybody)
    count = SMALL_RULES if is_small() else RULES
    wrong, deep, divided, seconds = 0, 0, 0, 0.0
    depths: Counter[int] = Counter()
    for number in range(count):
        oracle, rule = oracles[number % len(oracles)], rules.draw()
        expected = oracle.members(rule)
        began = time.perf_counter()
        found = _members(rule, oracle)
        seconds += time.perf_counter() - began
        if found != expected:
            wrong += 1
            _show(wrong, rule, oracle, found ^ expected)
        depths[depth(rule)] += 1
        deep += depth(rule) >= DEEP
        divided += 0.01 <= len(expected) / len(everybody) <= 0.99
    figures.say("customers", len(everybody))
    figures.say("days and zones", ", ".join(f"{day} {zone}" for zone, day in PLACES))
    figures.say("seconds in the compiler and the database", seconds)
    figures.say("rules by depth", ", ".join(f"{at}: {depths[at]}" for at in sorted(depths)))
    figures.equal("rules whose members differ", wrong, 0)
    figures.at_least("rules", count, SMALL_RULES if is_small() else RULES)
    figures.at_least(f"rules of depth {DEEP} or more", deep, count / 2)
    figures.at_least("rules with between 1 % and 99 % members", divided, 0.6 * count)
    _asked(figures, rules)


def _asked(figures: Figures, rules: Any) -> None:
    """How often each field and operator was asked; a small run draws too few to ask each ten times."""
    known = {
        f"{field['type']} {one['name']}" for field in rules.fields.values() for one in field["operators"]
    }
    known |= {f"event {one['name']}" for event in rules.events.values() for one in event["operators"]}
    for title, counted, names in (
        ("field or event", rules.fields_asked, {*rules.fields, *rules.events}),
        ("operator", rules.operators_asked, known),
    ):
        for name in sorted(names):
            figures.say(f"{title} {name}, times asked", counted[name])
        figures.at_least(
            f"times the rarest {title} was asked",
            min(counted[name] for name in names),
            0 if is_small() else ASKED,
        )


def _members(rule: dict[str, Any], oracle: Any) -> set[int]:
    from django.db import connection

    from core.conditions import Context, fieldset, matching, parse

    customers = fieldset("customer")
    context = Context(today=oracle.today, zone=oracle.zone)
    with connection.cursor() as cursor:
        cursor.execute(*matching(parse(rule, customers), customers, context))
        return {pk for (pk,) in cursor.fetchall()}


def _show(number: int, rule: dict[str, Any], oracle: Any, differ: set[int]) -> None:
    if number <= SHOWN:
        print(
            f"  {oracle.today} {oracle.zone}: {sorted(differ)[:5]} differ in {json.dumps(rule)}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    sys.exit(main())
