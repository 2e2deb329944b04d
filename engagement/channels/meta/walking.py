"""Pulls that ask many small lists: a list of tasks that stands in the account's cursor.

Meta has no list of "what is new". A pull walks over posts and conversations, newest first, and into those
that changed since the last walk began. Each page that was asked for moves the list of tasks on, and the list
is saved with the page, so a walk that is cut off goes on where it was.

The cursor: {"since": when the last whole walk began, "counts": {post: comments}, "run": {"began", "todo"}}.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.utils import timezone

from engagement.channels.failures import TransientFailure
from engagement.channels.shapes import Author, Bad, Change, Event, Listed, Page, PostRef
from engagement.models import ChannelAccount

OVERLAP = timedelta(minutes=10)
"""Asked for again each time: lists are not consistent with each other to the second."""
HISTORY = timedelta(days=30)
MOST_PAGES = 500
"""Of one list; more than that is a list without an end."""


@dataclass(frozen=True)
class Task:
    """One list to be read on: what kind, of what, after which cursor."""

    kind: str
    of: str = ""
    after: str = ""
    pages: int = 0
    mark: str = ""
    """The ids of the page before, to notice that the same page comes again."""

    def stored(self) -> list[Any]:
        return [self.kind, self.of, self.after, self.pages, self.mark]


@dataclass(frozen=True)
class Taken:
    """What one page of one list gave: things, the lists inside it, and the cursor of its next page."""

    events: Sequence[Event | Change] = ()
    posts: Sequence[PostRef] = ()
    people: Sequence[Author] = ()
    bad: Sequence[Bad] = ()
    tasks: Sequence[Task] = ()
    after: str = ""
    mark: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Comments under each post, so that the next walk leaves out those where nothing was added."""


@dataclass(frozen=True)
class Reach:
    """How far back a walk goes, and what the last one knew."""

    since: datetime
    counts: Mapping[str, int] = field(default_factory=dict)


Step = Callable[[Task, Reach], Taken]


def pages(account: ChannelAccount, first: Sequence[Task], step: Step) -> Iterator[Page]:
    """Walk from the account's cursor. Raises TransientFailure for a list that goes in circles."""
    cursor = dict(account.cursor)
    run = cursor.get("run") or {"began": timezone.now().isoformat(), "todo": [one.stored() for one in first]}
    since, history = _since(account, cursor), not cursor.get("since")
    reach = Reach(since, cursor.get("counts") or {})
    todo = [Task(*one) for one in run["todo"]]
    counts = dict(run.get("counts") or {})
    before = cursor
    while todo:
        taken, todo = _one(todo, reach, step)
        counts |= taken.counts
        before = cursor
        cursor = _cursor(cursor, run, todo, counts)
        page = Page(
            events=taken.events, cursor=cursor, bad=taken.bad, more=bool(todo), posts=taken.posts,
            people=taken.people,
        )  # fmt: skip
        yield from _told_apart(account, page, before) if history else [page]


def found(first: Sequence[Task], step: Step, reach: Reach) -> Iterator[Taken]:
    """Walk once without a cursor, as a comparison does."""
    todo = list(first)
    while todo:
        taken, todo = _one(todo, reach, step)
        yield taken


def _one(todo: list[Task], reach: Reach, step: Step) -> tuple[Taken, list[Task]]:
    """Do the first task; what remains is what it found, its own next page, and the rest."""
    task, rest = todo[0], todo[1:]
    taken = step(task, reach)
    following = [_following(task, taken)] if taken.after else []
    return taken, [*taken.tasks, *following, *rest]


def _following(task: Task, taken: Taken) -> Task:
    same = taken.after == task.after or (taken.mark != "" and taken.mark == task.mark)
    if same or task.pages + 1 >= MOST_PAGES:
        raise TransientFailure(
            f"The platform gives the same page of {task.kind} again and again; what follows it is not read."
        )
    return replace(task, after=taken.after, pages=task.pages + 1, mark=taken.mark)


def _since(account: ChannelAccount, cursor: Mapping[str, Any]) -> datetime:
    if cursor.get("since"):
        return datetime.fromisoformat(cursor["since"]) - OVERLAP
    begins = account.created_at or timezone.now()
    return begins if account.settings.get("only_new") else begins - HISTORY


def _cursor(
    cursor: Mapping[str, Any], run: Mapping[str, Any], todo: Sequence[Task], counts: Mapping[str, int]
) -> dict[str, Any]:
    if not todo:
        return {"since": run["began"], "counts": dict(counts)}
    going_on = {"began": run["began"], "todo": [one.stored() for one in todo], "counts": dict(counts)}
    return {**cursor, "run": going_on}


def _told_apart(account: ChannelAccount, page: Page, before: Mapping[str, Any]) -> Iterator[Page]:
    """On the first walk: what was said before the connection is history, the rest is not."""
    begins = account.created_at or timezone.now()
    old = [one for one in page.events if _time_of(one) < begins]
    if old:
        yield Page(events=old, cursor=before, history=True, more=True, posts=page.posts)
    yield replace(page, events=[one for one in page.events if _time_of(one) >= begins])


def _time_of(one: Event | Change) -> datetime:
    return one.occurred_at if isinstance(one, Event) else one.at


def heard(taken: Taken, since: datetime, until: datetime) -> list[Listed]:
    """What customers said in this stretch of time."""
    said = [one for one in taken.events if isinstance(one, Event) and one.author is not None]
    return [Listed(one.external_id, one.occurred_at, one) for one in said if since <= one.occurred_at < until]


# Lists


def listed(answer: Mapping[str, Any], what: str) -> list[Mapping[str, Any]]:
    """The items of a list as the Graph API answers it. Raises TransientFailure for another shape."""
    found = answer.get("data")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise TransientFailure(f"The list of {what} cannot be read.")
    return found


def next_after(answer: Mapping[str, Any]) -> str:
    """The cursor of the next page, '' on the last one.

    `paging.next` carries the access token, so it is looked at and never followed. Raises TransientFailure
    where the list goes on without a cursor.
    """
    paging = answer.get("paging")
    if not isinstance(paging, dict) or not paging.get("next"):
        return ""
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, dict) else None
    if not after:
        after = parse_qs(urlsplit(str(paging["next"])).query).get("after", [""])[0]
    if not after or not isinstance(after, str):
        raise TransientFailure("The platform says that a list goes on, and not where.")
    return after


def mark_of(items: Sequence[Mapping[str, Any]]) -> str:
    """What tells this page from another."""
    return f"{items[0].get('id')}..{items[-1].get('id')}/{len(items)}"[:200] if items else ""


def parked(kind: str, item: Mapping[str, Any], error: ValueError, **beside: Any) -> Bad:
    """An item that cannot be understood, with everything that `parse` needs to try it again."""
    body = json.dumps({"object": PULLED, "kind": kind, **beside, "item": item}).encode()
    return Bad(delivery_key=f"{kind}:{item.get('id')}", error=str(error), body=body)


PULLED = "pulled"
"""What stands as `object` in an item of a pull that was parked; no webhook has it."""
