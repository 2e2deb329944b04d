"""Interactions as what moved somebody along the journey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from core import networks
from crm.journey_steps import Cause
from engagement.models import Interaction


def describe(ids: Sequence[int], user: Any) -> dict[int, Cause]:
    """Those that the reader's teams see, by network; a conversation can be opened."""
    rows = Interaction.objects.visible_to(user).filter(pk__in=ids)
    found = rows.values_list("pk", "account__network", "conversation_id")
    return {
        pk: Cause(
            networks.get(network).label,
            reverse("engagement:conversation", args=[conversation]) + "?view=all" if conversation else "",
        )
        for pk, network, conversation in found
    }
