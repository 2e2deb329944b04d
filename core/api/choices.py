"""What may be sent instead: every answer of the API that refuses a choice lists the values it allows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import serializers

MOST_TOLD = 20
"""Of longer lists it is told where they stand."""
DESCRIPTION = "GET /api/v1/schema/"
CODE = "invalid_choice"


def allowed(values: Iterable[Any], *, listed_at: str = DESCRIPTION) -> str:
    """A sentence on what may be sent: the values themselves, or where they stand when they are many.

    Only for values that the program fixes. Rows (customers, staff, segments) never come here: a refusal
    would show what the caller may not see.
    """
    told = [str(value) for value in values if value not in ("", None)]
    if len(told) > MOST_TOLD:
        return f"{listed_at} lists the {len(told)} values that are allowed."
    return f"Allowed: {', '.join(told)}."


def tell_allowed(field: serializers.Field[Any, Any, Any, Any]) -> None:
    """Let a field of an input, or of a list in it, say which values it allows when it refuses one."""
    child = getattr(field, "child", None)
    if isinstance(child, serializers.Field):
        tell_allowed(child)
    if not isinstance(field, serializers.ChoiceField):
        return
    told = allowed(field.choices).replace("{", "{{").replace("}", "}}")
    field.error_messages = {**field.error_messages, CODE: f"{field.error_messages[CODE]} {told}"}


class Filtering(DjangoFilterBackend):
    """Filters of lists; one that is a choice of fixed values lists them when it refuses another."""

    def get_filterset(self, request: Any, queryset: Any, view: Any) -> Any:
        found = super().get_filterset(request, queryset, view)
        for field in found.form.fields.values() if found is not None else ():
            if is_fixed(field):
                told = allowed(value for value, _label in field.choices).replace("%", "%%")
                field.error_messages = {**field.error_messages, CODE: f"{field.error_messages[CODE]} {told}"}
        return found


def is_fixed(field: forms.Field) -> bool:
    """Whether it is a choice among values of the program, and not among rows or what a function finds."""
    if not isinstance(field, forms.ChoiceField) or isinstance(field, forms.ModelChoiceField):
        return False
    return not callable(getattr(field.choices, "choices", None)) and not hasattr(field.choices, "func")
