"""Calls to the Cloud API in a number's name."""

from __future__ import annotations

from core import http
from engagement.channels.failures import PermanentFailure, from_http
from engagement.channels.meta import app
from engagement.channels.meta.client import Graph
from engagement.models import ChannelAccount


def token_of(account: ChannelAccount) -> str:
    """The system user's token."""
    return str(account.credentials.get("access_token") or "")


def graph(account: ChannelAccount, *, bucket: str = "send") -> Graph:
    """The Graph API with the number's token.

    Without the app's proof: the token may be one of another app of the same business.
    """
    return Graph(app.place(app.GRAPH), token_of(account), account=account, bucket=bucket)


def download(url: str, token: str, *, most: int) -> http.Answer:
    """A media file, for which Meta wants the token too. Raises SendFailed."""
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with http.Client(url, headers=headers, user_given=True, max_bytes=most) as client:
            return client.get()
    except http.TooLarge:
        raise PermanentFailure(f"The file is larger than {most:,} bytes.") from None
    except http.HttpFailure as failure:
        raise from_http(failure) from None
