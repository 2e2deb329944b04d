"""Customers, identities and orders over the REST API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.cache import patch_cache_control
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
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
from core.api.refusals import Conflict
from core.api.schema import one_or_many, push_examples, push_responses
from core.demo import refuse_while_demo
from core.paging import Sort, asc, desc
from crm.filters import CUSTOMER_SORTS, ORDER_SORTS, CustomerFilter, IdentityFilter, OrderFilter
from crm.merging import root_of
from crm.models import Customer, Identity, Order
from crm.orders import OrderOutcome, store_orders
from crm.serializers import (
    ORDER,
    CustomerChanges,
    CustomerIn,
    CustomerOut,
    IdentityIn,
    IdentityOut,
    MergedOut,
    OrderOut,
    OrderPush,
    handle_of,
    order_of,
)
from crm.services import IdentityTaken, attach_identity, create_customer, update_customer

BY_ID = {"id": Sort(asc("pk")), "-id": Sort(desc("pk"))}
MERGED = {301: OpenApiResponse(MergedOut, "Merged into another customer; `Location` says where.")}


@extend_schema(tags=["customers"])
@extend_schema_view(
    list=extend_schema(
        summary="List customers",
        description="Search and filter. Customers that were merged into others do not appear.",
        operation_id="customers_list",
    ),
)
class CustomerEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """Who is known here."""

    permission_classes = (Requires("customer.read", write="customer.edit"),)
    serializer_class = CustomerOut
    filterset_class = CustomerFilter
    sorts = CUSTOMER_SORTS
    default_sort = "-last_seen"
    parameters: ClassVar = {"identities": PAGING}
    conflicts = frozenset({"create", "partial_update", "attach"})

    def get_queryset(self) -> QuerySet[Customer]:
        return Customer.objects.visible_to(self.request.user).roots().for_list()

    def one(self) -> Customer:
        """The customer of the address, merged away or not."""
        seen = Customer.objects.visible_to(self.request.user).for_list()
        found: Customer = get_object_or_404(seen, pk=self.kwargs["pk"])
        return found

    @extend_schema(
        summary="Get a customer",
        description="A customer that was merged into another is answered 301 with `merged_into`.",
        responses={200: CustomerOut, **MERGED},
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        customer = self.one()
        if customer.is_merged:
            return moved(request, root_of(customer).pk, "api:customer-detail")
        return Response(CustomerOut(customer).data)

    @extend_schema(
        summary="Make a customer",
        description=(
            "With a name, identities, or both. An identity that somebody has already is answered 409 "
            "`identity_taken`, and nothing is made: look it up with `/identities/` first."
        ),
        request=CustomerIn,
        responses={201: CustomerOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        values = checked(CustomerIn, request)
        handles = [handle_of(one) for one in values.pop("identities", [])]
        try:
            customer = create_customer(values=values, identities=handles, source="api", by=caller(request))
        except IdentityTaken as error:
            raise taken(error) from error
        answer = Response(CustomerOut(self._shown(customer)).data, status=status.HTTP_201_CREATED)
        answer["Location"] = reverse("api:customer-detail", [customer.pk], request=request)
        return answer

    @extend_schema(
        summary="Change a customer",
        description="Fields left out stay as they are. One that was merged away is answered 409 `merged`.",
        request=CustomerChanges,
        responses={200: CustomerOut},
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        customer = self.one()
        values = checked(CustomerChanges, request)
        try:
            update_customer(customer=customer, values=values, by=caller(request))
        except DjangoValidationError as error:
            raise merged_or(error) from error
        return Response(CustomerOut(self._shown(customer)).data)

    @extend_schema(
        summary="List a customer's identities",
        description="Every handle, address and number of this customer, the oldest first.",
        responses={200: IdentityOut(many=True), **MERGED},
    )
    @action(detail=True, url_path="identities", filterset_class=None, sorts=BY_ID, default_sort="id")
    def identities(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        customer = self.one()
        if customer.is_merged:
            return moved(request, root_of(customer).pk, "api:customer-identities")
        return self.answer_page(customer.identities.all(), IdentityOut)

    @extend_schema(
        summary="Attach an identity to a customer",
        description=(
            "201 when it is new, 200 when this customer has it already, 409 `identity_taken` when another "
            "customer has it: merge the two in Rapport."
        ),
        request=IdentityIn,
        responses={200: IdentityOut, 201: IdentityOut},
    )
    @identities.mapping.post
    def attach(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        customer = self.one()
        handle = handle_of(checked(IdentityIn, request))
        try:
            identity, made = attach_identity(
                customer=customer, handle=handle, source="api", by=caller(request)
            )
        except IdentityTaken as error:
            raise taken(error) from error
        except DjangoValidationError as error:
            raise merged_or(error) from error
        return Response(
            IdentityOut(identity).data, status=status.HTTP_201_CREATED if made else status.HTTP_200_OK
        )

    def _shown(self, customer: Customer) -> Customer:
        found: Customer = Customer.objects.for_list().get(pk=customer.pk)
        return found


@extend_schema(tags=["identities"])
@extend_schema_view(
    list=extend_schema(
        summary="Look up identities",
        description=(
            "Who is behind an address: `?network=email&external_id=eva@example.org`. The id is normalized as "
            "it is when stored, so any spelling of an address or number finds it."
        ),
    ),
    retrieve=extend_schema(
        summary="Get an identity", description="One handle, address or number, and whose it is today."
    ),
)
class IdentityEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """Handles, addresses and numbers, and whose they are."""

    permission_classes = (Requires("customer.read"),)
    serializer_class = IdentityOut
    filterset_class = IdentityFilter
    sorts = BY_ID
    default_sort = "id"

    def get_queryset(self) -> QuerySet[Identity]:
        return Identity.objects.visible_to(self.request.user)


@extend_schema(tags=["orders"])
@extend_schema_view(
    list=extend_schema(
        summary="List orders",
        description="Newest first, with their lines; filter by shop and its own id to find one.",
    ),
    retrieve=extend_schema(summary="Get an order", description="One purchase with its lines."),
)
class OrderEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """Purchases."""

    permission_classes = (Requires("customer.read", write="order.write"),)
    serializer_class = OrderOut
    filterset_class = OrderFilter
    sorts = ORDER_SORTS
    default_sort = "-placed"
    conflicts = frozenset({"create"})

    def get_queryset(self) -> QuerySet[Order]:
        return Order.objects.visible_to(self.request.user).prefetch_related("lines")

    @extend_schema(
        summary="Push orders",
        description=(
            "One order, or a list of at most 500, of which each is answered by itself. An order is known "
            "by `source` and `external_id`: pushed again unchanged it is `repeated`, otherwise `changed`. "
            "Where one call holds an order twice, the last one counts."
        ),
        request=one_or_many("OrderPushBody", OrderPush),
        examples=push_examples(ORDER),
        responses=push_responses("OrderPushAnswer"),
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        return push(request.data, OrderPush(), lambda good: store_pushed(good, by=caller(request)))


def store_pushed(good: Sequence[tuple[Answer, dict[str, Any]]], *, by: User) -> None:
    """Store checked orders, shop by shop, and fill in their answers."""
    by_source: dict[str, list[tuple[Answer, dict[str, Any]]]] = {}
    for answer, values in good:
        by_source.setdefault(values["source"].strip(), []).append((answer, values))
    for source in sorted(by_source):
        pairs = by_source[source]
        result = store_orders(source, [order_of(values) for _, values in pairs])
        ids = Order.objects.ids_of(source, [values["external_id"].strip() for _, values in pairs])
        for position, (answer, values) in enumerate(pairs):
            outcome = result.outcomes[position]
            if outcome == OrderOutcome.REJECTED:
                answer.reject("invalid", result.reasons[position])
            elif outcome == OrderOutcome.ERASED:
                answer.reject("erased", "Its buyer was erased after it was placed.")
            else:
                answer.status, answer.id = outcome.value, ids.get(values["external_id"].strip())
    if any(answer.status in ("stored", "changed") for answer, _ in good):
        record_pushes(by=by, verb="order.pushed")


def moved(request: Request, pk: int, name: str) -> Response:
    """301 to where a merged customer is now; a merge can be undone, so nobody keeps it."""
    url = reverse(name, [pk], request=request)
    answer = Response({"merged_into": pk, "url": url}, status=status.HTTP_301_MOVED_PERMANENTLY)
    answer["Location"] = url
    patch_cache_control(answer, no_store=True)
    return answer


def taken(error: IdentityTaken) -> Conflict:
    """409 for somebody else's identity."""
    return Conflict(str(error), code="identity_taken")


def merged_or(error: DjangoValidationError) -> Exception:
    """409 for a customer merged away, the error itself otherwise."""
    if getattr(error, "code", "") == "merged":
        return Conflict(error.message, code="merged")
    return error
