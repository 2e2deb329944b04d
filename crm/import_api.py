"""Imports of files over the REST API: the same steps as the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.files.base import ContentFile
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import caller
from accounts.permissions import Requires
from accounts.services import record_audit
from core.api.endpoints import Endpoint
from core.api.fields import Input, Text, checked
from core.api.refusals import Conflict
from core.api.schema import example
from core.demo import refuse_while_demo
from core.files import BadFile
from core.import_runs import CannotDo, pause, start_check, start_run, start_undo
from core.imports import importers
from core.models import ImportRun
from core.paging import Sort, desc
from crm.imports import preparing

MAX_CONTENT = 10_000_000
COUNTS = {"type": "object", "additionalProperties": {"type": "integer"}}
NAMES = {"type": "object", "additionalProperties": {"type": "string"}}


@extend_schema_field(COUNTS)
class CountsField(serializers.JSONField):
    """Rows by what became of them."""


@extend_schema_field(NAMES)
class MappingField(serializers.DictField):
    """What each column holds."""


class ImportOut(serializers.ModelSerializer[ImportRun]):
    """One import as it stands."""

    columns = serializers.SerializerMethodField(help_text="Of the file, in their order.")
    mapping = MappingField(help_text="{column: what it holds}; columns that are not here are left out.")
    check_counts = CountsField(help_text="What the dry run found: rows, new, matched, changed, conflicting …")
    counts = CountsField(help_text="What the import did, in the same words.")
    undo_counts = CountsField(help_text="undone and kept, once it was taken back.")
    job = serializers.UUIDField(
        source="job_id", allow_null=True, help_text="Its newest job, for the progress."
    )

    class Meta:
        model = ImportRun
        fields = (
            "id", "name", "kind", "source", "state", "columns", "mapping", "check_counts", "counts",
            "undo_counts", "error", "job", "created_at", "finished_at",
        )  # fmt: skip

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_columns(self, run: ImportRun) -> list[str]:
        return list(run.shape.get("columns", ()))


@example(
    "Two customers",
    {
        "name": "customers.csv",
        "content": "name,email\nEva Lind,eva@example.org\nAmy Tran,amy@example.org",
        "source": "shop",
    },
)
class ImportIn(Input):
    """A file."""

    name = Text(max_length=200, help_text="The file's name, for people.")
    content = Text(
        max_length=MAX_CONTENT, trim_whitespace=False,
        help_text="The text of the file: CSV with names in a line above, or one JSON object a line.",
    )  # fmt: skip
    source = Text(
        max_length=50, required=False, default="", allow_blank=True, help_text="Who gave the ids in it."
    )  # type: ignore[assignment]
    kind = serializers.ChoiceField(
        choices=sorted(importers),
        required=False,
        default="",
        allow_blank=True,
        help_text="Found out unless said.",
    )


@example("Columns", {"mapping": {"name": "name", "e-mail": "email"}})
class ImportChanges(Input):
    """What the columns hold."""

    mapping = serializers.DictField(
        child=Text(allow_blank=True, max_length=60), help_text="{column: what it holds}"
    )
    source = Text(max_length=50, required=False, help_text="Who gave the ids in the file.")  # type: ignore[assignment]


@extend_schema(tags=["imports"])
@extend_schema_view(
    list=extend_schema(
        summary="List imports",
        description="Newest first, with what became of them.",
        operation_id="imports_list",
    ),
    retrieve=extend_schema(summary="Get an import", description="How far it is, and what it counted."),
)
class ImportEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """Files that came in."""

    permission_classes = (Requires("import.run"),)
    serializer_class = ImportOut
    sorts: ClassVar = {"-created": Sort(desc("created_at"))}
    default_sort = "-created"
    conflicts = frozenset({"create", "partial_update", "check", "run", "pause", "undo"})

    def get_queryset(self) -> QuerySet[ImportRun]:
        return ImportRun.objects.all()

    @extend_schema(
        summary="Upload a file",
        description=(
            "Keeps the file and guesses what its columns hold; nothing is imported. Then look at `mapping`, "
            "change it where it is wrong, and call `check` or `run`."
        ),
        request=ImportIn,
        responses={201: ImportOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        values = checked(ImportIn, request)
        content = ContentFile(values["content"].encode("utf-8", "replace"), name=values["name"])
        try:
            run = preparing.open_upload(
                file=content, source=values["source"], kind=values["kind"], by=caller(request)
            )
        except BadFile as error:
            raise ValidationError({"content": [str(error)]}) from error
        return Response(ImportOut(run).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Match the columns of an import",
        description="Columns left out of `mapping` are not imported. One that has begun is answered 400.",
        request=ImportChanges,
        responses={200: ImportOut},
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        run = self._one()
        values = checked(ImportChanges, request)
        source = values.get("source", run.source)
        try:
            run = preparing.set_mapping(run, mapping=values["mapping"], source=source, by=caller(request))
        except DjangoValidationError as error:
            raise ValidationError({"mapping": error.messages}) from error
        return Response(ImportOut(run).data)

    @extend_schema(
        summary="Try an import",
        description="A dry run as a job: `check_counts` says what would happen. 409 `state` after it began.",
        request=None,
        responses={202: ImportOut},
    )
    @action(detail=True, methods=["post"])
    def check(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        return self._do(request, "tried", start_check)

    @extend_schema(
        summary="Run an import",
        description="Begins, or goes on with one that was paused or failed. 409 `state` where it cannot.",
        request=None,
        responses={202: ImportOut},
    )
    @action(detail=True, methods=["post"])
    def run(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        return self._do(request, "started", start_run)

    @extend_schema(
        summary="Pause an import",
        description="It stops after the page of rows it is at; `run` goes on.",
        request=None,
        responses={202: ImportOut},
    )
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._do(request, "paused", pause)

    @extend_schema(
        summary="Undo an import",
        description="New records go, changed ones get back what stood there; one changed since stays.",
        request=None,
        responses={202: ImportOut},
    )
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._do(request, "undone", start_undo)

    def _one(self) -> ImportRun:
        found: ImportRun = get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])
        return found

    def _do(self, request: Request, verb: str, act: Callable[..., object]) -> Response:
        run, by = self._one(), caller(request)
        try:
            act(run, by=by)
        except CannotDo as error:
            raise Conflict(str(error), code="state") from error
        record_audit(by=by, verb=f"import.{verb}", target=run, name="")
        return Response(ImportOut(self._one()).data, status=status.HTTP_202_ACCEPTED)
