"""Consents over the REST API: what was said, what is in effect, asking by mail, links to own pages."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import re_path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import caller
from accounts.permissions import Requires
from core.api.endpoints import PAGING, Endpoint
from core.api.fields import Input, Text, WhenField, checked
from core.api.refusals import Conflict
from core.api.schema import example
from core.demo import refuse_while_demo
from core.paging import Sort, asc, desc
from crm.consent_requests import ask_for_consent
from crm.consents import MAX_PROOF, ConsentIn, record_by_staff, states_of
from crm.looks import note_look
from crm.models import Consent, ConsentRequest, Customer, Identity
from crm.preferences.links import end_page_links, make_page_link
from crm.purposes import PURPOSES
from crm.redirecting import MERGED, moved
from crm.trees import root_of

SOURCE = "api"
CUSTOMER_ID = OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH)
SORTS = {"-at": Sort(desc("at")), "at": Sort(asc("at"))}
PURPOSE_CHOICES = [(purpose.name, purpose.name) for purpose in PURPOSES.values()]


class ConsentOut(serializers.ModelSerializer[Consent]):
    """What was said about one purpose, with its proof; never changed."""

    class Meta:
        model = Consent
        fields = ("id", "customer", "identity", "purpose", "given", "whole_person", "source", "proof", "at")


@example(
    "A yes", {"identity": 12, "purpose": "marketing", "given": True, "proof": "Ticked “News” at the checkout"}
)
class ConsentInput(Input):
    """A word of a customer. `whole_person` is for refusals: no on every identity."""

    identity = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    purpose = serializers.ChoiceField(choices=PURPOSE_CHOICES)
    given = serializers.BooleanField()
    whole_person = serializers.BooleanField(required=False, default=False)
    at = WhenField(required=False)
    proof = Text(max_length=MAX_PROOF, help_text="What was said, and where: form, wording, conversation.")


class StateOut(serializers.Serializer[Any]):
    """What is in effect. `allowed` also counts purposes that go on until somebody refuses."""

    identity = serializers.IntegerField()
    purpose = serializers.CharField()
    state = serializers.ChoiceField(choices=["given", "refused", "never_asked"])
    allowed = serializers.BooleanField()
    at = WhenField(allow_null=True)
    whole_person = serializers.BooleanField()


class StatesOut(serializers.Serializer[Any]):
    """What is in effect for every identity of a customer and every purpose."""

    customer = serializers.IntegerField()
    states = StateOut(many=True)


@example("A question", {"identity": 12, "purpose": "marketing"})
class AskInput(Input):
    """A question by mail; without a mailbox, the usual one asks."""

    identity = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    purpose = serializers.ChoiceField(choices=PURPOSE_CHOICES)
    mailbox = serializers.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="The id of a channel account."
    )


class RequestOut(serializers.ModelSerializer[ConsentRequest]):
    """A question that waits for its button."""

    class Meta:
        model = ConsentRequest
        fields = ("id", "customer", "identity", "purpose", "source", "asked_at", "confirmed_at")


@example("A link", {"identity": 12})
class LinkInput(Input):
    """For which identity of the customer the link is."""

    identity = serializers.IntegerField(min_value=1, max_value=2**63 - 1)


class LinkOut(serializers.Serializer[Any]):
    """A link to a customer's own page: whoever has it can open the page."""

    url = serializers.URLField()
    until = WhenField()


class OfCustomer(Endpoint):
    """Something about the customer of the address."""

    permission_classes = (Requires("customer.read", write="customer.edit"),)

    def customer(self) -> Customer:
        """The customer, merged away or not."""
        seen = Customer.objects.visible_to(self.request.user)
        found: Customer = get_object_or_404(seen, pk=self.kwargs["pk"])
        return found

    def root(self) -> Customer:
        """The customer; 409 `merged` where it was merged into another."""
        found = self.customer()
        if found.is_merged:
            raise Conflict(f"This customer was merged into {root_of(found).pk}.", code="merged")
        return found

    def identity(self, customer: Customer, pk: int) -> Identity:
        """One of the customer's identities; a mistake of the body otherwise."""
        found: Identity | None = customer.identities.filter(pk=pk).first()
        if found is None:
            words = "This customer has no such identity."
            raise ValidationError({"identity": [ErrorDetail(words, code="does_not_exist")]})
        return found


@extend_schema(tags=["customers"])
class ConsentEndpoint(ListModelMixin, OfCustomer):
    """What a customer allowed and refused."""

    queryset = Consent.objects.none()
    serializer_class = ConsentOut
    sorts = SORTS
    default_sort = "-at"
    parameters: ClassVar = {"list": PAGING}
    conflicts = frozenset({"create", "ask"})

    def get_queryset(self) -> QuerySet[Consent]:
        return Consent.objects.filter(customer_id=self.kwargs["pk"])

    @extend_schema(
        operation_id="customers_consents_list",
        summary="List a customer's consents",
        description="Everything that was said, the newest first; what is in effect is at `effective/`.",
        parameters=[CUSTOMER_ID],
        responses={200: ConsentOut(many=True), **MERGED},
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        customer = self.customer()
        if customer.is_merged:
            return moved(request, root_of(customer).pk, "api:customer-consents")
        note_look(customer, by=caller(request))
        return super().list(request, *args, **kwargs)

    @extend_schema(
        operation_id="customers_consents_create",
        summary="Record a consent",
        description=(
            "Append-only: a later word stands beside the earlier one. With an `at` of its own, the same word"
            " pushed again is answered 200 with the one that stands there."
        ),
        parameters=[CUSTOMER_ID],
        request=ConsentInput,
        responses={200: ConsentOut, 201: ConsentOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        customer, values = self.root(), checked(ConsentInput, request)
        row = ConsentIn(**values)
        written = record_by_staff(customer=customer, rows=[row], source=SOURCE, by=caller(request))
        if written:
            return Response(ConsentOut(written[0]).data, status=status.HTTP_201_CREATED)
        known = Consent.objects.filter(
            identity=row.identity, purpose=row.purpose, given=row.given, at=values["at"], source=SOURCE
        )
        return Response(ConsentOut(known.order_by("pk")[0]).data)

    @extend_schema(
        operation_id="customers_consents_effective",
        summary="Get what a customer allows",
        description=(
            "For each identity and purpose: the newest word on it, unless the person refused since. Ask this"
            " before anything is sent."
        ),
        parameters=[CUSTOMER_ID],
        responses={200: StatesOut, **MERGED},
    )
    def effective(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        customer = self.customer()
        if customer.is_merged:
            return moved(request, root_of(customer).pk, "api:customer-consents-effective")
        note_look(customer, by=caller(request))
        states = [
            {
                "identity": identity,
                "purpose": name,
                "state": state.name,
                "allowed": state.is_allowed,
                "at": state.at,
                "whole_person": state.by_person,
            }
            for identity, by_purpose in states_of(customer).items()
            for name, state in by_purpose.items()
        ]
        return Response(StatesOut({"customer": customer.pk, "states": states}).data)

    @extend_schema(
        operation_id="customers_consents_ask",
        summary="Ask for a consent by mail",
        description=(
            "Double opt-in: a mail with a link goes out, and nothing is allowed before the button behind it"
            " is pressed. At most one mail a day; asked again sooner it is 409 `lately`."
        ),
        parameters=[CUSTOMER_ID],
        request=AskInput,
        responses={202: RequestOut},
    )
    def ask(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        customer, values = self.root(), checked(AskInput, request)
        identity = self.identity(customer, values.pop("identity"))
        try:
            asked = ask_for_consent(identity=identity, **values, source=SOURCE, by=caller(request))
        except DjangoValidationError as error:
            if getattr(error, "code", "") in ("lately", "given", "mailbox"):
                raise Conflict(error.message, code=str(error.code)) from error
            raise
        return Response(RequestOut(asked).data, status=status.HTTP_202_ACCEPTED)


@extend_schema(tags=["customers"])
class PageLinkEndpoint(OfCustomer):
    """Links to a customer's own page."""

    permission_classes = (Requires("customer.edit"),)
    conflicts = frozenset({"create", "destroy"})

    @extend_schema(
        operation_id="customers_page_link_create",
        summary="Make a link to a customer's own page",
        description="It opens for 30 days, without signing in. Send it to this identity and nobody else.",
        parameters=[CUSTOMER_ID],
        request=LinkInput,
        responses={201: LinkOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        customer, values = self.root(), checked(LinkInput, request)
        link = make_page_link(identity=self.identity(customer, values["identity"]), by=caller(request))
        answer = Response(LinkOut(link).data, status=status.HTTP_201_CREATED)
        answer["Cache-Control"] = "no-store"
        return answer

    @extend_schema(
        operation_id="customers_page_link_destroy",
        summary="End all links to a customer's own page",
        description="Links that were given out stop opening at once.",
        parameters=[CUSTOMER_ID],
        responses={204: OpenApiResponse(description="They have ended.")},
    )
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        end_page_links(customer=self.root(), by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


_ONE = r"^customers/(?P<pk>[0-9]{1,19})/"
urls = [
    re_path(
        f"{_ONE}consents/$",
        ConsentEndpoint.as_view({"get": "list", "post": "create"}),
        name="customer-consents",
    ),
    re_path(
        f"{_ONE}consents/effective/$",
        ConsentEndpoint.as_view({"get": "effective"}),
        name="customer-consents-effective",
    ),
    re_path(f"{_ONE}consents/ask/$", ConsentEndpoint.as_view({"post": "ask"}), name="customer-consents-ask"),
    re_path(
        f"{_ONE}page-link/$",
        PageLinkEndpoint.as_view({"post": "create", "delete": "destroy"}),
        name="customer-page-link",
    ),
]
