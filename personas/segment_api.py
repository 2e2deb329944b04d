"""Segments over the REST API."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
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
from core.api.fields import checked, refuse_fields
from core.conditions import describe, fieldset, sentence
from core.filters import LARGEST_ID
from crm.models import Customer
from crm.trees import root_of
from personas.api import started
from personas.building import customer_rule
from personas.filters import (
    SEGMENT_CHANGE_SORTS,
    SEGMENT_MEMBER_SORTS,
    SEGMENT_PICK_SORTS,
    SEGMENT_SORTS,
    SegmentFilter,
)
from personas.membership_reasons import reasons_for
from personas.models import Segment, SegmentMembership, SegmentPick
from personas.picking import pick_customers, picks_of, unpick_customers
from personas.previewing import details_of
from personas.quick_counts import RuleTooSlow, exact_count, first_count
from personas.segment_history import changes_of, days_of
from personas.segment_serializers import ChangeOut, PickedOut, PickOut, PicksIn, SegmentDayOut
from personas.segments import (
    begin_build,
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
    parameters: ClassVar = {
        "members": PAGING,
        "explain": frozenset({"customer"}),
        "changes": PAGING | {"day", "entered"},
        "picks": PAGING,
    }
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
            "they are there. A list by hand has no rule: put people in at `picks/`. Every mistake in a rule "
            "is told with its place: `rule.all[0].value`."
        ),
        request=SegmentIn,
        responses={201: SegmentDetailOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        segment = create_segment(**checked(SegmentIn, request), by=caller(request))
        if segment.built_at is None:
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
        description="Not while another segment, a persona, a plan or a key uses it; the refusal names them.",
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
        found = reasons_for(segment, customer.pk)
        told = {
            "customer": customer.pk,
            "is_member": found.is_member,
            "since": found.membership.since if found.membership else None,
            "picked": found.pick.is_in if found.pick else None,
            "belongs": found.belongs,
            "holds": bool(found.rule and found.rule.holds),
            "why": found.rule,
        }
        return Response(WhyOut(told).data)

    @extend_schema(
        summary="List who entered and left",
        description="The newest first. A first count and a changed rule are no changes.",
        parameters=[
            OpenApiParameter("day", OpenApiTypes.DATE, description="Of this local day."),
            OpenApiParameter("entered", OpenApiTypes.BOOL, description="Only who entered, or only who left."),
        ],
        responses=ChangeOut(many=True),
    )
    @action(detail=True, filterset_class=None, sorts=SEGMENT_CHANGE_SORTS, default_sort="-at")
    def changes(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        day, entered = _day(request), _flag(request, "entered")
        found = changes_of(self.get_object(), first=day, last=day, entered=entered)
        return self.answer_page(found.select_related("customer"), ChangeOut)

    @extend_schema(
        summary="Get the size by day, and how many entered and left",
        description="Each day from the first that is known, at most 90 days ago, to today.",
        responses=SegmentDayOut(many=True),
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def days(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(SegmentDayOut(days_of(self.get_object()), many=True).data)

    @extend_schema(
        summary="List who was put in or left out by hand",
        description="What somebody decided counts before the rule.",
        responses=PickOut(many=True),
    )
    @action(detail=True, filterset_class=None, sorts=SEGMENT_PICK_SORTS, default_sort="-at")
    def picks(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        newest = picks_of(self.get_object()).values("pk")
        found = SegmentPick.objects.filter(pk__in=newest).select_related("customer")
        return self.answer_page(found, PickOut)

    @extend_schema(
        summary="Put people in or leave them out by hand",
        description="Their membership changes at once and is an event. Not while the segment is frozen.",
        request=PicksIn,
        responses=PickedOut,
    )
    @picks.mapping.post
    def pick(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        segment, values = self.get_object(), checked(PicksIn, request)
        count = pick_customers(
            segment=segment, ids=values["customers"], is_in=values["is_in"], by=caller(request)
        )
        return Response(PickedOut({"customers": count, "size": self.get_object().size}).data)

    @extend_schema(
        summary="Let the rule decide about somebody again",
        description="A list by hand then has them no more.",
        parameters=[OpenApiParameter("customer", OpenApiTypes.INT, OpenApiParameter.PATH)],
        responses={204: None},
    )
    @action(detail=True, methods=["delete"], url_path=r"picks/(?P<customer>[0-9]{1,18})")
    def unpick(self, request: Request, customer: str, *args: Any, **kwargs: Any) -> Response:
        if not unpick_customers(segment=self.get_object(), ids=[int(customer)], by=caller(request)):
            raise NotFound
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Count a segment again",
        description="Starts a job; 409 `job_open` while one counts it.",
        request=None,
        responses={202: JobOut},
    )
    @action(detail=True, methods=["post"])
    def build(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_fields(request)
        return started(start_build(segment=self.get_object(), by=caller(request)), request)

    @extend_schema(
        summary="Try a rule",
        description=(
            "How many customers a rule finds now, some of them, and which segments overlap with it. With "
            "`first` the answer comes within half a second: from a sample of one customer in a hundred "
            "where counting all of them would take longer, as a number with its margin."
        ),
        request=PreviewIn,
        responses=PreviewOut,
    )
    @action(detail=False, methods=["post"], permission_classes=[Requires("segment.read")])
    def preview(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        values = checked(PreviewIn, request)
        try:
            told = _tried(values["rule"], is_first=values["first"], token=f"{caller(request).pk} -")
        except RuleTooSlow as error:
            raise ValidationError({"rule": [ErrorDetail(str(error), code="too_slow")]}) from error
        return Response(PreviewOut(told).data)

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


def _tried(rule: dict[str, Any], *, is_first: bool, token: str) -> dict[str, Any]:
    found = first_count(rule, token=token) if is_first else exact_count(rule, token=token)
    details = None if is_first else details_of(rule, token=token)
    return {
        "customers": found.count.customers,
        "margin": found.count.margin,
        "is_exact": found.is_exact,
        "base": found.base,
        "total": found.total,
        "leaves": found.leaves,
        "sentence": sentence(customer_rule(rule), fieldset("customer")),
        "seconds": found.seconds,
        "sample": details.sample if details else [],
        "overlaps": details.overlaps if details else [],
    }


def _day(request: Request) -> date | None:
    asked = request.query_params.get("day")
    try:
        return date.fromisoformat(asked) if asked else None
    except ValueError:
        problem = ErrorDetail("day is written as YYYY-MM-DD.", code="invalid")
        raise ValidationError({"day": [problem]}) from None


def _flag(request: Request, name: str) -> bool | None:
    asked = request.query_params.get(name, "")
    if asked not in ("", "true", "false"):
        raise ValidationError({name: [ErrorDetail(f"{name} is true or false.", code="invalid")]})
    return None if asked == "" else asked == "true"


def _id(request: Request, name: str) -> int:
    asked = request.query_params.get(name, "")
    if not (asked.isascii() and asked.isdigit() and len(asked) < 20 and 1 <= int(asked) <= LARGEST_ID):
        raise ValidationError({name: [ErrorDetail(f"{name} is the id of a customer.", code="invalid")]})
    return int(asked)
