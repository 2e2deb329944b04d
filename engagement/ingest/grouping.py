"""Which events of a page belong to one conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engagement.ingest.prepare import Prepared


@dataclass
class Group:
    """Events and threads that share a conversation; its id is None until the conversation is made."""

    conversation_id: int | None = None
    thread_ids: set[int] = field(default_factory=set)
    events: list[Prepared] = field(default_factory=list)


def group_threads(page: Sequence[Prepared], threads: Sequence[dict[str, Any]]) -> list[Group]:
    """Put each event with the conversation of its surest known thread key, else with a new one.

    Every other key of the event that leads nowhere yet leads there from then on. Events are taken in order of
    time, so that an answer finds the conversation which its question opens in the same page.
    """
    ids = {row["thread_key"]: row["id"] for row in threads}
    by_key: dict[str, Group] = {}
    by_conversation: dict[int, Group] = {}
    groups: list[Group] = []
    for row in threads:
        number = row["conversation_id"]
        if number is None:
            continue
        if number not in by_conversation:
            by_conversation[number] = Group(conversation_id=number)
            groups.append(by_conversation[number])
        by_key[row["thread_key"]] = by_conversation[number]
    for one in sorted(page, key=lambda one: (one.event.occurred_at, one.event.external_id)):
        group = next((by_key[key] for key in one.event.thread_keys if key in by_key), None)
        if group is None:
            group = Group()
            groups.append(group)
        for key in one.event.thread_keys:
            if key not in by_key:
                by_key[key] = group
                group.thread_ids.add(ids[key])
        group.events.append(one)
    return [group for group in groups if group.events]
