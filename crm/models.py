"""Who: customers, their identities, orders, tags and consents.

Every table that names a customer keeps two columns: `home_customer`, whom the row was written for and
which never changes, and `customer`, the record that owns it today. `crm.merging` alone writes the latter.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Upper
from django.urls import reverse
from django.utils import timezone

from core.paging import EPOCH
from crm.querysets import CustomerQuerySet, IdentityQuerySet, OrderQuerySet


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
    note = models.TextField(blank=True)
    stage = models.CharField(max_length=14, choices=Stage.choices, default=Stage.AWARENESS)
    profiling_refused = models.BooleanField(default=False, help_text="left out of personas and predictions")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
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
            # the list's search box and the palette: any part of a name
            GinIndex(OpClass(Upper("name"), "gin_trgm_ops"), name="crm_customer_name_trgm"),
        ]

    def __str__(self) -> str:
        return self.name or f"Customer {self.pk}"

    def get_absolute_url(self) -> str:
        """The customer's page."""
        return reverse("crm:customer", args=[self.pk])

    @property
    def is_merged(self) -> bool:
        return self.merged_into_id is not None


class Identity(models.Model):
    """One handle, address or number within one issuer, normalized (`crm.identities`)."""

    network = models.CharField(max_length=30)
    issuer = models.CharField(max_length=200, blank=True, default="")
    external_id = models.CharField(max_length=320)
    handle = models.CharField(max_length=320, blank=True, help_text="as people read it")
    name = models.CharField(max_length=200, blank=True)
    verified = models.BooleanField(default=False)
    source = models.CharField(max_length=60, blank=True, help_text="where we have it from")
    created_at = models.DateTimeField(default=timezone.now)
    home_customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="home_identities")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="identities")

    objects = IdentityQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "identities"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "issuer", "external_id"], name="crm_identity_unique"),
            models.CheckConstraint(condition=~Q(external_id=""), name="crm_identity_has_id"),
        ]
        indexes: ClassVar = [
            # search: any part of a handle, address or number
            GinIndex(OpClass(Upper("handle"), "gin_trgm_ops"), name="crm_identity_handle_trgm"),
        ]

    def __str__(self) -> str:
        return self.handle or self.external_id


class MergeRecord(models.Model):
    """One merge: what moved, so that it can be undone in any order."""

    keep = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="merges_kept")
    drop = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="merges_dropped")
    tree = models.JSONField(
        default=list,
        help_text="ids of the customers whose rows moved: the dropped one and all it had absorbed",
    )
    identities = models.JSONField(default=list, help_text="ids of the identities that moved")
    fields = models.JSONField(default=dict, help_text="{field: [value before on keep, value chosen]}")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(keep=F("drop")), name="crm_mergerecord_two_customers"),
        ]

    def __str__(self) -> str:
        return f"{self.drop_id} into {self.keep_id}"


class OrderStatus(models.TextChoices):
    """Whether the money came, and stayed."""

    PAID = "paid", "Paid"
    PENDING = "pending", "Pending"
    REFUNDED = "refunded", "Refunded"
    CANCELLED = "cancelled", "Cancelled"


class Order(models.Model):
    """A purchase: the amount as paid, and in the workspace's currency at the day's rate."""

    source = models.CharField(max_length=60)
    external_id = models.CharField(max_length=120)
    number = models.CharField(max_length=60, blank=True)
    status = models.CharField(max_length=10, choices=OrderStatus.choices, default=OrderStatus.PAID)
    placed_at = models.DateTimeField()
    units = models.PositiveIntegerField(default=0)
    total = models.DecimalField(max_digits=14, decimal_places=2)
    discount = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    refunded = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    currency = models.CharField(max_length=3)
    base_total = models.DecimalField(
        max_digits=14, decimal_places=2, null=True, help_text="workspace currency; NULL: no rate for that day"
    )
    identity = models.ForeignKey(Identity, null=True, on_delete=models.PROTECT, related_name="orders")
    home_customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="orders", db_index=False)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "external_id"], name="crm_order_unique"),
            models.CheckConstraint(condition=Q(total__gte=0), name="crm_order_total_positive"),
        ]
        indexes: ClassVar = [
            # a customer's orders, newest first: timeline, order panel, traits
            models.Index(fields=["customer", "-placed_at", "-id"], name="crm_order_customer"),
            # revenue by day: rollups and drill-down
            models.Index(fields=["-placed_at", "-id"], name="crm_order_placed"),
        ]

    def __str__(self) -> str:
        return self.number or self.external_id


class OrderLine(models.Model):
    """One product in an order."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveSmallIntegerField()
    sku = models.CharField(max_length=80, blank=True)
    title = models.CharField(max_length=300)
    category = models.CharField(max_length=120, blank=True)
    units = models.PositiveIntegerField(default=1)
    price = models.DecimalField(max_digits=14, decimal_places=2)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "position"], name="crm_orderline_position"),
        ]

    def __str__(self) -> str:
        return f"{self.units} × {self.title}"


class ExchangeRate(models.Model):
    """Units of the workspace's currency that one unit of `currency` bought on `day`."""

    currency = models.CharField(max_length=3)
    day = models.DateField()
    rate = models.DecimalField(max_digits=18, decimal_places=8)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["currency", "day"], name="crm_exchangerate_day"),
            models.CheckConstraint(condition=Q(rate__gt=0), name="crm_exchangerate_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.day}: {self.rate}"


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


class Consent(models.Model):
    """What one identity allowed or refused for one purpose on one channel; append-only.

    The newest row for an identity and purpose is in effect (`crm.consents.effective_consent`); a refusal
    that names the person (`whole_person`) covers all their identities.
    """

    identity = models.ForeignKey(Identity, on_delete=models.PROTECT, related_name="consents", db_index=False)
    purpose = models.CharField(max_length=40, help_text="marketing, service, profiling, calls …")
    given = models.BooleanField()
    whole_person = models.BooleanField(default=False)
    source = models.CharField(max_length=60)
    proof = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)
    home_customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="consents")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(whole_person=False) | Q(given=False), name="crm_consent_only_refusals_cover_all"
            ),
        ]
        indexes: ClassVar = [
            # the newest for an identity and purpose
            models.Index(fields=["identity", "purpose", "-at", "-id"], name="crm_consent_newest"),
            # conditions on consent over all customers
            models.Index(fields=["purpose", "customer", "-at"], name="crm_consent_purpose"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose}: {'given' if self.given else 'refused'}"


class CustomerTouch(models.Model):
    """Something about this customer changed: the nightly rebuild consumes it.

    Written set-based by every service, in the transaction of the change.
    """

    customer = models.ForeignKey(
        Customer, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.customer_id} at {self.at:%Y-%m-%d %H:%M}"


class DirtyOrderDay(models.Model):
    """A local day of the workspace whose revenue rollup is older than its orders."""

    day = models.DateField(unique=True)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.day)
