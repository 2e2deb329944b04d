"""Calls to graph.instagram.com in an account's name."""

from __future__ import annotations

from engagement.channels.meta import app
from engagement.channels.meta.client import Graph
from engagement.models import ChannelAccount


def graph(account: ChannelAccount, *, bucket: str = "pull") -> Graph:
    """The Graph API of Instagram with the account's token."""
    token = str(account.credentials.get("access_token") or "")
    return Graph(app.place("instagram"), token, account=account, bucket=bucket)
