"""Publishable keys: what a shop's pages carry openly to ask for personalization, made and revoked here.

Being public, a key names nobody and protects nothing by itself. The origins it may be asked from bound which
pages a browser lets read the answer; whose answer it is takes a proof (`personas.reach.personalizing`).
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.text import clean_text
from personas.models import PublishableKey, Segment

PREFIX = "pk_"
MOST_ORIGINS = 20
MOST_SEGMENTS = 50
USED_EVERY = timedelta(minutes=1)


@transaction.atomic
def make_key(
    *,
    name: str,
    origins: Iterable[str],
    segments: Sequence[Segment] = (),
    tells_persona: bool = True,
    tells_category: bool = True,
    by: User,
) -> tuple[PublishableKey, str]:
    """A new key and its secret, which is told only here. Raises ValidationError."""
    check(by, "personalize.manage")
    if len(segments) > MOST_SEGMENTS:
        raise ValidationError(
            {"segments": _("A key tells of at most %(n)s segments.") % {"n": MOST_SEGMENTS}}
        )
    secret = secrets.token_hex(32)
    key = PublishableKey.objects.create(
        name=clean_text(name, limit=120).strip() or _("Shop"),
        key=PREFIX + secrets.token_urlsafe(24),
        secrets={"signing": secret},
        origins=checked_origins(origins),
        tells_persona=tells_persona,
        tells_category=tells_category,
        created_by=by,
    )
    key.segments.set(segments)
    detail = {"origins": key.origins, "segments": [segment.pk for segment in segments]}
    record_audit(by=by, verb="personalize.key_made", target=key, detail=detail)
    return key, secret


@transaction.atomic
def revoke_key(*, key: PublishableKey, by: User) -> None:
    """Stop a key for good; the next call with it is refused."""
    check(by, "personalize.manage")
    row = PublishableKey.objects.select_for_update().get(pk=key.pk)
    if row.revoked_at is not None:
        return
    row.revoked_at, row.secrets = timezone.now(), {}
    row.save(update_fields=["revoked_at", "secrets"])
    record_audit(by=by, verb="personalize.key_revoked", target=row)


def checked_origins(given: Iterable[str]) -> list[str]:
    """Origins as a browser writes them, each once. Raises ValidationError for what is none."""
    found = list(dict.fromkeys(_origin(one.strip()) for one in given if one.strip()))
    if not found:
        raise ValidationError({"origins": _("Name at least one origin, such as https://shop.example.")})
    if len(found) > MOST_ORIGINS:
        raise ValidationError({"origins": _("A key has at most %(n)s origins.") % {"n": MOST_ORIGINS}})
    return found


def _origin(text: str) -> str:
    wrong = ValidationError(
        {
            "origins": _("“%(text)s” is no origin: write https:// and the host, without a path.")
            % {"text": text[:100]}
        }
    )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise wrong from error
    host = parts.hostname or ""
    bare = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username or "@" in text)
    if not bare or not _is_host(host) or not host.isascii():
        raise wrong
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_local(host)):
        raise wrong
    shown = f"[{host}]" if ":" in host else host
    usual = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None and port != usual else "")


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True
    labels = host.split(".")
    return all(label and label.replace("-", "").isalnum() for label in labels)


def _is_local(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1") or host.endswith(".localhost")


def find_key(text: str) -> PublishableKey | None:
    """The key of this name, unless it was revoked."""
    if not text.startswith(PREFIX) or len(text) > 48 or not text.isprintable():
        return None
    return PublishableKey.objects.filter(key=text, revoked_at=None).first()


def note_use(key: PublishableKey) -> None:
    """When it was last used, written once a minute at most."""
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_EVERY)
    PublishableKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
