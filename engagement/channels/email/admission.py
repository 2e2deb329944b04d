"""Whose words a mail may stand beside: a mail only claims what it answers, so the claim is checked.

A mail joins a conversation when its sender already is in it (wrote in it, or was written to), or when it
names a Message-ID that we signed and keeps the subject: then our mail was passed on, and a colleague answers.
Any other claim is dropped, and the mail opens a conversation of its own. The subject alone never joins
anything; somebody in the conversation may change it. What lay in our own Sent folder is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from engagement.channels.base import Change, Direction, Event, KnownConversation, Lookup
from engagement.channels.email.events import message_id_of
from engagement.channels.email.quoting import bare_subject
from engagement.channels.email.tokens import is_own
from engagement.models import ChannelAccount


@dataclass(eq=False)
class _Conversation:
    """A conversation as it stands while a page is walked through; `anchor` is a key that leads to it."""

    subject: str
    anchor: str = ""
    people: set[str] = field(default_factory=set)


def admit(account: ChannelAccount, events: Sequence[Event | Change], lookup: Lookup) -> list[Event | Change]:
    """The same events in the same order, with the thread keys only that may be believed."""
    mails = [event for event in events if isinstance(event, Event)]
    by_key = _known(lookup, mails)
    believed = {}
    for event in sorted(mails, key=lambda one: (one.occurred_at, one.external_id)):
        believed[event.external_id] = _judged(account, event, by_key)
    return [believed[one.external_id] if isinstance(one, Event) else one for one in events]


def _known(lookup: Lookup, mails: Sequence[Event]) -> dict[str, _Conversation]:
    keys = sorted({key for event in mails for key in event.thread_keys})
    by_id: dict[int, _Conversation] = {}
    found: dict[str, KnownConversation] = dict(lookup(keys)) if keys else {}
    for one in found.values():
        by_id.setdefault(
            one.conversation_id, _Conversation(bare_subject(one.subject), one.thread_key, set(one.people))
        )
    return {key: by_id[one.conversation_id] for key, one in found.items()}


def _judged(account: ChannelAccount, event: Event, by_key: dict[str, _Conversation]) -> Event:
    """One event with its believed keys; the conversation it joins or opens learns of its people."""
    sender = event.author.external_id if event.author else ""
    is_ours = event.direction == Direction.OUTBOUND
    *claims, own = event.thread_keys
    keys = [
        key for key in claims if is_ours or _is_believed(account, key, by_key.get(key), sender, event.subject)
    ]
    if not is_ours and own in by_key and not _is_believed(account, own, by_key[own], sender, event.subject):
        own = f"{own[:300]} of {sender[:150]}"
    keys.append(own)
    conversation = next((by_key[key] for key in keys if key in by_key), None)
    if conversation is None:
        conversation = _Conversation(bare_subject(event.subject))
    elif conversation.anchor:
        keys.insert(0, conversation.anchor)
    for key in keys:
        by_key.setdefault(key, conversation)
    conversation.people |= {sender, *(who.external_id for _, who in event.participants)} - {""}
    return replace(event, thread_keys=tuple(dict.fromkeys(keys)))


def _is_believed(
    account: ChannelAccount, key: str, conversation: _Conversation | None, sender: str, subject: str
) -> bool:
    if conversation is None or sender in conversation.people:
        return True
    return is_own(account, message_id_of(key)) and bare_subject(subject) == conversation.subject
