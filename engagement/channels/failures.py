"""What can go wrong with a platform, named by what follows; connectors decide by code, not by words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core import http


class SendFailed(Exception):
    """A call that did not do what was asked; the subclass says what follows from it.

    Its text is the platform's own reason, `advice` what a person can do about it.
    """

    def __init__(self, text: str = "", *, advice: str = "") -> None:
        super().__init__(text)
        self.advice = advice


class TransientFailure(SendFailed):
    """Try again later."""


class RateReached(TransientFailure):
    """The platform's allowance is used up: not before `retry_after` seconds."""

    def __init__(self, text: str = "", *, retry_after: float, advice: str = "") -> None:
        super().__init__(text, advice=advice)
        self.retry_after = retry_after


class AuthFailure(SendFailed):
    """The account's credentials do not work; it is paused and admins are told once."""


class TokenExpired(AuthFailure):
    """The access token's time is over: it is refreshed and the call made once more."""


class PermanentFailure(SendFailed):
    """It will never go; the agent is told in the platform's words."""


class PermissionMissing(PermanentFailure):
    """The platform does not let this account do that; `scope` is the permission in its own word."""

    def __init__(self, text: str = "", *, scope: str = "", advice: str = "") -> None:
        super().__init__(text, advice=advice)
        self.scope = scope


class WindowClosed(PermanentFailure):
    """The network's reply window has ended."""


class ByHand(PermanentFailure):
    """Only a person can put it there; staff do, and say so."""


class Uncertain(SendFailed):
    """It may have been sent; never sent again by itself."""


def from_http(failure: http.HttpFailure) -> SendFailed:
    """What a failed request means where the platform's own error code says nothing more."""
    text = str(failure)
    if isinstance(failure, http.RateLimited):
        return RateReached(text, retry_after=failure.retry_after)
    if isinstance(failure, http.AuthFailed):
        return AuthFailure(text)
    if isinstance(failure, http.Transient):
        return TransientFailure(text)
    if isinstance(failure, http.Uncertain):
        return Uncertain(text)
    return PermanentFailure(text)


@contextmanager
def translated(explain: Callable[[http.HttpFailure], SendFailed] = from_http) -> Iterator[None]:
    """Let what fails in `core.http` leave as a `SendFailed`; `explain` knows the platform's own codes."""
    try:
        yield
    except http.HttpFailure as failure:
        raise explain(failure) from None
