"""The trained models in use: loaded once a process, and again when another one takes their place."""

from __future__ import annotations

import zlib

import structlog

from engagement.models import TextModel
from engagement.reading.trained import (
    Models,
    ReasonModel,
    SentimentModel,
    unpacked_reason,
    unpacked_sentiment,
)

log = structlog.get_logger(__name__)
_loaded: dict[tuple[str, str], tuple[int, SentimentModel | ReasonModel | None]] = {}


def sentiment_models() -> Models:
    """Those in use; one short query, and one more for each that this process has not met."""
    used = TextModel.objects.filter(kind="sentiment", is_used=True).values_list("pk", "language")
    found = {language: _load("sentiment", language, pk) for pk, language in used}
    return Models({name: model for name, model in found.items() if isinstance(model, SentimentModel)})


def reason_model() -> ReasonModel | None:
    """The one in use, if any."""
    pk = TextModel.objects.filter(kind="reason", is_used=True).values_list("pk", flat=True).first()
    found = _load("reason", "", pk) if pk else None
    return found if isinstance(found, ReasonModel) else None


def _load(kind: str, language: str, pk: int) -> SentimentModel | ReasonModel | None:
    """The model of this row; None where it was replaced this moment, or cannot be understood."""
    known = _loaded.get((kind, language))
    if known is not None and known[0] == pk:
        return known[1]
    content = TextModel.objects.filter(pk=pk, is_used=True).values_list("parameters", flat=True).first()
    if content is None:
        return None
    unpacked = unpacked_sentiment if kind == "sentiment" else unpacked_reason
    try:
        model = unpacked(bytes(content))
    except (TypeError, KeyError, ValueError, zlib.error) as error:
        # Messages come in all the same: the rules read them until a model is trained again.
        log.warning("text model not understood", model=pk, error=type(error).__name__)
        model = None
    _loaded[kind, language] = (pk, model)
    return model
