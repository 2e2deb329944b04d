"""One touch, and what hangs on it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from engagement.channels.base import Direction, Kind
from engagement.models.account import ChannelAccount, Post
from engagement.models.conversation import Conversation
from engagement.querysets import SAID, InteractionQuerySet, Week


class Interaction(models.Model):
    """ONE touch: a message, comment, mention, review, call, visit, survey answer or note.

    Plain and narrow: no raw payload. Outbound and internal ones belong to no customer of their own;
    they are found through their conversation.
    """

    account = models.ForeignKey(
        ChannelAccount, on_delete=models.PROTECT, related_name="interactions", db_index=False
    )
    external_id = models.CharField(max_length=320)
    conversation = models.ForeignKey(
        Conversation, null=True, on_delete=models.CASCADE, related_name="interactions", db_index=False
    )
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, related_name="+", db_index=False)
    identity = models.ForeignKey(
        "crm.Identity", null=True, on_delete=models.PROTECT, related_name="interactions"
    )
    home_customer = models.ForeignKey("crm.Customer", null=True, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(
        "crm.Customer", null=True, on_delete=models.PROTECT, related_name="interactions", db_index=False
    )
    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    staff_name = models.CharField(max_length=160, blank=True)
    kind = models.CharField(max_length=8, choices=[(k.value, k.value.capitalize()) for k in Kind])
    direction = models.CharField(max_length=8, choices=[(d.value, d.value.capitalize()) for d in Direction])
    is_public = models.BooleanField(default=False)
    is_automatic = models.BooleanField(default=False)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)
    subject = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    rating = models.PositiveSmallIntegerField(null=True)
    in_reply_to = models.CharField(max_length=320, blank=True)
    post = models.ForeignKey(Post, null=True, on_delete=models.SET_NULL, related_name="interactions")
    object_key = models.CharField(max_length=360, blank=True)
    language = models.CharField(max_length=8, blank=True)
    sentiment = models.FloatField(null=True, help_text="-1 to 1")
    reason = models.CharField(
        max_length=12, blank=True, help_text="question, complaint, praise, order, other"
    )
    topics = ArrayField(models.CharField(max_length=60), default=list)
    reader = models.PositiveSmallIntegerField(
        default=0, help_text="version of the reader: of its code, and 100 times that of its model; 0: unread"
    )
    mood_by_staff = models.BooleanField(
        default=False, db_default=False, help_text="a person told the mood: no reader changes it"
    )
    contact_reason = models.CharField(
        max_length=60,
        blank=True,
        default="",
        db_default="",
        help_text="tag that says why the conversation began, put there by staff or learned from them",
    )
    reason_model = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="version of the model that told the contact reason; 0: staff"
    )
    edited_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    hidden_at = models.DateTimeField(null=True, help_text="hidden from others on the network")
    hidden_as_of = models.DateTimeField(
        null=True,
        help_text="when the network last hid it or showed it again; what was before changes nothing",
    )

    objects = InteractionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "external_id"], name="engagement_interaction_unique"),
            models.CheckConstraint(
                condition=Q(sentiment__isnull=True) | Q(sentiment__range=(-1, 1)),
                name="engagement_interaction_sentiment",
            ),
            models.CheckConstraint(
                condition=Q(direction="inbound") | Q(customer__isnull=True),
                name="engagement_interaction_owner",
            ),
            models.CheckConstraint(
                condition=Q(rating__isnull=True) | Q(rating__range=(0, 10)),
                name="engagement_interaction_rating",
            ),
        ]
        indexes: ClassVar = [
            # a customer's timeline and traits
            models.Index(fields=["customer", "-occurred_at", "-id"], name="engagement_int_customer"),
            # the thread
            models.Index(fields=["conversation", "occurred_at", "id"], name="engagement_int_thread"),
            # rows behind a figure, by team; rollups by day
            models.Index(fields=["team", "-occurred_at", "-id"], name="engagement_int_team"),
            # rollups and reconciliation of one account
            models.Index(fields=["account", "occurred_at"], name="engagement_int_account"),
            # whose line does this one answer, when the answered line arrives later
            models.Index(
                fields=["account", "in_reply_to"], condition=~Q(in_reply_to=""), name="engagement_int_answers"
            ),
            # every team's at once, newest first
            models.Index(fields=["-occurred_at", "-id"], name="engagement_int_newest"),
            # lines of a conversation whose reason was told, when its tags go
            models.Index(
                fields=["conversation"], condition=~Q(contact_reason=""), name="engagement_int_reason"
            ),
            # search in subject and text, by weeks where too many are found, and within one's teams alone
            GinIndex(
                F("team"), Week("occurred_at"), SAID, name="engagement_int_said", gin_pending_list_limit=512
            ),
        ]

    def __str__(self) -> str:
        return self.text[:60] or self.external_id


SOUNDS = frozenset({"audio/mpeg", "audio/ogg", "audio/wav", "audio/mp4", "audio/webm"})
SHOWN_AT_MOST = 240
"""Pixels, the longer side of a picture in the thread."""


class FileState(models.TextChoices):
    """Whether an attachment's content is here."""

    KEPT = "kept", "Kept"
    WAITING = "waiting", "Being fetched"
    FAILED = "failed", "Not available"


class Attachment(models.Model):
    """A file of an interaction, kept in Django's storage and served by permission."""

    interaction = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=120, blank=True)
    size = models.BigIntegerField(default=0)
    file = models.FileField(upload_to="attachments/%Y/%m", max_length=300, blank=True)
    content_id = models.CharField(max_length=200, blank=True, help_text="for pictures shown inside a mail")
    note = models.CharField(max_length=200, blank=True, help_text="why the content is absent")
    source = models.TextField(blank=True, help_text="where a worker fetches it: a URL, or the platform's id")
    state = models.CharField(max_length=8, choices=FileState.choices, default=FileState.KEPT)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    thumbnail = models.FileField(upload_to="thumbnails/%Y/%m", max_length=300, blank=True)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)

    class Meta:
        indexes: ClassVar = [
            # files that a worker is to fetch
            models.Index(
                fields=["next_try_at"], condition=Q(state="waiting"), name="engagement_attachment_due"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_sound(self) -> bool:
        return self.content_type in SOUNDS

    @property
    def is_on_its_way(self) -> bool:
        return self.state == FileState.WAITING

    @property
    def may_be_asked_again(self) -> bool:
        return self.state == FileState.FAILED and bool(self.source)

    @property
    def shown_width(self) -> int:
        """Width of the small picture in the thread, in CSS pixels, so that nothing jumps when it comes."""
        return self._shown()[0]

    @property
    def shown_height(self) -> int:
        return self._shown()[1]

    def _shown(self) -> tuple[int, int]:
        width, height = self.width or 1, self.height or 1
        scale = min(1.0, SHOWN_AT_MOST / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))


class DirtyDay(models.Model):
    """A day of an account whose rollups are older than its interactions."""

    account = models.ForeignKey(
        ChannelAccount, on_delete=models.CASCADE, related_name="+", db_constraint=False
    )
    day = models.DateField(help_text="local day of the workspace")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "day"], name="engagement_dirtyday_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.day}"
