"""How endpoints describe themselves in OpenAPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema_serializer,
)
from rest_framework.serializers import Serializer

from core.api.errors import ErrorsOut
from core.api.fields import Input
from core.api.pushing import AnswerOut, AnswersOut

WRITES = ("POST", "PUT", "PATCH")
DESCRIPTIONS = {
    "400": "Something in the request is wrong; each error says where and what to do.",
    "401": "No key, or one that does not open anything.",
    "403": "The key, or the person who made it, may not do this.",
    "404": "There is no such thing, or this key does not see it.",
    "409": "It does not fit how things stand.",
    "413": "The body is larger than 16 MB.",
    "415": "The body is not `application/json`.",
    "429": "Too many calls; `Retry-After` says in how many seconds to come again.",
}
EXAMPLES = {
    "400": ("validation_error", "required", "This field is required.", "external_id"),
    "401": ("client_error", "not_authenticated", "Authentication credentials were not provided.", None),
    "403": ("client_error", "permission_denied", "This needs the right “order.write”.", None),
    "404": ("client_error", "not_found", "Not found.", None),
    "409": ("client_error", "demo_present", "This workspace holds demo data. Remove the demo first.", None),
    "413": (
        "client_error",
        "body_too_large",
        "The body is larger than 16 MB.",
        None,
    ),
    "415": (
        "client_error",
        "unsupported_media_type",
        "Unsupported media type “text/plain” in request.",
        None,
    ),
    "429": ("client_error", "throttled", "Request was throttled. Expected available in 12 seconds.", None),
}


def example(name: str, value: dict[str, Any]) -> Callable[[type[Input]], type[Input]]:
    """Show what a body looks like: `@example("A task", {"title": "Call back"})` on its serializer."""
    return extend_schema_serializer(examples=[OpenApiExample(name, value, request_only=True)])


class Schema(AutoSchema):
    """One component for all errors, and the statuses that a call can really be answered with."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        if direction != "response":
            return bodies
        for code in self._error_codes():
            if code not in bodies:
                bodies[code] = self._get_response_for_code(_error_response(code), code)
        return dict(sorted(bodies.items()))

    def _error_codes(self) -> list[str]:
        codes = ["401", "403", "429"] if self.get_auth() else ["429"]
        parameters = self._get_parameters()
        # Every query string is checked for parameters that nobody reads.
        codes.append("400")
        if any(parameter["in"] == "path" for parameter in parameters):
            codes.append("404")
        if self.method in WRITES:
            codes += ["413", "415"]
        if getattr(self.view, "action", None) in getattr(self.view, "conflicts", ()):
            codes.append("409")
        return codes

    def _map_serializer(self, serializer: Any, direction: str, bypass_extensions: bool = False) -> Any:
        schema = super()._map_serializer(serializer, direction, bypass_extensions)
        if direction == "request" and _is_input(serializer):
            schema = {**schema, "additionalProperties": False}
        return schema


def _is_input(serializer: Any) -> bool:
    kind = serializer if isinstance(serializer, type) else type(serializer)
    return issubclass(kind, Input)


def _error_response(code: str) -> OpenApiResponse:
    kind, name, detail, attr = EXAMPLES[code]
    value = {"type": kind, "errors": [{"code": name, "detail": detail, "attr": attr}]}
    return OpenApiResponse(
        ErrorsOut, DESCRIPTIONS[code], examples=[OpenApiExample(name, value, response_only=True)]
    )


def one_or_many(name: str, item: type[Serializer[Any]]) -> PolymorphicProxySerializer:
    """A body that is one object or a list of them."""
    return PolymorphicProxySerializer(
        component_name=name,
        serializers=[item, item(many=True)],
        resource_type_field_name=None,
        many=False,
    )


def push_examples(item: dict[str, Any]) -> list[OpenApiExample]:
    """One item, a list of them, and how both are answered."""
    stored = {
        "index": 0,
        "external_id": item["external_id"],
        "status": "stored",
        "id": 4711,
        "errors": [],
    }
    unread = {"code": "required", "detail": "This field is required.", "attr": "external_id"}
    rejected = {"index": 1, "external_id": "", "status": "rejected", "id": None, "errors": [unread]}
    counts = {"stored": 1, "changed": 0, "repeated": 0, "rejected": 1}
    many = {"results": [stored, rejected], "counts": counts}
    return [
        OpenApiExample("One item", item, request_only=True),
        OpenApiExample("A list", [item], request_only=True),
        OpenApiExample("One item, stored", stored, response_only=True, status_codes=["201"]),
        OpenApiExample("A list, one of it rejected", many, response_only=True, status_codes=["200"]),
    ]


def push_responses(name: str) -> dict[int, Any]:
    """How a push is answered: 201 for one new item; 200 for one known item, and for every list."""
    both = PolymorphicProxySerializer(
        component_name=name, serializers=[AnswerOut, AnswersOut], resource_type_field_name=None, many=False
    )
    return {
        200: OpenApiResponse(both, "One item that was here already, or what became of each of a list."),
        201: OpenApiResponse(AnswerOut, "One item, stored."),
    }
