"""Threads as platforms group them, and conversations as agents handle them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from engagement.models.account import ChannelAccount
from engagement.querysets import ConversationQuerySet


class Status(models.TextChoices):
    """Whether somebody has to do something."""

    OPEN = "open", "Open"
    SNOOZED = "snoozed", "Snoozed"
    RESOLVED = "resolved", "Resolved"


class Priority(models.IntegerChoices):
    """What goes first."""

    LOW = 1, "Low"
    NORMAL = 2, "Normal"
    HIGH = 3, "High"
    URGENT = 4, "Urgent"


class Conversation(models.Model):
    """What an agent handles. Its owner is the author of its first inbound interaction."""

    account = models.ForeignKey(
        ChannelAccount, on_delete=models.PROTECT, related_name="conversations", db_index=False
    )
    team = models.ForeignKey(
        "accounts.Team", on_delete=models.PROTECT, related_name="conversations", db_index=False
    )
    identity = models.ForeignKey(
        "crm.Identity",
        null=True,
        on_delete=models.PROTECT,
        related_name="conversations",
        help_text="the owner's handle here",
    )
    home_customer = models.ForeignKey("crm.Customer", null=True, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(
        "crm.Customer", null=True, on_delete=models.PROTECT, related_name="conversations", db_index=False
    )
    subject = models.CharField(max_length=300, blank=True)
    post = models.ForeignKey(
        "engagement.Post", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    is_public = models.BooleanField(default=False)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.OPEN)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="conversations",
    )
    snoozed_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    first_at = models.DateTimeField(help_text="time of its first interaction")
    first_inbound_at = models.DateTimeField(null=True, help_text="decides the owner")
    last_at = models.DateTimeField(help_text="time of its last interaction, either way")
    last_inbound_at = models.DateTimeField(null=True)
    last_text = models.CharField(max_length=200, blank=True)
    last_direction = models.CharField(max_length=8, blank=True)
    mood = models.FloatField(null=True, help_text="sentiment of the last inbound interaction, -1 to 1")
    count = models.PositiveIntegerField(default=0, help_text="inbound and outbound interactions")
    waiting_since = models.DateTimeField(null=True, help_text="oldest inbound without an answer")
    first_answered_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True, help_text="the answer is due by then")
    reply_until = models.DateTimeField(null=True, help_text="end of the network's reply window")
    resolved_at = models.DateTimeField(null=True, blank=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(status="snoozed") | Q(snoozed_until__isnull=False),
                name="engagement_conversation_snoozed",
            ),
            models.CheckConstraint(
                condition=Q(customer__isnull=True) | Q(home_customer__isnull=False),
                name="engagement_conversation_home",
            ),
        ]
        indexes: ClassVar = [
            # the inbox list of some teams, newest first
            models.Index(fields=["team", "status", "-last_at", "-id"], name="engagement_conv_team"),
            # everything, or all that is resolved, of several teams at once: walked by time
            models.Index(fields=["-last_at", "-id"], name="engagement_conv_newest"),
            # "mine"
            models.Index(fields=["assignee", "status", "-last_at", "-id"], name="engagement_conv_mine"),
            # overdue and the next clock
            models.Index(fields=["due_at"], condition=Q(status="open"), name="engagement_conv_due"),
            # conversations of a customer
            models.Index(fields=["customer", "-last_at", "-id"], name="engagement_conv_customer"),
            # the channel view
            models.Index(fields=["account", "status", "-last_at", "-id"], name="engagement_conv_account"),
            # the sweep that wakes snoozed ones
            models.Index(
                fields=["snoozed_until"], condition=Q(status="snoozed"), name="engagement_conv_snoozed"
            ),
        ]

    def __str__(self) -> str:
        return self.subject or f"Conversation {self.pk}"

    @property
    def is_overdue(self) -> bool:
        return self.status == Status.OPEN and self.due_at is not None and self.due_at < timezone.now()

    @property
    def clock(self) -> str:
        """ok, soon (the last quarter of the time to answer) or over; '' where nobody waits."""
        if self.status != Status.OPEN or self.due_at is None or self.waiting_since is None:
            return ""
        now = timezone.now()
        if self.due_at < now:
            return "over"
        last_quarter = self.due_at - (self.due_at - self.waiting_since) / 4
        return "soon" if now >= last_quarter else "ok"

    @property
    def seconds_left(self) -> float | None:
        """Until the answer is due; negative once it is late."""
        return (self.due_at - timezone.now()).total_seconds() if self.due_at else None

    @property
    def is_unread(self) -> bool:
        """Whether something came in that the reader (`with_seen`) did not see yet."""
        seen = getattr(self, "seen_at", None)
        if seen is None:
            return self.waiting_since is not None
        return self.last_inbound_at is not None and self.last_inbound_at > seen

    @property
    def title(self) -> str:
        """Its subject, else how it begins to be told apart."""
        return self.subject or self.last_text[:80]


class Thread(models.Model):
    """(account, thread key) and the conversation it belongs to today.

    Its row lock makes two workers safe: whoever adds to a conversation locks its threads first, by id.
    """

    account = models.ForeignKey(ChannelAccount, on_delete=models.CASCADE, related_name="threads")
    thread_key = models.CharField(max_length=500)
    conversation = models.ForeignKey(
        Conversation, null=True, on_delete=models.CASCADE, related_name="threads"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "thread_key"], name="engagement_thread_unique"),
            models.CheckConstraint(condition=~Q(thread_key=""), name="engagement_thread_has_key"),
        ]

    def __str__(self) -> str:
        return self.thread_key


class Participant(models.Model):
    """Somebody in a conversation and their role."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="participants")
    identity = models.ForeignKey("crm.Identity", on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=6, choices=[("owner", "Owner"), ("cc", "Copy"), ("other", "Other")])

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["conversation", "identity"], name="engagement_participant_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.identity_id} in {self.conversation_id}"


class ConversationEvent(models.Model):
    """What staff or rules did: shown in the thread, and the source of service metrics."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="events")
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, related_name="+")
    type = models.CharField(
        max_length=20, help_text="assigned, resolved, reopened, snoozed, tagged, priority, team, started"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            # the thread of one conversation
            models.Index(fields=["conversation", "at", "id"], name="engagement_convevent_thread"),
            # service metrics by day
            models.Index(fields=["type", "at"], name="engagement_convevent_type"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.conversation_id}"


class ConversationTag(models.Model):
    """A tag on a conversation."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="conversation_tags")
    tag = models.ForeignKey("crm.Tag", on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["conversation", "tag"], name="engagement_conversationtag_once"),
        ]

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.conversation_id}"
