"""What goes out, and whom we wrote to."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from engagement.channels.shapes import Act
from engagement.models.account import ChannelAccount
from engagement.models.conversation import Conversation
from engagement.models.interaction import Interaction


class DeliveryState(models.TextChoices):
    """How far a message got."""

    QUEUED = "queued", "Queued"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    DELIVERED = "delivered", "Delivered"
    READ = "read", "Read"
    FAILED = "failed", "Not sent"
    UNCERTAIN = "uncertain", "May have been sent"


OPEN_STATES = [DeliveryState.QUEUED, DeliveryState.SENDING]


class Delivery(models.Model):
    """The outbox row of one outgoing message. States move forward only."""

    interaction = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="deliveries")
    account = models.ForeignKey(ChannelAccount, on_delete=models.PROTECT, related_name="deliveries")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="deliveries")
    client_key = models.UUIDField(
        help_text="made by the browser or API client: a double click is one message"
    )
    state = models.CharField(max_length=9, choices=DeliveryState.choices, default=DeliveryState.QUEUED)
    payload = models.JSONField(default=dict, help_text="cc, bcc, html, subject")
    attempts = models.PositiveSmallIntegerField(default=0)
    deaths = models.PositiveSmallIntegerField(default=0, help_text="workers that died while they sent it")
    next_try_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(
        max_length=10, blank=True, help_text="transient, rate, auth, permanent, window, uncertain"
    )
    failure_text = models.CharField(max_length=500, blank=True)
    asked_at = models.DateTimeField(
        null=True, blank=True, help_text="when staff were asked what to do with one that does not get through"
    )
    advice = models.CharField(max_length=500, blank=True, help_text="what staff can do about a failure")
    may_be_twice = models.BooleanField(
        default=False, help_text="sent again although the first try may have arrived; the network cannot tell"
    )
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["client_key"], name="engagement_delivery_client_key"),
            models.UniqueConstraint(
                fields=["interaction"],
                condition=Q(state__in=["queued", "sending"]),
                name="engagement_delivery_one_open",
            ),
        ]
        indexes: ClassVar = [
            # the sweep: heads of conversations that are due
            models.Index(
                fields=["next_try_at"],
                condition=Q(state__in=["queued", "sending"]),
                name="engagement_delivery_due",
            ),
            # order within a conversation
            models.Index(
                fields=["conversation", "id"],
                condition=Q(state__in=["queued", "sending"]),
                name="engagement_delivery_head",
            ),
            # notices: what did not get through, newest first
            models.Index(
                fields=["-updated_at"],
                condition=Q(state__in=["failed", "uncertain"]) | Q(asked_at__isnull=False),
                name="engagement_delivery_trouble",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.interaction_id} {self.state}"


class ContactLedger(models.Model):
    """Every message we sent to a person, by origin; the limit every send asks."""

    home_customer = models.ForeignKey("crm.Customer", on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey("crm.Customer", on_delete=models.PROTECT, related_name="contacts_made")
    identity = models.ForeignKey("crm.Identity", null=True, on_delete=models.PROTECT, related_name="+")
    delivery = models.ForeignKey(Delivery, null=True, on_delete=models.SET_NULL, related_name="+")
    origin = models.CharField(
        max_length=10,
        choices=[("reply", "Reply"), ("started", "We wrote first"), ("service", "Service message")],
    )
    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            # how often did we write to this person of late
            models.Index(fields=["customer", "-at"], name="engagement_ledger_customer"),
            # whose contacts left a window of days since the last rebuild
            models.Index(fields=["at", "customer"], name="engagement_ledger_at"),
        ]

    def __str__(self) -> str:
        return f"{self.origin} to {self.customer_id}"


class ActRecord(models.Model):
    """Something done on a network beside answering: a comment hidden, liked or deleted, somebody blocked.

    It waits in the table until a worker has done it, as a delivery does.
    """

    account = models.ForeignKey(ChannelAccount, on_delete=models.PROTECT, related_name="acts")
    interaction = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="acts")
    act = models.CharField(max_length=8, choices=[(one.value, one.value.capitalize()) for one in Act])
    state = models.CharField(
        max_length=8,
        choices=[("queued", "Queued"), ("doing", "Doing"), ("done", "Done"), ("failed", "Failed")],
        default="queued",
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    failure_text = models.CharField(max_length=500, blank=True)
    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["interaction", "act"],
                condition=Q(state__in=["queued", "doing"]),
                name="engagement_actrecord_one_open",
            ),
        ]
        indexes: ClassVar = [
            # the sweep of acts that are due
            models.Index(
                fields=["next_try_at"],
                condition=Q(state__in=["queued", "doing"]),
                name="engagement_actrecord_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.act} of {self.interaction_id}: {self.state}"
