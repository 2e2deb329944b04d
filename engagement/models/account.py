"""The business' side of a network: accounts, what arrived raw, and our posts."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.secrets import EncryptedJSONField
from engagement.querysets import ChannelAccountQuerySet


class Health(models.TextChoices):
    """Whether an account works."""

    HEALTHY = "healthy", "Healthy"
    FAILING = "failing", "Failing, will try again"
    NEEDS_LOGIN = "needs_login", "Needs new credentials"
    PAUSED = "paused", "Paused"


class ChannelAccount(models.Model):
    """One connected page, mailbox, number or shop."""

    connector = models.CharField(max_length=40)
    network = models.CharField(max_length=30)
    external_id = models.CharField(max_length=200, help_text="the account's own id or address on the network")
    name = models.CharField(max_length=160)
    issuer = models.CharField(
        max_length=200, blank=True, help_text="who gives the ids of customers here; '' is world-wide"
    )
    brand = models.ForeignKey(
        "core.Brand", null=True, blank=True, on_delete=models.SET_NULL, related_name="accounts"
    )
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, related_name="accounts")
    settings = models.JSONField(default=dict, blank=True)
    credentials = EncryptedJSONField(default=dict, blank=True)
    cursor = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True)
    health = models.CharField(max_length=12, choices=Health.choices, default=Health.HEALTHY)
    health_text = models.CharField(max_length=500, blank=True)
    health_since = models.DateTimeField(default=timezone.now)
    failures = models.PositiveSmallIntegerField(default=0)
    last_in_at = models.DateTimeField(null=True, blank=True)
    last_out_at = models.DateTimeField(null=True, blank=True)
    next_pull_at = models.DateTimeField(null=True, blank=True)
    pull_lease_until = models.DateTimeField(null=True, blank=True)
    received = models.BigIntegerField(default=0, help_text="items handed to ingest")
    stored = models.BigIntegerField(default=0, help_text="of them new interactions")
    repeated = models.BigIntegerField(default=0, help_text="of them already known")
    parked = models.BigIntegerField(default=0, help_text="of them not understood")
    reply_goal_minutes = models.PositiveIntegerField(default=240)
    created_at = models.DateTimeField(default=timezone.now)

    objects = ChannelAccountQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connector", "network", "external_id"], name="engagement_channelaccount_unique"
            ),
        ]
        indexes: ClassVar = [
            # the sweep of pulls that are due
            models.Index(fields=["next_pull_at"], condition=Q(is_active=True), name="engagement_account_due"),
        ]

    def __str__(self) -> str:
        return self.name


class RawState(models.TextChoices):
    """Whether what arrived was understood."""

    NEW = "new", "Waiting"
    DONE = "done", "Understood"
    PARKED = "parked", "Parked"


class RawEvent(models.Model):
    """One body or pulled item as it arrived. The table is partitioned by month (see the migration).

    A bad one is parked with its error and can be replayed; understood ones are kept 30 days.
    """

    account = models.ForeignKey(ChannelAccount, on_delete=models.CASCADE, related_name="raw_events")
    source = models.CharField(max_length=80, help_text="connector and account")
    delivery_key = models.CharField(
        max_length=200, help_text="the platform's delivery id, else sha256 of the body"
    )
    month = models.DateField()
    received_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=8, choices=RawState.choices, default=RawState.NEW)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=b"")
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        managed = False
        db_table = "engagement_rawevent"

    def __str__(self) -> str:
        return f"{self.source} {self.delivery_key}"


class PendingChange(models.Model):
    """An edit, deletion or status that came before the interaction it is about."""

    account = models.ForeignKey(ChannelAccount, on_delete=models.CASCADE, related_name="+")
    external_id = models.CharField(max_length=320)
    kind = models.CharField(max_length=8)
    at = models.DateTimeField()
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "external_id", "kind"], name="engagement_pendingchange_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.external_id}"


class Post(models.Model):
    """Something of ours that people react to."""

    account = models.ForeignKey(ChannelAccount, on_delete=models.CASCADE, related_name="posts")
    external_id = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    url = models.CharField(max_length=500, blank=True)
    media = models.CharField(max_length=30, blank=True)
    topic = models.CharField(max_length=80, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    metrics = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "external_id"], name="engagement_post_unique"),
        ]

    def __str__(self) -> str:
        return self.text[:60] or self.external_id
