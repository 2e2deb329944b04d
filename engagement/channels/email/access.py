"""Where a mail server is, and the one way a connection to it is made."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.addresses import is_public, safe_connect
from engagement.channels.email.providers import PASSWORD

CONNECT_TIMEOUT = 10.0
ANSWER_TIMEOUT = 30.0


class NotEncrypted(OSError):
    """A password would travel in the clear beyond the operator's own network."""


@dataclass(frozen=True)
class Access:
    """One server of an account. `security` is ssl, starttls or none."""

    host: str
    port: int
    security: str
    user: str
    password: str = field(repr=False)
    token: str = field(default="", repr=False)
    """An OAuth 2 access token, which signs in instead of the password."""

    @property
    def place(self) -> str:
        return f"{self.host}:{self.port}"


def access_of(kind: str, settings: Mapping[str, Any], credentials: Mapping[str, Any]) -> Access:
    """The access an account's settings and credentials give; `kind` is imap or smtp."""
    return Access(
        host=str(settings.get(f"{kind}_host", "")),
        port=int(settings.get(f"{kind}_port", 0)),
        security=str(settings.get(f"{kind}_security", "ssl")),
        user=str(settings.get(f"{kind}_user", "")),
        password=str(credentials.get(f"{kind}_password", "")),
        token=str(credentials.get("access_token", "")) if is_login(settings) else "",
    )


def is_login(settings: Mapping[str, Any]) -> bool:
    """Whether this mailbox is opened by a login at its provider, not by a password."""
    return settings.get("sign_in", PASSWORD) != PASSWORD


def bearer(access: Access) -> dict[str, str]:
    """What signs in with the token, by SASL mechanism; those who take one of them mostly take one only.

    XOAUTH2 is Google's and Microsoft's own, OAUTHBEARER is RFC 7628.
    """
    user = access.user.replace("=", "=3D").replace(",", "=2C")
    place = f"host={access.host}\x01port={access.port}\x01"
    return {
        "XOAUTH2": f"user={access.user}\x01auth=Bearer {access.token}\x01\x01",
        "OAUTHBEARER": f"n,a={user},\x01{place}auth=Bearer {access.token}\x01\x01",
    }


def connect(access: Access) -> socket.socket:
    """A connection to the server, encrypted at once where it speaks TLS from the start.

    Without any encryption only a private address is reached, and those only by the operator's word
    (RAPPORT_ALLOW_PRIVATE_HOSTS). Raises OSError or PrivateAddress.
    """
    plain = safe_connect(access.host, access.port, CONNECT_TIMEOUT)
    reached = ipaddress.ip_address(plain.getpeername()[0].partition("%")[0])
    if access.security == "none" and is_public(reached):
        plain.close()
        raise NotEncrypted(f"{access.place} would get the password unencrypted; choose SSL or STARTTLS.")
    if access.security != "ssl":
        plain.settimeout(ANSWER_TIMEOUT)
        return plain
    secured = tls().wrap_socket(plain, server_hostname=access.host)
    secured.settimeout(ANSWER_TIMEOUT)
    return secured


def tls() -> ssl.SSLContext:
    """TLS that checks the certificate and the name in it."""
    return ssl.create_default_context()


def words(error: BaseException) -> str:
    """What an error says, in one short line."""
    first = error.args[0] if error.args else ""
    text = first.decode("utf-8", "replace") if isinstance(first, bytes) else str(error)
    # the IMAP library prints a server's bytes as Python writes them
    text = re.sub(r"^b(['\"])(.*)\1$", r"\2", text.strip(), flags=re.DOTALL)
    return " ".join(text.split())[:200] or type(error).__name__
