"""Purchases."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.finding import Fold
from crm.models.customer import Customer
from crm.models.identity import Identity
from crm.querysets import OrderQuerySet


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
    as_of = models.DateTimeField(
        null=True, blank=True, help_text="when it was so in the shop; what is told of earlier changes nothing"
    )

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
            # search: a number or the shop's own id, or its beginning
            models.Index(
                OpClass(Fold("number"), "text_pattern_ops"),
                condition=~Q(number=""),
                name="crm_order_numbered",
            ),
            models.Index(OpClass(Fold("external_id"), "text_pattern_ops"), name="crm_order_given"),
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
