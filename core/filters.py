"""Filter fields that pages and API lists share; a bad value is told, never ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError

from core.text import parse_when

LARGEST_ID = 2**63 - 1
SEARCH_LENGTH = 200


class WhenFormField(forms.CharField):
    """A moment in ISO 8601; a day alone is its midnight, and no zone means UTC."""

    def clean(self, value: Any) -> datetime | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            return parse_when(text)
        except ValueError as error:
            raise ValidationError(str(error), code="invalid") from error


class WhenFilter(django_filters.Filter):
    """Compares a time with a moment."""

    field_class = WhenFormField


class IdFormField(forms.IntegerField):
    """The number of a row."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST_ID, **options)


class IdFilter(django_filters.NumberFilter):
    """By the id of something."""

    field_class = IdFormField

    def get_max_validator(self) -> None:
        """The field has its own bounds."""


class SearchFilter(django_filters.CharFilter):
    """A search box."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("max_length", SEARCH_LENGTH)
        super().__init__(**options)


class FlagFormField(forms.ChoiceField):
    """true or false."""

    def __init__(self, **options: Any) -> None:
        options.pop("null_label", None)
        super().__init__(choices=[("true", "true"), ("false", "false")], **options)

    def clean(self, value: Any) -> bool | None:
        text = super().clean(value)
        return None if text == "" else text == "true"


class FlagFilter(django_filters.Filter):
    """Yes or no, written true or false."""

    field_class = FlagFormField
