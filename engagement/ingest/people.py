"""People whom a platform lists or vouches for, although they said nothing just now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.models import Workspace
from crm.identities import BadIdentity, IdentityKey
from crm.linking import Confirmed, link_confirmed
from engagement.channels.base import Author
from engagement.ingest.prepare import key_of, person_row
from engagement.models import ChannelAccount


def people_rows(account: ChannelAccount, people: Sequence[Author]) -> list[dict[str, Any]]:
    """Each of them once, as `crm.arrivals.own_identities` takes them; ids that cannot be one are left out."""
    country = Workspace.current().country
    rows: dict[IdentityKey, dict[str, Any]] = {}
    for author in people:
        try:
            key = key_of(account, author, country)
        except BadIdentity:
            continue
        rows.setdefault(key, person_row(key, author))
    return list(rows.values())


def vouch(account: ChannelAccount, links: Sequence[tuple[Author, Author]]) -> None:
    """Make one customer of every two identities that the network says are one person."""
    for one, other in links:
        confirmed = [_confirmed(account, one), _confirmed(account, other)]
        try:
            link_confirmed(
                confirmed, proof=f"{account.connector}: {account.name}"[:200], source=account.connector
            )
        except BadIdentity:
            continue


def _confirmed(account: ChannelAccount, author: Author) -> Confirmed:
    return Confirmed(
        network=author.network or account.network,
        external_id=author.external_id,
        issuer=author.issuer if author.network else (author.issuer or account.issuer),
        handle=author.handle,
        name=author.name,
    )
