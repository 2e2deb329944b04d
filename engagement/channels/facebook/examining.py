"""The self-test of a Page: every permission is tried alone."""

from __future__ import annotations

from django.utils.translation import gettext as _

from engagement.channels.facebook.client import graph
from engagement.channels.failures import PermissionMissing, SendFailed
from engagement.channels.meta import app
from engagement.channels.meta.client import Graph
from engagement.channels.meta.examining import Attempt, again, tried
from engagement.channels.meta.walking import listed
from engagement.channels.shapes import Finding
from engagement.models import ChannelAccount


def examine(account: ChannelAccount, scopes: dict[str, str]) -> list[Finding]:
    """One line for the token, each permission that is only seen by name, and each list that is read."""
    page = account.external_id
    reads: tuple[tuple[str, str, Attempt], ...] = (
        (_("Posts and comments"), "pages_read_engagement", lambda one: one.get(f"{page}/feed", limit=1)),
        (_("Who comments"), "pages_read_user_content", lambda one: _first_comment(one, page)),
        (
            _("Messages"),
            "pages_messaging",
            lambda one: one.get(f"{page}/conversations", platform="messenger", limit=1),
        ),
        (_("Webhooks of the Page"), "pages_manage_metadata", lambda one: one.get(f"{page}/subscribed_apps")),
    )
    with graph(account) as client:
        findings = [tried(name, scope, attempt, client) for name, scope, attempt in reads]
    tested = {finding.scope for finding in findings}
    return findings + named_scopes(account, [scope for scope in scopes if scope not in tested])


def _first_comment(client: Graph, page: str) -> None:
    """Ask for a comment with its author, where there is one: without the permission Meta leaves him out."""
    posts = listed(client.get(f"{page}/feed", fields="comments.limit(1){id,from}", limit=10), "posts")
    for post in posts:
        inside = post.get("comments")
        for comment in listed(inside, "comments") if isinstance(inside, dict) else ():
            if not comment.get("from"):
                raise PermissionMissing(_("Meta does not tell who wrote a comment."))
            return


def named_scopes(account: ChannelAccount, scopes: list[str]) -> list[Finding]:
    """Permissions that cannot be tried without doing something: whether the token carries them."""
    if not app.key("id") or not app.key("secret"):
        return []
    try:
        held = held_scopes(str(account.credentials.get("access_token") or ""))
    except SendFailed as failure:
        return [Finding(_("Token"), works=False, text=str(failure), remedy=failure.advice or again())]
    return [
        Finding(scope, works=scope in held, scope=scope, remedy="" if scope in held else again())
        for scope in scopes
    ]


def held_scopes(token: str) -> set[str]:
    """The permissions of a token, from Meta's own look at it. Raises SendFailed."""
    with app.as_app(token) as client:
        data = client.get("debug_token", input_token=token).get("data")
    scopes = data.get("scopes") if isinstance(data, dict) else None
    return {str(one) for one in scopes} if isinstance(scopes, list) else set()
