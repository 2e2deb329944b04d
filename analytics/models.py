"""Additive rollups by local day: what dashboards read. Merging customers does not touch them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class DailyInteractions(models.Model):
    """Interactions of one local day, by everything a dashboard filters on."""

    day = models.DateField()
    account = models.ForeignKey("engagement.ChannelAccount", on_delete=models.CASCADE, related_name="+")
    team_id = models.BigIntegerField()
    network = models.CharField(max_length=30)
    kind = models.CharField(max_length=8)
    direction = models.CharField(max_length=8)
    is_public = models.BooleanField()
    persona_id = models.BigIntegerField(default=0, help_text="persona on that day; 0 for none")
    n = models.PositiveIntegerField()
    sentiment_sum = models.FloatField(default=0)
    sentiment_n = models.PositiveIntegerField(default=0)
    positive_n = models.PositiveIntegerField(default=0)
    negative_n = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["day", "account", "team_id", "kind", "direction", "is_public", "persona_id"],
                name="analytics_dailyinteractions_unique",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.network} {self.n}"


class DailyTopics(models.Model):
    """How often a topic was spoken of on one local day."""

    day = models.DateField()
    account = models.ForeignKey("engagement.ChannelAccount", on_delete=models.CASCADE, related_name="+")
    team_id = models.BigIntegerField()
    network = models.CharField(max_length=30)
    topic = models.CharField(max_length=60)
    persona_id = models.BigIntegerField(default=0, help_text="persona on that day; 0 for none")
    n = models.PositiveIntegerField()
    negative_n = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["day", "account", "team_id", "topic", "persona_id"],
                name="analytics_dailytopics_unique",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.topic} {self.n}"


class DailyService(models.Model):
    """First responses of conversations that were first waiting on one local day.

    `buckets` counts first-response times by the upper bounds in `analytics.service.BOUNDS`, in minutes, so
    that a median over any days and filters can be read from sums.
    """

    day = models.DateField()
    account = models.ForeignKey("engagement.ChannelAccount", on_delete=models.CASCADE, related_name="+")
    team_id = models.BigIntegerField()
    network = models.CharField(max_length=30)
    persona_id = models.BigIntegerField(default=0, help_text="persona on that day; 0 for none")
    conversations = models.PositiveIntegerField()
    answered = models.PositiveIntegerField(default=0)
    in_time = models.PositiveIntegerField(default=0)
    seconds_sum = models.BigIntegerField(default=0)
    buckets = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["day", "account", "team_id", "persona_id"], name="analytics_dailyservice_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.conversations}"


class DailyRevenue(models.Model):
    """Orders of one local day, by source and persona of that day."""

    day = models.DateField()
    source = models.CharField(max_length=60)
    persona_id = models.BigIntegerField(default=0)
    orders = models.PositiveIntegerField()
    units = models.PositiveIntegerField(default=0)
    revenue = models.DecimalField(max_digits=16, decimal_places=2, default=0)
    without_rate = models.PositiveIntegerField(
        default=0, help_text="orders left out of revenue: no exchange rate"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["day", "source", "persona_id"], name="analytics_dailyrevenue_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.revenue}"


class DailyPersonas(models.Model):
    """Members of each persona at the end of a local day."""

    day = models.DateField()
    persona_id = models.BigIntegerField()
    members = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["day", "persona_id"], name="analytics_dailypersonas_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.persona_id} {self.members}"
