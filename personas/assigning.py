"""Who belongs to which persona: fitting a model when it must be, then everybody changed to the nearest one.

The arithmetic stands in `personas.clustering`; here are the database, the personas that live on over refits,
and the plain rules that stand in while there is not enough data.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from io import StringIO
from typing import Any

import pandas as pd
from django.db import connection, transaction
from django.utils import timezone

from core.events import emit
from core.sql import rows, statement
from personas import clustering
from personas.clustering import LEAST_CUSTOMERS, LEAST_TOUCHES, FittedModel
from personas.features import COLUMNS
from personas.models import ModelCard, Persona, PersonaMembership, PersonaModel
from personas.traits.catalogue import BY_NAME

CARD = "personas"
TRY_AGAIN_GROWTH, TRY_AGAIN_DAYS = 0.1, 7
DRIFT_SAMPLE = 20_000
TONES = 6
ICONS = (
    "ti-sun", "ti-coffee", "ti-bolt", "ti-leaf", "ti-compass", "ti-heart", "ti-star", "ti-flame",
)  # fmt: skip
FRAME_COLUMNS = tuple(dict.fromkeys(name for name in COLUMNS if name in BY_NAME))


@dataclass(frozen=True)
class Assignment:
    """For which day and whom personas are assigned; `beat` moves the progress bar."""

    today: date
    now: datetime
    everybody: bool
    refit: bool = False
    take: int | None = None
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
    """Bring memberships up to date; how many were looked at, written, moved, and models fitted."""
    model, fitted = _model_for(work)
    if model is None:
        return assign_by_rules(work)
    before = PersonaMembership.objects.exclude(persona__is_rule=True).exists()
    everybody = replace(work, everybody=work.everybody or fitted)
    memberships = _memberships(model, everybody)
    done = store_memberships(memberships, everybody, told=before)
    drifted = not fitted and _note_drift(model, work)
    return {**done, "fitted": int(fitted), "drifted": int(drifted)}


def _model_for(work: Assignment) -> tuple[PersonaModel | None, bool]:
    """The model to assign by, and whether it was fitted or taken just now; None: not enough data."""
    current = PersonaModel.objects.filter(is_current=True).first()
    if work.take is not None:
        chosen = PersonaModel.objects.filter(pk=work.take, is_current=False).first()
        if chosen is not None:
            take_model(chosen)
            return chosen, True
    if current is not None and not work.refit:
        return current, False
    if current is None and not (work.refit or _worth_trying(work)):
        return None, False
    fitted = fit_model(work, reason="by hand" if work.refit else "first")
    if fitted is None:
        return current, False
    take_model(fitted)
    return fitted, True


def _worth_trying(work: Assignment) -> bool:
    """Whether a first fit could succeed: enough customers, and more or other data than at the last try."""
    customers = _customers_to_fit()
    if customers < LEAST_CUSTOMERS:
        _note_try(work, customers, not_enough(customers))
        return False
    tried = ModelCard.objects.filter(name=CARD).first()
    if tried is None or tried.customers == 0:
        return True
    grown = abs(customers - tried.customers) > TRY_AGAIN_GROWTH * tried.customers
    return grown or (work.now - tried.run_at).days >= TRY_AGAIN_DAYS


def not_enough(customers: int) -> str:
    """What is said where there are too few customers for personas."""
    return (
        f"Not enough data: {customers} customers have {LEAST_TOUCHES} interactions or orders; "
        f"personas need {LEAST_CUSTOMERS}. Plain rules stand in."
    )


def _customers_to_fit() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM personas_traits t JOIN crm_customer c ON c.id = t.customer_id "
            "WHERE NOT c.profiling_refused AND t.inbound_total + t.orders_total >= %s",
            [LEAST_TOUCHES],
        )
        return int((cursor.fetchone() or (0,))[0])


def _note_try(work: Assignment, customers: int, why: str, figures: dict[str, Any] | None = None) -> None:
    """The card that the personas page shows: how the last fit went."""
    ModelCard.objects.update_or_create(
        name=CARD,
        defaults={
            "run_at": work.now,
            "window_end": work.today,
            "customers": customers,
            "figures": figures or {},
            "is_used": figures is not None,
            "explanation": why,
        },
    )


# Fitting


def fit_model(work: Assignment, *, reason: str) -> PersonaModel | None:
    """Fit on everybody, and store the model with who would move by it; None where there is too little data.

    The model is a proposal until `take_model` makes it the current one.
    """
    frame = trait_frame(everybody=True)
    work.beat(0.1)
    found = clustering.fit(frame)
    if isinstance(found, clustering.NotEnoughData):
        _note_try(work, max(found.customers, 1), f"{found.reason} Plain rules stand in.")
        return None
    work.beat(0.6)
    _note_try(work, found.customers, f"{found.k} personas that hold still.", found.figures)
    PersonaModel.objects.filter(is_current=False, taken_at=None).delete()
    return PersonaModel.objects.create(
        fitted_at=work.now,
        customers=found.customers,
        k=found.k,
        parameters=found.to_json(),
        figures={**found.figures, "moves": _moves(found, frame)},
        reason=reason,
    )


def _moves(model: FittedModel, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Who would move by a model: customers by present persona and by the one they would come to.

    `after` is None for a persona that would be new.
    """
    current = PersonaModel.objects.filter(is_current=True).first()
    if current is None:
        return []
    personas = _continued(current, model)
    assigned = clustering.assign(frame, model)["cluster"]
    before = dict(PersonaMembership.objects.values_list("customer_id", "persona_id"))
    counted = Counter(
        (before.get(pk), personas.get(cluster))
        for pk, cluster in zip(assigned.index.tolist(), assigned.tolist(), strict=True)
    )
    return [
        {"before": old, "after": new, "customers": n}
        for (old, new), n in sorted(counted.items(), key=lambda pair: -pair[1])
    ]


def _continued(current: PersonaModel, model: FittedModel) -> dict[int, int]:
    """Clusters of a new model to the personas they continue."""
    old = FittedModel.from_json(current.parameters)
    personas = dict(Persona.objects.filter(is_active=True, is_rule=False).values_list("cluster", "id"))
    matched = clustering.match_personas(old, model)
    return {new: personas[before] for new, before in matched.items() if before in personas}


@transaction.atomic
def take_model(row: PersonaModel) -> None:
    """Make a model the current one. Personas it continues keep their ids, names and words."""
    model = FittedModel.from_json(row.parameters)
    current = PersonaModel.objects.select_for_update().filter(is_current=True).first()
    continued = _continued(current, model) if current is not None else {}
    Persona.objects.filter(is_active=True).update(cluster=None)
    gone = Persona.objects.filter(is_active=True).exclude(pk__in=continued.values())
    deactivate(list(gone.values_list("pk", flat=True)))
    for cluster, name in enumerate(model.names):
        _keep_or_make(cluster, name, model.reliability[cluster], continued.get(cluster))
    PersonaModel.objects.filter(is_current=True).update(is_current=False)
    row.is_current, row.taken_at = True, timezone.now()
    row.save(update_fields=["is_current", "taken_at"])
    emit("personas.fitted", channels=["staff"], model=row.pk)


def _keep_or_make(cluster: int, name: str, reliability: float, persona_id: int | None) -> None:
    values = {"cluster": cluster, "suggested_name": name, "reliability": round(reliability, 3)}
    if persona_id is not None:
        Persona.objects.filter(pk=persona_id).update(**values)
        return
    made = Persona.objects.filter(is_rule=False).count()
    Persona.objects.create(
        name=_free_name(name),
        icon=ICONS[made % len(ICONS)],
        tone=made % TONES + 1,
        rank=made,
        **values,
    )


def _free_name(name: str) -> str:
    """The suggested name, numbered where an active persona has it."""
    taken = set(Persona.objects.filter(is_active=True).values_list("name", flat=True))
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name} {number}"
    return found


# Assigning


def _memberships(row: PersonaModel, work: Assignment) -> pd.DataFrame:
    """(customer_id, persona_id, confidence, reasons) of everybody with something said or bought."""
    model = FittedModel.from_json(row.parameters)
    personas = dict(Persona.objects.filter(is_active=True, is_rule=False).values_list("cluster", "id"))
    frame = trait_frame(everybody=work.everybody)
    found = clustering.assign(frame, model)
    work.beat(0.8)
    return pd.DataFrame(
        {
            "customer_id": found.index,
            "persona_id": [personas[int(cluster)] for cluster in found["cluster"]],
            "confidence": found["confidence"].astype(float).round(2),
            "reasons": [json.dumps(reasons) for reasons in found["reasons"]],
        }
    )


def trait_frame(*, everybody: bool, most: int | None = None) -> pd.DataFrame:
    """Traits of customers who allow profiling, indexed and ordered by customer id.

    With `most`, about that many of them, picked by id.
    """
    step = max(1, -(-_highest_id() // most)) if most else 1
    columns = ", ".join(f"t.{name}" for name in FRAME_COLUMNS)
    sql = (
        f"SELECT t.customer_id, {columns} FROM personas_traits t "  # noqa: S608 (names of the catalogue)
        "JOIN crm_customer c ON c.id = t.customer_id AND NOT c.profiling_refused "
        "WHERE (%s OR t.customer_id IN (SELECT customer_id FROM personas_changedcustomer)) "
        "AND t.customer_id %% %s = 0 ORDER BY t.customer_id"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [everybody, step])
        found = cursor.fetchall()
    return pd.DataFrame(found, columns=["customer_id", *FRAME_COLUMNS]).set_index("customer_id")


def _highest_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(customer_id), 0) FROM personas_traits")
        return int((cursor.fetchone() or (0,))[0])


def _note_drift(row: PersonaModel, work: Assignment) -> bool:
    """Measure how far customers have moved from the model, and propose another where it is too far.

    The proposal waits for somebody to look at who would move, and take it.
    """
    frame = trait_frame(everybody=True, most=DRIFT_SAMPLE)
    row.drift = round(clustering.drift(frame, FittedModel.from_json(row.parameters)), 4)
    row.save(update_fields=["drift"])
    if row.drift < clustering.DRIFT_LIMIT:
        return False
    waiting = PersonaModel.objects.filter(is_current=False, taken_at=None, fitted_at__gt=row.fitted_at)
    if waiting.exists():
        return False
    proposed = fit_model(work, reason="drift")
    if proposed is not None:
        emit("personas.drifted", channels=["staff"], model=proposed.pk)
    return proposed is not None
