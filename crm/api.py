"""Customers, identities and orders over the REST API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
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
from crm.filters import (
    CUSTOMER_SORTS,
    ORDER_SORTS,
    OWN,
    CustomerFilter,
    IdentityFilter,
    OrderFilter,
    own_filters,
)
from crm.journey_api import JourneyActions
from crm.looks import note_look
from crm.models import Customer, Identity, Order, Tag
from crm.notes import write_note
from crm.orders import OrderOutcome, store_orders
from crm.record_serializers import CustomerNoteIn, CustomerNoteOut, TagIn, TagOut
from crm.redirecting import MERGED, moved
from crm.serializers import (
    ORDER,
    CustomerChanged,
    CustomerChanges,
    CustomerIn,
    CustomerOut,
    CustomerUpsert,
    IdentityIn,
    IdentityOut,
    OrderOut,
    OrderPush,
    handle_of,
    order_of,
    values_of,
)
from crm.services import IdentityTaken, attach_identity, create_customer, update_customer
from crm.tagging import add_tag, remove_tag, tag_called
from crm.trees import root_of
from crm.upserting import SeveralCustomers, find_by_own_id, upsert_customer

BY_OWN_ID = r"by-id/(?P<source>[A-Za-z0-9][A-Za-z0-9_.-]{0,59})/(?P<external_id>[^/]{1,320})"
BY_ID = {"id": Sort(asc("pk")), "-id": Sort(desc("pk"))}


@extend_schema(tags=["customers"])
@extend_schema_view(
    list=extend_schema(
        summary="List customers",
        description=(
            "Search and filter. Customers that were merged into others do not appear. The workspace's own "
            "fields are filters as well: `cf_<key>`, of numbers and dates also `cf_<key>_min` and "
            "`cf_<key>_max`."
        ),
        operation_id="customers_list",
    ),
)
class CustomerEndpoint(JourneyActions, ListModelMixin, RetrieveModelMixin, Endpoint):
    """Who is known here."""

    permission_classes = (Requires("customer.read", write="customer.edit"),)
    serializer_class = CustomerOut
    filterset_class = CustomerFilter
    sorts = CUSTOMER_SORTS
    default_sort = "-last_seen"
    parameters: ClassVar = {"identities": PAGING}
    conflicts = frozenset({"create", "partial_update", "attach", "upsert", "write_note", "tag"})

    def known_parameters(self) -> frozenset[str]:
        known = super().known_parameters()
        asks = any(name.startswith(OWN) for name in self.request.query_params)
        return known | frozenset(own_filters()) if asks and self.action == "list" else known

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
        note_look(customer, by=caller(request))
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
        values = values_of(checked(CustomerIn, request))
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
        description=(
            "Fields left out stay as they are. A key is a machine: where a person said something, that "
            "stays, and `kept` names the field; an empty value clears nothing. One that was merged away is "
            "answered 409 `merged`."
        ),
        request=CustomerChanges,
        responses={200: CustomerChanged},
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        customer = self.one()
        values = values_of(checked(CustomerChanges, request))
        try:
            taken = update_customer(customer=customer, values=values, by=caller(request))
        except DjangoValidationError as error:
            raise merged_or(error) from error
        return Response(self._changed(customer, taken.kept))

    @extend_schema(
        summary="Get a customer by your own id",
        description="`source` is the name of your system, `external_id` the id it gave.",
        responses={200: CustomerOut},
    )
    @action(detail=False, url_path=BY_OWN_ID, url_name="by-own-id")
    def own_id(self, request: Request, source: str, external_id: str) -> Response:
        found = find_by_own_id(source, external_id)
        if found is None:
            raise NotFound
        return Response(CustomerOut(self._shown(found)).data)

    @extend_schema(
        summary="Make or change a customer by your own id",
        description=(
            "The same call twice is one customer, also at the same moment. 201 when they are new, 200 when "
            "they were known by this id or one of `identities`, which are attached. Where id and identities "
            "belong to different customers: 409 `several_customers`, which names them. Fields left out stay; "
            "where a person said something, that stays and is named in `kept`."
        ),
        request=CustomerUpsert,
        responses={200: CustomerChanged, 201: CustomerChanged},
    )
    @own_id.mapping.put
    def upsert(self, request: Request, source: str, external_id: str) -> Response:
        refuse_while_demo()
        values = values_of(checked(CustomerUpsert, request))
        handles = [handle_of(one) for one in values.pop("identities", [])]
        try:
            done = upsert_customer(
                source=source, external_id=external_id, values=values, identities=handles, by=caller(request)
            )
        except SeveralCustomers as error:
            raise Conflict(str(error), code="several_customers") from error
        except IdentityTaken as error:
            raise taken(error) from error
        code = status.HTTP_201_CREATED if done.made else status.HTTP_200_OK
        return Response(self._changed(done.customer, done.kept), status=code)

    @extend_schema(
        summary="List notes about a customer",
        description="The newest first.",
        responses={200: CustomerNoteOut(many=True), **MERGED},
    )
    @action(detail=True, url_path="notes", filterset_class=None, sorts=BY_ID, default_sort="-id")
    def notes(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        customer = self.one()
        if customer.is_merged:
            return moved(request, root_of(customer).pk, "api:customer-notes")
        note_look(customer, by=caller(request))
        return self.answer_page(customer.notes.all(), CustomerNoteOut)

    @extend_schema(
        summary="Write a note about a customer",
        description="Signed by whose key it is.",
        request=CustomerNoteIn,
        responses={201: CustomerNoteOut},
    )
    @notes.mapping.post
    def write_note(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        text = checked(CustomerNoteIn, request)["text"]
        try:
            note = write_note(customer=self.one(), text=text, by=caller(request))
        except DjangoValidationError as error:
            raise merged_or(error) from error
        return Response(CustomerNoteOut(note).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Put a tag on a customer",
        description="Again changes nothing; a tag of a new name is made.",
        request=TagIn,
        responses={200: TagOut},
    )
    @action(detail=True, methods=["post"], url_path="tags")
    def tag(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        customer, name = self.one(), checked(TagIn, request)["name"]
        if customer.is_merged:
            raise Conflict("This customer was merged away.", code="merged")
        tag = tag_called(name)
        add_tag(customer=customer, tag=tag, by=caller(request))
        return Response(TagOut(tag).data)

    @extend_schema(
        summary="Take a tag off a customer",
        description="By the tag's number; 204 also where it was not there.",
        responses={204: None},
    )
    @action(detail=True, methods=["delete"], url_path="tags/(?P<tag>[0-9]{1,18})", url_name="tag-off")
    def untag(self, request: Request, tag: str, **kwargs: Any) -> Response:
        found = get_object_or_404(Tag, pk=tag)
        remove_tag(customer=self.one(), tag=found, by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

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
        note_look(customer, by=caller(request))
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

    def _changed(self, customer: Customer, kept: Iterable[str]) -> Any:
        return CustomerChanged(self._shown(customer), context={"kept": sorted(kept)}).data

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


def taken(error: IdentityTaken) -> Conflict:
    """409 for somebody else's identity."""
    return Conflict(str(error), code="identity_taken")


def merged_or(error: DjangoValidationError) -> Exception:
    """409 for a customer merged away, the error itself otherwise."""
    if getattr(error, "code", "") == "merged":
        return Conflict(error.message, code="merged")
    return error
