"""Who belongs to which persona: fitting a model when it must be, then everybody changed to the nearest one.

The arithmetic stands in `personas.clustering`; here are the database, the personas that live on over refits,
and the plain rules that stand in while there is not enough data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, cast

import pandas as pd
from django.db import connection, transaction
from django.utils import timezone

from core.events import emit
from core.sql import statement
from personas import clustering, memberships
from personas.clustering import LEAST_CUSTOMERS, LEAST_TOUCHES, FittedModel
from personas.features import COLUMNS
from personas.frames import read_frame
from personas.matching import match_members, match_personas
from personas.models import DriftDay, ModelCard, Persona, PersonaMembership, PersonaModel
from personas.proposals import persona_settings
from personas.traits.catalogue import BY_NAME

CARD = "personas"
TRY_AGAIN_GROWTH, TRY_AGAIN_DAYS = 0.1, 7
DRIFT_SAMPLE = 20_000
AT_ONCE = 50_000
"""Customers assigned at a time: what they take stays under a hundred megabytes."""
MOST_FITTED = 1_000_000
SAMPLE = 5
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
    frame = read_frame(
        statement("personas", "rule_personas"),
        {"everybody": work.everybody},
        dtypes={"customer_id": "int64", "rule": "category", "figure": "int64"},
    )
    if not len(frame) and not PersonaMembership.objects.exists():
        return {"customers": 0, "written": 0, "moved": 0, "fitted": 0}
    with memberships.gathering(), transaction.atomic():
        personas = _rule_personas()
        told = {rule.key: json.dumps([rule.reason]) for rule in RULES}
        reasons = frame["rule"].astype(str).map(told).to_numpy(dtype=object)
        figures = frame["figure"].astype(str).to_numpy(dtype=object)
        frame["reasons"] = [text.replace("{}", figure) for text, figure in zip(reasons, figures, strict=True)]
        frame["persona_id"] = frame["rule"].astype(str).map(personas)
        memberships.gather(frame.assign(confidence=1.0))
        if not work.everybody:
            memberships.gather_changed()
        stored = memberships.store(everybody=work.everybody, now=work.now, told=False)
    return {"customers": len(frame), "fitted": 0, **stored}


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
                tone=place % TONES + 1,
                rank=place,
                is_rule=True,
            )
        elif not persona.is_active:
            Persona.objects.filter(pk=persona.pk).update(is_active=True)
        ids[rule.key] = persona.pk
    return ids


def deactivate(personas: Iterable[int]) -> int:
    """Personas whose group is gone keep what people wrote, and have no members."""
    return Persona.objects.filter(pk__in=list(personas)).update(
        is_active=False, cluster=None, members=0, share=0.0
    )


def assign(work: Assignment) -> dict[str, Any]:
    """Bring memberships up to date; how many were looked at, written, moved, and models fitted.

    A new model becomes the current one in the transaction that writes its memberships.
    """
    model, fitted = _model_for(work)
    if model is None:
        return assign_by_rules(work)
    before = PersonaMembership.objects.filter(persona__is_rule=False, persona__segment=None).exists()
    everybody = work.everybody or fitted
    with memberships.gathering():
        customers = _gather(FittedModel.from_json(model.parameters), work, everybody=everybody)
        with transaction.atomic():
            if fitted:
                take_model(model)
            stored = memberships.store(everybody=everybody, now=work.now, told=before)
    drifted = not fitted and _note_drift(model, work)
    if fitted:
        note_drift_day(model, work.today, 0.0)
    return {"customers": customers, **stored, "fitted": int(fitted), "drifted": int(drifted)}


def _gather(model: FittedModel, work: Assignment, *, everybody: bool) -> int:
    """Everybody in question to the nearest center, some ten thousand at a time; how many."""
    done = 0
    for frame in trait_frames(everybody=everybody):
        found = clustering.assign(frame, model)
        rows = found[["cluster", "reasons"]].assign(
            customer_id=found.index, confidence=found["confidence"].astype(float).round(2)
        )
        done += memberships.gather(rows)
        work.beat(0.8)
    if not everybody:
        memberships.gather_changed()
    return done


def _model_for(work: Assignment) -> tuple[PersonaModel | None, bool]:
    """The model to assign by, and whether it is yet to become the current one; None: not enough data."""
    current = PersonaModel.objects.filter(is_current=True).first()
    if work.take is not None:
        waiting = PersonaModel.objects.filter(pk=work.take, is_current=False).first()
        if waiting is not None:
            return waiting, True
    # a run that was killed after its fit was taken goes on with that one
    if current is not None and (not work.refit or current.fitted_at == work.now):
        return current, False
    if current is None and not (work.refit or _worth_trying(work)):
        return None, False
    fitted = fit_model(work, reason="by hand" if work.refit else "first")
    return (current, False) if fitted is None else (fitted, True)


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
    frame = fitting_frame()
    work.beat(0.1)
    settings = persona_settings()
    found = clustering.fit(frame, names=settings.features, finest=settings.is_finest)
    del frame
    if isinstance(found, clustering.NotEnoughData):
        _note_try(work, max(found.customers, 1), f"{found.reason} Plain rules stand in.")
        return None
    work.beat(0.6)
    figures = {**found.figures, **_against_current(found)}
    _note_try(work, found.customers, f"{found.k} personas that hold still.", found.figures)
    with transaction.atomic():
        PersonaModel.objects.filter(is_current=False, taken_at=None).delete()
        return PersonaModel.objects.create(
            fitted_at=work.now,
            customers=found.customers,
            k=found.k,
            parameters=found.to_json(),
            figures=figures,
            reason=reason,
        )


def _against_current(model: FittedModel) -> dict[str, Any]:
    """Which personas the clusters of a new model continue, and who would move by it.

    `moves` counts customers by the computed persona they have and the cluster they would be in, with some of
    them; `after` is None for a persona that would be new.
    """
    current = PersonaModel.objects.filter(is_current=True).first()
    if current is None:
        return {"moves": [], "continues": {}}
    flow = _flow(model)
    continues = _continued(current, model, flow)
    moves = [
        _move(rows.index, int(before), int(cluster), continues.get(int(cluster)))
        for (before, cluster), rows in cast("Any", flow.groupby(["before", "cluster"]))
    ]
    moves.sort(key=lambda row: (-row["customers"], row["cluster"]))
    return {"moves": moves, "continues": {str(new): old for new, old in continues.items()}}


def _move(customers: pd.Index[int], before: int, cluster: int, after: int | None) -> dict[str, Any]:
    return {
        "before": before or None,
        "after": after,
        "cluster": cluster,
        "customers": len(customers),
        "sample": customers[:SAMPLE].tolist() if after != before else [],
    }


def _flow(model: FittedModel) -> pd.DataFrame:
    """Everybody's computed persona (0 for none) and cluster in the new model, by customer id."""
    members = read_frame(
        "SELECT m.customer_id, CASE WHEN p.segment_id IS NULL THEN m.persona_id ELSE m.computed_id END "
        "FROM personas_personamembership m JOIN personas_persona p ON p.id = m.persona_id "
        "ORDER BY m.customer_id",
        dtypes={"customer_id": "int64", "before": "float64"},
        index="customer_id",
    )["before"]
    parts = [clustering.nearest(frame, model).astype("int16") for frame in trait_frames(everybody=True)]
    clusters = pd.concat(parts) if parts else pd.Series(dtype="int16")
    before = members.reindex(clusters.index).fillna(0).astype("int64")
    return pd.DataFrame({"before": before, "cluster": clusters})


def _continued(current: PersonaModel, model: FittedModel, flow: pd.DataFrame) -> dict[int, int]:
    """Clusters of a new model to the personas they continue: by common customers, else by centers."""
    personas = dict(
        Persona.objects.filter(is_active=True, cluster__isnull=False).values_list("cluster", "id")
    )
    known = flow[flow["before"].isin(list(personas.values()))]
    if len(known) < LEAST_CUSTOMERS:
        matched = match_personas(FittedModel.from_json(current.parameters), model)
        return {new: personas[before] for new, before in matched.items() if before in personas}
    ids = sorted(personas.values())
    shared = pd.crosstab(known["cluster"], known["before"]).reindex(
        index=range(model.k), columns=ids, fill_value=0
    )
    table = shared.to_numpy(dtype=float)
    pairs = match_members(table, table.sum(axis=0), table.sum(axis=1))
    return {new: ids[old] for new, old in pairs.items()}


@transaction.atomic
def take_model(row: PersonaModel) -> None:
    """Make a model the current one. Personas it continues keep their ids, names and words.

    One that was current before comes back with the personas it had, and with all that people wrote on them.
    """
    model = FittedModel.from_json(row.parameters)
    current = PersonaModel.objects.select_for_update().filter(is_current=True).first()
    kept = {int(cluster): pk for cluster, pk in (row.personas or row.figures.get("continues", {})).items()}
    there = set(Persona.objects.filter(pk__in=kept.values(), segment=None).values_list("pk", flat=True))
    continued = {cluster: pk for cluster, pk in kept.items() if pk in there}
    computed = Persona.objects.filter(is_active=True, segment=None)
    computed.update(cluster=None)
    deactivate(computed.exclude(pk__in=continued.values()).values_list("pk", flat=True))
    personas = {cluster: _keep_or_make(model, cluster, continued.get(cluster)) for cluster in range(model.k)}
    PersonaModel.objects.filter(is_current=True).update(is_current=False)
    if current is not None and current.pk != row.pk and row.taken_at is None:
        row.replaced = current
    row.is_current, row.taken_at = True, timezone.now()
    row.personas = {str(cluster): pk for cluster, pk in personas.items()}
    for move in row.figures.get("moves", []):
        move.pop("sample", None)
    row.save(update_fields=["is_current", "taken_at", "personas", "replaced", "figures"])
    emit("personas.fitted", channels=["staff"], model=row.pk)


def _keep_or_make(model: FittedModel, cluster: int, persona_id: int | None) -> int:
    """The persona of a cluster: the one it continues, or a new one; its id."""
    values: dict[str, Any] = {
        "cluster": cluster,
        "suggested_name": model.names[cluster],
        "name_explained": list(model.explained[cluster]) if model.explained else [],
        "reliability": round(model.reliability[cluster], 3),
        "is_active": True,
    }
    if persona_id is not None:
        Persona.objects.filter(pk=persona_id).update(**values)
        return persona_id
    made = Persona.objects.filter(is_rule=False, segment=None).count()
    return Persona.objects.create(
        name=_free_name(model.names[cluster]),
        icon=ICONS[made % len(ICONS)],
        tone=made % TONES + 1,
        rank=made,
        **values,
    ).pk


def _free_name(name: str) -> str:
    """The suggested name, numbered where an active persona has it."""
    taken = set(Persona.objects.filter(is_active=True).values_list("name", flat=True))
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name} {number}"
    return found


# Reading


def trait_frames(*, everybody: bool) -> Iterator[pd.DataFrame]:
    """Traits of customers who allow profiling, indexed and ordered by customer id, `AT_ONCE` at a time."""
    after = 0
    who = "" if everybody else "AND t.customer_id IN (SELECT customer_id FROM personas_changedcustomer) "
    while True:
        frame = _read(f"WHERE t.customer_id > %s {who}ORDER BY t.customer_id LIMIT {AT_ONCE}", [after])
        if len(frame):
            yield frame
        if len(frame) < AT_ONCE:
            return
        after = int(frame.index[-1])


def fitting_frame() -> pd.DataFrame:
    """Traits of the customers that shape a model; of more than `MOST_FITTED` a part picked by id."""
    step = max(1, -(-_customers_to_fit() // MOST_FITTED))
    return _read(
        "WHERE t.inbound_total + t.orders_total >= %s AND t.customer_id %% %s = 0 ORDER BY t.customer_id",
        [LEAST_TOUCHES, step],
    )


def sample_frame(most: int) -> pd.DataFrame:
    """Traits of about `most` customers, picked by id."""
    step = max(1, -(-_highest_id() // most))
    return _read("WHERE t.customer_id %% %s = 0 ORDER BY t.customer_id", [step])


def _read(where: str, params: list[Any]) -> pd.DataFrame:
    columns = ", ".join(f"t.{name}" for name in FRAME_COLUMNS)
    return read_frame(
        f"SELECT t.customer_id, {columns} FROM personas_traits t "  # noqa: S608 (names of the catalogue)
        f"JOIN crm_customer c ON c.id = t.customer_id AND NOT c.profiling_refused {where}",
        params,
        dtypes={"customer_id": "int64", **{name: _dtype(name) for name in FRAME_COLUMNS}},
        index="customer_id",
        dates=[name for name in FRAME_COLUMNS if BY_NAME[name].type == "time"],
    )


def _dtype(name: str) -> str:
    return "category" if BY_NAME[name].type == "text" else "float32"


def _highest_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(customer_id), 0) FROM personas_traits")
        return int((cursor.fetchone() or (0,))[0])


def _note_drift(row: PersonaModel, work: Assignment) -> bool:
    """Measure how far customers have moved from the model, and propose another where it is too far.

    The proposal waits for somebody to look at who would move, and take it.
    """
    drift = clustering.drift(sample_frame(DRIFT_SAMPLE), FittedModel.from_json(row.parameters))
    row.drift = round(drift, 4)
    PersonaModel.objects.filter(pk=row.pk).exclude(drift=row.drift).update(drift=row.drift)
    note_drift_day(row, work.today, row.drift)
    if row.drift < clustering.DRIFT_LIMIT:
        return False
    waiting = PersonaModel.objects.filter(is_current=False, taken_at=None, fitted_at__gt=row.fitted_at)
    if waiting.exists():
        return False
    proposed = fit_model(work, reason="drift")
    if proposed is not None:
        emit("personas.drifted", channels=["staff"], model=proposed.pk)
    return proposed is not None


def note_drift_day(row: PersonaModel, day: date, drift: float) -> None:
    """Keep the drift of one local day, from which its line is drawn."""
    kept, made = DriftDay.objects.get_or_create(model=row, day=day, defaults={"drift": drift})
    if not made and kept.drift != drift:
        DriftDay.objects.filter(pk=kept.pk).update(drift=drift)
