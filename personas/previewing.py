"""What a rule finds before it is saved: who for instance, what they are like, and which groups share them.

The number comes first (`personas.quick_counts`); what is here follows once it stands.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from core.conditions import Node, Sql, fieldset, matching, sentence
from core.sql import statement
from personas.building import customer_rule
from personas.models import Segment
from personas.quick_counts import Count, cancellable, current_context, exact_count

SAMPLE = 8
MOST_OVERLAPS = 8
PURPOSE = "marketing"


@dataclass(frozen=True)
class Overlap:
    """How many of the found customers are also in another segment or persona, which has `size` in all."""

    kind: str
    id: int
    name: str
    customers: int
    size: int


@dataclass(frozen=True)
class Figures:
    """What the found customers are like, each figure with how many it rests on."""

    value: float | None
    valued: int
    mailable: int
    mood: float | None
    moods: int


@dataclass(frozen=True)
class Details:
    """Some of those a rule finds, what they are like, and whom other groups share with it."""

    customers: int
    sample: Sequence[int]
    overlaps: Sequence[Overlap]
    figures: Figures
    came: int = 0
    left: int = 0


@dataclass(frozen=True)
class Preview:
    """What a rule finds at this moment. `leaves` counts each condition alone, in reading order."""

    customers: int
    total: int
    leaves: Sequence[Count]
    sentence: str
    seconds: float
    details: Details


def preview(rule: Mapping[str, Any], *, segment: Segment | None = None, token: str = "") -> Preview:
    """All of it at once, counted exactly. Raises RuleInvalid, RuleTooSlow or Superseded."""
    began = time.monotonic()
    found = exact_count(rule, token=token)
    details = details_of(rule, segment=segment, token=token)
    told = sentence(customer_rule(rule), fieldset("customer"))
    seconds = round(time.monotonic() - began, 2)
    return Preview(found.count.customers, found.total, found.leaves, told, seconds, details)


def details_of(
    rule: Mapping[str, Any], *, segment: Segment | None = None, draw: int = 0, token: str = ""
) -> Details:
    """The rule is asked once and its customers kept for what is told of them. `draw` 0 takes those heard from
    last, any other number some by chance. Raises RuleInvalid, RuleTooSlow or Superseded."""
    node = customer_rule(rule)
    with cancellable(token):
        size = _find(node)
        came, left = _differences(size, segment)
        details = Details(size, _sample(draw), _overlaps(segment), _figures(), came, left)
        _run(Sql("DROP TABLE preview_found", []))
    return details


def sample_of(rule: Mapping[str, Any], *, draw: int, token: str = "") -> list[int]:
    """Ids of some customers that a rule finds; another `draw` takes others."""
    sql, params = matching(customer_rule(rule), fieldset("customer"), current_context())
    order = "hashint8extended(c.id, %s), c.id"
    with cancellable(token):
        found = _run(Sql(f"{sql} ORDER BY {order} LIMIT {SAMPLE}", [*params, draw]))
    return [row[0] for row in found]


def _find(node: Node) -> int:
    sql, params = matching(node, fieldset("customer"), current_context())
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE preview_found (id) ON COMMIT DROP AS {sql}", params)
        found = cursor.rowcount
        cursor.execute("ANALYZE preview_found")
    return found


def _differences(size: int, segment: Segment | None) -> tuple[int, int]:
    """How many the rule finds that are no members of the segment, and how many members it does not find."""
    if segment is None:
        return 0, 0
    kept, members = _run(
        Sql(
            "SELECT count(f.id), count(*) FROM personas_segmentmembership m"
            " LEFT JOIN preview_found f ON f.id = m.customer_id WHERE m.segment_id = %s",
            [segment.pk],
        )
    )[0]
    return size - kept, members - kept


def _sample(draw: int) -> list[int]:
    """Ids of some found customers, those heard from last first, or others by a hash of their id."""
    order = "hashint8extended(c.id, %s)" if draw else "c.last_seen_at DESC NULLS LAST"
    sql = "SELECT c.id FROM preview_found f JOIN crm_customer c ON c.id = f.id"
    found = _run(Sql(f"{sql} ORDER BY {order}, c.id DESC LIMIT {SAMPLE}", [draw] if draw else []))
    return [row[0] for row in found]


def _overlaps(segment: Segment | None) -> list[Overlap]:
    """The segments and personas that share most customers with the rule."""
    found = _run(
        Sql(
            "SELECT 'segment', s.id, s.name, count(*), s.size FROM preview_found f"
            " JOIN personas_segmentmembership m ON m.customer_id = f.id"
            " JOIN personas_segment s ON s.id = m.segment_id WHERE s.id <> %s GROUP BY s.id"
            " UNION ALL SELECT 'persona', p.id, p.name, count(*), p.members FROM preview_found f"
            " JOIN personas_personamembership m ON m.customer_id = f.id"
            " JOIN personas_persona p ON p.id = m.persona_id GROUP BY p.id"
            " ORDER BY 4 DESC, 1, 2 LIMIT %s",
            [segment.pk if segment and segment.pk else 0, MOST_OVERLAPS],
        )
    )
    return [Overlap(*row) for row in found]


def _figures() -> Figures:
    text = statement("personas", "preview_figures")
    with connection.cursor() as cursor:
        cursor.execute(text, {"purpose": PURPOSE})
        row = cursor.fetchone()
    return Figures(*(row or (None, 0, 0, None, 0)))


def _run(query: Sql) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(*query)
        return list(cursor.fetchall()) if cursor.description else []
