"""A rule, and who is in it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone


class SegmentKind(models.TextChoices):
    """Who decides about membership."""

    RULE = "rule", "Rule"
    LIST = "list", "List by hand"


class Segment(models.Model):
    """A rule over customers (a `core.conditions` tree), or a list by hand, and its members.

    `version` grows with every change of the rule; memberships belong to one version, and the rule of
    `built_version` is the one whose members are shown. People may also be put in and left out by hand
    (`SegmentPick`), which counts before the rule.
    """

    name = models.CharField(max_length=120, unique=True)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=4, choices=SegmentKind.choices, default=SegmentKind.RULE)
    rule = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=1)
    built_version = models.PositiveIntegerField(default=0)
    built_at = models.DateTimeField(null=True, blank=True)
    build_seconds = models.FloatField(null=True, blank=True)
    size = models.PositiveIntegerField(default=0)
    is_frozen = models.BooleanField(default=False, help_text="keeps its members; not rebuilt")
    error = models.TextField(blank=True, help_text="why the last build failed; the old members stay")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name


class SegmentPick(models.Model):
    """Somebody put into a segment, or left out of it, by hand. Merged customers may both carry one: the
    newest counts."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="picks", db_index=False)
    home_customer = models.ForeignKey("crm.Customer", on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey("crm.Customer", on_delete=models.PROTECT, related_name="segment_picks")
    is_in = models.BooleanField(help_text="True: in whatever the rule says; False: out")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["segment", "home_customer"], name="personas_segmentpick_once"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {'in' if self.is_in else 'out of'} {self.segment_id}"


class SegmentMembership(models.Model):
    """A customer in a segment, and since when."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="memberships", db_index=False)
    customer = models.ForeignKey(
        "crm.Customer",
        on_delete=models.CASCADE,
        related_name="segment_memberships",
        db_constraint=False,
        db_index=False,
    )
    version = models.PositiveIntegerField()
    since = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["segment", "customer"], name="personas_segmentmembership_unique"),
        ]
        indexes: ClassVar = [
            # which segments is this customer in
            models.Index(fields=["customer"], name="personas_segmembership_cust"),
            # the members page, newest first
            models.Index(fields=["segment", "-since", "-id"], name="personas_segmembership_new"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} in {self.segment_id}"


class SegmentChange(models.Model):
    """Somebody entered or left a segment."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="changes", db_index=False)
    customer = models.ForeignKey(
        "crm.Customer", on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    entered = models.BooleanField()
    version = models.PositiveIntegerField()
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            # a customer's timeline
            models.Index(fields=["customer", "-at", "-id"], name="personas_segchange_customer"),
            # who came and went
            models.Index(fields=["segment", "-at", "-id"], name="personas_segchange_segment"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {'entered' if self.entered else 'left'} {self.segment_id}"


class SegmentSize(models.Model):
    """Size of a segment after a rebuild, one row a local day: the trend."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="sizes")
    day = models.DateField()
    size = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["segment", "day"], name="personas_segmentsize_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.day} {self.size}"
