"""Sending on what somebody wrote to somebody else: a conversation of its own, with the original quoted."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from engagement.channels import connector
from engagement.channels.base import Direction
from engagement.models import ChannelAccount, Conversation, Interaction

FORWARD_LINE = "---------- Forwarded message ----------"


def can_forward(account: ChannelAccount) -> bool:
    """Whether this channel can begin with somebody else, under a subject."""
    link = connector(account.connector)
    return link.has_subject and link.may_start(account.network)


def newest_said(conversation: Conversation) -> Interaction | None:
    """The message that is sent on when nobody names one."""
    if not can_forward(conversation.account):
        return None
    said = Interaction.objects.present().filter(conversation=conversation)
    found: Interaction | None = (
        said.exclude(direction=Direction.INTERNAL).order_by("-occurred_at", "-pk").first()
    )
    return found


def draft(interaction: Interaction) -> dict[str, Any]:
    """What the form for a new message begins with: account, subject and the quoted original."""
    subject = interaction.subject or (interaction.conversation.subject if interaction.conversation else "")
    known = subject.lower().startswith(("fwd:", "fw:"))
    return {
        "account": interaction.account_id,
        "subject": subject if known else f"Fwd: {subject}".strip()[:300],
        "text": "\n\n" + quoted_original(interaction),
    }


def quoted_original(interaction: Interaction) -> str:
    """Who wrote it, when and to whom, and then the words."""
    mail = getattr(interaction, "mail", None)
    headers = mail.headers if mail else {}
    written = date_format(timezone.localtime(interaction.occurred_at), "DATETIME_FORMAT")
    lines = [
        FORWARD_LINE,
        _("From: %(name)s") % {"name": headers.get("from") or _author(interaction)},
        _("Date: %(date)s") % {"date": written},
        _("Subject: %(subject)s") % {"subject": interaction.subject},
        _("To: %(name)s") % {"name": headers.get("to") or interaction.account.external_id},
    ]
    return "\n".join(lines) + "\n\n" + interaction.text.strip()


def _author(interaction: Interaction) -> str:
    if interaction.identity is None:
        return interaction.staff_name or interaction.account.name
    name, handle = interaction.identity.name, str(interaction.identity)
    return f"{name} <{handle}>" if name else handle


def files_of(interaction: Interaction) -> list[UploadedFile]:
    """Its attachments, to be sent once more."""
    found: list[UploadedFile] = []
    for kept in interaction.attachments.exclude(file="").order_by("pk"):
        with kept.file.open("rb") as stream:
            found.append(
                SimpleUploadedFile(kept.name, stream.read(), kept.content_type or "application/octet-stream")
            )
    return found
