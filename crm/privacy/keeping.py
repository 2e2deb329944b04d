"""The list of erasures beside the database, so that an older backup does not bring anybody back.

A restored backup knows only the erasures before it. The digests of every erasure are therefore added to
`erased.keys` in the folder of the installation's data, which no restore touches; `manage.py erase_again`
reads it and erases whoever came back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import structlog
from django.conf import settings

from crm.erased import Key, customer_key, digest, identity_key, store_digests
from crm.identities import IdentityKey
from crm.models import Customer, ErasedKey, Identity

log = structlog.get_logger(__name__)
OWNER_ONLY = 0o600
PAGE = 5_000


def list_path() -> Path:
    """Where the list lies."""
    return Path(settings.VAR_DIR) / "erased.keys"


def keep_digests(digests: Mapping[bytes, datetime]) -> None:
    """Add digests to the list: a line each, hexadecimal digest and time."""
    lines = "".join(f"{one.hex()} {at.isoformat()}\n" for one, at in sorted(digests.items()))
    try:
        descriptor = os.open(list_path(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(lines)
    except OSError as error:
        log.warning("list of erasures not written", path=str(list_path()), error=str(error))


def take_list() -> int:
    """Put every digest of the list into the database; how many lines there were."""
    if not list_path().exists():
        return 0
    found: dict[bytes, datetime] = {}
    lines = 0
    for line in list_path().read_text(encoding="ascii").splitlines():
        if not line.strip():
            continue
        digest_, _space, at = line.partition(" ")
        key, when = bytes.fromhex(digest_), datetime.fromisoformat(at)
        found[key] = max(when, found.get(key, when))
        lines += 1
    store_digests(found)
    return lines


def came_back() -> Iterator[Customer]:
    """Customers that were erased and are here again, as after a restore of an older backup.

    Somebody who wrote anew after the erasure was made after it, and is left alone.
    """
    if not ErasedKey.objects.exists():
        return
    erased = {bytes(row.digest): row.at for row in ErasedKey.objects.iterator()}
    secrets = [settings.RAPPORT_KEY, *settings.RAPPORT_OLD_KEYS]

    def was_erased(key: Key, made: datetime) -> bool:
        times = [at for secret in secrets if (at := erased.get(digest(key, secret)))]
        return bool(times) and made < max(times)

    for customer in Customer.objects.filter(merged_into=None).order_by("pk").iterator(chunk_size=PAGE):
        if was_erased(customer_key(customer.pk), customer.created_at):
            yield customer
    rows = Identity.objects.select_related("customer").order_by("pk")
    for identity in rows.iterator(chunk_size=PAGE):
        key = identity_key(IdentityKey(identity.network, identity.issuer, identity.external_id))
        if was_erased(key, identity.created_at):
            yield identity.customer
