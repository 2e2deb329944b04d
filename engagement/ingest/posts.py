"""Our own posts and how people reacted to them, as pulls, webhooks and comments tell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from core import sql
from core.text import clean_text
from engagement.channels.base import PostRef
from engagement.models import ChannelAccount

APP = "engagement"


def store_known_posts(
    account: ChannelAccount, posts: Sequence[PostRef], *, told_at: datetime | None = None
) -> None:
    """Make or bring up to date what the network tells of our posts, in one statement.

    `told_at` is the moment of those that name none; the present one by default.
    """
    at = told_at or timezone.now()
    _store(account, sorted(posts, key=lambda post: post.as_of or at), as_of=at)


def store_named_posts(account: ChannelAccount, posts: Sequence[PostRef]) -> None:
    """Make those posts that comments name and nobody told of yet, and fill what is blank; one statement."""
    _store(account, posts, as_of=None)


def _store(account: ChannelAccount, posts: Sequence[PostRef], *, as_of: datetime | None) -> None:
    rows = {post.external_id: _row(post, as_of) for post in posts if post.external_id}
    if rows:
        ordered = [rows[key] for key in sorted(rows)]
        sql.run(APP, "store_posts", {"account": account.pk, "posts": json.dumps(ordered)})


def _row(post: PostRef, as_of: datetime | None) -> dict[str, object]:
    at = post.as_of or as_of
    return {
        "external_id": clean_text(post.external_id, limit=200),
        "text": clean_text(post.text, limit=5000),
        "url": _web_address(post.url),
        "media": clean_text(post.media, limit=30),
        "published_at": post.published_at and post.published_at.isoformat(),
        "metrics": {clean_text(str(name)): n for name, n in post.metrics.items() if isinstance(n, int)},
        "as_of": at and at.isoformat(),
    }


def _web_address(url: str) -> str:
    """The address where it leads to a page; a link in the thread must not run anything."""
    cleaned = clean_text(url, limit=500).strip()
    return cleaned if cleaned.lower().startswith(("https://", "http://")) else ""
