"""Calls that send one item or up to 500, where each item is answered by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rest_framework import serializers, status
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.response import Response

from core.api.errors import ErrorOut, listed
from core.api.fields import Input

MAX_ITEMS = 500
STATUSES = ("stored", "changed", "repeated", "rejected")


@dataclass
class Answer:
    """What became of one item. `index` is its place in the call, from 0."""

    index: int
    external_id: str = ""
    status: str = "repeated"
    id: int | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)

    def reject(self, code: str, detail: str, attr: str | None = None) -> None:
        self.status, self.errors = "rejected", [{"code": code, "detail": detail, "attr": attr}]


class AnswerOut(serializers.Serializer[Any]):
    """What became of one item."""

    index = serializers.IntegerField(help_text="Place of the item in the call, from 0.")
    external_id = serializers.CharField(help_text="As it was sent; empty where none could be read.")
    status = serializers.ChoiceField(
        choices=STATUSES, help_text="`repeated`: it is here already and nothing was written."
    )
    id = serializers.IntegerField(allow_null=True, help_text="Our id; null where the item was rejected.")
    errors = ErrorOut(  # type: ignore[assignment]
        many=True, help_text="Why it was rejected; empty otherwise."
    )


class CountsOut(serializers.Serializer[Any]):
    """How many items ended in each way."""

    stored = serializers.IntegerField()
    changed = serializers.IntegerField()
    repeated = serializers.IntegerField()
    rejected = serializers.IntegerField()


class AnswersOut(serializers.Serializer[Any]):
    """What became of the items of a call, in the order sent."""

    results = AnswerOut(many=True)
    counts = CountsOut()


def items_of(data: Any) -> list[Any]:
    """The items of a body: one object, or a list of at most 500."""
    if not isinstance(data, list):
        return [data]
    if len(data) > MAX_ITEMS:
        detail = f"The call holds {len(data):,} items. Send at most {MAX_ITEMS} a call."
        raise ValidationError([ErrorDetail(detail, code="too_many_items")])
    return data


def push(
    data: Any, serializer: Input, store: Callable[[Sequence[tuple[Answer, dict[str, Any]]]], None]
) -> Response:
    """Check each item, let `store` store the good ones and fill in their answers, and answer the call.

    A list is answered 200 whatever became of its items. One object is answered 201 stored, 200 changed or
    repeated, and 400 with the error shape when it was rejected.
    """
    answers, good = [], []
    for index, item in enumerate(items_of(data)):
        answer = Answer(index, _external_id(item))
        answers.append(answer)
        try:
            good.append((answer, serializer.run_validation(item)))
        except ValidationError as error:
            answer.status, answer.errors = "rejected", listed(error)
    if good:
        store(good)
    return _respond_many(answers) if isinstance(data, list) else _respond_one(answers[0])


def _external_id(item: Any) -> str:
    found = item.get("external_id") if isinstance(item, dict) else None
    return found[:320].encode("utf-8", "replace").decode() if isinstance(found, str) else ""


def _respond_many(answers: Sequence[Answer]) -> Response:
    counts = {name: sum(answer.status == name for answer in answers) for name in STATUSES}
    return Response({"results": AnswerOut(answers, many=True).data, "counts": counts})


def _respond_one(answer: Answer) -> Response:
    if answer.status == "rejected":
        return Response(
            {"type": "validation_error", "errors": answer.errors}, status=status.HTTP_400_BAD_REQUEST
        )
    code = status.HTTP_201_CREATED if answer.status == "stored" else status.HTTP_200_OK
    return Response(AnswerOut(answer).data, status=code)
