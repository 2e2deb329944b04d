"""What staff keep about customers: tags, notes, tasks, fields of their own, and the journey."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils import timezone

from crm.models.customer import Customer, Stage


class Tag(models.Model):
    """A word staff put on customers and conversations."""

    name = models.CharField(max_length=60)
    tone = models.PositiveSmallIntegerField(default=1)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Upper("name"), name="crm_tag_name"),
            models.CheckConstraint(condition=~Q(name=""), name="crm_tag_named"),
        ]

    def __str__(self) -> str:
        return self.name


class CustomerTag(models.Model):
    """A tag on a customer. Two merged customers may both carry it, so readers take distinct tags."""

    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="customer_tags")
    home_customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="customer_tags")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["home_customer", "tag"], name="crm_customertag_once"),
        ]

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.customer_id}"


class FieldType(models.TextChoices):
    """What a field of the workspace's own holds."""

    TEXT = "text", "Text"
    NUMBER = "number", "Number"
    DATE = "date", "Date"
    CHOICE = "choice", "Choice"
    FLAG = "flag", "Yes or no"
    URL = "url", "Web address"


class CustomField(models.Model):
    """A field that the workspace added to customers; its values stand in `Customer.custom` under `key`."""

    key = models.SlugField(max_length=40, unique=True, help_text="in rules, files and the API; never changes")
    label = models.CharField(max_length=80)
    type = models.CharField(max_length=6, choices=FieldType.choices)
    choices = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    help = models.CharField(max_length=200, blank=True)
    position = models.PositiveSmallIntegerField(default=0)
    is_archived = models.BooleanField(default=False, help_text="hidden; values are kept")

    class Meta:
        ordering: ClassVar = ["position", "pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(type="choice") | ~Q(choices=[]), name="crm_customfield_choices"
            ),
        ]

    def __str__(self) -> str:
        return self.label


class CustomerNote(models.Model):
    """Something staff wrote down about a customer, at a moment."""

    text = models.TextField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)
    edited_at = models.DateTimeField(null=True, blank=True)
    home_customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="notes", db_index=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(text=""), name="crm_customernote_says_something"),
        ]
        indexes: ClassVar = [
            # a customer's timeline
            models.Index(fields=["customer", "-at", "-id"], name="crm_customernote_newest"),
            # search in notes
            GinIndex(SearchVector("text", config="simple"), name="crm_customernote_text"),
        ]

    def __str__(self) -> str:
        return self.text[:60]


class Task(models.Model):
    """Something staff must do for a customer."""

    title = models.CharField(max_length=200)
    due_on = models.DateField(null=True, blank=True)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="tasks"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    home_customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="tasks")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(title=""), name="crm_task_titled"),
        ]
        indexes: ClassVar = [
            # what a member of staff has to do, the most urgent first
            models.Index(
                fields=["assignee", "due_on", "id"], condition=Q(done_at__isnull=True), name="crm_task_open"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class StageChange(models.Model):
    """One step of a customer's journey, and what moved it."""

    before = models.CharField(max_length=14, choices=Stage.choices, blank=True)
    after = models.CharField(max_length=14, choices=Stage.choices)
    at = models.DateTimeField(help_text="when that which moved it happened")
    why = models.CharField(max_length=40, help_text="by_hand, first_order, second_order, question …")
    cause = models.CharField(max_length=40, blank=True, help_text="the kind of row that moved it: order …")
    cause_id = models.BigIntegerField(null=True, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    home_customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="stage_changes", db_index=False
    )

    class Meta:
        constraints: ClassVar = [
            # two that compute one customer's journey at the same time write it once
            models.UniqueConstraint(
                fields=["home_customer", "at", "before", "after", "why", "cause", "cause_id"],
                condition=~Q(cause=""),
                name="crm_stagechange_once",
            ),
        ]
        indexes: ClassVar = [
            # a customer's journey, newest first
            models.Index(fields=["customer", "-at", "-id"], name="crm_stagechange_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.before} to {self.after}"
