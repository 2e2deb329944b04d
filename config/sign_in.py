"""How somebody gets in who has just started this installation."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse

from accounts.services import first_admin_link
from analytics.demo.staff import ensure_staff, known_sign_in


def sign_in_hint() -> str:
    """Return how to sign in: the demo's staff, or the one-time link that makes the first admin.

    "" when people work here already, who know how.
    """
    demo = ensure_staff() if settings.DEMO else known_sign_in()
    if demo:
        return demo
    token = first_admin_link()
    if token is None:
        return ""
    return settings.PUBLIC_URL + reverse("accounts:first-admin", args=[token])
