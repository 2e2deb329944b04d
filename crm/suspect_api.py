"""Pairs of customers who may be one, over the REST API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import caller
from accounts.permissions import Requires
from core.api.endpoints import Endpoint
from core.api.refusals import Conflict
from core.demo import refuse_while_demo
from core.paging import Sort, desc
from crm.linkage import suspects
from crm.linkage.evidence import sentence
from crm.merging import CannotMerge
from crm.models import Suspect


class ClueOut(serializers.Serializer[Any]):
    """What one field says."""

    field = serializers.CharField(help_text="name, addresses, phones, city, country, company, birth_year …")
    left = serializers.CharField(help_text="As it stands on `low`.")
    right = serializers.CharField(help_text="As it stands on `high`.")
    level = serializers.CharField(help_text="How far both agree: same, typo, alike, part, other …")
    weight = serializers.FloatField(help_text="In bits: positive speaks for one customer, negative for two.")


class SuspectOut(serializers.ModelSerializer[Suspect]):
    """Two customers who may be one. Evidence is as it was when the pair was last compared."""

    sentence = serializers.SerializerMethodField(help_text="What agrees and what differs.")
    evidence = ClueOut(many=True)

    class Meta:
        model = Suspect
        fields = (
            "id",
            "low",
            "high",
            "probability",
            "sentence",
            "evidence",
            "state",
            "found_at",
            "later_until",
        )

    @extend_schema_field(str)
    def get_sentence(self, suspect: Suspect) -> str:
        return sentence(suspect.evidence)


@extend_schema(tags=["customers"])
@extend_schema_view(
    list=extend_schema(
        summary="List possible duplicates",
        description="Pairs that wait for an answer, the likeliest first.",
        operation_id="suspects_list",
    ),
    retrieve=extend_schema(
        summary="Get a possible duplicate",
        description="One pair that waits for an answer, with its evidence.",
    ),
)
class SuspectEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """Who may be there twice."""

    permission_classes = (Requires("customer.read", write="customer.merge"),)
    serializer_class = SuspectOut
    sorts = {"-probability": Sort(desc("probability"))}  # noqa: RUF012
    default_sort = "-probability"
    conflicts = frozenset({"reject", "later", "confirm"})

    def get_queryset(self) -> QuerySet[Suspect]:
        return Suspect.objects.visible_to(self.request.user).waiting()

    @extend_schema(
        summary="Say that these are two customers",
        description="The pair never comes again. 409 `answered` when somebody answered it already.",
        request=None,
        responses={200: SuspectOut},
    )
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._answer(request, suspects.reject)

    @extend_schema(
        summary="Put a possible duplicate off",
        description="It comes again in 30 days. 409 `answered` when somebody answered it already.",
        request=None,
        responses={200: SuspectOut},
    )
    @action(detail=True, methods=["post"])
    def later(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._answer(request, suspects.put_off)

    @extend_schema(
        summary="Merge two customers who are one",
        description=(
            "409 `conflicting` when both records say something different in a field: choose in Rapport. "
            "409 `answered` when somebody answered the pair already."
        ),
        request=None,
        responses={200: SuspectOut},
    )
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._answer(request, suspects.confirm)

    def _answer(self, request: Request, answer: Callable[..., Any]) -> Response:
        refuse_while_demo()
        suspect = get_object_or_404(Suspect.objects.visible_to(request.user), pk=self.kwargs["pk"])
        try:
            answer(suspect=suspect, by=caller(request))
        except suspects.AlreadyAnswered as error:
            raise Conflict("This pair was answered already.", code="answered") from error
        except suspects.Conflicting as error:
            raise Conflict("The two records say different things.", code="conflicting") from error
        except CannotMerge as error:
            raise Conflict(str(error), code="cannot_merge") from error
        return Response(SuspectOut(Suspect.objects.get(pk=suspect.pk)).data)
