"""How texts are read: what people say of a message's mood, and the models trained from it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from engagement.models.interaction import Interaction


class Mood(models.IntegerChoices):
    """How somebody who writes feels, as people tell it."""

    UNHAPPY = -1, "Unhappy"
    NEUTRAL = 0, "Neutral"
    HAPPY = 1, "Happy"


class LabelSource(models.TextChoices):
    """How a label came about. Corrections are made where the reader was wrong: they cannot judge it."""

    THREAD = "thread", "Corrected in its thread"
    SAMPLE = "sample", "Drawn at random"
    IMPORT = "import", "Imported"


class MoodLabel(models.Model):
    """What a person says of a message's mood. The text of an interaction stays with the interaction."""

    interaction = models.OneToOneField(
        Interaction, null=True, on_delete=models.CASCADE, related_name="mood_label"
    )
    text = models.TextField(blank=True, help_text="of an imported label only")
    language = models.CharField(max_length=8, blank=True)
    mood = models.SmallIntegerField(choices=Mood.choices)
    source = models.CharField(max_length=6, choices=LabelSource.choices)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    was = models.FloatField(null=True, help_text="sentiment that the reader found, -1 to 1")
    was_reader = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(mood__in=[-1, 0, 1]), name="engagement_moodlabel_mood"),
            models.CheckConstraint(
                condition=Q(interaction__isnull=False, text="")
                | (Q(interaction__isnull=True) & ~Q(text="") & Q(source="import")),
                name="engagement_moodlabel_of_one_text",
            ),
        ]
        indexes: ClassVar = [
            # the list of labels, newest first, and the count of each kind
            models.Index(fields=["source", "-at", "-id"], name="engagement_moodlabel_source"),
        ]

    def __str__(self) -> str:
        return f"{self.get_mood_display()}: {self.interaction_id or self.text[:40]}"


class TextModel(models.Model):
    """A model that was trained on the workspace's own labels, and how it did on those it had not seen.

    `parameters` are compressed JSON, never code; those of models that are no longer used are dropped.
    """

    kind = models.CharField(max_length=9, choices=[("sentiment", "Sentiment"), ("reason", "Reason")])
    language = models.CharField(max_length=8, blank=True, help_text="'' for every language")
    version = models.PositiveSmallIntegerField(help_text="0 where it was never used")
    trained_at = models.DateTimeField(default=timezone.now)
    labels = models.PositiveIntegerField(help_text="how many it was trained on")
    figures = models.JSONField(default=dict)
    parameters = models.BinaryField(null=True)
    is_used = models.BooleanField(default=False)
    read_up_to = models.BigIntegerField(default=0, help_text="last interaction that was looked at")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "language"], condition=Q(is_used=True), name="engagement_textmodel_one_used"
            ),
            models.CheckConstraint(
                condition=Q(is_used=False) | Q(parameters__isnull=False, version__gt=0),
                name="engagement_textmodel_used_is_whole",
            ),
        ]
        indexes: ClassVar = [
            # the newest try of each kind
            models.Index(fields=["kind", "language", "-trained_at"], name="engagement_textmodel_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.language} {self.version}".strip()


class ReasonTag(models.Model):
    """Whether a tag of conversations says why somebody wrote. A tag without a row is told by its use."""

    tag = models.OneToOneField("crm.Tag", on_delete=models.CASCADE, related_name="+", primary_key=True)
    is_reason = models.BooleanField()

    def __str__(self) -> str:
        return f"{self.tag_id}: {self.is_reason}"
