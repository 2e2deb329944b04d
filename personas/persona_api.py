"""Personas made by hand, and models that wait to be taken, over the REST API."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.callers import caller
from accounts.permissions import Requires
from accounts.serializers import JobOut
from core.api.endpoints import Endpoint
from core.api.fields import Input, Text, checked, refuse_fields
from core.models import Job
from core.paging import Sort, desc
from personas import handmade, proposals
from personas.card_serializers import PersonaCardOut
from personas.models import PersonaModel, Segment
from personas.serializers import PersonaOut

ICONS = r"^ti-[a-z0-9-]{1,36}$"


@extend_schema_serializer(
    examples=[OpenApiExample("Of a segment", {"segment": 12, "name": "Ambassadors"}, request_only=True)]
)
class PersonaIn(Input):
    """A persona made by hand."""

    segment = serializers.PrimaryKeyRelatedField(queryset=Segment.objects.all())
    name = Text(max_length=120)
    summary = Text(required=False, allow_blank=True, max_length=2000)
    icon = serializers.RegexField(ICONS, required=False, help_text="A Tabler icon, such as ti-star.")
    tone = serializers.IntegerField(required=False, min_value=1, max_value=6)
    place = serializers.ChoiceField(required=False, choices=["first", "last"])


@extend_schema_serializer(examples=[OpenApiExample("In this order", {"ids": [7, 3]}, request_only=True)])
class PersonaOrderIn(Input):
    """All personas made by hand, in the order in which they count."""

    ids = serializers.ListField(child=serializers.IntegerField(min_value=1), max_length=500)


class HandMade:
    """Makes, orders and retires personas of segments: a part of the endpoint of personas."""

    @extend_schema(
        summary="Make a persona of a segment",
        description=(
            "Its members belong to it before any computed persona, whoever is in several to the first. They "
            "are put in by a job that starts at once. The rule of the segment may not ask about personas."
        ),
        request=PersonaIn,
        responses={201: PersonaCardOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        by = caller(request)
        persona = handmade.make_persona(**checked(PersonaIn, request), by=by)
        handmade.start_following(by=by)
        answer = Response(PersonaCardOut(persona).data, status=status.HTTP_201_CREATED)
        answer["Location"] = reverse("api:persona-detail", [persona.pk], request=request)
        return answer

    @extend_schema(
        operation_id="personas_order",
        summary="Order the personas made by hand",
        description="Name each once; the first counts before the others.",
        request=PersonaOrderIn,
        responses={204: None},
    )
    @action(detail=False, methods=["post"], filterset_class=None)
    def order(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        by = caller(request)
        handmade.order_personas(ids=checked(PersonaOrderIn, request)["ids"], by=by)
        handmade.start_following(by=by)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Retire a persona made by hand",
        description="Its members go back to what is computed for them; its card is kept.",
        request=None,
        responses=PersonaOut,
    )
    @action(detail=True, methods=["post"], filterset_class=None)
    def retire(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_fields(request)
        persona = self.get_object()  # type: ignore[attr-defined]
        handmade.retire_persona(persona=persona, by=caller(request))
        handmade.start_following(by=caller(request))
        persona.refresh_from_db()
        return Response(PersonaOut(persona).data)


# Models


class MoveOut(serializers.Serializer[Any]):
    """How many customers would go from one persona to another."""

    before = serializers.IntegerField(source="before.persona.pk", allow_null=True, default=None)
    before_name = serializers.CharField(source="before.name")
    after = serializers.IntegerField(
        source="after.persona.pk", allow_null=True, default=None, help_text="null: it would be new"
    )
    after_name = serializers.CharField(source="after.name")
    customers = serializers.IntegerField()
    of = serializers.IntegerField(help_text="How many are in the old one.")


class ModelChangeOut(serializers.Serializer[Any]):
    """Something that would happen to a persona."""

    kind = serializers.ChoiceField(choices=["split", "merge", "gone", "new"])
    text = serializers.CharField()


class PersonaModelOut(serializers.ModelSerializer[PersonaModel]):
    """A model that personas were found by."""

    state = serializers.SerializerMethodField()

    class Meta:
        model = PersonaModel
        fields = ("id", "state", "fitted_at", "taken_at", "customers", "k", "reason", "drift", "replaced")

    def get_state(self, model: PersonaModel) -> str:
        """Current, waiting to be taken, or earlier."""
        return "current" if model.is_current else "waiting" if model.taken_at is None else "earlier"


class PersonaModelDetailOut(PersonaModelOut):
    """A model with its habits and figures, and what it would change while it waits."""

    features = serializers.SerializerMethodField()
    names = serializers.SerializerMethodField()
    reliability = serializers.SerializerMethodField()
    changes = serializers.SerializerMethodField()
    moves = serializers.SerializerMethodField()

    class Meta(PersonaModelOut.Meta):
        fields = (  # type: ignore[assignment]
            *PersonaModelOut.Meta.fields, "features", "names", "reliability", "changes", "moves",
        )  # fmt: skip

    def get_features(self, model: PersonaModel) -> list[str]:
        return list(model.parameters.get("features", ()))

    def get_names(self, model: PersonaModel) -> list[str]:
        return list(model.parameters.get("names", ()))

    def get_reliability(self, model: PersonaModel) -> list[float]:
        return list(model.parameters.get("reliability", ()))

    def get_changes(self, model: PersonaModel) -> list[dict[str, Any]]:
        found = proposals.changes(model) if model.taken_at is None else []
        return [dict(ModelChangeOut(one).data) for one in found]

    def get_moves(self, model: PersonaModel) -> list[dict[str, Any]]:
        found = proposals.moves(model) if model.taken_at is None else []
        return [dict(MoveOut(one).data) for one in found]


@extend_schema(tags=["personas"])
@extend_schema_view(
    list=extend_schema(
        summary="List the models personas were found by",
        description="The current one, one that waits, and earlier ones; the newest first.",
        responses=PersonaModelOut,
    ),
    retrieve=extend_schema(
        summary="Get a model",
        description="While it waits: what would happen to personas, and who would move.",
        responses=PersonaModelDetailOut,
    ),
)
class PersonaModelEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """Models: one is current, one may wait, earlier ones can be returned to."""

    permission_classes = (Requires("persona.read", write="rebuild.start"),)
    sorts: ClassVar = {"-id": Sort(desc("pk"))}
    default_sort = "-id"
    conflicts = frozenset({"create", "take", "take_back"})

    def get_queryset(self) -> QuerySet[PersonaModel]:
        return PersonaModel.objects.all()

    def get_serializer_class(self) -> Any:
        return PersonaModelOut if self.action == "list" else PersonaModelDetailOut

    @extend_schema(
        summary="Find personas anew",
        description="In a job; what is found waits to be taken. 409 `job_open` while one waits or runs.",
        request=None,
        responses={202: JobOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_fields(request)
        return _started(proposals.start_fit(by=caller(request)), request)

    @extend_schema(
        summary="Put a waiting model away",
        description="Personas stay as they are. A model that was taken cannot be deleted.",
        responses={204: None},
    )
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        proposals.dismiss(proposed=self._waiting(), by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Take a waiting model",
        description="By a rebuild that assigns everybody. 409 `job_open` while one waits or runs.",
        request=None,
        responses={202: JobOut},
    )
    @action(detail=True, methods=["post"])
    def take(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_fields(request)
        return _started(proposals.take(proposed=self._waiting(), by=caller(request)), request)

    @extend_schema(
        operation_id="persona_models_take_back",
        summary="Return to an earlier model",
        description=(
            "With the personas it had and all that people wrote on them, by a rebuild that assigns "
            "everybody. 409 `job_open` while one waits or runs."
        ),
        request=None,
        responses={202: JobOut},
    )
    @action(detail=True, methods=["post"], url_path="take-back")
    def take_back(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_fields(request)
        return _started(proposals.take_back(to=self.get_object(), by=caller(request)), request)

    def _waiting(self) -> PersonaModel:
        model: PersonaModel = get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])
        if model.is_current or model.taken_at is not None:
            raise NotFound("This model does not wait.")
        return model


def _started(job: Job, request: Request) -> Response:
    """202 with the job and where to ask for it."""
    answer = Response(JobOut(job).data, status=status.HTTP_202_ACCEPTED)
    answer["Location"] = reverse("api:job-detail", [job.pk], request=request)
    return answer
