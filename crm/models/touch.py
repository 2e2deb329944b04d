"""What has to be computed again."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from crm.models.customer import Customer


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


class LinkageMark(models.Model):
    """What the search for duplicates last saw of a customer: whoever has another digest was touched."""

    customer = models.OneToOneField(
        Customer, primary_key=True, on_delete=models.CASCADE, related_name="+", db_constraint=False
    )
    digest = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.customer_id} as {self.digest}"


class DirtyOrderDay(models.Model):
    """A local day of the workspace whose revenue rollup is older than its orders."""

    day = models.DateField(unique=True)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.day)
