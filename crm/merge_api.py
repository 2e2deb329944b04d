"""Merging customers and moving handles over the REST API."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import caller
from accounts.permissions import Requires
from core.api.endpoints import Endpoint
from core.api.fields import Input, checked
from core.api.refusals import Conflict
from core.api.schema import example
from core.demo import refuse_while_demo
from core.filters import IdFilter
from core.paging import Sort, asc, desc
from crm.attaching import attach_existing, detach_identity
from crm.merging import AT_ONCE, CannotMerge, merge_several, undo_merge
from crm.models import Customer, Identity, MergeRecord
from crm.serializers import IdentityOut

LARGEST_ID = 2**63 - 1


class MergeOut(serializers.ModelSerializer[MergeRecord]):
    """One merge: `drop` became part of `keep`, until `undone_at`."""

    fields_taken = serializers.SerializerMethodField(
        help_text="Fields whose value was taken from the dropped customer."
    )

    class Meta:
        model = MergeRecord
        fields = (
            "id", "keep", "drop", "why", "identities", "fields_taken", "by", "at", "undone_at", "undone_by",
        )  # fmt: skip

    identities = serializers.ListField(
        child=serializers.IntegerField(), help_text="Ids of the identities that moved."
    )

    def get_fields_taken(self, record: MergeRecord) -> list[str]:
        return sorted(name for name, entry in record.fields.items() if entry.get("taken"))


class AttachedOut(serializers.Serializer[Any]):
    """Where an identity is, and the merge that this took or undid."""

    identity = IdentityOut()
    merge = serializers.IntegerField(allow_null=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample("Keep 7", {"keep": 7, "drop": [12, 31], "fields": {"name": 12}}, request_only=True)
    ]
)
class MergeIn(Input):
    """Which customers are one."""

    keep = serializers.IntegerField(min_value=1, max_value=LARGEST_ID, help_text="Its page and id stay.")
    drop = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID), min_length=1, max_length=AT_ONCE
    )
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID),
        required=False,
        help_text=(
            "By field (`name`, `city`, `custom.plan` …) the customer whose value is taken. {} keeps all of "
            "`keep`; without it a person's word counts before a machine's, then the newest."
        ),
    )


@example("To customer 7", {"customer": 7})
class MoveIn(Input):
    """To whom an identity goes."""

    customer = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)


class MergeFilter(django_filters.FilterSet):
    """Filters of merges."""

    customer = IdFilter(method="of_customer", label=_("Into or of this customer"))
    undone = django_filters.BooleanFilter(
        field_name="undone_at", lookup_expr="isnull", exclude=True, label=_("Taken back")
    )

    class Meta:
        model = MergeRecord
        fields: tuple[str, ...] = ()

    def of_customer(self, found: QuerySet[MergeRecord], name: str, value: Any) -> QuerySet[MergeRecord]:
        return found.filter(Q(keep_id=value) | Q(drop_id=value))


@extend_schema(tags=["merges"])
@extend_schema_view(
    list=extend_schema(summary="List merges", description="The newest first, those taken back too."),
    retrieve=extend_schema(summary="Get a merge", description="One merge, and whether it stands."),
)
class MergeEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """Customers who became one."""

    permission_classes = (Requires("customer.read", write="customer.merge"),)
    serializer_class = MergeOut
    filterset_class = MergeFilter
    sorts = {"id": Sort(asc("pk")), "-id": Sort(desc("pk"))}  # noqa: RUF012 (as every endpoint)
    default_sort = "-id"
    conflicts = frozenset({"merge", "undo"})

    def get_queryset(self) -> QuerySet[MergeRecord]:
        return MergeRecord.objects.all()

    @extend_schema(
        tags=["customers"],
        summary="Merge customers",
        description=(
            "All or none: every record of `drop` becomes part of `keep`, and its address answers 301. "
            "409 `cannot_merge` where one was merged before, or a person and an organization are mixed."
        ),
        request=MergeIn,
        responses={201: MergeOut(many=True)},
        operation_id="customers_merge",
    )
    def merge(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        values = checked(MergeIn, request)
        wanted = [values["keep"], *values["drop"]]
        found = Customer.objects.visible_to(request.user).in_bulk(wanted)
        missing = sorted(set(wanted) - set(found))
        if missing:
            raise serializers.ValidationError({"drop": [f"There is no customer {missing[0]}."]})
        try:
            records = merge_several(
                keep=found[values["keep"]],
                drops=[found[pk] for pk in values["drop"]],
                fields=values.get("fields"),
                by=caller(request),
            )
        except CannotMerge as error:
            raise Conflict(str(error), code="cannot_merge") from error
        return Response(MergeOut(records, many=True).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Undo a merge",
        description=(
            "At any time and in any order. What was moved goes back; what came since goes with the identity "
            "it came by. 409 `cannot_merge` where it was undone before."
        ),
        request=None,
        responses={200: MergeOut},
    )
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        try:
            record = undo_merge(record=self.get_object(), by=caller(request))
        except CannotMerge as error:
            raise Conflict(str(error), code="cannot_merge") from error
        return Response(MergeOut(record).data)


@extend_schema(tags=["identities"])
class AttachEndpoint(Endpoint):
    """Handles that go to another customer."""

    permission_classes = (Requires("customer.read", write="customer.merge"),)
    serializer_class = AttachedOut
    conflicts = frozenset({"move", "detach"})

    def get_queryset(self) -> QuerySet[Identity]:
        return Identity.objects.visible_to(self.request.user)

    @extend_schema(
        summary="Attach an identity to another customer",
        description=(
            "With everything that came by it. Where it is all its customer has, the two are merged and "
            "`merge` is the record. 409 `cannot_merge` where that cannot be."
        ),
        request=MoveIn,
        responses={200: AttachedOut},
        operation_id="identities_move",
    )
    def move(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        identity = self.get_object()
        wanted = checked(MoveIn, request)["customer"]
        target = Customer.objects.visible_to(request.user).filter(pk=wanted).first()
        if target is None:
            raise serializers.ValidationError({"customer": [f"There is no customer {wanted}."]})
        try:
            outcome = attach_existing(identity=identity, to=target, by=caller(request))
        except CannotMerge as error:
            raise Conflict(str(error), code="cannot_merge") from error
        return self._answer(identity.pk, outcome.merge)

    @extend_schema(
        summary="Detach an identity",
        description=(
            "Back to the customer it came with; where a merge brought it, that merge is undone; otherwise a "
            "customer is made for it. Everything that came by it goes along."
        ),
        request=None,
        responses={200: AttachedOut},
        operation_id="identities_detach",
    )
    def detach(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        identity = self.get_object()
        try:
            outcome = detach_identity(identity=identity, by=caller(request))
        except CannotMerge as error:
            raise Conflict(str(error), code="cannot_merge") from error
        return self._answer(identity.pk, outcome.merge)

    def _answer(self, pk: int, merge: MergeRecord | None) -> Response:
        identity = get_object_or_404(self.get_queryset(), pk=pk)
        return Response(AttachedOut({"identity": identity, "merge": merge.pk if merge else None}).data)
