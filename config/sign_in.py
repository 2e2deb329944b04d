"""How somebody gets in who has just started this installation."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse

from accounts.services import first_admin_link


def sign_in_hint() -> str:
    """Return the one-time link that makes the first admin, or "" when there is somebody who can sign in."""
    token = first_admin_link()
    if token is None:
        return ""
    return settings.PUBLIC_URL + reverse("accounts:first-admin", args=[token])
