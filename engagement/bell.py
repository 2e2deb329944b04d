"""What the bell says about conversations: who called, what was handed over, what did not get through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.permissions import can
from core.notices import Notice
from engagement import acting
from engagement.channels.base import Act
from engagement.models import (
    ActRecord,
    ChannelAccount,
    ConversationEvent,
    Delivery,
    DeliveryState,
    Mention,
)
from engagement.troubles import Trouble, troubles


def _place(conversation_id: int) -> str:
    return f"{reverse('engagement:conversation', args=[conversation_id])}?view=all"


def calls(user: Any, limit: int) -> Sequence[Notice]:
    """Notes that call this person by name."""
    rows = Mention.objects.filter(user=user).select_related("interaction", "conversation__customer")
    return [
        Notice(
            at=row.at,
            text=_("%(name)s called you in a note") % {"name": row.interaction.staff_name},
            detail=row.interaction.text[:120],
            url=_place(row.conversation_id),
            icon="at",
        )
        for row in rows.order_by("-at", "-pk")[:limit]
    ]


def handed_over(user: Any, limit: int) -> Sequence[Notice]:
    """Conversations that somebody else gave to this person and that are still theirs."""
    rows = ConversationEvent.objects.filter(
        type="assigned", conversation__assignee=user, detail__to=user.pk, actor__isnull=False
    ).exclude(actor=user)
    rows = rows.select_related("actor", "conversation__customer").order_by("-at", "-pk")
    return [
        Notice(
            at=row.at,
            text=_("%(name)s gave you a conversation")
            % {"name": row.actor.display_name if row.actor else ""},
            detail=str(row.conversation.customer or row.conversation.title)[:120],
            url=_place(row.conversation_id),
            icon="user-check",
        )
        for row in rows[:limit]
    ]


def not_through(user: Any, limit: int) -> Sequence[Notice]:
    """What this person wrote and the network did not take, or perhaps did."""
    troubled = Q(state__in=[DeliveryState.FAILED, DeliveryState.UNCERTAIN]) | Q(asked_at__isnull=False)
    newer = Delivery.objects.filter(interaction=OuterRef("interaction"), pk__gt=OuterRef("pk"))
    rows = Delivery.objects.filter(troubled, interaction__staff=user).exclude(Exists(newer))
    rows = rows.select_related("conversation__customer").order_by("-updated_at", "-pk")
    return [
        Notice(
            at=row.updated_at,
            text=_words(row) % {"name": row.conversation.customer or _("a customer")},
            detail=row.failure_text[:120],
            url=_place(row.conversation_id),
            icon="send-off",
            level="bad" if row.state == DeliveryState.FAILED else "info",
        )
        for row in rows[:limit]
    ]


def _words(delivery: Delivery) -> str:
    if delivery.state == DeliveryState.FAILED:
        return _("Your message to %(name)s was not sent")
    if delivery.state == DeliveryState.UNCERTAIN:
        return _("Your message to %(name)s may have been sent")
    return _("Your message to %(name)s does not get through")


def not_done(user: Any, limit: int) -> Sequence[Notice]:
    """What this person wanted done on a network and the network refused, until it is asked for again."""
    newer = ActRecord.objects.filter(
        interaction=OuterRef("interaction"), act=OuterRef("act"), pk__gt=OuterRef("pk")
    )
    rows = ActRecord.objects.filter(state="failed", staff=user).exclude(Exists(newer))
    rows = rows.select_related("interaction").order_by("-created_at", "-pk")
    return [
        Notice(
            at=row.created_at,
            text=_("Not done on the network: %(what)s") % {"what": acting.LABELS[Act(row.act)]},
            detail=row.failure_text[:120],
            url=_place(row.interaction.conversation_id or 0),
            icon="hand-off",
            level="bad",
        )
        for row in rows[:limit]
    ]


def channels(user: Any, limit: int) -> Sequence[Notice]:
    """What is wrong with channels, for those who can mend it; each stays until it is mended."""
    if not can(user, "channel.manage"):
        return []
    accounts = list(ChannelAccount.objects.visible_to(user).active())
    found = [
        (trouble, account)
        for account, wrong in zip(accounts, troubles(accounts).values(), strict=True)
        for trouble in wrong
        if trouble.is_told
    ]
    newest = sorted(found, key=lambda pair: pair[0].at, reverse=True)[:limit]
    return [
        Notice(
            at=trouble.at,
            text=trouble.text,
            detail=trouble.detail[:120],
            url=_channel_place(account, trouble),
            icon=trouble.icon,
            level="bad" if trouble.level == "bad" else "info",
        )
        for trouble, account in newest
    ]


def _channel_place(account: ChannelAccount, trouble: Trouble) -> str:
    name = "channel-parked" if trouble.part == "parked" else "channel-health"
    return reverse(f"engagement:{name}", args=[account.pk])
