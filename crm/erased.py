"""What was erased never comes back: keyed hashes of what an erased customer was known by.

A key is the kind of thing and what makes it unique. Only its HMAC by the installation's key is kept, so the
list names nobody and cannot be tried out with guessed addresses by whoever has the database alone.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256

from django.conf import settings
from django.db import connection

from crm.identities import IdentityKey

Key = tuple[str, ...]


def identity_key(key: IdentityKey) -> Key:
    """A handle, address or number."""
    return ("identity", key.network, key.issuer, key.external_id)


def interaction_key(account_id: int, external_id: str) -> Key:
    """One message by the network's id of it."""
    return ("interaction", str(account_id), external_id)


def thread_key(account_id: int, key: str) -> Key:
    """A private thread, in which our own answers count as well."""
    return ("thread", str(account_id), key)


def order_key(source: str, external_id: str) -> Key:
    """A purchase by its shop's id."""
    return ("order", source, external_id)


def customer_key(number: int) -> Key:
    """A record by its number: for those who have no handle, after an older backup was restored."""
    return ("customer", str(number))


def digest(key: Key, secret: str | None = None) -> bytes:
    """What is kept of a key."""
    text = json.dumps(key, ensure_ascii=False).encode("utf-8", "replace")
    return hmac.digest((secret or settings.RAPPORT_KEY).encode(), b"erased:" + text, sha256)


def erased_before(keys: Iterable[Key]) -> dict[Key, datetime]:
    """Those of these keys that were erased, and when; one statement whatever the number.

    A key is looked for under every key the installation had, so that a new RAPPORT_KEY forgets nothing.
    """
    secrets = [settings.RAPPORT_KEY, *settings.RAPPORT_OLD_KEYS]
    digests = {digest(key, secret): key for key in keys for secret in secrets}
    with connection.cursor() as cursor:
        cursor.execute("SELECT digest, at FROM crm_erasedkey WHERE digest = ANY(%s)", [list(digests)])
        return {digests[bytes(found)]: at for found, at in cursor.fetchall()}


def store_digests(found: Mapping[bytes, datetime]) -> int:
    """Remember what was erased; of two erasures of one thing the later counts. Returns how many."""
    if not found:
        return 0
    rows = sorted(found.items())
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO crm_erasedkey (digest, at)
            SELECT * FROM unnest(%s::bytea[], %s::timestamptz[])
            ON CONFLICT (digest) DO UPDATE SET at = greatest(crm_erasedkey.at, excluded.at)
            """,
            [[one for one, _at in rows], [at for _one, at in rows]],
        )
    return len(rows)
