"""Plans, ad spend and lookalikes over the REST API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.callers import caller
from accounts.models import User
from accounts.permissions import Requires
from accounts.pushing import record_pushes
from core.api.endpoints import PAGING, Endpoint
from core.api.fields import checked
from core.api.pushing import Answer, push
from core.api.schema import one_or_many, push_responses
from core.demo import refuse_while_demo
from personas.models import AdSpend, Lookalike, Persona, ReachPlan
from personas.reach.bounding import ReachTooSlow, bounded
from personas.reach.keeping import delete_plan, keep_plan, outcome
from personas.reach.spend import API, SpendOutcome, change_spend, delete_spend, store_spend
from personas.reach_filters import LOOKALIKE_SORTS, PLAN_SORTS, SPEND_SORTS, AdSpendFilter, PlanFilter
from personas.reach_serializers import (
    SPEND,
    AdSpendChanges,
    AdSpendOut,
    AdSpendPush,
    LookalikeOut,
    PlanDetailOut,
    PlanIn,
    PlanOut,
    PlanOutcomeOut,
    ask_of,
    spend_in,
)


@extend_schema(tags=["personas"])
@extend_schema_view(
    list=extend_schema(summary="List ad spend", description="What advertising cost, a row a day."),
    retrieve=extend_schema(summary="Get one day of ad spend", responses=AdSpendOut),
)
class AdSpendEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """What advertising cost."""

    permission_classes = (Requires("analytics.read", write="spend.edit"),)
    serializer_class = AdSpendOut
    filterset_class = AdSpendFilter
    sorts = SPEND_SORTS
    default_sort = "-day"
    conflicts = frozenset({"create"})

    def get_queryset(self) -> QuerySet[AdSpend]:
        return AdSpend.objects.all()

    @extend_schema(
        summary="Push ad spend",
        description=(
            "One day, or a list of at most 500, of which each is answered by itself. A day is known by "
            "`network`, `campaign` and `day`: pushed again unchanged it is `repeated`, otherwise `changed`. "
            "Where one call holds a day twice, the last one counts."
        ),
        request=one_or_many("AdSpendPushBody", AdSpendPush),
        responses=push_responses("AdSpendPushAnswer"),
        examples=[
            OpenApiExample("A day", SPEND, request_only=True),
            OpenApiExample("Several days", [SPEND, {**SPEND, "day": "2026-03-02"}], request_only=True),
        ],
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        return push(request.data, AdSpendPush(), lambda good: _store(good, by=caller(request)))

    @extend_schema(summary="Change one day of ad spend", request=AdSpendChanges, responses=AdSpendOut)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row, values = self.get_object(), checked(AdSpendChanges, request)
        currency = values.get("currency", row.currency)
        row = change_spend(spend=row, amount=values["amount"], currency=currency, by=caller(request))
        return Response(AdSpendOut(row).data)

    @extend_schema(summary="Delete one day of ad spend", responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        delete_spend(spend=self.get_object(), by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _store(good: Sequence[tuple[Answer, dict[str, Any]]], *, by: User) -> None:
    """Store checked rows and fill in their answers."""
    rows = [spend_in(values) for _answer, values in good]
    result = store_spend(rows, source=API, by=by)
    by_key = {(key[0], key[1], key[2]): pk for key, pk in result.ids.items()}
    for position, (answer, _values) in enumerate(good):
        if result.outcomes[position] == SpendOutcome.REJECTED:
            answer.reject("invalid", result.reasons[position])
            continue
        row = rows[position]
        answer.status = result.outcomes[position].value
        answer.id = by_key.get((row.network, " ".join(row.campaign.split()), row.day))
    if any(answer.status in ("stored", "changed") for answer, _values in good):
        record_pushes(by=by, verb="ad_spend.pushed")


@extend_schema(tags=["personas"])
@extend_schema_view(
    list=extend_schema(summary="List reach plans", description="Without what they say.", responses=PlanOut),
    retrieve=extend_schema(
        summary="Get a reach plan", description="As it was made.", responses=PlanDetailOut
    ),
)
class ReachPlanEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """Where and when to reach a persona or segment."""

    permission_classes = (Requires("persona.read", write="persona.edit"),)
    filterset_class = PlanFilter
    sorts = PLAN_SORTS
    default_sort = "-created"

    def get_queryset(self) -> QuerySet[ReachPlan]:
        return ReachPlan.objects.defer("result") if self.action == "list" else ReachPlan.objects.all()

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, ReachTooSlow):
            exc = ValidationError([ErrorDetail(str(exc), code="too_slow")])
        return super().handle_exception(exc)

    def get_serializer_class(self) -> Any:
        return PlanOut if self.action == "list" else PlanDetailOut

    @extend_schema(
        summary="Make a reach plan",
        description=(
            "Splits a number of posts and messages over networks, hours and kinds of content, with the "
            "evidence behind each share, and keeps the plan. Networks without a connected account, those "
            "that do not let us write first, and people who have not said yes are left out with the reason. "
            "A plan that takes too long is refused as `too_slow`."
        ),
        request=PlanIn,
        responses={201: PlanDetailOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        values = checked(PlanIn, request)
        plan = keep_plan(ask=ask_of(values), name=values["name"], by=caller(request))
        answer = Response(PlanDetailOut(plan).data, status=status.HTTP_201_CREATED)
        answer["Location"] = reverse("api:reach-plan-detail", [plan.pk], request=request)
        return answer

    @extend_schema(summary="Delete a reach plan", responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        delete_plan(plan=self.get_object(), by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Say what happened since",
        description="Posts and messages really made on the plan's days, and how its audience reacted.",
        responses=PlanOutcomeOut,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def outcome(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        plan = self.get_object()
        with bounded(caller(request)):
            found = outcome(plan)
        return Response(PlanOutcomeOut(found).data)


@extend_schema(tags=["personas"])
class LookalikeEndpoint(Endpoint):
    """Prospects who are like a persona."""

    permission_classes = (Requires("persona.read"),)
    sorts = LOOKALIKE_SORTS
    default_sort = "-typicality"
    parameters = {"read": PAGING}  # noqa: RUF012
    queryset = Lookalike.objects.none()

    @extend_schema(
        operation_id="personas_lookalikes",
        summary="List prospects who are like a persona",
        description=(
            "Customers without a purchase, the most typical first: within the distance of the persona's "
            "center within which half of its buyers lie, in habits that need no purchase."
        ),
        parameters=[OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH)],
        responses=LookalikeOut(many=True),
    )
    def read(self, request: Request, pk: str) -> Response:
        persona = get_object_or_404(Persona, pk=pk)
        return self.answer_page(Lookalike.objects.filter(persona=persona), LookalikeOut)
