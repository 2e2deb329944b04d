"""Lookalikes: the prospects (no purchase yet) nearest to each persona, found at night.

Compared by the stored model, but only in habits that somebody can have who never bought: how and when they
speak, not what they order. Distances are those of the model, in standard deviations within personas, in the
covariance of those habits alone. A prospect is like a persona when they lie within the distance within which
half of its members who have bought lie (typicality of at least one half), and no other persona is nearer.
Pandas and numpy are imported inside functions: nothing of this runs in a web process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db import transaction

from personas.clustering import FittedModel, standardize
from personas.features import BY_NAME, show
from personas.frames import read_frame
from personas.models import Lookalike, LookalikeRun, Persona, PersonaMembership, PersonaModel

if TYPE_CHECKING:
    import pandas as pd

    from personas.measuring import Floats

BUYING = frozenset(
    {
        "orders_total", "orders_365", "orders_90", "order_gap_days", "average_order", "units_per_order",
        "products_per_order", "discount_share", "refund_share", "repeat_share", "revenue", "revenue_365",
        "revenue_total", "refunded_total", "top_category", "categories",
    }
)  # fmt: skip
"""Traits that come with purchases: a habit that needs one of them is not compared."""
LEAST_TOUCHES = 3
"""Prospects who said less are like everybody, and so like nobody."""
LEAST_MEMBERS = 30
LEAST_FEATURES = 2
TYPICAL = 0.5
MOST_MEMBERS = 5_000
"""Members of a persona that its distances are measured on, picked by id."""
MOST_KEPT = 2_000
"""Prospects kept for each persona, the nearest."""
AT_ONCE = 50_000


@dataclass
class _Target:
    """One persona as prospects are held against it."""

    persona: Persona
    center: Floats
    distances: Floats
    radius: float
    is_computed: bool
    found: list[tuple[float, float, int, list[str]]] = field(default_factory=list)
    """(-typicality, distance, customer, reasons) of the nearest so far."""
    near: int = 0

    def prune(self) -> None:
        """Keep no more than are shown."""
        self.found.sort(key=lambda one: one[:3])
        del self.found[MOST_KEPT:]


def refresh_lookalikes(now: datetime) -> dict[str, int]:
    """Compare every prospect with every persona; how many were compared, kept, and written."""
    current = PersonaModel.objects.filter(is_current=True).first()
    personas = list(Persona.objects.filter(is_active=True, is_rule=False).order_by("pk"))
    _forget_others([] if current is None else personas)
    if current is None or not personas:
        return {"customers": 0, "near": 0, "written": 0}
    model = FittedModel.from_json(current.parameters)
    used = speaking_features(model)
    if len(used) < LEAST_FEATURES:
        reason = "The model rests on buying habits alone, which no prospect has."
        for persona in personas:
            _store_none(persona, reason, now)
        return {"customers": 0, "near": 0, "written": 0}
    space = _Space(model, used)
    targets = [target for one in personas if (target := _target(one, space, now)) is not None]
    compared = 0
    for frame in _prospects():
        compared += len(frame)
        space.compare(frame, targets)
    written = sum(_store(target, space, compared, now) for target in targets)
    return {"customers": compared, "near": sum(one.near for one in targets), "written": written}


def speaking_features(model: FittedModel) -> tuple[str, ...]:
    """Habits of the model that need no purchase, in its order."""
    return tuple(
        name for name in model.features if name in BY_NAME and not BUYING.intersection(BY_NAME[name].needs)
    )


class _Space:
    """The habits that are compared, and distances in them."""

    def __init__(self, model: FittedModel, used: Sequence[str]) -> None:
        import numpy as np

        self.model, self.used = model, tuple(used)
        self.places = [model.features.index(name) for name in used]
        turn = np.array(model.turn)
        within = np.linalg.inv(turn @ turn.T)[np.ix_(self.places, self.places)]
        self.turn = np.linalg.cholesky(np.linalg.inv(within))

    def rows(self, frame: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
        """Standardized habits, own values and evidence of each row."""
        known = standardize(frame, self.model)
        places = self.places
        return known.rows[:, places], known.values[:, places], known.evidence[:, places]

    def distances(self, rows: Floats, centers: Floats) -> Floats:
        """(rows, centers) in standard deviations within personas."""
        import numpy as np

        turned, places = rows @ self.turn, centers @ self.turn
        squared = (turned**2).sum(axis=1)[:, None] - 2 * turned @ places.T + (places**2).sum(axis=1)[None]
        return np.sqrt(np.maximum(squared, 0.0))

    def compare(self, frame: pd.DataFrame, targets: Sequence[_Target]) -> None:
        """Add the prospects of one page to the personas they are like."""
        import numpy as np

        if not targets or not len(frame):
            return
        rows, values, evidence = self.rows(frame)
        apart = self.distances(rows, np.array([target.center for target in targets]))
        computed = [place for place, target in enumerate(targets) if target.is_computed]
        nearest = apart[:, computed].min(axis=1) if computed else np.full(len(rows), np.inf)
        ids = frame.index.to_numpy()
        for place, target in enumerate(targets):
            own = apart[:, place]
            is_near = own <= target.radius
            if target.is_computed:
                is_near &= own <= nearest + 1e-9
            chosen = np.flatnonzero(is_near)
            target.near += len(chosen)
            best = chosen[np.argsort(own[chosen], kind="stable")[:MOST_KEPT]]
            farther = len(target.distances) - np.searchsorted(target.distances, own[best])
            for row, behind in zip(best, farther, strict=True):
                typical = round(float(behind) / len(target.distances), 4)
                why = self._reasons(rows[row], values[row], evidence[row], target.center)
                target.found.append((-typical, round(float(own[row]), 4), int(ids[row]), why))
            target.prune()

    def _reasons(self, row: Floats, values: Floats, evidence: Floats, center: Floats) -> list[str]:
        """The habits by which somebody is nearer to the center than to the mean, the strongest first."""
        import numpy as np

        pull = center**2 - (row - center) ** 2
        alike = (np.sign(row) == np.sign(center)) & (evidence > 0)
        order = np.argsort(-np.where(alike, pull, -np.inf), kind="stable")
        told = (self._sentence(one, row, values, evidence) for one in order if alike[one] and pull[one] > 0)
        return list(islice(filter(None, told), 3))

    def _sentence(self, one: int, row: Floats, values: Floats, evidence: Floats) -> str:
        """One habit in figures; nothing where both figures read alike, as in "(3, typical 3)"."""
        feature = BY_NAME[self.used[one]]
        high = bool(row[one] > 0)
        words = feature.more if high else feature.less
        if feature.shown == "country":
            return words
        mean = self.model.priors[self.places[one]].mean
        own, typical = show(feature, float(values[one]), high=high), show(feature, mean, high=high)
        if own == typical:
            return ""
        if feature.shown == "share":
            own = f"{own} of {max(1, round(float(evidence[one])))}"
        return f"{words} ({own}, typical {typical})"


def _target(persona: Persona, space: _Space, now: datetime) -> _Target | None:
    """A persona with the distances of its buyers; None, with the reason stored, where there are too few."""
    import numpy as np

    frame = _members(persona)
    if len(frame) < LEAST_MEMBERS:
        _store_none(
            persona, f"Only {len(frame)} of its members have bought; {LEAST_MEMBERS} are needed.", now
        )
        return None
    rows, _values, _evidence = space.rows(frame)
    if persona.cluster is not None:
        center = np.array(space.model.centers[persona.cluster])[space.places]
    else:
        center = rows.mean(axis=0)
    distances = np.sort(space.distances(rows, center[None, :])[:, 0])
    radius = float(np.quantile(distances, 1 - TYPICAL))
    return _Target(persona, center, distances, radius, persona.cluster is not None)


# Reading


def _members(persona: Persona) -> pd.DataFrame:
    """Members of a persona who have bought; of very many a part picked by id."""
    # Counted anew: the figure on the card is that of the last rebuild.
    step = max(1, -(-PersonaMembership.objects.filter(persona=persona).count() // MOST_MEMBERS))
    where = (
        "JOIN personas_personamembership m ON m.customer_id = t.customer_id AND m.persona_id = %s "
        "WHERE t.orders_total > 0 AND t.customer_id %% %s = 0 ORDER BY t.customer_id"
    )
    return _read(where, [persona.pk, step])


def _prospects() -> Iterator[pd.DataFrame]:
    """Customers who never bought and said enough, page by page."""
    after = 0
    while True:
        where = (
            "WHERE t.customer_id > %s AND t.orders_total = 0 AND t.inbound_total >= %s "
            f"AND c.kind = 'person' ORDER BY t.customer_id LIMIT {AT_ONCE}"
        )
        frame = _read(where, [after, LEAST_TOUCHES])
        if len(frame):
            yield frame
        if len(frame) < AT_ONCE:
            return
        after = int(frame.index[-1])


def _read(where: str, params: list[Any]) -> pd.DataFrame:
    from personas.assigning import FRAME_COLUMNS
    from personas.traits.catalogue import BY_NAME as TRAITS

    columns = ", ".join(f"t.{name}" for name in FRAME_COLUMNS)
    kinds = {name: "category" if TRAITS[name].type == "text" else "float32" for name in FRAME_COLUMNS}
    return read_frame(
        f"SELECT t.customer_id, {columns} FROM personas_traits t "  # noqa: S608 (names of the catalogue)
        "JOIN crm_customer c ON c.id = t.customer_id AND c.merged_into_id IS NULL "
        "AND NOT c.profiling_refused "
        f"{where}",
        params,
        dtypes={"customer_id": "int64", **kinds},
        index="customer_id",
        dates=[name for name in FRAME_COLUMNS if TRAITS[name].type == "time"],
    )


# Writing


@transaction.atomic
def _store(target: _Target, space: _Space, compared: int, now: datetime) -> int:
    """Write who is like a persona where that differs; how many rows were written."""
    wanted = {customer: (distance, -typical, why) for typical, distance, customer, why in target.found}
    held = {
        customer: (distance, typicality, reasons)
        for customer, distance, typicality, reasons in Lookalike.objects.filter(
            persona=target.persona
        ).values_list("customer_id", "distance", "typicality", "reasons")
    }
    fresh = [customer for customer, facts in wanted.items() if held.get(customer) != facts]
    gone = [customer for customer, facts in held.items() if wanted.get(customer) != facts]
    Lookalike.objects.filter(persona=target.persona, customer_id__in=gone).delete()
    Lookalike.objects.bulk_create(
        [
            Lookalike(
                persona=target.persona,
                customer_id=customer,
                distance=wanted[customer][0],
                typicality=wanted[customer][1],
                reasons=wanted[customer][2],
            )
            for customer in fresh
        ],
        batch_size=1000,
    )
    _note(
        target.persona,
        now,
        features=list(space.used),
        members=len(target.distances),
        prospects=compared,
        near=target.near,
        radius=round(target.radius, 4),
    )
    return len(fresh)


def _forget_others(personas: Sequence[Persona]) -> None:
    """Take away what was found for personas that are not compared: those that are gone, and plain rules."""
    Lookalike.objects.exclude(persona__in=personas).delete()
    LookalikeRun.objects.exclude(persona__in=personas).delete()


def _store_none(persona: Persona, reason: str, now: datetime) -> None:
    Lookalike.objects.filter(persona=persona).delete()
    _note(persona, now, reason=reason)


def _note(persona: Persona, now: datetime, **values: Any) -> None:
    plain = {"features": [], "members": 0, "prospects": 0, "near": 0, "radius": None, "reason": ""}
    LookalikeRun.objects.update_or_create(persona=persona, defaults={**plain, **values, "computed_at": now})
