"""IMAP: read a folder by UID without changing anything in it, and put a sent mail into the Sent folder."""

from __future__ import annotations

import logging
import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from imaplib import IMAP4
from typing import Any

from imapclient import SEEN, IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError
from imapclient.imapclient import SENT

from core.addresses import PrivateAddress
from engagement.channels.base import AuthFailure, TokenExpired, TransientFailure
from engagement.channels.email.access import Access, bearer, connect, tls, words

# At DEBUG these would write down what goes over the line.
logging.getLogger("imapclient").setLevel(logging.INFO)

Answer = dict[bytes, Any]
BUSY = re.compile(r"\[(?:UNAVAILABLE|INUSE|LIMIT|SERVERBUG)\]|too many simultaneous", re.IGNORECASE)
"""A refused sign-in that says nothing of the password (RFC 5530; Gmail has no code for too many at once)."""


@dataclass(frozen=True)
class Folder:
    """A selected folder: the validity of its UIDs, and the UID that the next mail gets."""

    uidvalidity: int
    uidnext: int


@dataclass(frozen=True)
class Entry:
    """A mail in a folder, before it is fetched."""

    uid: int
    size: int
    arrived_at: datetime


class NotGiven(Exception):
    """The server has a mail and does not hand it over."""


class Mailbox:
    """A folder of a mailbox, opened for reading only."""

    def __init__(self, client: IMAPClient, name: str) -> None:
        self._client = client
        self.folder = _select(client, name)

    def uids_after(self, uid: int) -> list[int]:
        """The UIDs above this one, in order. `n:*` always answers the last mail too, so it is filtered."""
        found = self._client.search(["UID", f"{uid + 1}:*"])
        return sorted(one for one in found if one > uid)

    def entries(self, uids: Sequence[int]) -> list[Entry]:
        """Those of these mails that are still there, in order."""
        found = self._client.fetch(uids, ["RFC822.SIZE", "INTERNALDATE"])
        return [
            Entry(uid, int(found[uid].get(b"RFC822.SIZE", 0)), _utc(found[uid].get(b"INTERNALDATE")))
            for uid in uids
            if uid in found
        ]

    def fetch(self, uids: Sequence[int], *, beginning: int = 0) -> dict[int, bytes]:
        """Mails as bytes by UID, or only their beginnings. None is marked as seen; those gone are left out.

        Raises NotGiven where the server refuses one of them, and works on.
        """
        if not uids:
            return {}
        item = f"BODY.PEEK[]<0.{beginning}>" if beginning else "BODY.PEEK[]"
        try:
            found: dict[int, Answer] = self._client.fetch(uids, [item])
        except IMAPClientAbortError:
            raise
        except IMAPClientError as error:
            raise NotGiven(words(error)) from None
        return {uid: bytes(_body(data)) for uid, data in found.items()}

    def uids_arrived(self, since: date, before: date) -> list[int]:
        """The UIDs of what arrived on these days by the server's own calendar; the last is left out."""
        return sorted(self._client.search(["SINCE", since, "BEFORE", before]))

    def uids_of(self, message_id: str) -> list[int]:
        """Where a mail with this Message-ID lies; the search takes parts of words, so there may be others."""
        return sorted(self._client.search(["HEADER", "Message-ID", message_id]))

    def heads(self, uids: Sequence[int]) -> dict[int, bytes]:
        """The headers of these mails by UID, as bytes."""
        found: dict[int, Answer] = self._client.fetch(uids, ["BODY.PEEK[HEADER]"]) if uids else {}
        return {uid: bytes(_body(data)) for uid, data in found.items()}


def _body(data: Answer) -> bytes:
    found = next((value for key, value in data.items() if key.startswith(b"BODY[")), None)
    return found or b""


@contextmanager
def opened(access: Access, folder: str) -> Iterator[Mailbox]:
    """The folder, logged in. Raises AuthFailure or TransientFailure in plain words."""
    with logged_in(access) as client, plain_words(access):
        yield Mailbox(client, folder)


def sent_folder(client: IMAPClient, wanted: str) -> str:
    """The folder of sent mail: the one named, else the one the server marks; '' where there is none."""
    return wanted or str(client.find_special_folder(SENT) or "")


def append_sent(access: Access, folder: str, raw: bytes, at: datetime, *, message_id: str = "") -> str:
    """Put a mail we sent into this folder, else into the one the server marks as Sent; returns its name.

    One that lies there already (the provider did it, or an earlier try) is not put there again.
    """
    with logged_in(access) as client, plain_words(access):
        name = sent_folder(client, folder)
        if name and not (message_id and Mailbox(client, name).uids_of(message_id)):
            client.append(name, raw, flags=[SEEN], msg_time=at)
        return name


@contextmanager
def logged_in(access: Access) -> Iterator[IMAPClient]:
    """A client that is logged in, and logged out at the end."""
    with plain_words(access):
        client = _GuardedIMAP(access)
        client.normalise_times = False
    try:
        with plain_words(access):
            if access.security == "starttls":
                client.starttls(tls())
            _sign_in(client, access)
        yield client
    finally:
        with suppress(IMAPClientError, OSError, IMAP4.error):
            client.logout()


def _sign_in(client: IMAPClient, access: Access) -> None:
    if not access.token:
        client.login(access.user, access.password)
        return
    words_of = bearer(access)
    mechanism = next((one for one in words_of if client.has_capability(f"AUTH={one}")), "")
    if not mechanism:
        raise AuthFailure(f"{access.place} takes no sign-in by a login at the provider.")
    told = iter((words_of[mechanism],))
    try:
        # A second challenge holds the reason of a refusal; the empty word ends it.
        client._command_and_check("authenticate", mechanism, lambda challenge: next(told, ""))
    except IMAPClientAbortError:
        raise
    except IMAPClientError as error:
        raise LoginError(str(error)) from None


class _GuardedIMAP(IMAPClient):
    """Connects only to addresses that a user may make us visit."""

    def __init__(self, access: Access) -> None:
        self._access = access
        super().__init__(access.host, access.port, ssl=access.security == "ssl", timeout=None)

    def _create_IMAP4(self) -> IMAP4:
        return _GuardedConnection(self._access)


class _GuardedConnection(IMAP4):
    def __init__(self, access: Access) -> None:
        self._access = access
        super().__init__(access.host, access.port)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return connect(self._access)


def _select(client: IMAPClient, name: str) -> Folder:
    try:
        found: Answer = client.select_folder(name, readonly=True)
    except IMAPClientError as error:
        raise TransientFailure(f"The folder {name!r} cannot be opened: {words(error)}") from None
    return Folder(int(found[b"UIDVALIDITY"]), int(found.get(b"UIDNEXT", 0)))


@contextmanager
def plain_words(access: Access) -> Iterator[None]:
    """What goes wrong on the way, as a failure whose text never holds the password."""
    try:
        yield
    except LoginError as error:
        told = f"{access.place} refuses the sign-in: {words(error)}"
        if BUSY.search(str(error)):
            raise TransientFailure(told) from None
        raise (TokenExpired(told) if access.token else AuthFailure(told)) from None
    except ssl.SSLCertVerificationError:
        raise TransientFailure(f"{access.place} has no certificate that can be trusted.") from None
    except ssl.SSLError:
        raise TransientFailure(f"{access.place} does not speak TLS on this port.") from None
    except PrivateAddress as error:
        raise TransientFailure(str(error)) from None
    except (IMAPClientError, IMAP4.error) as error:
        raise TransientFailure(f"{access.place} answered: {words(error)}") from None
    except socket.gaierror:
        raise TransientFailure(f"There is no server called {access.host}.") from None
    except OSError as error:
        raise TransientFailure(f"{access.place} cannot be reached: {words(error)}") from None


def _utc(value: datetime | None) -> datetime:
    return (value or datetime.now(UTC)).astimezone(UTC)
