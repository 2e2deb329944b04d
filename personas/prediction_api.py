"""Predictions and the cards of their models over the REST API."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import caller
from accounts.permissions import Requires
from core.api.endpoints import Endpoint
from crm.looks import note_look
from crm.models import Customer
from crm.redirecting import MERGED, moved
from crm.trees import root_of
from personas.model_cards import MODELS
from personas.models import ModelCard, Prediction


class PredictionOut(serializers.ModelSerializer[Prediction]):
    """What is expected of a customer; a model that is not used leaves its fields null or empty."""

    customer = serializers.IntegerField(source="customer_id")

    class Meta:
        model = Prediction
        fields = (
            "customer", "active_probability", "orders_365", "value_365", "value_low", "value_high",
            "best_network", "best_network_rate", "base", "best_hour", "survey_probability", "next_category",
            "next_category_share", "computed_at",
        )  # fmt: skip
        extra_kwargs = {  # noqa: RUF012 (read by the framework, never changed)
            "base": {"help_text": "messages of ours that best_network_rate rests on"},
            "computed_at": {"allow_null": True, "help_text": "null: nothing is expected of them yet"},
        }


class TenthOut(serializers.Serializer[Any]):
    """A tenth of those judged: means of what was expected and of what came, and how many."""

    expected = serializers.FloatField()
    actual = serializers.FloatField()
    n = serializers.FloatField()


class ModelCardOut(serializers.ModelSerializer[ModelCard]):
    """How far one model can be trusted on this workspace's data."""

    label = serializers.SerializerMethodField()  # type: ignore[assignment]
    figures = serializers.DictField(
        child=serializers.FloatField(),
        help_text=(
            "On held-out time. `gain` is the part of the baseline's loss that the model saves, from"
            " `gain_low` to `gain_high` (90 %)."
        ),
    )
    calibration = TenthOut(many=True)

    class Meta:
        model = ModelCard
        fields = (
            "name", "label", "run_at", "window_start", "window_end", "customers", "is_used", "explanation",
            "baseline", "figures", "calibration",
        )  # fmt: skip

    def get_label(self, card: ModelCard) -> str:
        return str(MODELS[card.name].label)


class ModelCardsOut(serializers.Serializer[Any]):
    """All of them; there are few."""

    results = ModelCardOut(many=True)


@extend_schema(tags=["personas"])
class CustomerPredictionEndpoint(Endpoint):
    """What is expected of one customer."""

    permission_classes = (Requires("persona.read"),)

    @extend_schema(
        operation_id="customers_predictions",
        summary="Get what is expected of a customer",
        description=(
            "Orders and value of the next 365 days with an interval of 80 %, best network and hour, the"
            " chance to answer a survey and the next category. What comes from a model that does not beat its"
            " baseline is null or empty."
        ),
        parameters=[OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH)],
        responses={200: PredictionOut, **MERGED},
    )
    def retrieve(self, request: Request, pk: str) -> Response:
        customer = get_object_or_404(Customer.objects.visible_to(request.user), pk=pk)
        if customer.is_merged:
            return moved(request, root_of(customer).pk, "api:customer-predictions")
        note_look(customer, by=caller(request))
        found = Prediction.objects.filter(customer=customer).first()
        # Nothing is known of somebody new: the same shape, and no time of a computation.
        return Response(PredictionOut(found or Prediction(customer=customer, next_category="")).data)


@extend_schema(tags=["personas"])
class ModelCardEndpoint(Endpoint):
    """The cards of the predictive models."""

    permission_classes = (Requires("persona.read"),)
    pagination_class = None  # type: ignore[assignment]
    filter_backends = ()
    queryset = ModelCard.objects.none()

    @extend_schema(
        operation_id="predictions_models",
        summary="List the predictive models with their cards",
        description="Data window, figures and calibration on held-out time, baseline, whether it is used.",
        responses=ModelCardsOut,
    )
    def read(self, request: Request) -> Response:
        found = {card.name: card for card in ModelCard.objects.filter(name__in=MODELS).defer("parameters")}
        cards = [found[name] for name in MODELS if name in found]
        return Response(ModelCardsOut({"results": cards}).data)
