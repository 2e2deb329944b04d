"""Privacy over the REST API: export and erase one customer, read and set how long things are kept."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import re_path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.callers import caller
from accounts.permissions import Requires
from accounts.serializers import JobOut
from core.api.endpoints import Endpoint
from core.api.fields import Input, Text, checked
from core.api.refusals import Conflict
from core.api.schema import example
from core.demo import refuse_while_demo
from core.jobs import JobIsOpen
from core.models import Job, JobState
from crm.models import Customer
from crm.privacy.erasing import start_erasure
from crm.privacy.exporting import start_export
from crm.privacy.retention import LONGEST_DAYS, BadRule, Rule, rules, set_rules
from crm.privacy.stored_files import EXPORT_KIND
from crm.privacy.views import archive_response
from crm.trees import root_of

CUSTOMER_ID = OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH)
JOB_ID = OpenApiParameter("job", OpenApiTypes.UUID, OpenApiParameter.PATH)


@example("An erasure", {"confirm": 7, "reason": "request"})
class EraseInput(Input):
    """The customer's number once more, so that no wrong address erases anybody."""

    confirm = serializers.IntegerField(help_text="The customer's id again.")
    reason = serializers.ChoiceField(choices=["request", "mistake"], required=False, default="request")


class RuleOut(serializers.Serializer[Rule]):
    """How long rows of one kind are kept."""

    kind = serializers.CharField(source="kind.name")
    label = serializers.CharField(source="kind.label")  # type: ignore[assignment]
    days = serializers.IntegerField()
    is_on = serializers.BooleanField(help_text="Older rows are deleted every night.")


class RuleInput(Input):
    """A rule for one kind."""

    kind = Text(max_length=40)
    days = serializers.IntegerField(min_value=1, max_value=LONGEST_DAYS)
    is_on = serializers.BooleanField()


@example("Keep visits for half a year", {"rules": [{"kind": "visits", "days": 180, "is_on": True}]})
class RulesInput(Input):
    """Rules by kind; kinds left out stay as they are."""

    rules = RuleInput(many=True)


class RulesOut(serializers.Serializer[Any]):
    """Every kind with its rule."""

    rules = RuleOut(many=True)


def customer_of(pk: str) -> Customer:
    """The record that owns this customer's rows."""
    return root_of(get_object_or_404(Customer, pk=pk))


def queued(job: Job, request: Request) -> Response:
    """202 with the job, and where to ask for it."""
    answer = Response(JobOut(job).data, status=status.HTTP_202_ACCEPTED)
    answer["Location"] = reverse("api:job-detail", [job.pk], request=request)
    return answer


@extend_schema(tags=["customers"])
class ExportEndpoint(Endpoint):
    """Everything about one customer as a ZIP."""

    permission_classes = (Requires("customer.export"),)
    queryset = Customer.objects.none()
    conflicts = frozenset({"create"})

    @extend_schema(
        operation_id="customers_export_create",
        summary="Export everything about a customer",
        description="202 with its job; 409 `job_open` while one is being made. Kept for seven days.",
        parameters=[CUSTOMER_ID],
        request=None,
        responses={202: JobOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        try:
            job = start_export(customer=customer_of(self.kwargs["pk"]), by=caller(request))
        except JobIsOpen as error:
            raise Conflict(str(error), code="job_open") from error
        return queued(job, request)


class ZipRenderer(BaseRenderer):
    """Lets a caller ask for a ZIP; the bytes are streamed past it."""

    media_type = "application/zip"
    format = "zip"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        """Errors alone come here."""
        return bytes(JSONRenderer().render(data, *args, **kwargs))


@extend_schema(tags=["customers"])
class ExportFileEndpoint(Endpoint):
    """The archive of an export."""

    permission_classes = (Requires("customer.export"),)
    queryset = Job.objects.none()
    renderer_classes = (JSONRenderer, ZipRenderer)
    conflicts = frozenset({"retrieve"})

    @extend_schema(
        operation_id="customers_export_retrieve",
        summary="Get an export of a customer",
        description="The ZIP. 409 `not_ready` while its job runs; 404 once it was deleted.",
        parameters=[CUSTOMER_ID, JOB_ID],
        responses={(200, "application/zip"): OpenApiResponse(OpenApiTypes.BINARY, "The archive.")},
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        customer = customer_of(self.kwargs["pk"])
        job = get_object_or_404(Job, pk=self.kwargs["job"], kind=EXPORT_KIND, input__customer=customer.pk)
        if job.is_open:
            raise Conflict("The export is being made.", code="not_ready")
        if job.state != JobState.DONE:
            raise NotFound("This export failed; start another one.")
        try:
            return archive_response(job, customer.pk, by=caller(request))
        except Http404 as error:
            raise NotFound("This export was deleted; start another one.") from error


@extend_schema(tags=["customers"])
class EraseEndpoint(Endpoint):
    """Leaves nothing of one customer."""

    permission_classes = (Requires("customer.erase"),)
    queryset = Customer.objects.none()
    conflicts = frozenset({"create"})

    @extend_schema(
        operation_id="customers_erase_create",
        summary="Erase a customer",
        description=(
            "With everything merged into it; it cannot be undone. 202 with its job; 409 `job_open` while one "
            "runs, 400 where `confirm` is not the customer's id."
        ),
        parameters=[CUSTOMER_ID],
        request=EraseInput,
        responses={202: JobOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        customer, values = customer_of(self.kwargs["pk"]), checked(EraseInput, request)
        if values["confirm"] not in (customer.pk, int(self.kwargs["pk"])):
            raise ValidationError({"confirm": ["This is not the customer's id."]}, code="invalid")
        try:
            job = start_erasure(customer=customer, by=caller(request), reason=values["reason"])
        except JobIsOpen as error:
            raise Conflict(str(error), code="job_open") from error
        return queued(job, request)


@extend_schema(tags=["workspace"])
class RetentionEndpoint(Endpoint):
    """How long things are kept."""

    permission_classes = (Requires("privacy.manage"),)
    pagination_class = None  # type: ignore[assignment]
    filter_backends = ()
    queryset = Customer.objects.none()

    @extend_schema(
        operation_id="privacy_retention_retrieve",
        summary="Get the retention rules",
        description="Every kind of rows with after how many days they are deleted, and whether.",
        responses={200: RulesOut},
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(RulesOut({"rules": rules()}).data)

    @extend_schema(
        operation_id="privacy_retention_update",
        summary="Set the retention rules",
        description="Kinds left out stay as they are. The next nightly purge follows them.",
        request=RulesInput,
        responses={200: RulesOut},
    )
    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        wanted = checked(RulesInput, request)["rules"]
        try:
            return Response(RulesOut({"rules": set_rules(wanted, by=caller(request))}).data)
        except BadRule as error:
            raise ValidationError({"rules": [str(error)]}, code="invalid") from error


_ONE = r"^customers/(?P<pk>[0-9]{1,19})/"
_JOB = r"(?P<job>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
urls = [
    re_path(f"{_ONE}export/$", ExportEndpoint.as_view({"post": "create"}), name="customer-export"),
    re_path(
        f"{_ONE}export/{_JOB}/$", ExportFileEndpoint.as_view({"get": "retrieve"}), name="customer-export-file"
    ),
    re_path(f"{_ONE}erase/$", EraseEndpoint.as_view({"post": "create"}), name="customer-erase"),
    re_path(
        r"^privacy/retention/$",
        RetentionEndpoint.as_view({"get": "retrieve", "put": "update"}),
        name="privacy-retention",
    ),
]
