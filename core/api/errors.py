"""One shape for every error: `{"type", "errors": [{"code", "detail", "attr"}]}`."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from drf_standardized_errors.formatter import flatten_errors
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError

from core.api import choices
from core.api.refusals import BodyTooLarge, Conflict
from core.conditions import RuleInvalid
from core.demo import DemoIsPresent
from core.holding import Gone
from core.jobs import JobIsOpen

NO_FIELD = "non_field_errors"


class Handler(ExceptionHandler):
    """Gives what services raise their status in the API."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, Gone):
            return NotFound(" ".join(exc.messages))
        if isinstance(exc, DjangoValidationError):
            return ValidationError(detail_of(exc))
        if isinstance(exc, RuleInvalid):
            return ValidationError(rule_errors(exc))
        if isinstance(exc, DemoIsPresent):
            return Conflict(str(exc), code="demo_present")
        if isinstance(exc, JobIsOpen):
            return Conflict(f"{exc} (job {exc.job.pk}).", code="job_open")
        if isinstance(exc, RequestDataTooBig):
            return BodyTooLarge()
        return super().convert_known_exceptions(exc)


def detail_of(error: DjangoValidationError) -> dict[str, list[ErrorDetail]]:
    """What a service refused, by field, as REST framework writes it."""
    fields = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
    return {
        NO_FIELD if name == NON_FIELD_ERRORS else name: [
            ErrorDetail(f"{message}{_told(one)}", code=one.code or "invalid")
            for one in errors
            for message in one.messages
        ]
        for name, errors in fields.items()
    }


def _told(error: DjangoValidationError) -> str:
    """What may be sent instead, where a service refused a choice and says what it allows."""
    params = error.params if isinstance(error.params, dict) else {}
    if error.code != choices.CODE or "allowed" not in params:
        return ""
    where = params.get("listed_at", choices.DESCRIPTION)
    return f" {choices.allowed(params['allowed'], listed_at=where)}"


def rule_errors(error: RuleInvalid, attr: str = "rule") -> dict[str, list[ErrorDetail]]:
    """Every mistake of a rule under its path: `rule.all[0].value`."""
    found: dict[str, list[ErrorDetail]] = {}
    for one in error.errors:
        path = f"{attr}{one.path.removeprefix('$')}"
        found.setdefault(path, []).append(ErrorDetail(one.message, code="rule_invalid"))
    return found


def listed(error: ValidationError) -> list[dict[str, Any]]:
    """The errors of one item of a push, flat."""
    return [
        {"code": one.code, "detail": one.detail, "attr": one.attr} for one in flatten_errors(error.detail)
    ]


class ErrorOut(serializers.Serializer[Any]):
    """One thing that was wrong."""

    code = serializers.CharField(help_text="For programs: short and stable.")
    detail = serializers.CharField(help_text="For people: what is wrong and what to do.")
    attr = serializers.CharField(
        allow_null=True, help_text="Where in the request it stands, such as `customer.external_id`."
    )


class ErrorsOut(serializers.Serializer[Any]):
    """How every call that was refused is answered."""

    type = serializers.ChoiceField(choices=["validation_error", "client_error", "server_error"])
    errors = ErrorOut(many=True)  # type: ignore[assignment]
