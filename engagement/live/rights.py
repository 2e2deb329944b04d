"""Who may open a stream, from which page, and what it tells them. Everything here is called in a thread."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.http.cookie import parse_cookie
from django.utils.crypto import constant_time_compare

from accounts.models import User
from accounts.permissions import can
from accounts.querysets import team_ids


def page_of(headers: Mapping[str, str]) -> str | None:
    """The origin of the page that asks; None when the request does not tell.

    A browser leaves Origin out where stream and page are one origin; it then sends Sec-Fetch-Site, or
    over plain HTTP at least the Referer that our pages allow.
    """
    if "origin" in headers:
        return headers["origin"]
    if headers.get("sec-fetch-site") == "same-origin":
        return settings.PUBLIC_URL
    referer = urlsplit(headers.get("referer", ""))
    return f"{referer.scheme}://{referer.netloc}" if referer.netloc else None


def session_key(cookies: str) -> str:
    """The session that a Cookie header names, '' for none."""
    return parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME, "")


def staff_channels(key: str) -> frozenset[str] | None:
    """What the staff of this session is told; None when the session is nobody's (any more).

    The session is read from the database, not the cache: a stream must end with its session even where
    a cached copy lives on.
    """
    session = SessionStore(key).load() if key else {}
    user = User.objects.filter(pk=session.get(SESSION_KEY) or 0, is_active=True).first()
    if user is None or not _still_fits(session, user) or not can(user, "conversation.read"):
        return None
    teams = (f"team:{team}" for team in team_ids(user))
    return frozenset({"staff", f"user:{user.pk}", f"role:{user.role}", *teams})


def _still_fits(session: Mapping[str, str], user: User) -> bool:
    """Whether the session began with the password that is valid today."""
    given = session.get(HASH_SESSION_KEY, "")
    valid = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(given, known) for known in valid)
