"""One run of the nightly rebuild, and the customers it works on."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Rebuild(models.Model):
    """A rebuild for one local day; its progress and steps stand on its job."""

    day = models.DateField(help_text="local day of the workspace it was run for")
    job = models.OneToOneField("core.Job", on_delete=models.CASCADE, related_name="rebuild")
    is_full = models.BooleanField(default=False)
    by_hand = models.BooleanField(default=False)
    finished_at = models.DateTimeField(null=True)
    fingerprint = models.CharField(
        max_length=32, blank=True, help_text="zone and SQL the traits were computed by"
    )
    customers_changed = models.PositiveIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [
            # has this local day been run
            models.Index(fields=["-day", "-id"], name="personas_rebuild_day"),
        ]

    def __str__(self) -> str:
        return f"rebuild of {self.day}"


class ChangedCustomer(models.Model):
    """A customer the rebuild works on: listed by its first step, read by the later ones.

    Emptied when the rebuild has finished; what a dead rebuild left here is done by the next one.
    """

    customer = models.OneToOneField(
        "crm.Customer", primary_key=True, on_delete=models.CASCADE, related_name="+", db_constraint=False
    )
    traits_changed = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.customer_id} changed"
