"""Sign-ins and what people change about their own account, written to the audit trail."""

from __future__ import annotations

from typing import Any

from allauth.account.signals import password_changed, password_reset, user_logged_out
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.dispatch import receiver

from accounts.models import User
from accounts.services import record_audit


@receiver(user_logged_in, dispatch_uid="accounts.signed_in")
def on_sign_in(user: User, **kwargs: Any) -> None:
    """Somebody came in."""
    record_audit(by=user, verb="staff.signed_in", target=user)


@receiver(user_logged_out, dispatch_uid="accounts.signed_out")
def on_sign_out(user: User | None, **kwargs: Any) -> None:
    """Somebody left."""
    if isinstance(user, User):
        record_audit(by=user, verb="staff.signed_out", target=user)


@receiver(user_login_failed, dispatch_uid="accounts.sign_in_failed")
def on_sign_in_failed(credentials: dict[str, Any], **kwargs: Any) -> None:
    """The address that was tried, also when nobody has it: that is what guessing looks like."""
    tried = str(credentials.get("email") or credentials.get("username") or "").strip().lower()
    user = User.objects.filter(email=tried).first()
    record_audit(by=None, verb="staff.sign_in_failed", target=user, name=tried)


@receiver(password_changed, dispatch_uid="accounts.password_changed")
@receiver(password_reset, dispatch_uid="accounts.password_reset")
def on_password(user: User, **kwargs: Any) -> None:
    """Somebody has another password."""
    record_audit(by=user, verb="staff.password_changed", target=user)


@receiver(authenticator_added, dispatch_uid="accounts.factor_added")
@receiver(authenticator_reset, dispatch_uid="accounts.factor_reset")
def on_factor_added(user: User, authenticator: Any, **kwargs: Any) -> None:
    """Somebody needs a second factor."""
    record_audit(by=user, verb="staff.second_factor_added", target=user, detail={"type": authenticator.type})


@receiver(authenticator_removed, dispatch_uid="accounts.factor_removed")
def on_factor_removed(user: User, authenticator: Any, **kwargs: Any) -> None:
    """Somebody needs a second factor no longer."""
    record_audit(
        by=user, verb="staff.second_factor_removed", target=user, detail={"type": authenticator.type}
    )
