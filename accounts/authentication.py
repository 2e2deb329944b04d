"""API keys at the door of the REST API."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import APIKey, User

KEY_START = "rk"
USE_WRITTEN_EVERY = timedelta(minutes=1)


def hash_secret(secret: str) -> str:
    """SHA-256 in hex; our secrets are 256 random bits, so a slow hash would add nothing but time."""
    return hashlib.sha256(secret.encode()).hexdigest()


def key_for(token: str) -> APIKey:
    """The usable key that `rk_<prefix>_<secret>` opens; AuthenticationFailed with the reason otherwise."""
    start, _one, rest = token.partition("_")
    prefix, _two, secret = rest.partition("_")
    if start != KEY_START or not secret:
        raise AuthenticationFailed(_("This is not an API key. Keys look like rk_…_…."))
    key = APIKey.objects.select_related("created_by").filter(prefix=prefix).first()
    if key is None or not hmac.compare_digest(key.secret_hash, hash_secret(secret)):
        raise AuthenticationFailed(_("No API key like this one."))
    if key.revoked_at is not None:
        raise AuthenticationFailed(_("This API key was revoked."))
    if not key.created_by.is_active:
        raise AuthenticationFailed(_("This API key stopped working with the account of its maker."))
    return key


def note_use(key: APIKey) -> None:
    """Keep when the key was last used, at most once a minute, so that reading stays free of writes."""
    since = timezone.now() - USE_WRITTEN_EVERY
    if key.last_used_at is not None and key.last_used_at > since:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=since)
    APIKey.objects.filter(stale, pk=key.pk).update(last_used_at=timezone.now())


class APIKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer rk_…`: request.user is its maker within its scopes, request.auth the key."""

    keyword = b"bearer"

    def authenticate(self, request: Request) -> tuple[User, APIKey] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != self.keyword:
            return None
        if len(parts) != 2:
            raise AuthenticationFailed(_("Send one key: Authorization: Bearer rk_…"))
        key = key_for(parts[1].decode("latin-1"))
        note_use(key)
        user = key.created_by
        user.api_key = key
        return user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class APIKeyScheme(OpenApiAuthenticationExtension):
    """How the API description names this way in."""

    target_class = "accounts.authentication.APIKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "rk_<prefix>_<secret>"}
