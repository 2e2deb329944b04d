"""Who belongs to which persona: fitting a model when it must be, then everybody changed to the nearest one.

The arithmetic stands in `personas.clustering`; here are the database, the personas that live on over refits,
and the plain rules that stand in while there is not enough data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from io import StringIO
from typing import Any

import pandas as pd
from django.db import connection, transaction

from core.events import emit
from core.sql import rows, statement
from personas.models import Persona, PersonaMembership


@dataclass(frozen=True)
class Assignment:
    """For which day and whom personas are assigned; `beat` moves the progress bar."""

    today: date
    now: datetime
    everybody: bool
    refit: bool = False
    beat: Callable[[float], None] = field(default=lambda share: None)


@dataclass(frozen=True)
class Rule:
    """A plain rule that stands in for a persona; `reason` is filled with the figure behind it."""

    key: str
    name: str
    icon: str
    reason: str


RULES = (
    Rule("regular", "Regular buyers", "ti-repeat", "{} orders"),
    Rule("once", "Bought once", "ti-shopping-bag", "{} order"),
    Rule("talker", "In conversation", "ti-messages", "{} interactions and no order"),
    Rule("silent", "Not heard from", "ti-user-question", "No interaction and no order"),
)


def assign_by_rules(work: Assignment) -> dict[str, int]:
    """Plain rules instead of a model: sure by definition, and said to be rules."""
    found = rows("personas", "rule_personas", {"everybody": work.everybody})
    if not found and not PersonaMembership.objects.exists():
        return {"customers": 0, "written": 0, "moved": 0, "fitted": 0}
    personas = _rule_personas()
    reasons = {rule.key: rule.reason for rule in RULES}
    frame = pd.DataFrame(
        {
            "customer_id": [row["customer_id"] for row in found],
            "persona_id": [personas[row["rule"]] for row in found],
            "confidence": 1.0,
            "reasons": [json.dumps([reasons[row["rule"]].format(row["figure"])]) for row in found],
        }
    )
    return {"fitted": 0, **store_memberships(frame, work, told=False)}


def _rule_personas() -> dict[str, int]:
    """Ids of the personas of the rules, made on first need and brought back when there is no model."""
    known = {persona.suggested_name: persona for persona in Persona.objects.filter(is_rule=True)}
    ids: dict[str, int] = {}
    for place, rule in enumerate(RULES):
        persona = known.get(rule.name)
        if persona is None:
            persona = Persona.objects.create(
                name=rule.name,
                suggested_name=rule.name,
                icon=rule.icon,
                tone=place % 6 + 1,
                rank=place,
                is_rule=True,
            )
        elif not persona.is_active:
            Persona.objects.filter(pk=persona.pk).update(is_active=True)
        ids[rule.key] = persona.pk
    return ids


def store_memberships(frame: pd.DataFrame, work: Assignment, *, told: bool) -> dict[str, int]:
    """Write memberships that differ: (customer_id, persona_id, confidence, reasons as JSON) a row.

    `told` keeps who moved; a first fit and plain rules tell nobody.
    """
    text = StringIO()
    frame.to_csv(text, header=False, index=False)
    text.seek(0)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE nightly_membership (customer_id bigint PRIMARY KEY, persona_id bigint, "
            "confidence float8, reasons jsonb) ON COMMIT DROP"
        )
        cursor.copy_expert("COPY nightly_membership FROM STDIN (FORMAT csv)", text)
        cursor.execute("ANALYZE nightly_membership")
        cursor.execute(
            statement("personas", "store_memberships"),
            {"everybody": work.everybody, "now": work.now, "told": told},
        )
        written, kept, moved = cursor.fetchone() or (0, 0, 0)
        cursor.execute("DROP TABLE nightly_membership")
        if kept:
            emit("persona.members_changed", channels=["staff"], customers=kept)
    return {"customers": len(frame), "written": written, "moved": moved}


def deactivate(personas: Iterable[int]) -> int:
    """Personas whose group is gone keep what people wrote, and have no members."""
    return Persona.objects.filter(pk__in=list(personas)).update(
        is_active=False, cluster=None, members=0, share=0.0
    )


def assign(work: Assignment) -> dict[str, Any]:
    """Bring memberships up to date; how many were looked at, written and moved."""
    return assign_by_rules(work)
