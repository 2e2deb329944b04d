"""Fields and serializers that inputs of the API are made of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from core.api.choices import tell_allowed
from core.text import parse_when


class Input(serializers.Serializer[Any]):
    """What a call sends. An unknown field is an error, so that a typing mistake loses nothing silently."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        for field in fields.values():
            tell_allowed(field)
        return fields

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [str(name) for name in data if name not in self.fields]
            if unknown:
                raise ValidationError({name[:100]: [self._unknown(name)] for name in unknown[:20]})
        return super().to_internal_value(data)

    def _unknown(self, name: str) -> ErrorDetail:
        known = ", ".join(self.fields) or "none"
        return ErrorDetail(f"There is no field {name[:60]!r} here. Known: {known}.", code="unknown_field")


def checked(serializer_class: type[Input], request: Request) -> dict[str, Any]:
    """The body's values; ValidationError with every mistake."""
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def refuse_fields(request: Request) -> None:
    """For a call that takes none: ValidationError for a body with any, which would else be passed over."""
    if request.data:
        checked(Input, request)


@extend_schema_field(OpenApiTypes.DATETIME)
class WhenField(serializers.Field[datetime, str, str, Any]):
    """A moment in ISO 8601, from 1970 to 9999; without a zone it is UTC."""

    def to_internal_value(self, data: Any) -> datetime:
        try:
            return parse_when(data)
        except ValueError as error:
            raise ValidationError(str(error), code="invalid") from error

    def to_representation(self, value: datetime) -> str:
        return value.isoformat().replace("+00:00", "Z")


class Text(serializers.CharField):
    """A string and nothing else: numbers and booleans are not turned into text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class NetworkField(Text):
    """The name of a network: lower-case letters, digits, hyphen and underscore."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("max_length", 30)
        super().__init__(**options)
        self.validators.append(_check_network)


def _check_network(value: str) -> None:
    if value and not (value.isascii() and value.replace("_", "").replace("-", "").isalnum()):
        raise ValidationError(
            "Use lower-case letters, digits, hyphens and underscores, such as instagram.", code="invalid"
        )
    if value != value.lower():
        raise ValidationError(f"Write it in lower case: {value.lower()}.", code="invalid")
