"""Where and when to reach a persona or segment, and what advertising cost."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.secrets import EncryptedJSONField


class AdSpend(models.Model):
    """What one campaign on one network cost on one day, as entered, imported or pushed.

    `amount` is as billed; `base_amount` in the workspace's currency at the day's rate, NULL without a rate
    (left out of sums, and counted as such).
    """

    network = models.CharField(max_length=30)
    campaign = models.CharField(max_length=160)
    day = models.DateField()
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    currency = models.CharField(max_length=3)
    base_amount = models.DecimalField(max_digits=14, decimal_places=2, null=True)
    source = models.CharField(max_length=60, default="manual", help_text="manual, file, api")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "campaign", "day"], name="personas_adspend_unique"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="personas_adspend_not_negative"),
            models.CheckConstraint(condition=~Q(network=""), name="personas_adspend_network"),
        ]
        indexes: ClassVar = [
            # cost of a span of days
            models.Index(fields=["day"], name="personas_adspend_day"),
        ]

    def __str__(self) -> str:
        return f"{self.campaign} {self.day} {self.amount}"


class ReachPlan(models.Model):
    """How to split posts or messages over networks, hours and kinds of content, kept as it was planned."""

    name = models.CharField(max_length=120)
    persona = models.ForeignKey(
        "personas.Persona", null=True, blank=True, on_delete=models.CASCADE, related_name="plans"
    )
    segment = models.ForeignKey(
        "personas.Segment", null=True, blank=True, on_delete=models.CASCADE, related_name="plans"
    )
    first_day = models.DateField()
    last_day = models.DateField()
    posts = models.PositiveIntegerField(default=0)
    messages = models.PositiveIntegerField(default=0)
    result = models.JSONField(
        default=dict, help_text="shares with the evidence behind each, and the calendar"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(persona__isnull=False, segment__isnull=True)
                | Q(persona__isnull=True, segment__isnull=False),
                name="personas_reachplan_one_audience",
            ),
            models.CheckConstraint(
                condition=Q(last_day__gte=models.F("first_day")), name="personas_reachplan_days"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PublishableKey(models.Model):
    """A key that a shop's pages may carry openly: it asks for nothing but personalization.

    Being public it names no customer by itself: the page must hold the visitor's own token, or an identity
    signed by the shop's server with the secret.
    """

    name = models.CharField(max_length=120)
    key = models.CharField(max_length=48, unique=True, help_text="pk_ and random letters; not a secret")
    secrets = EncryptedJSONField(default=dict, help_text="{signing}: signs identities on the shop's server")
    origins = models.JSONField(
        default=list, help_text="web origins that may ask, such as https://shop.example"
    )
    segments = models.ManyToManyField(
        "personas.Segment", related_name="+", blank=True, help_text="that may be told"
    )
    tells_persona = models.BooleanField(default=True)
    tells_category = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class LookalikeRun(models.Model):
    """How prospects were last compared with one persona: by what, up to which distance, how many are near.

    `reason` says why there are none to show: too few members, or no habit that a prospect can have.
    """

    persona = models.OneToOneField(
        "personas.Persona", primary_key=True, on_delete=models.CASCADE, related_name="lookalike_run"
    )
    features = models.JSONField(default=list, help_text="names of `personas.features`: no buying habits")
    members = models.PositiveIntegerField(default=0, help_text="customers of the persona it was measured on")
    prospects = models.PositiveIntegerField(default=0, help_text="who could be compared")
    near = models.PositiveIntegerField(default=0, help_text="of them near enough, before the cut")
    radius = models.FloatField(null=True, help_text="distance within which half of the members lie")
    reason = models.CharField(max_length=300, blank=True)
    computed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.near} like {self.persona_id}"


class Lookalike(models.Model):
    """A prospect (no purchase yet) who lies as near to a persona's center as half of its own members."""

    persona = models.ForeignKey(
        "personas.Persona", on_delete=models.CASCADE, related_name="lookalikes", db_index=False
    )
    customer = models.ForeignKey(
        "crm.Customer", on_delete=models.CASCADE, related_name="+", db_constraint=False
    )
    distance = models.FloatField(help_text="from the center, in standard deviations within personas")
    typicality = models.FloatField(help_text="share of the persona's members who lie farther out, 0 to 1")
    reasons = models.JSONField(default=list, help_text="up to three sentences")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["persona", "customer"], name="personas_lookalike_once"),
            models.CheckConstraint(
                condition=Q(typicality__range=(0, 1)), name="personas_lookalike_typicality"
            ),
        ]
        indexes: ClassVar = [
            # prospects of a persona, the nearest first
            models.Index(fields=["persona", "-typicality", "-customer"], name="personas_lookalike_nearest"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} is like {self.persona_id}"
