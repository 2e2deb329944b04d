"""What customers are like: traits, segments, personas, predictions and the nightly rebuild."""

from personas.models.first_touch import BroughtDay, BroughtRun, BuyerDay, FirstTouch, How
from personas.models.people import PeopleCount, PeopleFact
from personas.models.persona import (
    DriftDay,
    NotePart,
    Persona,
    PersonaChange,
    PersonaDay,
    PersonaMembership,
    PersonaModel,
    PersonaNote,
    PersonaSettings,
    PersonaShare,
)
from personas.models.planning import AdSpend, Lookalike, LookalikeRun, PublishableKey, ReachPlan
from personas.models.prediction import ModelCard, ModelRun, Prediction
from personas.models.rebuild import ChangedCustomer, Rebuild
from personas.models.segment import (
    Segment,
    SegmentChange,
    SegmentKind,
    SegmentMembership,
    SegmentPick,
    SegmentSize,
)
from personas.models.traits import CustomerDay, Traits

__all__ = [
    "AdSpend",
    "BroughtDay",
    "BroughtRun",
    "BuyerDay",
    "ChangedCustomer",
    "CustomerDay",
    "DriftDay",
    "FirstTouch",
    "How",
    "Lookalike",
    "LookalikeRun",
    "ModelCard",
    "ModelRun",
    "NotePart",
    "PeopleCount",
    "PeopleFact",
    "Persona",
    "PersonaChange",
    "PersonaDay",
    "PersonaMembership",
    "PersonaModel",
    "PersonaNote",
    "PersonaSettings",
    "PersonaShare",
    "Prediction",
    "PublishableKey",
    "ReachPlan",
    "Rebuild",
    "Segment",
    "SegmentChange",
    "SegmentKind",
    "SegmentMembership",
    "SegmentPick",
    "SegmentSize",
    "Traits",
]
