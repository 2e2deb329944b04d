"""One website with our chat: its key, the pages that may use it, and how it greets."""

from __future__ import annotations

import hmac
import secrets
from functools import cache
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from engagement.models import ChannelAccount, Health
from engagement.origins import page_origins

COLOR = "#0b6a80"
MAX_LENGTH = 10_000
WORDING = "1"
"""Version of the words by which visitors agree to be counted, where the site names none."""


def new_site_key() -> str:
    """A public name for the site: it stands in the page's source, so it protects nothing."""
    return secrets.token_hex(8)


def find_site(site_key: str) -> ChannelAccount | None:
    """The account of this key, unless it was disconnected or paused."""
    found = ChannelAccount.objects.active().exclude(health=Health.PAUSED).select_related("brand")
    return found.filter(connector="webchat", external_id=site_key).first()


def allows(site: ChannelAccount, origin: str, own_origin: str = "") -> bool:
    """Whether a page of this origin may use the chat: those of the list, and our own demo page."""
    listed = site.settings.get("allowed_origins", [])
    return origin in listed or origin in page_origins() or (bool(own_origin) and origin == own_origin)


def new_secret(site: ChannelAccount, *, by: User) -> str:
    """Make a new secret for the site's server; the one before stops at once. It is told only here."""
    check(by, "channel.manage")
    made = secrets.token_hex(32)
    with transaction.atomic():
        row = ChannelAccount.objects.select_for_update().get(pk=site.pk)
        row.credentials = {**row.credentials, "identity_secret": made}
        row.save(update_fields=["credentials"])
        record_audit(by=by, verb="channel.secret_made", target=row, name=row.name)
    return made


def is_signed(site: ChannelAccount, identifier: str, signature: str) -> bool:
    """Whether the site vouches for this visitor: hex HMAC-SHA256 of the identifier under its secret."""
    secret = str(site.credentials.get("identity_secret", ""))
    if not secret or not identifier:
        return False
    expected = hmac.new(secret.encode(), identifier.encode(), "sha256").hexdigest()
    return hmac.compare_digest(expected.encode(), signature.strip().lower().encode())


def business_name(site: ChannelAccount) -> str:
    """Under which name the visitor is answered."""
    return site.brand.name if site.brand else site.name


def public_face(site: ChannelAccount) -> dict[str, Any]:
    """Everything the widget needs to draw itself; nothing here is secret."""
    return {
        "name": business_name(site),
        "greeting": site.settings.get("greeting") or _("Hello. How can we help you?"),
        "color": site.settings.get("color") or COLOR,
        "wording": site.settings.get("consent_wording") or WORDING,
        "ask_details": bool(site.settings.get("ask_details", True)),
        "max_length": MAX_LENGTH,
        "words": _words(),
        # beside the words, because a style sheet of its own would need a CORS header from whatever serves it
        "css": _looks(),
    }


@cache
def _looks() -> str:
    return (Path(__file__).parent / "widget.css").read_text()


def _words() -> dict[str, str]:
    return {
        "open": _("Open the chat"),
        "close": _("Close the chat"),
        "unread": _("{n} new"),
        "write": _("Your message"),
        "send": _("Send"),
        "you": _("You"),
        "team": _("Support"),
        "sending": _("Sending…"),
        "failed": _("Not sent."),
        "retry": _("Try again"),
        "offline": _("No connection. Your messages are kept and sent as soon as it is back."),
        "too_long": _("{n} characters too long"),
        "earlier": _("Show earlier messages"),
        "details": _("Leave your name and e-mail address, so that we can also answer when you are gone."),
        "name": _("Name"),
        "email": _("E-mail address"),
        "save": _("Save"),
        "skip": _("No, thanks"),
        "saved": _("Thank you, noted."),
        "log": _("Messages"),
        "closed": _("This chat is closed."),
    }
