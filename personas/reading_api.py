"""How texts are read, over the REST API: trained models with their figures, and reading everything again."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.callers import caller
from accounts.permissions import Requires
from accounts.serializers import JobOut
from core.api.endpoints import Endpoint
from core.api.fields import refuse_fields
from core.paging import Sort, desc
from engagement.models import TextModel
from engagement.rereading import start_reread


class TextModelOut(serializers.ModelSerializer[TextModel]):
    """A try to learn how texts are read, and how it did on texts that it had not seen."""

    figures = serializers.JSONField(
        help_text=(
            "Of moods: r with the labels and mean F1, by fold, beside VADER's. Of reasons: of each tag how "
            "many conversations were judged, told and right, beside the best rule."
        )
    )

    class Meta:
        model = TextModel
        fields = ("id", "kind", "language", "version", "is_used", "trained_at", "labels", "figures")


@extend_schema(tags=["personas"])
@extend_schema_view(
    list=extend_schema(
        operation_id="text_models_list",
        summary="List the models that read texts",
        description=(
            "Every try, the newest first. `is_used` says which are in use; one that does not beat the rules "
            "on the workspace's own texts is not, and its figures say by how much."
        ),
    )
)
class TextModelEndpoint(ListModelMixin, Endpoint):
    """Models of moods and reasons."""

    permission_classes = (Requires("persona.read"),)
    serializer_class = TextModelOut
    sorts: ClassVar[dict[str, Sort]] = {"-trained_at": Sort(desc("trained_at"))}
    default_sort = "-trained_at"

    def get_queryset(self) -> QuerySet[TextModel]:
        return TextModel.objects.defer("parameters")


class RereadEndpoint(Endpoint):
    """Every text, read again."""

    permission_classes = (Requires("reading.manage"),)
    conflicts = frozenset({"create"})

    @extend_schema(
        tags=["personas"],
        operation_id="rereads_create",
        summary="Read every text again",
        description=(
            "With the rules and models of today; what people said of moods stays. 202 with its job; 409 "
            "`job_open` while one waits or runs."
        ),
        request=None,
        responses={202: JobOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_fields(request)
        job = start_reread(by=caller(request))
        answer = Response(JobOut(job).data, status=status.HTTP_202_ACCEPTED)
        answer["Location"] = reverse("api:job-detail", [job.pk], request=request)
        return answer
