"""The catalogue of traits and the traits of a customer over the REST API."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from django.urls import path, re_path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import caller
from accounts.permissions import Requires
from core.api.endpoints import Endpoint
from core.models import Workspace
from crm.looks import note_look
from crm.models import Customer
from crm.redirecting import MERGED, moved
from crm.trees import root_of
from personas.models import Traits
from personas.traits.catalogue import CATALOGUE
from personas.traits.trait import Trait

TYPES = ("count", "share", "mean", "money", "time", "text", "year", "hour", "weekday")


class TraitOut(serializers.Serializer[Trait]):
    """What a trait is: `rule_field` is the name by which rules of segments ask for it."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    type = serializers.ChoiceField(TYPES, help_text="share: 0 to 1; hour: 0 to 23; weekday: 1 is Monday")
    unit = serializers.SerializerMethodField(help_text="what stands beside the figure; a currency for money")
    group = serializers.CharField()
    description = serializers.CharField()
    windows = serializers.ListField(child=serializers.IntegerField(), help_text="in days; empty: no window")
    values = serializers.ListField(
        child=serializers.CharField(), help_text="all that it can be, if they are few"
    )
    rule_field = serializers.CharField()

    def get_unit(self, trait: Trait) -> str:
        is_money = "money" in (trait.type, trait.unit)
        return str(self.context["currency"]) if is_money else trait.unit


class CatalogueOut(serializers.Serializer[Any]):
    """Every trait, in the order of their groups."""

    traits = TraitOut(many=True)


def _value(trait: Trait) -> serializers.Field[Any, Any, Any, Any]:
    told: dict[str, Any] = {"help_text": f"{trait.label}: {trait.description}", "read_only": True}
    match trait.type:
        case "count":
            return serializers.IntegerField(**told)
        case "money":
            return serializers.DecimalField(max_digits=14, decimal_places=2, **told)
        case "share" | "mean":
            return serializers.FloatField(allow_null=True, **told)
        case "time":
            return serializers.DateTimeField(allow_null=True, **told)
        case "text":
            return serializers.CharField(allow_null=True, **told)
        case _:
            return serializers.IntegerField(allow_null=True, **told)


TraitValues: Any = type(
    "TraitValues",
    (serializers.Serializer,),
    {
        "__doc__": "Every trait by its name; null where it is unknown.",
        **{trait.name: _value(trait) for trait in CATALOGUE},
    },
)


class CustomerTraitsOut(serializers.Serializer[Any]):
    """The traits of one customer as of the last rebuild that found them changed."""

    customer = serializers.IntegerField()
    computed_at = serializers.DateTimeField(allow_null=True, help_text="null: not computed yet")
    traits = TraitValues(allow_null=True)


@extend_schema(tags=["traits"])
class TraitEndpoint(Endpoint):
    """What is computed about everybody."""

    permission_classes = (Requires("persona.read"),)

    @extend_schema(
        operation_id="traits_list",
        summary="List the catalogue of traits",
        description="What is computed of every customer each night: name, type, unit, meaning and windows.",
        responses={200: CatalogueOut},
    )
    def retrieve(self, request: Request) -> Response:
        # As one thing and not as a list: every trait at once, on no pages.
        context = {"currency": Workspace.current().currency}
        return Response(CatalogueOut({"traits": CATALOGUE}, context=context).data)


@extend_schema(tags=["traits"])
class CustomerTraitEndpoint(Endpoint):
    """What is computed about one customer: their city, work and revenue with it."""

    permission_classes = (Requires("customer.read"), Requires("persona.read"))

    @extend_schema(
        operation_id="customers_traits",
        summary="Get the traits of a customer",
        description="As of the last rebuild. What each means stands in the catalogue, `GET /api/v1/traits/`.",
        parameters=[OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH)],
        responses={200: CustomerTraitsOut, **MERGED},
    )
    def retrieve(self, request: Request, pk: str) -> Response:
        customer = get_object_or_404(Customer.objects.visible_to(request.user), pk=pk)
        if customer.is_merged:
            return moved(request, root_of(customer).pk, "api:customer-traits")
        note_look(customer, by=caller(request))
        found = Traits.objects.filter(customer=customer).first()
        told = {
            "customer": customer.pk,
            "computed_at": found.computed_at if found else None,
            "traits": found,
        }
        return Response(CustomerTraitsOut(told).data)


urls = [
    path("traits/", TraitEndpoint.as_view({"get": "retrieve"}), name="trait-list"),
    re_path(
        r"^customers/(?P<pk>[0-9]{1,19})/traits/$",
        CustomerTraitEndpoint.as_view({"get": "retrieve"}),
        name="customer-traits",
    ),
]
