"""How notes, tasks, belonging, tags and the workspace's own fields are read and written over the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.models import User
from core.api.fields import Input, Text
from core.api.schema import example
from crm.models import Affiliation, Customer, CustomerNote, CustomField, FieldType, Tag, Task

# Out


class CustomerNoteOut(serializers.ModelSerializer[CustomerNote]):
    """Something staff wrote down about a customer."""

    class Meta:
        model = CustomerNote
        fields = ("id", "customer", "text", "author", "at", "edited_at")


class TaskOut(serializers.ModelSerializer[Task]):
    """Something staff must do for a customer; `done_at` is null while it is open."""

    class Meta:
        model = Task
        fields = (
            "id", "customer", "title", "due_on", "assignee", "created_by", "created_at", "done_at", "done_by",
        )  # fmt: skip


class AffiliationOut(serializers.ModelSerializer[Affiliation]):
    """A person who belongs to an organization."""

    class Meta:
        model = Affiliation
        fields = ("id", "person", "organization", "role", "source", "created_at")


class TagOut(serializers.ModelSerializer[Tag]):
    """A word that staff put on customers."""

    class Meta:
        model = Tag
        fields = ("id", "name")


class FieldOut(serializers.ModelSerializer[CustomField]):
    """One of the workspace's own fields; a customer's value stands in `custom` under its `key`."""

    class Meta:
        model = CustomField
        fields = ("id", "key", "label", "type", "choices", "help", "position", "is_archived")


# In


@example("A note", {"text": "Prefers to be called after six."})
class CustomerNoteIn(Input):
    """A note."""

    text = Text(max_length=20_000)


def staff_field(**options: Any) -> serializers.PrimaryKeyRelatedField[User]:
    """A member of staff by number, or nobody."""
    return serializers.PrimaryKeyRelatedField(
        queryset=User.objects.filter(is_active=True), allow_null=True, required=False, **options
    )


def customer_field(**options: Any) -> serializers.PrimaryKeyRelatedField[Customer]:
    """A customer by number."""
    return serializers.PrimaryKeyRelatedField(queryset=Customer.objects.roots(), **options)


@example("Done", {"done": True})
class TaskChanges(Input):
    """Fields of a task; those left out stay as they are."""

    title = Text(max_length=200, required=False)
    due_on = serializers.DateField(required=False, allow_null=True)
    assignee = staff_field()
    done = serializers.BooleanField(required=False, help_text="true ticks it off, false opens it again")


@example("A task", {"customer": 7, "title": "Call back", "due_on": "2026-12-01"})
class TaskIn(Input):
    """A new task for a customer."""

    customer = customer_field()
    title = Text(max_length=200)
    due_on = serializers.DateField(required=False, allow_null=True)
    assignee = staff_field()


@example("A role", {"person": 7, "organization": 31, "role": "Purchasing"})
class AffiliationIn(Input):
    """A person who belongs to an organization; pushed again, it changes the role."""

    person = customer_field()
    organization = customer_field()
    role = Text(required=False, allow_blank=True, max_length=120)


@example("A tag", {"name": "care club"})
class TagIn(Input):
    """A tag by its name; made where it is new."""

    name = Text(max_length=60)


def choices_field() -> serializers.ListField:
    """What may be chosen."""
    return serializers.ListField(child=Text(max_length=80), required=False, max_length=200)


@example("Another label", {"label": "Customer plan", "choices": ["Basic", "Plus", "Pro"]})
class FieldChanges(Input):
    """What may change of a field; its key never does, its type only while no customer has a value."""

    label = Text(max_length=80, required=False)  # type: ignore[assignment]
    type = serializers.ChoiceField(choices=FieldType.choices, required=False)
    choices = choices_field()
    help = Text(required=False, allow_blank=True, max_length=200)
    position = serializers.IntegerField(required=False, min_value=0, max_value=30_000)
    is_archived = serializers.BooleanField(required=False)


@example("A choice", {"key": "plan", "label": "Plan", "type": "choice", "choices": ["Basic", "Plus"]})
class FieldIn(Input):
    """A new field."""

    key = Text(max_length=40, help_text="Small letters, digits and _; never changes.")
    label = Text(max_length=80)  # type: ignore[assignment]
    type = serializers.ChoiceField(choices=FieldType.choices)
    choices = choices_field()
    help = Text(required=False, allow_blank=True, max_length=200)


class CustomValues(serializers.DictField):
    """Values of the workspace's own fields, by key; null clears one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=serializers.JSONField(allow_null=True), **options)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        from crm.custom_fields import clean_values

        wanted = super().to_internal_value(data)
        good, bad = clean_values(wanted) if wanted else ({}, {})
        if bad:
            raise ValidationError(
                {key[:100]: [ErrorDetail(message, code="invalid")] for key, message in bad.items()}
            )
        return good
