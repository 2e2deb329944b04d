"""How allauth behaves here: nobody signs up, staff come in by invitation, secrets are encrypted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import AuditEntry
from accounts.origin import client_ip
from core.secrets import keyring

FAILURES_LOOKED_AT = timedelta(minutes=5)
FAILURES_OF_ADDRESS = 5
FAILURES_FROM_IP = 50


class AccountAdapter(DefaultAccountAdapter):
    """allauth's own ways, without open sign-up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def format_email_subject(self, subject: str) -> str:
        return subject

    def get_from_email(self) -> str:
        return str(settings.DEFAULT_FROM_EMAIL)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse guessing also while the cache, in which allauth counts, is away."""
        super().pre_authenticate(request, **credentials)
        if too_many_failures(str(credentials.get("email") or "")):
            raise self.validation_error("too_many_login_attempts")


class MFAAdapter(DefaultMFAAdapter):
    """Second-factor secrets lie encrypted in the database."""

    def encrypt(self, text: str) -> str:
        return keyring().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return keyring().decrypt(encrypted_text.encode()).decode()


def too_many_failures(email: str) -> bool:
    """Whether this address, or the client, failed to sign in too often in the last minutes."""
    recent = AuditEntry.objects.filter(
        verb="staff.sign_in_failed", at__gte=timezone.now() - FAILURES_LOOKED_AT
    )
    if recent.filter(object_name=email.lower()).count() >= FAILURES_OF_ADDRESS:
        return True
    ip = client_ip()
    return ip is not None and recent.filter(ip=ip).count() >= FAILURES_FROM_IP
