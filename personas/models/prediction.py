"""What we expect of a customer, and how far to trust it."""

from __future__ import annotations

from django.db import models


class Prediction(models.Model):
    """Expected value and the best way to reach one customer."""

    customer = models.OneToOneField(
        "crm.Customer",
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="prediction",
        db_constraint=False,
    )
    active_probability = models.FloatField(null=True, help_text="chance of still being a customer, 0 to 1")
    orders_365 = models.FloatField(null=True, help_text="expected orders in the next 365 days")
    value_365 = models.FloatField(
        null=True, help_text="expected revenue in the next 365 days, workspace currency"
    )
    best_network = models.CharField(max_length=30, blank=True)
    best_network_rate = models.FloatField(null=True, help_text="shrunken response rate, 0 to 1")
    best_hour = models.PositiveSmallIntegerField(null=True, help_text="local hour, 0 to 23")
    base = models.PositiveIntegerField(default=0, help_text="messages of ours the rate rests on")
    computed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"prediction of {self.customer_id}"


class ModelCard(models.Model):
    """One predictive model: its window, its figures on held-out time, the baseline it must beat."""

    name = models.CharField(max_length=40, unique=True)
    run_at = models.DateTimeField()
    window_start = models.DateField(null=True)
    window_end = models.DateField(null=True)
    customers = models.PositiveIntegerField(default=0)
    parameters = models.JSONField(default=dict)
    figures = models.JSONField(default=dict)
    is_used = models.BooleanField(default=False, help_text="it beats its baseline on this workspace's data")
    explanation = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name
