"""What customers are like: traits, segments, personas, predictions and the nightly rebuild."""

from personas.models.persona import Persona, PersonaChange, PersonaMembership, PersonaModel
from personas.models.prediction import ModelCard, Prediction
from personas.models.rebuild import ChangedCustomer, Rebuild
from personas.models.segment import Segment, SegmentChange, SegmentMembership, SegmentSize
from personas.models.traits import CustomerDay, Traits

__all__ = [
    "ChangedCustomer",
    "CustomerDay",
    "ModelCard",
    "Persona",
    "PersonaChange",
    "PersonaMembership",
    "PersonaModel",
    "Prediction",
    "Rebuild",
    "Segment",
    "SegmentChange",
    "SegmentMembership",
    "SegmentSize",
    "Traits",
]
