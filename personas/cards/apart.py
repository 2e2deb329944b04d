"""What sets a persona apart: by how unusual it is, not by how common.

A figure is told by its distance from everybody's mean in standard deviations of everybody (Cohen 1988); a
word, such as the main network, by its log odds against everybody, brought to the same scale by the root of 3
over pi (Chinn 2000). Nothing under a fifth of a standard deviation is told, the usual bound of a small
difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log, pi, sqrt
from typing import Any

from django.db import connection

from core import networks
from personas.traits.catalogue import CATALOGUE, Trait

MOST = 6
LEAST_EFFECT = 0.2
LEAST_BASE = 10
"""Customers whose trait is known, for a difference to be told at all."""
HALF = 0.5
"""Added to every count of log odds, so that none is infinite (Haldane and Anscombe)."""
Row = dict[str, Any]
_OURS = frozenset({"tags", "consents", "identities", "outbound_90", "contacted_30", "started_90"})
"""What we did or wrote down, which says little about them."""
_SIGNED = frozenset({"sentiment", "sentiment_90", "sentiment_trend"})
"""From -1 to 1: half of a mood, or a mood three times as good, is nothing."""
_OF_ONE_THING = frozenset({"top_reason", "top_network"})
"""Words that say what a share of its own says too, where that value has one."""
_SAME = {
    "praise_share": "praise",
    "complaint_share": "complaint",
    "complaints": "complaint",
    "question_share": "question",
    "questions": "question",
    "order_talk_share": "order",
    "call_share": "phone",
    "review_share": "review",
}
_TOLD_ELSEWHERE = frozenset({"country", "language", "city", "stage", "age_band"})


def sets_apart(
    own: Mapping[str, Row],
    everybody: Mapping[str, Row],
    words: Sequence[Row] = (),
    most: int = MOST,
    least_base: int = 1,
) -> list[Row]:
    """The traits in which a persona differs most from everybody; of windows of one trait, the strongest."""
    found = [
        *_of_numbers(own, everybody, least_base),
        *_of_words(words, least_base),
    ]
    found.sort(key=lambda row: (-abs(row["effect"]), row["trait"], row["value"] or ""))
    chosen: list[Row] = []
    told: set[str] = set()
    for row in found:
        habit = _habit(row)
        if habit not in told:
            told.add(habit)
            chosen.append(row)
    return chosen[:most]


def _of_numbers(own: Mapping[str, Row], everybody: Mapping[str, Row], least_base: int) -> list[Row]:
    found = []
    for trait in CATALOGUE:
        if not comparable(trait) or trait.name not in own or not everybody.get(trait.name):
            continue
        here, there = own[trait.name]["mean"], everybody[trait.name]["mean"]
        spread, base = everybody[trait.name]["spread"], own[trait.name]["base"]
        if here is None or there is None or not spread or base < least_base:
            continue
        effect = (here - there) / spread
        if abs(effect) >= LEAST_EFFECT:
            has_times = trait.name not in _SIGNED
            compared = _compared(here, there, effect, has_times=has_times)
            found.append({**_named(trait), **compared, "base": base})
    return found


def _of_words(words: Sequence[Row], least_base: int) -> list[Row]:
    """Of each trait that is a word, the value that is most over-represented."""
    best: dict[str, Row] = {}
    by_name = {trait.name: trait for trait in CATALOGUE}
    for row in words:
        n, base, all_n, all_base = row["n"], row["base"], row["all_n"], row["all_base"]
        if not all_base or base < least_base or n < min(least_base, base):
            continue
        odds = log((n + HALF) / (base - n + HALF)) - log((all_n + HALF) / (all_base - all_n + HALF))
        effect = odds * sqrt(3) / pi
        held = best.get(row["trait"])
        if effect >= LEAST_EFFECT and (held is None or effect > held["effect"]):
            trait = by_name[row["trait"]]
            named = {**_named(trait), "type": "share", "value": row["value"]}
            named["label"] = f"{trait.label}: {_shown(trait.name, row['value'])}"
            best[row["trait"]] = {**named, **_compared(n / base, all_n / all_base, effect), "base": base}
    return list(best.values())


def _named(trait: Trait) -> Row:
    return {
        "trait": trait.name,
        "label": trait.label,
        "type": trait.type,
        "unit": trait.unit,
        "value": None,
    }


def _shown(name: str, value: str) -> str:
    return networks.get(value).label if name.endswith("network") else value


def _compared(here: float, there: float, effect: float, *, has_times: bool = True) -> Row:
    times = here / there if has_times and there > 0 and here >= 0 else None
    return {
        "times": None if times is None else round(times, 2),
        "here": round(here, 4),
        "all": round(there, 4),
        "effect": round(effect, 2),
        "log": round(log(times), 3) if times else None,
    }


def _habit(row: Row) -> str:
    """What a trait is about: orders of orders_365 and orders_total, praise of praise_share and praise_90."""
    if row["value"]:
        return str(row["value"]) if row["trait"] in _OF_ONE_THING else str(row["trait"])
    head, _mark, tail = row["trait"].rpartition("_")
    habit = head if head and (tail.isdigit() or tail == "total") else row["trait"]
    return _SAME.get(habit, habit)


def comparable(trait: Trait) -> bool:
    """Whether a mean of it says something beside everybody's."""
    return trait.type in ("count", "share", "mean", "money") and trait.name not in _OURS


def trait_means() -> dict[int | None, dict[str, Row]]:
    """Mean, spread and base of every trait of numbers over the drawn members (`card_sample`).

    For each persona, and under None for everybody.
    """
    names = [trait.name for trait in CATALOGUE if comparable(trait)]
    columns = ", ".join(f"avg({name})::float8, stddev_pop({name})::float8, count({name})" for name in names)
    found = _fetch(
        f"SELECT g.persona_id, {columns} FROM ("  # noqa: S608 (names of the catalogue)
        "SELECT persona_id, customer_id FROM card_sample UNION ALL "
        "SELECT NULL, customer_id FROM card_sample WHERE in_all"
        ") g JOIN personas_traits t ON t.customer_id = g.customer_id GROUP BY g.persona_id"
    )
    return {
        row[0]: {
            name: {"mean": row[1 + 3 * at], "spread": row[2 + 3 * at], "base": row[3 + 3 * at]}
            for at, name in enumerate(names)
        }
        for row in found
    }


def trait_words() -> dict[int, list[Row]]:
    """How often each word of the traits that are words stands in each persona, and in everybody.

    Over the drawn members (`card_sample`): {persona: [{trait, value, n, base, all_n, all_base}]}.
    """
    names = [trait.name for trait in CATALOGUE if trait.type == "text" and trait.name not in _TOLD_ELSEWHERE]
    if not names:
        return {}
    values = ", ".join(f"('{name}', t.{name}::text)" for name in names)
    found = _fetch(
        f"SELECT g.persona_id, v.trait, v.value, count(*) FROM ("  # noqa: S608 (names of the catalogue)
        "SELECT persona_id, customer_id FROM card_sample UNION ALL "
        "SELECT NULL, customer_id FROM card_sample WHERE in_all"
        ") g JOIN personas_traits t ON t.customer_id = g.customer_id "
        f"CROSS JOIN LATERAL (VALUES {values}) AS v (trait, value) "
        "WHERE v.value <> '' GROUP BY g.persona_id, v.trait, v.value ORDER BY 1, 2, 3"
    )
    return _beside_all(found)


def _beside_all(found: Sequence[tuple[int | None, str, str, int]]) -> dict[int, list[Row]]:
    counts: dict[tuple[int | None, str], dict[str, int]] = {}
    for persona, trait, value, n in found:
        counts.setdefault((persona, trait), {})[value] = n
    beside: dict[int, list[Row]] = {}
    for (persona, trait), own in counts.items():
        if persona is None:
            continue
        everybody = counts.get((None, trait), {})
        bases = {"base": sum(own.values()), "all_base": sum(everybody.values())}
        beside.setdefault(persona, []).extend(
            # somebody rare may be in the persona's draw and not in everybody's
            {"trait": trait, "value": value, "n": n, "all_n": everybody.get(value, 0), **bases}
            for value, n in own.items()
        )
    return beside


def _fetch(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
