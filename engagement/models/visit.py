"""What a visit to a website or an app adds to its interaction."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from engagement.models.interaction import Interaction


class Intent(models.TextChoices):
    """What a visit says about somebody's plans, read from its address or its name when it arrives."""

    NONE = "", "None"
    PRODUCT = "product", "Looked at a product or a price"
    CART = "cart", "Put something into the cart"


class VisitContent(models.Model):
    """One page view or app event: where it was, and what the site told about it.

    What it is called stands in the interaction's subject. Addresses are kept without fragment and query,
    campaign marks (utm_…) apart: tokens and addresses of people travel there.
    """

    interaction = models.OneToOneField(
        Interaction, on_delete=models.CASCADE, primary_key=True, related_name="visit"
    )
    event = models.CharField(max_length=60, help_text="page_view, or what the site calls it")
    url = models.CharField(max_length=1000, blank=True)
    referrer = models.CharField(max_length=500, blank=True, help_text="site and path it came from")
    properties = models.JSONField(default=dict, blank=True)
    intent = models.CharField(max_length=7, choices=Intent.choices, default=Intent.NONE, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~models.Q(event=""), name="engagement_visitcontent_named"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.url}".strip()
