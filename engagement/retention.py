"""Which of the rows of this app may go once they are old. Each purge deletes one batch; rollups stay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.privacy import Kind, register_retention
from crm.models import CustomerTouch
from engagement.media import names_of
from engagement.models import (
    Attachment,
    ChatVisitor,
    Conversation,
    Interaction,
    MailContent,
    RawEvent,
    RawState,
    Status,
)

BATCH = 2_000
CONVERSATIONS = 500
"""A conversation takes all its lines with it."""


def count(rows: QuerySet[Any], most: int) -> int:
    """How many rows, counting at most `most`."""
    return len(rows.order_by().values_list("pk", flat=True)[:most])


def _visits(before: datetime) -> QuerySet[Interaction]:
    return Interaction.objects.filter(kind="visit", occurred_at__lt=before)


def purge_visits(before: datetime) -> int:
    """Delete visits to websites and apps."""
    return _delete_interactions(_visits(before))


def _delete_interactions(rows: QuerySet[Interaction]) -> int:
    with transaction.atomic():
        ids = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        found = Interaction.objects.filter(pk__in=ids)
        _touch(found.filter(customer__isnull=False).values_list("customer_id", flat=True))
        files = Attachment.objects.filter(interaction_id__in=ids).exclude(file="")
        _delete_files_later(list(files.values_list("file", flat=True)))
        found.delete()
    return len(ids)


def _conversations(before: datetime) -> QuerySet[Conversation]:
    return Conversation.objects.filter(status=Status.RESOLVED, last_at__lt=before)


def purge_conversations(before: datetime) -> int:
    """Delete resolved conversations with all their lines, files and deliveries."""
    with transaction.atomic():
        ids = list(_conversations(before).order_by("pk").values_list("pk", flat=True)[:CONVERSATIONS])
        found = Conversation.objects.filter(pk__in=ids)
        _touch(found.filter(customer__isnull=False).values_list("customer_id", flat=True))
        files = Attachment.objects.filter(interaction__conversation_id__in=ids).exclude(file="")
        _delete_files_later(list(files.values_list("file", flat=True)))
        found.delete()
    return len(ids)


def _mails(before: datetime) -> QuerySet[MailContent]:
    return MailContent.objects.filter(interaction__occurred_at__lt=before)


def purge_mails(before: datetime) -> int:
    """Delete the HTML, the quoted text and the headers of mails; their plain text stays."""
    ids = list(_mails(before).order_by("pk").values_list("pk", flat=True)[:BATCH])
    return int(MailContent.objects.filter(pk__in=ids).delete()[0])


def _attachments(before: datetime) -> QuerySet[Attachment]:
    return Attachment.objects.filter(interaction__occurred_at__lt=before).exclude(file="")


def purge_attachments(before: datetime) -> int:
    """Delete the content of files; that there was one stays."""
    with transaction.atomic():
        found = list(_attachments(before).order_by("pk").values_list("pk", flat=True)[:BATCH])
        rows = Attachment.objects.filter(pk__in=found)
        names = names_of(rows)
        rows.update(file="", thumbnail="", note=_("Deleted, as the retention rules say"))
        _delete_files_later(names)
    return len(found)


def _raw_events(before: datetime) -> QuerySet[RawEvent]:
    return RawEvent.objects.filter(state=RawState.DONE, received_at__lt=before)


def purge_raw_events(before: datetime) -> int:
    """Delete bodies that were understood; parked ones stay until somebody resolves them."""
    ids = list(_raw_events(before).order_by("pk").values_list("pk", flat=True)[:BATCH])
    rows = RawEvent.objects.filter(pk__in=ids)
    return int(rows._raw_delete(rows.db)) if ids else 0


def _visitors(before: datetime) -> QuerySet[ChatVisitor]:
    spoke = Interaction.objects.filter(identity=OuterRef("identity"))
    return ChatVisitor.objects.filter(seen_at__lt=before).exclude(Exists(spoke))


def purge_visitors(before: datetime) -> int:
    """Delete browsers that opened the chat of a website and said nothing."""
    ids = list(_visitors(before).order_by("pk").values_list("pk", flat=True)[:BATCH])
    ChatVisitor.objects.filter(pk__in=ids).delete()
    return len(ids)


def _touch(customers: Iterable[int]) -> None:
    """What was computed from rows that go is computed anew."""
    CustomerTouch.objects.bulk_create([CustomerTouch(customer_id=pk) for pk in sorted(set(customers))])


def _delete_files_later(names: Sequence[str]) -> None:
    transaction.on_commit(partial(_delete_files, names), robust=True)


def _delete_files(names: Sequence[str]) -> None:
    for name in names:
        default_storage.delete(name)


def register() -> None:
    """Add the kinds of this app."""
    for kind in (
        Kind(
            "visits", gettext_lazy("Visits to websites and apps"),
            gettext_lazy("Page views and events. Counts in dashboards stay."),
            365, lambda before, most: count(_visits(before), most), purge_visits, order=10,
        ),
        Kind(
            "conversations", gettext_lazy("Resolved conversations"),
            gettext_lazy("With all messages, notes and files in them, counted from the last message."),
            1095, lambda before, most: count(_conversations(before), most), purge_conversations, order=20,
        ),
        Kind(
            "mails", gettext_lazy("Originals of mails"),
            gettext_lazy("HTML, quoted text and headers. The plain text of the message stays."),
            365, lambda before, most: count(_mails(before), most), purge_mails, order=30,
        ),
        Kind(
            "attachments", gettext_lazy("Files in messages"),
            gettext_lazy("The content of files. That there was one, and its name, stay."),
            730, lambda before, most: count(_attachments(before), most), purge_attachments, order=40,
        ),
        Kind(
            "raw_events", gettext_lazy("Bodies as they arrived"),
            gettext_lazy("What webhooks sent and was understood. What was not stays until it is resolved."),
            30, lambda before, most: count(_raw_events(before), most), purge_raw_events, is_on=True, order=50,
        ),
        Kind(
            "chat_visitors", gettext_lazy("Chat visitors who said nothing"),
            gettext_lazy("Browsers that opened the chat of a website and never wrote."),
            90, lambda before, most: count(_visitors(before), most), purge_visitors, order=60,
        ),
    ):  # fmt: skip
        register_retention(kind)
