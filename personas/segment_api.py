"""Segments over the REST API."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.callers import caller
from accounts.models import User
from accounts.permissions import Requires
from accounts.serializers import JobOut
from core.api.endpoints import PAGING, Endpoint
from core.api.fields import checked
from core.conditions import describe, fieldset
from core.filters import LARGEST_ID
from core.jobs import JobIsOpen
from crm.models import Customer
from crm.trees import root_of
from personas.api import started
from personas.filters import (
    SEGMENT_MEMBER_SORTS,
    SEGMENT_SORTS,
    SegmentFilter,
)
from personas.membership_reasons import explain_member
from personas.models import Segment, SegmentMembership
from personas.previewing import preview
from personas.quick_counts import RuleTooSlow
from personas.segments import (
    create_segment,
    delete_segment,
    freeze_segment,
    start_build,
    update_segment,
)
from personas.serializers import (
    PreviewIn,
    PreviewOut,
    SegmentChanges,
    SegmentDetailOut,
    SegmentIn,
    SegmentMemberOut,
    SegmentOut,
    WhyOut,
)


class FieldsOut(serializers.Serializer[Any]):
    """What a rule can ask: groups of fields and events with their operators and choices."""

    version = serializers.IntegerField()
    fieldset = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    noun = serializers.CharField()
    limits = serializers.DictField(child=serializers.IntegerField())
    groups = serializers.ListField(child=serializers.DictField())


@extend_schema(tags=["segments"])
@extend_schema_view(
    list=extend_schema(
        summary="List segments", description="Without their rules; get one for that.", responses=SegmentOut
    )
)
class SegmentEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """Rules over customers, and who is in."""

    permission_classes = (Requires("segment.read", write="segment.edit"),)
    filterset_class = SegmentFilter
    sorts = SEGMENT_SORTS
    default_sort = "name"
    parameters: ClassVar = {"members": PAGING, "explain": frozenset({"customer"})}
    conflicts = frozenset({"build"})

    def get_queryset(self) -> QuerySet[Segment]:
        return Segment.objects.all()

    def get_serializer_class(self) -> Any:
        return SegmentOut if self.action == "list" else SegmentDetailOut

    @extend_schema(
        summary="Get a segment",
        description="With its rule, also as a sentence, and how many customers it had when last counted.",
        responses=SegmentDetailOut,
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(SegmentDetailOut(self.get_object()).data)

    @extend_schema(
        summary="Make a segment",
        description=(
            "Its members are counted in a job that starts at once; `built_version` equals `version` when "
            "they are there. Every mistake in the rule is told with its place: `rule.all[0].value`."
        ),
        request=SegmentIn,
        responses={201: SegmentDetailOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        segment = create_segment(**checked(SegmentIn, request), by=caller(request))
        begin_build(segment, by=caller(request))
        answer = Response(SegmentDetailOut(segment).data, status=status.HTTP_201_CREATED)
        answer["Location"] = reverse("api:segment-detail", [segment.pk], request=request)
        return answer

    @extend_schema(
        summary="Change a segment",
        description="Another rule is another version, counted in a job that starts at once.",
        request=SegmentChanges,
        responses=SegmentDetailOut,
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        segment, values = self.get_object(), checked(SegmentChanges, request)
        before = segment.version
        segment = change_segment(segment, values, by=caller(request))
        if segment.version != before:
            begin_build(segment, by=caller(request))
        return Response(SegmentDetailOut(segment).data)

    @extend_schema(
        summary="Delete a segment",
        description="Not while the rule of another segment asks about it.",
        responses={204: None},
    )
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        delete_segment(segment=self.get_object(), by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="List a segment's members",
        description="Who came last stands first. They are those of the last count (`built_version`).",
        responses=SegmentMemberOut(many=True),
    )
    @action(detail=True, filterset_class=None, sorts=SEGMENT_MEMBER_SORTS, default_sort="-since")
    def members(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        found = SegmentMembership.objects.filter(segment=self.get_object()).select_related("customer")
        return self.answer_page(found, SegmentMemberOut)

    @extend_schema(
        summary="Say why a customer is in a segment, or not",
        description="The rule condition by condition: whether it holds now, and the value it looked at.",
        parameters=[
            OpenApiParameter(
                "customer", {"type": "integer", "minimum": 1}, required=True, description="Whose id."
            )
        ],
        responses=WhyOut,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def explain(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        segment = self.get_object()
        customer = root_of(get_object_or_404(Customer, pk=_id(request, "customer")))
        why = explain_member(segment, customer.pk)
        if why is None:
            raise NotFound
        is_member = segment.memberships.filter(customer_id=customer.pk).exists()
        told = {"customer": customer.pk, "is_member": is_member, "holds": why.holds, "why": why}
        return Response(WhyOut(told).data)

    @extend_schema(
        summary="Count a segment again",
        description="Starts a job; 409 `job_open` while one counts it.",
        request=None,
        responses={202: JobOut},
    )
    @action(detail=True, methods=["post"])
    def build(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return started(start_build(segment=self.get_object(), by=caller(request)), request)

    @extend_schema(
        summary="Try a rule",
        description="How many customers a rule finds now, some of them, and which segments overlap with it.",
        request=PreviewIn,
        responses=PreviewOut,
    )
    @action(detail=False, methods=["post"], permission_classes=[Requires("segment.read")])
    def preview(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        try:
            found = preview(checked(PreviewIn, request)["rule"])
        except RuleTooSlow as error:
            raise ValidationError({"rule": [ErrorDetail(str(error), code="too_slow")]}) from error
        return Response(PreviewOut(found).data)

    @extend_schema(
        summary="List what rules can ask",
        description="Fields and events with their operators, inputs, units and choices, by group.",
        responses=FieldsOut,
    )
    @action(detail=False, filterset_class=None, pagination_class=None)
    def fields(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(FieldsOut(describe(fieldset("customer"))).data)


@transaction.atomic
def change_segment(segment: Segment, values: dict[str, Any], *, by: User) -> Segment:
    """Apply checked changes, all of them or none; unfreezing goes first and freezing last."""
    frozen = values.pop("is_frozen", None)
    if frozen is False:
        segment = freeze_segment(segment=segment, frozen=False, by=by)
    if values:
        segment = update_segment(segment=segment, **values, by=by)
    if frozen is True:
        segment = freeze_segment(segment=segment, frozen=True, by=by)
    return segment


def begin_build(segment: Segment, *, by: User) -> None:
    """Count it in a job, unless one is open, which reads the newest rule when it gets there."""
    try:
        start_build(segment=segment, by=by)
    except JobIsOpen:
        return


def _id(request: Request, name: str) -> int:
    asked = request.query_params.get(name, "")
    if not (asked.isascii() and asked.isdigit() and len(asked) < 20 and 1 <= int(asked) <= LARGEST_ID):
        raise ValidationError({name: [ErrorDetail(f"{name} is the id of a customer.", code="invalid")]})
    return int(asked)
