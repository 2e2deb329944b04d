"""Notes, tasks, belonging, tags and the workspace's own fields over the REST API."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import caller
from accounts.permissions import Requires
from core.api.endpoints import Endpoint
from core.api.fields import checked
from core.filters import FlagFilter, IdFilter
from core.paging import Sort, asc, desc
from crm import custom_fields, todo
from crm.affiliations import affiliate, part
from crm.groups import GroupFilter
from crm.models import Affiliation, CustomerNote, CustomField, Tag, Task
from crm.notes import delete_note, edit_note
from crm.record_serializers import (
    AffiliationIn,
    AffiliationOut,
    CustomerNoteIn,
    CustomerNoteOut,
    FieldChanges,
    FieldIn,
    FieldOut,
    TagOut,
    TaskChanges,
    TaskIn,
    TaskOut,
)

BY_ID = {"id": Sort(asc("pk")), "-id": Sort(desc("pk"))}
BY_NAME = {"name": Sort(asc("name"))}
BY_POSITION = {"position": Sort(asc("position"))}
TASK_SORTS = {"due": Sort(asc("due_on", null=todo.date(9999, 12, 31))), **BY_ID}


class NoteFilter(django_filters.FilterSet):
    """Filters of notes."""

    customer = IdFilter(field_name="customer_id", label="About this customer")
    author = IdFilter(field_name="author_id", label="Written by this member of staff")

    class Meta:
        model = CustomerNote
        fields: tuple[str, ...] = ()


class TaskFilter(django_filters.FilterSet):
    """Filters of tasks."""

    customer = IdFilter(field_name="customer_id", label="For this customer")
    assignee = IdFilter(field_name="assignee_id", label="To be done by this member of staff")
    done = FlagFilter(method="by_done", label="Done, or still open")
    due_before = django_filters.DateFilter(field_name="due_on", lookup_expr="lt", label="Due before this day")
    persona = GroupFilter("persona", by="customer_id", label="For customers of this persona, or none")
    segment = GroupFilter("segment", by="customer_id", label="For customers in this segment, or none")

    class Meta:
        model = Task
        fields: tuple[str, ...] = ()

    def by_done(self, found: QuerySet[Task], name: str, value: bool) -> QuerySet[Task]:
        return found.filter(done_at__isnull=not value)


class AffiliationFilter(django_filters.FilterSet):
    """Filters of belonging."""

    person = IdFilter(field_name="person_id", label="Where this person belongs")
    organization = IdFilter(field_name="organization_id", label="Who belongs to this organization")

    class Meta:
        model = Affiliation
        fields: tuple[str, ...] = ()


@extend_schema(tags=["customers"])
@extend_schema_view(
    list=extend_schema(summary="List notes about customers", description="Filter by customer or author."),
    retrieve=extend_schema(summary="Get a note", description="One note about a customer."),
)
class NoteEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """What staff wrote down about customers."""

    permission_classes = (Requires("customer.read", write="note.write"),)
    serializer_class = CustomerNoteOut
    filterset_class = NoteFilter
    sorts = BY_ID
    default_sort = "-id"

    def get_queryset(self) -> QuerySet[CustomerNote]:
        return CustomerNote.objects.all()

    @extend_schema(
        summary="Change a note",
        description="Whoever wrote it may; anybody else is answered 403.",
        request=CustomerNoteIn,
        responses={200: CustomerNoteOut},
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        note = self.get_object()
        text = checked(CustomerNoteIn, request)["text"]
        return Response(CustomerNoteOut(edit_note(note=note, text=text, by=caller(request))).data)

    @extend_schema(
        summary="Delete a note",
        description="Whoever wrote it may; anybody else is answered 403.",
        responses={204: None},
    )
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        delete_note(note=self.get_object(), by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(tags=["customers"])
@extend_schema_view(
    list=extend_schema(
        summary="List tasks", description="The most urgent first; filter by customer, assignee, day and done."
    ),
    retrieve=extend_schema(summary="Get a task", description="One thing to be done for a customer."),
)
class TaskEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """What staff must do for customers."""

    permission_classes = (Requires("customer.read", write="customer.edit"),)
    serializer_class = TaskOut
    filterset_class = TaskFilter
    sorts = TASK_SORTS
    default_sort = "due"

    def get_queryset(self) -> QuerySet[Task]:
        return Task.objects.all()

    @extend_schema(
        summary="Add a task",
        description="For a customer, with a day and an assignee where known.",
        request=TaskIn,
        responses={201: TaskOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        task = todo.add_task(**checked(TaskIn, request), by=caller(request))
        return Response(TaskOut(task).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change a task",
        description="Fields left out stay as they are; `done` ticks it off or opens it again.",
        request=TaskChanges,
        responses={200: TaskOut},
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        task, values = self.get_object(), checked(TaskChanges, request)
        done = values.pop("done", None)
        if values:
            task = todo.change_task(task=task, values=values, by=caller(request))
        if done is not None:
            task = todo.finish_task(task=task, done=done, by=caller(request))
        return Response(TaskOut(task).data)


@extend_schema(tags=["customers"])
@extend_schema_view(
    list=extend_schema(
        summary="List who belongs where", description="Filter by person or organization; see `customers`."
    ),
    retrieve=extend_schema(summary="Get one belonging", description="A person at an organization."),
)
class AffiliationEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """Who belongs to which organization."""

    permission_classes = (Requires("customer.read", write="customer.edit"),)
    serializer_class = AffiliationOut
    filterset_class = AffiliationFilter
    sorts = BY_ID
    default_sort = "id"

    def get_queryset(self) -> QuerySet[Affiliation]:
        return Affiliation.objects.all()

    @extend_schema(
        summary="Let a person belong to an organization",
        description="201 when it is new, 200 when it was there: the role is the one sent.",
        request=AffiliationIn,
        responses={200: AffiliationOut, 201: AffiliationOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row, made = affiliate(**checked(AffiliationIn, request), by=caller(request))
        code = status.HTTP_201_CREATED if made else status.HTTP_200_OK
        return Response(AffiliationOut(row).data, status=code)

    @extend_schema(
        summary="End a belonging", description="The person and the organization stay.", responses={204: None}
    )
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row = self.get_object()
        part(person=row.person, organization=row.organization, by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(tags=["customers"])
@extend_schema_view(
    list=extend_schema(summary="List tags", description="Every tag, by name."),
)
class TagEndpoint(ListModelMixin, Endpoint):
    """Words that staff put on customers."""

    permission_classes = (Requires("customer.read"),)
    serializer_class = TagOut
    sorts = BY_NAME
    default_sort = "name"

    def get_queryset(self) -> QuerySet[Tag]:
        return Tag.objects.all()


@extend_schema(tags=["customers"])
@extend_schema_view(
    list=extend_schema(
        summary="List the workspace's own fields",
        description="Fields of customers that this workspace defined, archived ones included.",
    ),
    retrieve=extend_schema(summary="Get a field", description="One of the workspace's own fields."),
)
class FieldEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """Fields of customers that the workspace defined."""

    permission_classes = (Requires("customer.read", write="field.manage"),)
    serializer_class = FieldOut
    sorts = BY_POSITION
    default_sort = "position"

    def get_queryset(self) -> QuerySet[CustomField]:
        return CustomField.objects.all()

    @extend_schema(
        summary="Add a field",
        description="Its key never changes, and its type not once a customer has a value.",
        request=FieldIn,
        responses={201: FieldOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        field = custom_fields.define_field(**checked(FieldIn, request), by=caller(request))
        return Response(FieldOut(field).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change a field",
        description="Fields left out stay as they are; `is_archived` hides it and keeps its values.",
        request=FieldChanges,
        responses={200: FieldOut},
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        field = get_object_or_404(CustomField, pk=self.kwargs["pk"])
        values = checked(FieldChanges, request)
        return Response(
            FieldOut(custom_fields.change_field(field=field, values=values, by=caller(request))).data
        )
