"""What a network passes on from a person: no more messages, and what is asked about their data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from core.models import Workspace
from crm.arrivals import own_identities
from crm.consents import ConsentIn, record_consents
from crm.identities import BadIdentity
from crm.privacy.asking import ask_staff
from engagement.channels.base import PrivacyAsk, Refusal
from engagement.ingest.people import people_rows
from engagement.ingest.prepare import key_of
from engagement.models import ChannelAccount


def note_refusals(account: ChannelAccount, refusals: Sequence[Refusal]) -> None:
    """Write each down as a consent refused, once, with what was said as its proof."""
    now, words = timezone.now(), []
    for refusal in refusals:
        rows = people_rows(account, [refusal.author])
        owners = own_identities(rows, source=account.connector) if rows else {}
        words += [
            ConsentIn(owner.identity_id, purpose, given=False, at=min(refusal.at, now), proof=refusal.proof)
            for owner in owners.values()
            for purpose in refusal.purposes
        ]
    if words:
        record_consents(words, source=account.connector)


def note_asks(account: ChannelAccount, asks: Sequence[PrivacyAsk]) -> None:
    """Give staff a task for whoever of these people is known here."""
    workspace = Workspace.current()
    for ask in asks:
        keys = []
        for author in ask.people:
            try:
                keys.append(key_of(account, author, workspace.country))
            except BadIdentity:
                continue
        due_on = workspace.today(timezone.now() + timedelta(days=ask.days))
        ask_staff(keys, title=ask.title, due_on=due_on, source=account.connector)
