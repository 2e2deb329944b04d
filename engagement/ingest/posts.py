"""Our own posts and how people reacted to them, as pulls and webhooks tell."""

from __future__ import annotations

import json
from collections.abc import Sequence

from core import sql
from core.text import clean_text
from engagement.channels.base import PostRef
from engagement.models import ChannelAccount


def store_known_posts(account: ChannelAccount, posts: Sequence[PostRef]) -> None:
    """Make or bring up to date, in one statement; a repeated post changes only what is told anew."""
    rows = {post.external_id: _row(post) for post in posts if post.external_id}
    if rows:
        ordered = [rows[key] for key in sorted(rows)]
        sql.run("engagement", "store_posts", {"account": account.pk, "posts": json.dumps(ordered)})


def _row(post: PostRef) -> dict[str, object]:
    return {
        "external_id": clean_text(post.external_id, limit=200),
        "text": clean_text(post.text, limit=5000),
        "url": clean_text(post.url, limit=500),
        "media": clean_text(post.media, limit=30),
        "published_at": post.published_at and post.published_at.isoformat(),
        "metrics": {str(name): int(n) for name, n in post.metrics.items()},
    }
