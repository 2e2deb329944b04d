"""Receipts that name no message: everything that we sent in a thread up to a moment was delivered or read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from engagement.channels.base import Change
from engagement.models import ChannelAccount, DeliveryState, Interaction

SLACK = timedelta(seconds=5)
"""We note that a message left once the network has answered, a little after its own time of it."""


def reached(account: ChannelAccount, change: Change, rank: Mapping[DeliveryState, int]) -> list[Interaction]:
    """Messages of ours that the receipt says more of than we know, locked.

    One that failed stays failed: the receipt does not name it, so it was not this one that arrived.
    """
    if change.status not in rank:
        return []
    sent, told = rank[DeliveryState.SENT], rank[DeliveryState(change.status)]
    less = [state for state, n in rank.items() if sent <= n < told and state != DeliveryState.FAILED]
    rows = Interaction.objects.filter(
        account=account,
        deliveries__state__in=less,
        deliveries__sent_at__lte=change.at + SLACK,
        conversation__threads__account=account,
        conversation__threads__thread_key=change.thread_key,
    )
    ids = list(rows.values_list("pk", flat=True).distinct())
    return list(Interaction.objects.filter(pk__in=ids).order_by("id").select_for_update())
