"""Providers whose mailboxes are opened by a login (OAuth 2), and where their servers are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engagement.channels.base import app_keys, platform_url

PASSWORD = "password"  # noqa: S105 (the name of a way to sign in)


@dataclass(frozen=True)
class Provider:
    """One provider: its servers, and where and for what a login asks.

    `name` is also the name of the operator's app (`app_keys`) and of the place in `CHANNEL_URLS`.
    """

    name: str
    label: str
    imap_host: str
    smtp_host: str
    smtp_port: int
    smtp_security: str
    authorize: tuple[str, str]
    token: tuple[str, str]
    scopes: tuple[str, ...]
    shares: bool = False
    """Whether a login opens mailboxes that are shared with it, beside its own."""
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def authorize_url(self) -> str:
        return self._url(self.authorize)

    @property
    def token_url(self) -> str:
        return self._url(self.token)

    def _url(self, place: tuple[str, str]) -> str:
        base, path = place
        tenant = app_keys(self.name).get("tenant", "common")
        return platform_url(self.name, base) + path.format(tenant=tenant)

    def settings(self, address: str) -> dict[str, Any]:
        """Where to read and send; both providers put sent mail into the Sent folder by themselves."""
        return {
            "sign_in": self.name,
            "address": address,
            "imap_host": self.imap_host,
            "imap_port": 993,
            "imap_security": "ssl",
            "imap_user": address,
            "smtp_host": self.smtp_host,
            "smtp_port": self.smtp_port,
            "smtp_security": self.smtp_security,
            "smtp_user": address,
            "save_sent": False,
        }


PROVIDERS = {
    one.name: one
    for one in (
        Provider(
            name="google",
            label="Google",
            imap_host="imap.gmail.com",
            smtp_host="smtp.gmail.com",
            smtp_port=465,
            smtp_security="ssl",
            authorize=("https://accounts.google.com", "/o/oauth2/v2/auth"),
            token=("https://oauth2.googleapis.com", "/token"),
            scopes=("https://mail.google.com/", "openid", "email"),
            # Only with both does Google give a refresh token each time.
            extra={"access_type": "offline", "prompt": "consent"},
        ),
        Provider(
            name="microsoft",
            label="Microsoft",
            imap_host="outlook.office365.com",
            smtp_host="smtp.office365.com",
            smtp_port=587,
            smtp_security="starttls",
            authorize=("https://login.microsoftonline.com", "/{tenant}/oauth2/v2.0/authorize"),
            token=("https://login.microsoftonline.com", "/{tenant}/oauth2/v2.0/token"),
            scopes=(
                "https://outlook.office.com/IMAP.AccessAsUser.All",
                "https://outlook.office.com/SMTP.Send",
                "offline_access",
                "openid",
                "email",
                "profile",
            ),
            shares=True,
            extra={"prompt": "select_account"},
        ),
    )
}
