"""The journey of a customer over the REST API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import caller
from crm.journey import is_by_hand
from crm.looks import note_look
from crm.models import Customer, Stage, StageChange
from crm.redirecting import MERGED, moved
from crm.trees import root_of

SHOWN = 200

if TYPE_CHECKING:
    from core.api.endpoints import Endpoint

    Base = Endpoint
else:
    Base = object


class StageChangeOut(serializers.ModelSerializer[StageChange]):
    """One step, and what moved it."""

    before = serializers.ChoiceField(choices=Stage.choices, allow_blank=True, help_text="Empty: the first.")
    after = serializers.ChoiceField(choices=Stage.choices)
    cause = serializers.CharField(help_text="`order`, `interaction` or `customer`; empty: told.")
    cause_id = serializers.IntegerField(allow_null=True)
    by = serializers.IntegerField(source="by_id", allow_null=True, help_text="Who set it by hand.")

    class Meta:
        model = StageChange
        fields = ("at", "before", "after", "why", "cause", "cause_id", "by")


class JourneyOut(serializers.Serializer[Any]):
    """Where a customer stands, and how they came there."""

    stage = serializers.ChoiceField(choices=Stage.choices)
    by_hand = serializers.BooleanField(help_text="A person chose it: what happens does not change it.")
    changes = StageChangeOut(many=True, help_text=f"The newest {SHOWN}, newest first.")


class JourneyActions(Base):
    """What the endpoint of customers answers about their journeys."""

    if TYPE_CHECKING:

        def one(self) -> Customer: ...

    @extend_schema(
        summary="Get the journey of a customer",
        description=(
            "The stage and its history, with the row that moved each step. To tell a stage, change the "
            "customer: it holds until something moves them after that."
        ),
        responses={200: JourneyOut, **MERGED},
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def journey(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        customer: Customer = self.one()
        if customer.is_merged:
            return moved(request, root_of(customer).pk, "api:customer-journey")
        note_look(customer, by=caller(request))
        changes = StageChange.objects.filter(customer=customer).order_by("-at", "-id")[:SHOWN]
        found = {"stage": customer.stage, "by_hand": is_by_hand(customer), "changes": changes}
        return Response(JourneyOut(found).data)
