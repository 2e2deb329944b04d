"""What the rule builder needs to know of a field set, as JSON."""

from typing import Any

from core.conditions.fields import Choosing, Dimension, EventSource, Field, FieldSet
from core.conditions.operators import EVENT_OPERATORS
from core.conditions.parsing import MAX_COUNT, MAX_DEPTH, MAX_LEAVES
from core.conditions.tree import VERSION
from core.conditions.values import MAX_DAYS, MAX_LIST, MAX_TEXT


def describe(fieldset: FieldSet) -> dict[str, Any]:
    """Groups of fields and events with operators, inputs and choices, in order of registration."""
    choosing = Choosing()
    groups: dict[str, dict[str, Any]] = {}

    def group(label: str) -> dict[str, Any]:
        return groups.setdefault(label, {"label": label or fieldset.label, "fields": [], "events": []})

    for field in fieldset.every_field().values():
        if field.hidden:
            continue
        group(field.group)["fields"].append(_field(field, choosing))
    for source in fieldset.events.values():
        group(source.group)["events"].append(_event(source, choosing))
    return {
        "version": VERSION,
        "fieldset": fieldset.name,
        "label": fieldset.label,
        "noun": fieldset.noun,
        "limits": {
            "depth": MAX_DEPTH,
            "conditions": MAX_LEAVES,
            "text": MAX_TEXT,
            "list": MAX_LIST,
            "days": MAX_DAYS,
            "count": MAX_COUNT,
        },
        "groups": list(groups.values()),
    }


def _field(field: Field, choosing: Choosing) -> dict[str, Any]:
    return {
        "name": field.name,
        "label": field.label,
        "type": str(field.type),
        "unit": choosing.unit(field),
        "operators": [{"name": op.name, "label": op.label, "input": str(op.input)} for op in field.allowed()],
        "choices": _choices(field, choosing),
        "suggestions": choosing.suggestions(field),
        "dimensions": [_dimension(d, choosing) for d in field.dimensions],
    }


def _event(source: EventSource, choosing: Choosing) -> dict[str, Any]:
    return {
        "name": source.name,
        "label": source.label,
        "operators": [{"name": name, "label": label} for name, label in EVENT_OPERATORS.items()],
        "dimensions": [_dimension(d, choosing) for d in source.dimensions],
    }


def _dimension(dimension: Dimension, choosing: Choosing) -> dict[str, Any]:
    return {
        "name": dimension.name,
        "label": dimension.label,
        "required": dimension.required,
        "choices": _choices(dimension, choosing),
    }


def _choices(item: Field | Dimension, choosing: Choosing) -> list[dict[str, Any]] | None:
    labels = choosing.labels(item)
    return None if labels is None else [{"value": v, "label": label} for v, label in labels.items()]
