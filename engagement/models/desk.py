"""What an agent's day needs besides conversations, and what one connector keeps for itself."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from engagement.models.conversation import Conversation
from engagement.models.interaction import Interaction


class ReadMark(models.Model):
    """Up to when somebody has read a conversation; later interactions are unread for them."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="read_marks")
    read_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "conversation"], name="engagement_readmark_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} read {self.conversation_id}"


class Draft(models.Model):
    """What somebody began to write in a conversation."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="drafts")
    is_note = models.BooleanField(default=False)
    text = models.TextField(blank=True)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "conversation", "is_note"], name="engagement_draft_unique"
            ),
        ]

    def __str__(self) -> str:
        return self.text[:40]


class Mention(models.Model):
    """Somebody of the staff called by @name in a note."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    interaction = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="mentions")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="mentions")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["interaction", "user"], name="engagement_mention_once"),
        ]
        indexes: ClassVar = [
            # the view "mentions" and the notices of one person
            models.Index(fields=["user", "-at", "-id"], name="engagement_mention_user"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.conversation_id}"


class CannedReply(models.Model):
    """A text agents call by `/shortcut`."""

    shortcut = models.SlugField(max_length=40, unique=True)
    text = models.TextField()
    team = models.ForeignKey(
        "accounts.Team", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )

    class Meta:
        verbose_name_plural = "canned replies"

    def __str__(self) -> str:
        return f"/{self.shortcut}"


class MailContent(models.Model):
    """The cleaned HTML and headers of one mail, shown in its own sandboxed frame."""

    interaction = models.OneToOneField(Interaction, on_delete=models.CASCADE, related_name="mail")
    html = models.TextField(blank=True)
    quoted = models.TextField(blank=True, help_text="earlier text the mail repeats, folded")
    headers = models.JSONField(default=dict, help_text="from, to, cc, message_id, references")

    def __str__(self) -> str:
        return f"mail of {self.interaction_id}"
