"""What we expect of a customer, and how far to trust it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q


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
    value_low = models.FloatField(null=True, help_text="value_365: 10 % lie below, by the model")
    value_high = models.FloatField(null=True, help_text="value_365: 10 % lie above, by the model")
    best_network = models.CharField(max_length=30, blank=True)
    best_network_rate = models.FloatField(null=True, help_text="shrunken response rate, 0 to 1")
    best_hour = models.PositiveSmallIntegerField(null=True, help_text="local hour, 0 to 23")
    base = models.PositiveIntegerField(default=0, help_text="messages of ours the rate rests on")
    survey_probability = models.FloatField(null=True, help_text="chance to answer a survey, 0 to 1")
    next_category = models.CharField(
        max_length=120, blank=True, db_default="", help_text="of the next order, most likely"
    )
    next_category_share = models.FloatField(null=True, help_text="its probability, 0 to 1")
    computed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(value_low__isnull=True) | Q(value_low__lte=F("value_high")),
                name="personas_prediction_interval",
            ),
        ]

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
    baseline = models.TextField(blank=True, help_text="what it must beat, in words")
    calibration = models.JSONField(
        default=list, help_text="held-out time by tenths of what was expected: {expected, actual, n}"
    )

    def __str__(self) -> str:
        return self.name


class ModelRun(models.Model):
    """One time that a model was fitted and judged: the record it has to stand on."""

    card = models.ForeignKey(ModelCard, on_delete=models.CASCADE, related_name="runs")
    run_at = models.DateTimeField()
    window_start = models.DateField(null=True)
    window_end = models.DateField(null=True)
    customers = models.PositiveIntegerField(default=0)
    figures = models.JSONField(default=dict)
    is_used = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["card", "run_at"], name="personas_modelrun_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.card_id} {self.run_at:%Y-%m-%d}"
