"""What somebody said to us and we to them, for the export of one person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from core import privacy
from core.privacy import Section, Subject
from engagement.models import Attachment, Conversation, Interaction


def messages(customers: Sequence[int]) -> Sequence[dict[str, Any]]:
    """What they wrote, and what our reading of each message made of it."""
    rows = Interaction.objects.filter(customer_id__in=customers).order_by("occurred_at", "pk")
    return [
        {
            "at": row.occurred_at,
            "network": row.account.network,
            "account": row.account.name,
            "kind": row.kind,
            "is_public": row.is_public,
            "subject": row.subject,
            "text": row.text,
            "rating": row.rating,
            "read_language": row.language,
            "read_sentiment": row.sentiment,
            "read_sentiment_by_staff": row.mood_by_staff,
            "read_reason": row.reason,
            "read_contact_reason": row.contact_reason,
            "read_topics": row.topics,
        }
        for row in rows.select_related("account").iterator(chunk_size=2000)
    ]


def conversations(customers: Sequence[int]) -> Sequence[dict[str, Any]]:
    """Conversations that are theirs, without what others said in them."""
    rows = Conversation.objects.filter(customer_id__in=customers).order_by("first_at", "pk")
    return [
        {
            "began": row.first_at,
            "last": row.last_at,
            "network": row.account.network,
            "account": row.account.name,
            "is_public": row.is_public,
            "status": row.status,
            "first_answered": row.first_answered_at,
            "resolved": row.resolved_at,
        }
        for row in rows.select_related("account")
    ]


def answers(subject: Subject) -> Section:
    """What we wrote to them, with the first name of whoever wrote it."""
    rows = _told(subject).filter(direction="outbound").select_related("account", "staff")
    found = [
        {
            "at": row.occurred_at,
            "network": row.account.network,
            "by": _first_name(row),
            "subject": row.subject,
            "text": row.text,
        }
        for row in rows.order_by("occurred_at", "pk").iterator(chunk_size=2000)
    ]
    return Section("answers", _("What we wrote to them"), found)


def notes(subject: Subject) -> Section:
    """What staff noted for each other in conversations that are theirs alone."""
    rows = _told(subject).filter(direction="internal").select_related("staff")
    found = [
        {"at": row.occurred_at, "by": _first_name(row), "text": row.text}
        for row in rows.order_by("occurred_at", "pk")
    ]
    return Section("conversation_notes", _("Notes of staff in their conversations"), found)


def files(subject: Subject) -> Section:
    """Files that came with their messages."""
    rows = Attachment.objects.filter(interaction__customer_id__in=subject.customers).order_by("pk")
    found = [
        {"at": row.interaction.occurred_at, "name": row.name, "type": row.content_type, "size": row.size}
        for row in rows.select_related("interaction")
    ]
    kept = [(f"{row.pk}-{row.name}", row.file.name) for row in rows if row.file.name]
    return Section("files", _("Files they sent"), found, files=kept)


def _told(subject: Subject) -> QuerySet[Interaction]:
    """Lines of ours in conversations that hold nobody else, and our answers to their lines elsewhere."""
    others = Interaction.objects.filter(conversation=OuterRef("pk"), direction="inbound").exclude(
        customer_id__in=subject.customers
    )
    alone = Conversation.objects.filter(customer_id__in=subject.customers).exclude(Exists(others))
    theirs = Interaction.objects.filter(
        customer_id__in=subject.customers,
        account=OuterRef("account"),
        external_id=OuterRef("in_reply_to"),
    )
    ours = Interaction.objects.filter(direction__in=("outbound", "internal"), deleted_at=None)
    return ours.filter(Q(conversation__in=alone) | (~Q(in_reply_to="") & Q(Exists(theirs))))


def _first_name(row: Interaction) -> str:
    return row.staff.get_short_name() if row.staff else row.staff_name.split(" ")[0]


def register() -> None:
    """Add these parts to the export of a person."""
    privacy.register_export("answers", answers, order=20)
    privacy.register_export("conversation_notes", notes, order=21)
    privacy.register_export("files", files, order=22)
