"""Computed facts: one row a customer, and one a customer and day."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from personas.traits.catalogue import CATALOGUE


class Traits(models.Model):
    """One row a customer; the columns are the trait catalogue.

    Written only where something differs. No index but the key: a scan with four conditions over a million
    rows takes 0.15 s, and every index would be paid for each night.
    """

    customer = models.OneToOneField(
        "crm.Customer", primary_key=True, on_delete=models.CASCADE, related_name="traits", db_constraint=False
    )
    computed_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "traits"

    def __str__(self) -> str:
        return f"traits of {self.customer_id}"


for _trait in CATALOGUE:
    Traits.add_to_class(_trait.name, _trait.field())


class CustomerDay(models.Model):
    """What one customer did on one local day on one network: read by event conditions and drill-downs."""

    customer = models.ForeignKey(
        "crm.Customer", on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    day = models.DateField()
    network = models.CharField(max_length=30)
    kind = models.CharField(max_length=8, help_text="interaction kind, or order")
    direction = models.CharField(max_length=8)
    n = models.PositiveIntegerField()
    public_n = models.PositiveIntegerField(default=0)
    question_n = models.PositiveIntegerField(default=0)
    complaint_n = models.PositiveIntegerField(default=0)
    praise_n = models.PositiveIntegerField(default=0)
    positive_n = models.PositiveIntegerField(default=0, help_text="sentiment of 0.05 or more")
    negative_n = models.PositiveIntegerField(default=0, help_text="sentiment of -0.05 or less")
    sentiment_sum = models.FloatField(default=0)
    sentiment_n = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["customer", "day", "network", "kind", "direction"], name="personas_customerday_unique"
            ),
        ]
        indexes: ClassVar = [
            # customers whose rows crossed a window's edge; event conditions over all customers in a window
            models.Index(fields=["day", "customer"], name="personas_customerday_day"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.day} {self.network} {self.n}"
