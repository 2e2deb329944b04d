"""What X's refusals mean, by status and by the code or problem type that comes with them."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _

from core import http
from engagement.channels.base import (
    AuthFailure,
    PermanentFailure,
    PermissionMissing,
    RateReached,
    SendFailed,
    TokenExpired,
    TransientFailure,
)

DUPLICATE, TOO_LONG, NOT_VISIBLE, NOT_ALLOWED_TO_REPLY = 187, 186, 385, 433
NO_MESSAGES_TO_THEM = frozenset({150, 151, 349})
SUSPENDED, LOCKED = frozenset({63, 64}), 326
NO_ACCESS = frozenset({"client-forbidden", "unsupported-authentication", "not-authorized-for-field"})


def problem_of(answer: http.Answer) -> dict[str, Any]:
    """The problem that an answer tells: title, detail, type; {} where it is none."""
    try:
        told = json.loads(answer.body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def code_of(problem: dict[str, Any]) -> int:
    """X's own number of the failure, 0 where it gives none."""
    first = _first_error(problem)
    code = first.get("code", problem.get("code"))
    return code if isinstance(code, int) else 0


def kind_of(problem: dict[str, Any]) -> str:
    """Last word of the problem's type: "usage-capped", "client-forbidden"."""
    return str(problem.get("type") or "").rpartition("/")[2]


def words_of(problem: dict[str, Any]) -> str:
    """What X says itself."""
    first = _first_error(problem)
    told = [
        problem.get("detail"),
        first.get("detail"),
        first.get("message"),
        problem.get("message"),
        problem.get("title"),
    ]
    return next((str(one)[:400] for one in told if one), "")


def _first_error(problem: dict[str, Any]) -> dict[str, Any]:
    errors = problem.get("errors")
    found = errors[0] if isinstance(errors, list) and errors else {}
    return found if isinstance(found, dict) else {}


def refusal(answer: http.Answer) -> SendFailed:
    """The failure that an answer of 400 to 499 is."""
    problem = problem_of(answer)
    text = words_of(problem) or _("X answered %(status)s.") % {"status": answer.status}
    if answer.status == 401:
        return TokenExpired(text, advice=_("Connect the account again in Settings, Channels."))
    if answer.status == 429:
        return _rate_reached(answer, problem, text)
    if answer.status == 402:
        return TransientFailure(text, advice=_("Add credit for the X API in X's developer console."))
    if answer.status == 403:
        return _forbidden(problem, text)
    advice = ""
    if answer.status == 404:
        advice = _("It was deleted, or its author does not show it to this account any more.")
    return PermanentFailure(text, advice=advice)


def _rate_reached(answer: http.Answer, problem: dict[str, Any], text: str) -> RateReached:
    advice = ""
    if kind_of(problem) == "usage-capped":
        advice = _(
            "The posts that the X API plan includes are used up. Raise the plan or wait for the month."
        )
    return RateReached(text, retry_after=http.retry_after(answer), advice=advice)


def _forbidden(problem: dict[str, Any], text: str) -> SendFailed:
    code = code_of(problem)
    if code in SUSPENDED:
        return AuthFailure(text, advice=_("X has suspended this account. Appeal to X."))
    if code == LOCKED:
        return AuthFailure(text, advice=_("X has locked this account. Sign in at x.com and unlock it."))
    if kind_of(problem) in NO_ACCESS:
        return PermissionMissing(
            text,
            advice=_("The app's plan or permissions do not include this. Check X's developer console."),
        )
    return PermanentFailure(text, advice=_advice(code, text))


def _advice(code: int, text: str) -> str:
    """What a person can do; the words of X are looked at only to advise, never to decide what follows."""
    if code == DUPLICATE or "duplicate" in text.lower():
        return _("X takes the same words only once. Say it differently.")
    if code == TOO_LONG:
        return _("Shorten it.")
    if code in NO_MESSAGES_TO_THEM:
        return _(
            "This person does not take direct messages from you. Answer in public, or ask them to write."
        )
    if code in (NOT_VISIBLE, NOT_ALLOWED_TO_REPLY):
        return _("Its author deleted it or lets only some people answer. Write a direct message.")
    return ""


def not_summoned() -> str:
    """The advice where X refuses a public answer without a code of its own."""
    return _(
        "X lets programs answer only posts that mention this account or quote one of its posts "
        "(unless the app has an Enterprise plan). Answer at x.com, or write a direct message."
    )
