"""Personas and the rebuild over the REST API."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.callers import caller
from accounts.permissions import Requires
from accounts.serializers import JobOut
from core.api.endpoints import PAGING, Endpoint
from core.api.fields import checked
from core.models import Job
from crm.looks import note_look
from crm.models import Customer
from crm.redirecting import MERGED, moved
from crm.trees import root_of
from personas.card_api import CardWords
from personas.card_serializers import PersonaCardOut
from personas.filters import (
    PERSONA_MEMBER_SORTS,
    PERSONA_SORTS,
    PersonaFilter,
)
from personas.models import Persona, PersonaMembership, SegmentMembership
from personas.nightly import start_rebuild
from personas.persona_api import HandMade
from personas.serializers import (
    MembershipsOut,
    PersonaMemberOut,
    PersonaOut,
    RebuildIn,
)


def started(job: Job, request: Request) -> Response:
    """202 with the job and where to ask for it."""
    answer = Response(JobOut(job).data, status=status.HTTP_202_ACCEPTED)
    answer["Location"] = reverse("api:job-detail", [job.pk], request=request)
    return answer


@extend_schema(tags=["personas"])
@extend_schema_view(
    list=extend_schema(
        summary="List personas",
        description="Those of earlier models too, unless filtered; without their cards.",
        responses=PersonaOut,
    ),
    retrieve=extend_schema(
        summary="Get a persona with its card",
        description="What people wrote about it, and what the last rebuild measured, with its base.",
        responses=PersonaCardOut,
    ),
)
class PersonaEndpoint(HandMade, CardWords, ListModelMixin, RetrieveModelMixin, Endpoint):
    """Archetypes of customers."""

    permission_classes = (Requires("persona.read", write="persona.edit"),)
    filterset_class = PersonaFilter
    sorts = PERSONA_SORTS
    default_sort = "rank"
    parameters: ClassVar = {"members": PAGING}
    conflicts = frozenset({"partial_update"})

    def get_queryset(self) -> QuerySet[Persona]:
        return Persona.objects.all()

    def get_serializer_class(self) -> Any:
        return PersonaOut if self.action == "list" else PersonaCardOut

    @extend_schema(
        summary="List the customers of a persona",
        description="The surest first, each with up to three reasons.",
        responses=PersonaMemberOut(many=True),
    )
    @action(detail=True, filterset_class=None, sorts=PERSONA_MEMBER_SORTS, default_sort="-confidence")
    def members(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        found = PersonaMembership.objects.filter(persona=self.get_object()).select_related("customer")
        return self.answer_page(found, PersonaMemberOut)


@extend_schema(tags=["personas"])
class MembershipEndpoint(Endpoint):
    """Where one customer belongs."""

    permission_classes = (Requires("persona.read"),)

    @extend_schema(
        operation_id="customers_memberships",
        summary="Get the persona and segments of a customer",
        description="With confidence and reasons, and since when.",
        parameters=[OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH)],
        responses={200: MembershipsOut, **MERGED},
    )
    def retrieve(self, request: Request, pk: str) -> Response:
        customer = get_object_or_404(Customer.objects.visible_to(request.user), pk=pk)
        if customer.is_merged:
            return moved(request, root_of(customer).pk, "api:customer-memberships")
        note_look(customer, by=caller(request))
        personas = PersonaMembership.objects.filter(customer=customer).select_related("persona")
        segments = SegmentMembership.objects.filter(customer=customer).select_related("segment")
        told = {
            "customer": customer.pk,
            "persona": personas.first(),
            "segments": segments.order_by("segment__name"),
        }
        return Response(MembershipsOut(told).data)


@extend_schema(tags=["jobs"])
class RebuildEndpoint(Endpoint):
    """The nightly work, by hand."""

    permission_classes = (Requires("rebuild.start"),)
    conflicts = frozenset({"create"})

    @extend_schema(
        operation_id="rebuilds_create",
        summary="Start a rebuild",
        description=(
            "Traits, personas, predictions, segments, cards and rollups, as every night. 202 with its job; "
            "409 `job_open` while one waits or runs."
        ),
        request=RebuildIn,
        responses={202: JobOut},
    )
    def create(self, request: Request) -> Response:
        return started(start_rebuild(**checked(RebuildIn, request), by=caller(request)), request)
