"""Computed archetypes of customers, the model that found them, and who belongs."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone


class PersonaModel(models.Model):
    """A fitted model: its features, bounds, scaler and centers, and the figures it was judged by."""

    fitted_at = models.DateTimeField(default=timezone.now)
    is_current = models.BooleanField(default=False)
    taken_at = models.DateTimeField(null=True, help_text="when it became the current one; NULL: a proposal")
    customers = models.PositiveIntegerField(help_text="how many it was fitted on")
    k = models.PositiveSmallIntegerField()
    parameters = models.JSONField(help_text="FittedModel.to_json(): features, bounds, scaler, centers")
    figures = models.JSONField(default=dict, help_text="how k was found, reliability, drift")
    drift = models.FloatField(default=0)
    reason = models.CharField(max_length=60, help_text="first, drift, by hand")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["is_current"], condition=Q(is_current=True), name="personas_personamodel_one_current"
            ),
        ]

    def __str__(self) -> str:
        return f"model of {self.fitted_at:%Y-%m-%d}, {self.k} personas"


class Persona(models.Model):
    """An archetype, kept over refits. Human-written fields survive every rebuild."""

    name = models.CharField(max_length=120)
    suggested_name = models.CharField(max_length=120, blank=True)
    named_by_hand = models.BooleanField(default=False)
    icon = models.CharField(max_length=40, default="ti-user")
    tone = models.PositiveSmallIntegerField(default=1)
    cluster = models.PositiveSmallIntegerField(
        null=True, help_text="index of its center in the current model"
    )
    is_rule = models.BooleanField(
        default=False, help_text="a plain rule, used while there is not enough data"
    )
    rank = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(default=True, help_text="False: its group is gone from the current model")
    created_at = models.DateTimeField(default=timezone.now)
    # written by people, never by the rebuild
    summary = models.TextField(blank=True)
    goals = models.TextField(blank=True, help_text="one a line")
    how_to_speak = models.TextField(blank=True, help_text="one a line; a line that begins with - is a don't")
    # written by the rebuild
    members = models.PositiveIntegerField(default=0)
    share = models.FloatField(default=0)
    reliability = models.FloatField(null=True, help_text="mean bootstrap Jaccard, 0 to 1")
    fit = models.FloatField(null=True, help_text="median confidence of its members")
    border_share = models.FloatField(null=True, help_text="share of members with confidence under one half")
    card = models.JSONField(default=dict, help_text="numbers, topics, quotes, what sets them apart")
    card_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(share__range=(0, 1)), name="personas_persona_share"),
            models.UniqueConstraint(
                fields=["cluster"],
                condition=Q(is_active=True, cluster__isnull=False),
                name="personas_persona_one_a_cluster",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PersonaMembership(models.Model):
    """Which persona a customer belongs to, how surely, and why."""

    customer = models.OneToOneField(
        "crm.Customer",
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="persona_membership",
        db_constraint=False,
    )
    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="memberships", db_index=False)
    confidence = models.FloatField()
    reasons = models.JSONField(default=list, help_text="up to three sentences")
    since = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(confidence__range=(0, 1)), name="personas_personamembership_confidence"
            ),
        ]
        indexes: ClassVar = [
            # members of a persona, the surest first
            models.Index(fields=["persona", "-confidence", "-customer"], name="personas_membership_persona"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} is {self.persona_id}"


class PersonaChange(models.Model):
    """A customer moved between personas."""

    customer = models.ForeignKey(
        "crm.Customer", on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    before = models.ForeignKey(Persona, null=True, on_delete=models.CASCADE, related_name="+")
    after = models.ForeignKey(Persona, null=True, on_delete=models.CASCADE, related_name="+")
    confidence = models.FloatField(null=True)
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            # a customer's timeline
            models.Index(fields=["customer", "-at", "-id"], name="personas_perchange_customer"),
            # how a persona changed
            models.Index(fields=["-at", "-id"], name="personas_perchange_at"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.before_id} to {self.after_id}"
