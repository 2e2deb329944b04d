"""What they allowed, what was erased, and how long things are kept."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from crm.models.customer import Customer
from crm.models.identity import Identity


class Consent(models.Model):
    """What one identity allowed or refused for one purpose on one channel; append-only.

    The newest row for an identity and purpose is in effect (`crm.consents.effective_consent`); a refusal
    that names the person (`whole_person`) covers all their identities.
    """

    identity = models.ForeignKey(Identity, on_delete=models.PROTECT, related_name="consents", db_index=False)
    purpose = models.CharField(max_length=40, help_text="marketing, service, profiling, calls …")
    given = models.BooleanField()
    whole_person = models.BooleanField(default=False)
    source = models.CharField(max_length=60)
    proof = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)
    home_customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="consents")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(whole_person=False) | Q(given=False), name="crm_consent_only_refusals_cover_all"
            ),
        ]
        indexes: ClassVar = [
            # the newest for an identity and purpose
            models.Index(fields=["identity", "purpose", "-at", "-id"], name="crm_consent_newest"),
            # conditions on consent over all customers
            models.Index(fields=["purpose", "customer", "-at"], name="crm_consent_purpose"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose}: {'given' if self.given else 'refused'}"


class ConsentRequest(models.Model):
    """A double opt-in that waits for the click in the mail: no consent before it."""

    identity = models.ForeignKey(Identity, on_delete=models.PROTECT, related_name="consent_requests")
    purpose = models.CharField(max_length=40)
    source = models.CharField(max_length=60)
    asked_at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    home_customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="consent_requests")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["identity", "purpose"],
                condition=Q(confirmed_at__isnull=True),
                name="crm_consentrequest_one_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} asked of {self.identity_id}"


class ErasedKey(models.Model):
    """A keyed hash of something an erased customer was known by: what is dated before it never comes back."""

    digest = models.BinaryField(max_length=32, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"erased before {self.at:%Y-%m-%d %H:%M}"


class Erasure(models.Model):
    """One erasure: when, by whom, why, and how many rows of which tables; nothing about the person."""

    number = models.BigIntegerField(help_text="the customer's number here, which names nobody any more")
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.CharField(max_length=60, help_text="request, retention, mistake …")
    counts = models.JSONField(default=dict, help_text="{table: rows erased or blotted out}")

    def __str__(self) -> str:
        return f"customer {self.number} at {self.at:%Y-%m-%d %H:%M}"


class RetentionRule(models.Model):
    """Rows of one kind are deleted once they are this old; the kinds are those of `core.privacy`."""

    kind = models.CharField(max_length=40, unique=True)
    days = models.PositiveIntegerField()
    is_on = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(days__gte=1), name="crm_retentionrule_days"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.days} days"
