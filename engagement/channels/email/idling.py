"""IDLE: a connection that only waits, and says when a folder has something new (RFC 2177).

It fetches nothing itself. What came while it was not standing is found by the pull that is asked for when it
stands again, because pulls go by UID.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from imapclient import IMAPClient

from engagement.channels.base import TransientFailure
from engagement.channels.email import client_imap
from engagement.channels.email.access import Access
from engagement.channels.email.client_imap import Mailbox

REISSUE_SECONDS = 9 * 60.0
"""Servers may hang up after 29 minutes of IDLE (RFC 2177), and routers forget a silent line after ten."""
CHECK_SECONDS = 5.0


def idle(access: Access, folder: str, *, tell: Callable[[], None], ended: Callable[[], bool]) -> None:
    """Wait in a folder until `ended`. Returns at once where the server has no IDLE. Raises SendFailed."""
    with client_imap.logged_in(access) as client, client_imap.plain_words(access):
        if not client.has_capability("IDLE"):
            return
        Mailbox(client, folder)
        while not ended():
            client.idle()
            tell()
            until = time.monotonic() + REISSUE_SECONDS
            while not ended() and time.monotonic() < until:
                if _is_news(_wait(client, access)):
                    tell()
            _text, last = client.idle_done()
            if _is_news(last):
                tell()


def _wait(client: IMAPClient, access: Access) -> Sequence[object]:
    """What the server says within a few seconds. Raises TransientFailure when it hung up.

    The library answers an end of the connection with nothing, at once and again and again.
    """
    began = time.monotonic()
    found: Sequence[object] = client.idle_check(timeout=CHECK_SECONDS)
    is_bye = any(isinstance(one, tuple) and one[0] == b"BYE" for one in found)
    if is_bye or (not found and time.monotonic() - began < CHECK_SECONDS / 2):
        # Signing out would wait for an answer that a server which is going away need not give.
        client.shutdown()
        raise TransientFailure(f"{access.place} hung up.")
    return found


def _is_news(answers: Sequence[object]) -> bool:
    """Whether mail arrived."""
    return any(isinstance(one, tuple) and len(one) > 1 and one[1] == b"EXISTS" for one in answers)
