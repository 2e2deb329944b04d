"""Calls to the Graph API in a Page's name."""

from __future__ import annotations

from engagement.channels.meta import app
from engagement.channels.meta.client import Graph
from engagement.models import ChannelAccount


def graph(account: ChannelAccount, *, bucket: str = "pull") -> Graph:
    """The Graph API with the Page's token."""
    return Graph(
        app.place(app.GRAPH),
        str(account.credentials.get("access_token") or ""),
        account=account,
        bucket=bucket,
        app_secret=app.key("secret"),
    )
