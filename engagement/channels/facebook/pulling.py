"""Reads a Page: posts and the comments under them, conversations and the messages in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.utils import timezone

from engagement.channels.facebook import events
from engagement.channels.meta.client import Graph
from engagement.channels.meta.conversations import PER_PAGE, conversations, fields, messages
from engagement.channels.meta.messaging import time_of
from engagement.channels.meta.steps import Step, Steps
from engagement.channels.meta.walking import Reach, Taken, Task, listed, mark_of, next_after, parked
from engagement.channels.shapes import Bad, Event, PostRef

FIRST = (Task("feed"), Task("conversations"))
DEEP = timedelta(days=90)
"""Posts that are older are not asked for comments; new ones there still come by webhook."""
POST_FIELDS = (
    "id,message,story,created_time,updated_time,permalink_url,from{id,name},attachments{media_type},shares,"
    "reactions.summary(true).limit(0),comments.filter(stream).summary(true).limit(0)"
)
COMMENT_FIELDS = "id,message,created_time,from{id,name},parent{id},attachment"
MESSAGE_FIELDS = (
    "id,created_time,from,to,message,attachments{id,mime_type,name,size,image_data,video_data,file_url},"
    "shares{link}"
)


class Reader(Steps):
    """The steps of a walk over one Page."""

    def __init__(self, graph: Graph, page: str) -> None:
        super().__init__(graph)
        self.page = page

    def steps(self) -> Mapping[str, Step]:
        """Posts and what is written under them, conversations and their messages."""
        return {
            "feed": self._feed,
            "comments": self._comments,
            "conversations": self._conversations,
            "messages": self._messages,
        }

    def _feed(self, task: Task, reach: Reach) -> Taken:
        answer = self.ask(f"{self.page}/feed", task, fields=POST_FIELDS, limit=25)
        said: list[Event] = []
        posts: list[PostRef] = []
        bad: list[Bad] = []
        tasks: list[Task] = []
        found, as_of = listed(answer, "posts"), timezone.now()
        for item in found:
            try:
                parcel = events.parcel_of_post(item, self.page, as_of)
            except ValueError as error:
                bad.append(parked("post", item, error))
                continue
            posts += parcel.posts
            said += [
                one for one in parcel.events if isinstance(one, Event) and one.occurred_at >= reach.since
            ]
            touched = time_of(item, "updated_time")
            if touched is None or touched >= reach.since:
                tasks.append(Task("comments", str(item["id"])))
        oldest = time_of(found[-1], "created_time") if found else None
        ends = oldest is not None and oldest < reach.since - DEEP
        after = "" if ends else next_after(answer)
        return Taken(said, posts=posts, bad=bad, tasks=tasks, after=after, mark=mark_of(found))

    def _comments(self, task: Task, reach: Reach) -> Taken:
        """Newest first, answers among them, until they are older than the walk reaches."""
        answer = self.ask(
            f"{task.of}/comments", task,
            filter="stream", order="reverse_chronological", fields=COMMENT_FIELDS, limit=100,
        )  # fmt: skip
        found = listed(answer, "comments")
        said: list[Event] = []
        bad: list[Bad] = []
        for item in found:
            try:
                said.append(events.pulled_comment(item, self.page, task.of))
            except ValueError as error:
                bad.append(parked("comment", item, error, post=task.of))
        fresh = [one for one in said if one.occurred_at >= reach.since]
        after = next_after(answer) if len(fresh) == len(said) else ""
        return Taken(fresh, bad=bad, after=after, mark=mark_of(found))

    def _conversations(self, task: Task, reach: Reach) -> Taken:
        answer = self.ask(
            f"{self.page}/conversations", task, platform="messenger", limit=PER_PAGE,
            fields=fields(MESSAGE_FIELDS),
        )  # fmt: skip
        return conversations(answer, events.ours(self.page), reach)

    def _messages(self, task: Task, reach: Reach) -> Taken:
        answer = self.ask(f"{task.of}/messages", task, fields=MESSAGE_FIELDS, limit=PER_PAGE)
        return messages(answer, events.ours(self.page), reach)
