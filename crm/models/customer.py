"""The record itself, and who belongs to which organization."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from core.finding import Fold
from core.paging import EPOCH
from crm.querysets import PIECE, CustomerQuerySet


class CustomerKind(models.TextChoices):
    """One human being, or several under one name."""

    PERSON = "person", "Person"
    ORGANIZATION = "organization", "Organization"


class Stage(models.TextChoices):
    """Where somebody stands in the customer journey."""

    AWARENESS = "awareness", "Awareness"
    CONSIDERATION = "consideration", "Consideration"
    PURCHASE = "purchase", "Purchase"
    RETENTION = "retention", "Retention"
    ADVOCACY = "advocacy", "Advocacy"


class Customer(models.Model):
    """A person or an organization we know, however many handles they have."""

    kind = models.CharField(max_length=12, choices=CustomerKind.choices, default=CustomerKind.PERSON)
    name = models.CharField(max_length=200, blank=True)
    language = models.CharField(max_length=8, blank=True)
    country = models.CharField(max_length=2, blank=True)
    city = models.CharField(max_length=120, blank=True)
    zone = models.CharField(max_length=64, blank=True)
    birth_year = models.PositiveSmallIntegerField(null=True, blank=True)
    job = models.CharField(max_length=120, blank=True)
    company = models.CharField(max_length=160, blank=True)
    profession = models.CharField(
        max_length=120, blank=True, db_default="", help_text="field of work, such as nursing"
    )
    interests = ArrayField(models.CharField(max_length=60), default=list, blank=True, db_default=[])
    note = models.TextField(blank=True, help_text="what everybody should read first about them")
    custom = models.JSONField(
        default=dict, blank=True, db_default={}, help_text="{key: value} of the workspace's own fields"
    )
    origins = models.JSONField(
        default=dict,
        blank=True,
        db_default={},
        help_text="{field: {source, at, by}}: who said so and when (`crm.facts`)",
    )
    stage = models.CharField(max_length=14, choices=Stage.choices, default=Stage.AWARENESS)
    profiling_refused = models.BooleanField(default=False, help_text="left out of personas and predictions")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    home_referred_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    referred_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="referred"
    )
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="merged"
    )
    created_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(null=True, blank=True, help_text="last inbound interaction or order")

    objects = CustomerQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(merged_into=F("id")), name="crm_customer_not_merged_into_itself"
            ),
            models.CheckConstraint(
                condition=Q(birth_year__isnull=True) | Q(birth_year__range=(1900, 2100)),
                name="crm_customer_birth_year",
            ),
            models.CheckConstraint(
                condition=~Q(home_referred_by=F("id")), name="crm_customer_not_referred_by_itself"
            ),
        ]
        indexes: ClassVar = [
            # the customer list, most recently heard from first
            models.Index(
                Coalesce("last_seen_at", Value(EPOCH)).desc(),
                F("id").desc(),
                condition=Q(merged_into__isnull=True),
                name="crm_customer_recent",
            ),
            # the customer list by name
            models.Index(
                fields=["name", "id"], condition=Q(merged_into__isnull=True), name="crm_customer_by_name"
            ),
            # search: any part of a name, by pieces of ids where too many are found
            GinIndex(
                F("id") / PIECE,
                OpClass(Fold("name"), "gin_trgm_ops"),
                name="crm_customer_named",
                gin_pending_list_limit=512,
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"Customer {self.pk}"

    def get_absolute_url(self) -> str:
        """The customer's page."""
        return reverse("crm:customer", args=[self.pk])

    @property
    def is_organization(self) -> bool:
        return self.kind == CustomerKind.ORGANIZATION

    @property
    def is_merged(self) -> bool:
        return self.merged_into_id is not None


class Affiliation(models.Model):
    """A person who belongs to an organization, with a role there."""

    home_person = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="affiliations")
    home_organization = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    organization = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="people")
    role = models.CharField(max_length=120, blank=True)
    source = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["home_person", "home_organization"], name="crm_affiliation_once"),
            models.CheckConstraint(
                condition=~Q(home_person=F("home_organization")), name="crm_affiliation_two_customers"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} at {self.organization_id}"
