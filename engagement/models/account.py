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


class HookState(models.TextChoices):
    """Whether the platform sends webhooks for an account."""

    NONE = "none", "Not used"
    ON = "on", "On"
    OFF = "off", "Off"
    BY_HAND = "by_hand", "Set up by hand"


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
    closed_until = models.DateTimeField(
        null=True, blank=True, help_text="after failures in a row nothing is pulled before this"
    )
    send_failures = models.PositiveSmallIntegerField(default=0, help_text="sends that failed, in a row")
    send_closed_until = models.DateTimeField(
        null=True, blank=True, help_text="after failures in a row nothing is sent before this"
    )
    token_expires_at = models.DateTimeField(null=True, blank=True)
    token_renewed_at = models.DateTimeField(
        null=True, blank=True, help_text="when the access token in hand was given"
    )
    refresh_lease_until = models.DateTimeField(null=True, blank=True)
    scopes = models.JSONField(default=list, blank=True, help_text="permissions that the platform granted")
    findings = models.JSONField(default=list, blank=True, help_text="lines of the last self-test")
    examined_at = models.DateTimeField(null=True, blank=True)
    hook_key = models.CharField(
        max_length=64, blank=True, help_text="the secret part of its own webhook address"
    )
    hook_state = models.CharField(max_length=8, choices=HookState.choices, default=HookState.NONE)
    hook_text = models.CharField(max_length=500, blank=True)
    hook_checked_at = models.DateTimeField(null=True, blank=True)
    hook_expires_at = models.DateTimeField(null=True, blank=True)
    maintained_at = models.DateTimeField(
        null=True, blank=True, help_text="when token and webhook were last looked after"
    )
    reconciled_at = models.DateTimeField(null=True, blank=True)
    reconcile_text = models.CharField(
        max_length=500, blank=True, help_text="why the last comparison with the platform did not end"
    )
    silent_since = models.DateTimeField(
        null=True, blank=True, help_text="nothing came although its usual hours would have brought something"
    )
    reply_goal_minutes = models.PositiveIntegerField(default=240)
    created_at = models.DateTimeField(default=timezone.now)

    objects = ChannelAccountQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connector", "network", "external_id"], name="engagement_channelaccount_unique"
            ),
            models.UniqueConstraint(
                fields=["hook_key"], condition=~Q(hook_key=""), name="engagement_channelaccount_hook_key"
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

    account = models.ForeignKey(
        ChannelAccount, null=True, on_delete=models.CASCADE, related_name="raw_events",
        help_text="none where one address serves all accounts of an app",
    )  # fmt: skip
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
    metrics_at = models.DateTimeField(null=True, blank=True)
    as_of = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when its words were so on the network; null: told by a comment on it",
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "external_id"], name="engagement_post_unique"),
        ]

    def __str__(self) -> str:
        return self.text[:60] or self.external_id


class RefusedHook(models.Model):
    """How many webhooks were refused on one day for a wrong signature; nothing else is kept."""

    connector = models.CharField(max_length=40)
    account = models.ForeignKey(ChannelAccount, null=True, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    n = models.PositiveBigIntegerField(default=0)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connector", "account", "day"],
                nulls_distinct=False,
                name="engagement_refusedhook_unique",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.n} refused for {self.connector} on {self.day}"


class Reconciliation(models.Model):
    """One day of one account, as the platform counts it and as we do."""

    account = models.ForeignKey(ChannelAccount, on_delete=models.CASCADE, related_name="reconciliations")
    day = models.DateField(help_text="local day of the workspace")
    theirs = models.PositiveIntegerField(default=0, help_text="what the platform says it has")
    ours = models.PositiveIntegerField(default=0, help_text="of them stored here before the comparison")
    missing = models.PositiveIntegerField(default=0, help_text="of them not here before the comparison")
    repaired = models.PositiveIntegerField(default=0, help_text="of the missing, fetched and stored")
    gone = models.PositiveIntegerField(default=0, help_text="here, and deleted on the platform")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "day"], name="engagement_reconciliation_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} on {self.day}: {self.theirs} there, {self.ours} here"


class LoginGrant(models.Model):
    """What a login on a platform gave, until somebody chose the accounts to connect; gone after an hour."""

    connector = models.CharField(max_length=40)
    staff = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    offers = EncryptedJSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.connector} for {self.staff_id}"
