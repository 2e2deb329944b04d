"""Reads an Instagram account: posts, comments under those where some were added, and conversations."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils import timezone

from engagement.channels.instagram import events
from engagement.channels.meta.client import Graph
from engagement.channels.meta.conversations import PER_PAGE as PER_CONVERSATION
from engagement.channels.meta.conversations import conversations, fields, messages
from engagement.channels.meta.messaging import Ours
from engagement.channels.meta.reading import Json, whole
from engagement.channels.meta.steps import Step, Steps
from engagement.channels.meta.walking import Reach, Taken, Task, listed, mark_of, next_after, parked
from engagement.channels.shapes import Bad, Event, PostRef

FIRST = (Task("media"), Task("conversations"))
POSTS = 100
"""So many of the newest posts are looked at for comments; older ones come by webhook."""
PER_PAGE = 25
MEDIA_FIELDS = "id,caption,media_type,media_product_type,permalink,timestamp,like_count,comments_count"
REPLY_FIELDS = "id,text,timestamp,from,username,parent_id"
COMMENT_FIELDS = f"{REPLY_FIELDS},replies.limit(50){{{REPLY_FIELDS}}}"
MESSAGE_FIELDS = "id,created_time,from,to,message,attachments,is_unsupported"


class Reader(Steps):
    """The steps of a walk over one account."""

    def __init__(self, graph: Graph, us: Ours) -> None:
        super().__init__(graph)
        self.us = us

    def steps(self) -> Mapping[str, Step]:
        """Posts and what is written under them, conversations and their messages."""
        return {
            "media": self._media,
            "comments": self._comments,
            "replies": self._replies,
            "conversations": self._conversations,
            "messages": self._messages,
        }

    def _media(self, task: Task, reach: Reach) -> Taken:
        """Posts with their figures. An answer to an old comment does not move that comment up in its list, so
        a post whose count of comments changed is read whole."""
        answer = self.ask("me/media", task, fields=MEDIA_FIELDS, limit=PER_PAGE)
        found, as_of = listed(answer, "posts"), timezone.now()
        posts: list[PostRef] = []
        bad: list[Bad] = []
        counts: dict[str, int] = {}
        for item in found:
            try:
                posts.append(events.post_of(item, as_of))
            except ValueError as error:
                bad.append(parked("post", item, error))
                continue
            counts[posts[-1].external_id] = whole(item, "comments_count") or 0
        tasks = [Task("comments", post) for post, n in counts.items() if n != reach.counts.get(post, 0)]
        ends = (task.pages + 1) * PER_PAGE >= POSTS
        after = "" if ends else next_after(answer)
        return Taken(posts=posts, bad=bad, tasks=tasks, after=after, mark=mark_of(found), counts=counts)

    def _comments(self, task: Task, reach: Reach) -> Taken:
        answer = self.ask(f"{task.of}/comments", task, fields=COMMENT_FIELDS, limit=50)
        found = listed(answer, "comments")
        said: list[Event] = []
        bad: list[Bad] = []
        tasks: list[Task] = []
        for item in found:
            self._take(item, task.of, "", said, bad)
            inside = item.get("replies")
            if isinstance(inside, dict):
                for reply in listed(inside, "replies"):
                    self._take(reply, task.of, str(item.get("id")), said, bad)
                more = next_after(inside)
                tasks += [Task("replies", f"{task.of}:{item.get('id')}", more)] if more else []
        fresh = [one for one in said if one.occurred_at >= reach.since]
        return Taken(fresh, bad=bad, tasks=tasks, after=next_after(answer), mark=mark_of(found))

    def _replies(self, task: Task, reach: Reach) -> Taken:
        post, _colon, parent = task.of.partition(":")
        answer = self.ask(f"{parent}/replies", task, fields=REPLY_FIELDS, limit=50)
        found = listed(answer, "replies")
        said: list[Event] = []
        bad: list[Bad] = []
        for item in found:
            self._take(item, post, parent, said, bad)
        fresh = [one for one in said if one.occurred_at >= reach.since]
        return Taken(fresh, bad=bad, after=next_after(answer), mark=mark_of(found))

    def _take(self, item: Json, post: str, parent: str, said: list[Event], bad: list[Bad]) -> None:
        try:
            said.append(events.pulled_comment(item, self.us, post, parent))
        except ValueError as error:
            bad.append(parked("comment", item, error, post=post, parent=parent))

    def _conversations(self, task: Task, reach: Reach) -> Taken:
        answer = self.ask(
            "me/conversations", task, platform="instagram", limit=PER_CONVERSATION,
            fields=fields(MESSAGE_FIELDS),
        )  # fmt: skip
        return conversations(answer, self.us, reach)

    def _messages(self, task: Task, reach: Reach) -> Taken:
        answer = self.ask(f"{task.of}/messages", task, fields=MESSAGE_FIELDS, limit=PER_CONVERSATION)
        return messages(answer, self.us, reach)
