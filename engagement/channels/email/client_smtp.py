"""SMTP: hand over one mail to all its recipients or to none, and say what a failure means."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from core.addresses import PrivateAddress
from engagement.channels.base import (
    AuthFailure,
    PermanentFailure,
    SendFailed,
    TokenExpired,
    TransientFailure,
    Uncertain,
)
from engagement.channels.email.access import ANSWER_TIMEOUT, Access, bearer, connect, tls, words

AUTH_CODES = {530, 534, 535, 538}
"""Not signed in, mechanism too weak, wrong credentials, encryption needed."""

NEEDS_AUTH = re.compile(r"\b5\.7\.(?:0|8|9|11|14|57)\b|authentication required", re.IGNORECASE)


def send(access: Access, *, sender: str, recipients: Sequence[str], raw: bytes, utf8: bool = False) -> str:
    """Send one mail; returns the server's words.

    A refused recipient stops it before anybody got it. When the answer to the data never comes, the server
    may have taken the mail: Uncertain. A second try would be the same mail under the same Message-ID, but
    many mail programs show it twice, so that is for a person to decide.
    """
    with logged_in(access) as server:
        with plain_words(access):
            _envelope(server, sender, recipients, utf8)
        return _data(server, access, raw)


def _envelope(server: smtplib.SMTP, sender: str, recipients: Sequence[str], utf8: bool) -> None:
    if utf8 and not server.has_extn("smtputf8"):
        raise PermanentFailure("The mail server cannot send to addresses with letters beyond ASCII.")
    code, answer = server.mail(sender, ["SMTPUTF8", "BODY=8BITMIME"] if utf8 else [])
    if code != 250:
        raise failure_of(code, answer, f"the sender {sender}")
    for recipient in recipients:
        code, answer = server.rcpt(recipient)
        if code not in (250, 251):
            raise failure_of(code, answer, recipient)


def _data(server: smtplib.SMTP, access: Access, raw: bytes) -> str:
    try:
        code, answer = server.data(raw)
    except smtplib.SMTPDataError as error:
        raise failure_of(error.smtp_code, error.smtp_error, "the mail") from None
    except (smtplib.SMTPServerDisconnected, OSError) as error:
        raise Uncertain(
            f"{access.place} did not say whether it took the mail ({words(error)}). "
            "Sent again, it goes out under the same Message-ID."
        ) from None
    if code != 250:
        raise failure_of(code, answer, "the mail")
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)


@contextmanager
def logged_in(access: Access) -> Iterator[smtplib.SMTP]:
    """A session that is encrypted as the account wants and logged in where it has a user."""
    with plain_words(access):
        server = _GuardedSMTP(access)
    try:
        with plain_words(access):
            server.ehlo_or_helo_if_needed()
            if access.security == "starttls":
                server.starttls(context=tls())
                server.ehlo()
            _sign_in(server, access)
        yield server
    finally:
        with suppress(smtplib.SMTPException, OSError):
            server.quit()


def _sign_in(server: smtplib.SMTP, access: Access) -> None:
    if not access.token:
        if access.user:
            server.login(access.user, access.password)
        return
    offered = server.esmtp_features.get("auth", "").upper().split()
    mechanism = next((one for one in bearer(access) if one in offered), "")
    if not mechanism:
        raise AuthFailure(f"{access.place} takes no sign-in by a login at the provider.")
    # A second challenge holds the reason of a refusal; after this word the server says it as an answer.
    end = "\x01" if mechanism == "OAUTHBEARER" else ""
    server.auth(mechanism, lambda challenge=None: bearer(access)[mechanism] if challenge is None else end)


class _GuardedSMTP(smtplib.SMTP):
    """Connects only to addresses that a user may make us visit."""

    def __init__(self, access: Access) -> None:
        self._access = access
        # Our own host name is of no use to the server; a literal is always allowed and never looked up.
        super().__init__(access.host, access.port, local_hostname="[127.0.0.1]", timeout=ANSWER_TIMEOUT)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return connect(self._access)


def failure_of(code: int, answer: bytes | str, about: str) -> SendFailed:
    """What an SMTP answer means: 4xx try again, refused sign-in, or never."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
    told = f"The mail server refuses {about}: {code} {' '.join(text.split())[:300]}"
    if code in AUTH_CODES or (500 <= code < 600 and NEEDS_AUTH.search(text)):
        return AuthFailure(told)
    if 400 <= code < 500:
        return TransientFailure(told)
    return PermanentFailure(told)


@contextmanager
def plain_words(access: Access) -> Iterator[None]:
    """What goes wrong before the mail's data is sent: nothing has left, so most is worth another try."""
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        failure = failure_of(error.smtp_code, error.smtp_error, "the sign-in")
        refused = TokenExpired if access.token else AuthFailure
        raise (refused(str(failure)) if error.smtp_code >= 500 else failure) from None
    except smtplib.SMTPNotSupportedError as error:
        raise AuthFailure(f"{access.place}: {words(error)}") from None
    except smtplib.SMTPResponseException as error:
        raise failure_of(error.smtp_code, error.smtp_error, "the connection") from None
    except ssl.SSLCertVerificationError:
        raise TransientFailure(f"{access.place} has no certificate that can be trusted.") from None
    except ssl.SSLError:
        raise TransientFailure(f"{access.place} does not speak TLS on this port.") from None
    except PrivateAddress as error:
        raise TransientFailure(str(error)) from None
    except socket.gaierror:
        raise TransientFailure(f"There is no server called {access.host}.") from None
    except (smtplib.SMTPException, OSError) as error:
        raise TransientFailure(f"{access.place} cannot be reached: {words(error)}") from None
