"""Letters about accounts."""

from __future__ import annotations

from smtplib import SMTPException

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from accounts.models import Invitation
from core.models import Workspace

log = structlog.get_logger(__name__)


def can_send() -> bool:
    """Whether letters really leave; without EMAIL_URL they are files beside the database."""
    return bool(settings.EMAIL_URL)


def send_invitation(invitation: Invitation, url: str) -> bool:
    """Send the link; False when it did not leave, so that the link can be copied."""
    workspace = Workspace.current()
    context = {"invitation": invitation, "url": url, "workspace": workspace}
    letter = EmailMultiAlternatives(
        subject=_("%(name)s invites you to Rapport") % {"name": workspace.name},
        body=render_to_string("accounts/mail/invitation.txt", context),
        to=[invitation.email],
    )
    try:
        letter.send()
    except (SMTPException, OSError) as error:
        log.warning("invitation not sent", error=str(error))
        return False
    return can_send()
