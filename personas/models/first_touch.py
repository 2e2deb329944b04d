"""Who came by what first, and what orders that brought: kept by the rebuild for the page on advertising."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class FirstTouch(models.Model):
    """The earliest interaction or visit of a customer, automatic ones aside, with the marks of that visit.

    Kept with their traits. `campaign` and `source` are utm_campaign and utm_source as they stand in an
    address, in small letters, '' where there are none.
    """

    customer = models.OneToOneField(
        "crm.Customer", primary_key=True, on_delete=models.CASCADE, related_name="+", db_constraint=False
    )
    at = models.DateTimeField()
    network = models.CharField(max_length=30)
    campaign = models.CharField(max_length=1000, blank=True)
    source = models.CharField(max_length=60, blank=True)

    def __str__(self) -> str:
        return f"{self.customer_id} by {self.network}"


class How(models.TextChoices):
    """What came before the first order of a customer."""

    TOUCHED = "touched", "Touched"
    NONE = "none", "Nothing"
    OLD = "old", "Too long before"


class BroughtDay(models.Model):
    """Orders of one local day by what touched their buyers first; additive over days.

    `new_customers` are those whose first order it was. `persona_id` is that of the buyers at the rebuild; 0:
    none.
    """

    day = models.DateField()
    how = models.CharField(max_length=7, choices=How.choices)
    network = models.CharField(max_length=30, blank=True)
    campaign = models.CharField(max_length=1000, blank=True)
    source = models.CharField(max_length=60, blank=True)
    persona_id = models.BigIntegerField(default=0)
    orders = models.PositiveIntegerField()
    new_customers = models.PositiveIntegerField()
    revenue = models.DecimalField(max_digits=30, decimal_places=10)
    without_rate = models.PositiveIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [
            # the figures of a span of days
            models.Index(fields=["day"], name="personas_broughtday_day"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.network} {self.orders}"


class BuyerDay(models.Model):
    """Customers who bought on `day`, and on `last_day` the last time before.

    Whoever bought within a span of days is counted once by leaving out those whose `last_day` lies in it.
    NULL: not before, or longer ago than any span that can be asked for.
    """

    day = models.DateField()
    last_day = models.DateField(null=True)
    customers = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["day", "last_day"], nulls_distinct=False, name="personas_buyerday_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.last_day} {self.customers}"


class BroughtRun(models.Model):
    """What `BroughtDay` and `BuyerDay` hold: every local day of `zone` before `until`, as of `at`."""

    until = models.DateField()
    zone = models.CharField(max_length=64)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"before {self.until}"
