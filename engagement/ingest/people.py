"""People whom a platform lists or vouches for, although they said nothing just now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q

from core.models import Workspace
from crm.identities import BadIdentity, IdentityKey
from crm.linking import Confirmed, link_confirmed
from crm.models import Identity
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
    """Make one customer of every two identities that the network says are one person.

    One statement finds the pairs that are linked already, which most messages of a known person name again.
    """
    country = Workspace.current().country
    pairs: dict[frozenset[IdentityKey], list[Confirmed]] = {}
    for one, other in links:
        try:
            pair = frozenset((key_of(account, one, country), key_of(account, other, country)))
        except BadIdentity:
            continue
        pairs.setdefault(pair, [_confirmed(account, one), _confirmed(account, other)])
    known = _owners(key for pair in pairs for key in pair) if pairs else {}
    proof = f"{account.connector}: {account.name}"[:200]
    for pair, confirmed in pairs.items():
        owners = {known.get(key) for key in pair}
        if len(owners) > 1 or None in owners:
            link_confirmed(confirmed, proof=proof, source=account.connector)


def _owners(keys: Iterable[IdentityKey]) -> dict[IdentityKey, int]:
    """Whose these identities are, of those that somebody vouched for already."""
    by_issuer: dict[tuple[str, str], set[str]] = {}
    for key in keys:
        by_issuer.setdefault((key.network, key.issuer), set()).add(key.external_id)
    wanted = Q(pk__in=[])
    for (network, issuer), names in by_issuer.items():
        wanted |= Q(network=network, issuer=issuer, external_id__in=names)
    return {
        IdentityKey(row.network, row.issuer, row.external_id): row.customer_id
        for row in Identity.objects.filter(wanted, verified=True)
    }


def _confirmed(account: ChannelAccount, author: Author) -> Confirmed:
    return Confirmed(
        network=author.network or account.network,
        external_id=author.external_id,
        issuer=author.issuer if author.network else (author.issuer or account.issuer),
        handle=author.handle,
        name=author.name,
    )
