"""Conversations and the messages in them, as Messenger and Instagram list them alike."""

from __future__ import annotations

from collections.abc import Sequence

from engagement.channels.meta import messaging
from engagement.channels.meta.messaging import Ours, time_of
from engagement.channels.meta.reading import Json
from engagement.channels.meta.walking import Reach, Taken, Task, listed, mark_of, next_after, parked
from engagement.channels.shapes import Author, Bad, Change, Event

PER_PAGE = 20
"""Of older messages in a conversation Meta tells nothing but the id."""


def fields(of_messages: str) -> str:
    """What is asked of each conversation, its newest messages among it."""
    return f"id,updated_time,participants,messages.limit({PER_PAGE}){{{of_messages}}}"


def conversations(answer: Json, ours: Ours, reach: Reach) -> Taken:
    """Conversations with their newest messages, until they are older than the walk reaches."""
    found = listed(answer, "conversations")
    said: list[Event | Change] = []
    people: list[Author] = []
    bad: list[Bad] = []
    tasks: list[Task] = []
    ends = False
    for item in found:
        touched = time_of(item, "updated_time")
        if touched is not None and touched < reach.since:
            ends = True
            continue
        inside = item.get("messages")
        if isinstance(inside, dict):
            taken = messages(inside, ours, reach)
            said += taken.events
            bad += taken.bad
            tasks += [Task("messages", str(item.get("id")), taken.after)] if taken.after else []
        people += _people(item, ours)
    after = "" if ends else next_after(answer)
    return Taken(said, people=people, bad=bad, tasks=tasks, after=after, mark=mark_of(found))


def messages(answer: Json, ours: Ours, reach: Reach) -> Taken:
    """The messages of one conversation, newest first, until they are older than the walk reaches."""
    found = listed(answer, "messages")
    said: list[Event] = []
    bad: list[Bad] = []
    for item in found:
        try:
            said.append(messaging.pulled(item, ours))
        except ValueError as error:
            bad.append(parked("message", item, error))
    fresh = [one for one in said if one.occurred_at >= reach.since]
    after = next_after(answer) if len(fresh) == len(said) else ""
    return Taken(fresh, bad=bad, after=after, mark=mark_of(found))


def _people(item: Json, ours: Ours) -> Sequence[Author]:
    """Who takes part, with the name that webhooks do not tell."""
    try:
        told = item.get("participants")
        known = told.get("data") if isinstance(told, dict) else None
        people = [messaging.author_of(one) for one in known or () if isinstance(one, dict)]
    except ValueError:
        return ()
    return [one for one in people if one.external_id not in ours.ids]
