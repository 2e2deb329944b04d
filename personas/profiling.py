"""Whoever does not want to be profiled is taken out of what was inferred, at once.

Rebuilds leave them out by themselves (`NOT c.profiling_refused` in their SQL). Facts stay: what somebody
bought and when they wrote is counted, so that segments by facts go on; what was concluded from it goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.db.models.signals import post_save

from crm.models import Customer, CustomerTouch
from crm.profiling import FLAG
from personas.building import asking_about
from personas.memberships import PERSONA
from personas.models import (
    Lookalike,
    PersonaChange,
    PersonaMembership,
    Prediction,
    SegmentMembership,
)
from personas.privacy import drop_quotes
from personas.words import forget_words

INFERRED = ("prediction.", PERSONA)
"""Fields of rules that look at what was inferred begin so."""


def forget_profile(customers: Sequence[int]) -> Mapping[str, int]:
    """Delete persona, predictions, moves, and memberships that rest on them; rows by what they were.

    Also memberships of segments that ask about such a one.
    """
    segments = asking_about(*INFERRED)
    gone = {
        "quotes": drop_quotes(customers),
        "personas": PersonaMembership.objects.filter(customer_id__in=customers).delete()[0],
        "moves": PersonaChange.objects.filter(customer_id__in=customers).delete()[0],
        "predictions": Prediction.objects.filter(customer_id__in=customers).delete()[0],
        "lookalikes": Lookalike.objects.filter(customer_id__in=customers).delete()[0],
        "segments": SegmentMembership.objects.filter(
            customer_id__in=customers, segment_id__in=segments
        ).delete()[0],
    }
    gone["words"] = forget_words(customers)
    CustomerTouch.objects.bulk_create([CustomerTouch(customer_id=pk) for pk in customers])
    return gone


def forget_refused_meanwhile() -> int:
    """Take out again whoever refused after a rebuild had read them and before it wrote; how many.

    They are among those touched since the rebuild listed who changed.
    """
    touched = Customer.objects.filter(
        profiling_refused=True, pk__in=CustomerTouch.objects.order_by().values("customer_id")
    )
    found = list(touched.filter(_is_profiled()).values_list("pk", flat=True))
    if found:
        forget_profile(found)
    return len(found)


def _is_profiled() -> Q:
    inferred = (PersonaMembership, Prediction, Lookalike)
    rows = [Exists(model.objects.filter(customer_id=OuterRef("pk"))) for model in inferred]
    return Q(rows[0]) | Q(rows[1]) | Q(rows[2])


def _follow(instance: Customer, update_fields: frozenset[str] | None, **_rest: Any) -> None:
    if instance.profiling_refused and (update_fields is None or FLAG in update_fields):
        forget_profile([instance.pk])


def register() -> None:
    """A refusal is written in several places of crm, which knows nothing of personas: hence the signal."""
    post_save.connect(_follow, sender=Customer, dispatch_uid="personas.profiling")
