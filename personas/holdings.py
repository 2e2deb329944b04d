"""Which tables of this app hold a person: all of them are computed and follow from what other apps keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import models

from core.privacy import Holding, register_customer_data
from core.privacy import register as hold
from personas import privacy, profiling
from personas.models import (
    AdSpend,
    BroughtDay,
    BroughtRun,
    BuyerDay,
    ChangedCustomer,
    CustomerDay,
    DriftDay,
    FirstTouch,
    Lookalike,
    LookalikeRun,
    ModelCard,
    ModelRun,
    PeopleCount,
    Persona,
    PersonaChange,
    PersonaDay,
    PersonaMembership,
    PersonaModel,
    PersonaNote,
    PersonaSettings,
    PersonaShare,
    Prediction,
    PublishableKey,
    ReachPlan,
    Rebuild,
    Segment,
    SegmentChange,
    SegmentMembership,
    SegmentPick,
    SegmentSize,
    Traits,
)
from personas.privacy import told_elsewhere

Rows = Sequence[dict[str, Any]]


def _exported(model: type[models.Model], *names: str) -> Callable[[Sequence[int]], Rows]:
    """A person's rows of one table, by these columns (all where none is named)."""

    def export(customers: Sequence[int]) -> Rows:
        return list(model._default_manager.filter(customer_id__in=customers).order_by("pk").values(*names))

    return export


def _erased(model: type[models.Model]) -> Callable[[Sequence[int]], int]:
    def erase(customers: Sequence[int]) -> int:
        return int(model._default_manager.filter(customer_id__in=customers).delete()[0])

    return erase


def register() -> None:
    """Computed rows are computed again after a merge; history stays with the record it names."""
    computed: dict[type[models.Model], Callable[[Sequence[int]], Rows]] = {
        CustomerDay: _exported(CustomerDay, "day", "network", "kind", "direction", "n", "sentiment_sum"),
        FirstTouch: _exported(FirstTouch, "at", "network", "campaign", "source"),
        Traits: told_elsewhere,
        Prediction: told_elsewhere,
        PersonaMembership: told_elsewhere,
        SegmentMembership: told_elsewhere,
        ChangedCustomer: told_elsewhere,
        Lookalike: _exported(Lookalike, "persona__name", "typicality", "reasons"),
    }
    for model, export in computed.items():
        hold(Holding(model, "customer", on_merge="recompute", export=export, erase=_erased(model)))
    history: dict[type[models.Model], tuple[str, ...]] = {
        SegmentChange: ("segment__name", "entered", "at"),
        PersonaChange: ("before__name", "after__name", "at"),
    }
    for model, names in history.items():
        hold(
            Holding(model, "customer", on_merge="stay", export=_exported(model, *names), erase=_erased(model))
        )
    hold(Holding(SegmentPick, "customer", "home_customer"))
    register_customer_data(
        ReachPlan, PublishableKey, AdSpend, LookalikeRun, ModelRun, ModelCard, PersonaNote, PersonaShare,
        PersonaDay, PeopleCount, Persona, DriftDay, PersonaModel, PersonaSettings, Rebuild, Segment,
        SegmentSize, BroughtDay, BroughtRun, BuyerDay,
    )  # fmt: skip
    privacy.register()
    profiling.register()
