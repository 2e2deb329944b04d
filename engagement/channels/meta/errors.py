"""What an error of the Graph API means, by its code and subcode and never by its words.

Codes: https://developers.facebook.com/docs/graph-api/guides/error-handling,
/documentation/business-messaging/messenger-platform/error-codes and
/documentation/business-messaging/whatsapp/support/error-codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from engagement.channels.failures import (
    AuthFailure,
    PermanentFailure,
    PermissionMissing,
    RateReached,
    SendFailed,
    TransientFailure,
    WindowClosed,
)

NO_ACCESS = frozenset({102, 190})
NO_ACCESS_SUBCODES = frozenset({458, 459, 460, 463, 464, 467, 492})
TOO_MANY = {
    4: 60.0, 17: 60.0, 32: 60.0, 341: 300.0, 613: 60.0,
    80000: 60.0, 80001: 60.0, 80002: 60.0, 80004: 60.0, 80005: 60.0, 80006: 60.0, 80007: 60.0,
    80008: 60.0, 80014: 60.0, 130429: 10.0, 131056: 6.0, 131048: 3600.0, 133016: 3600.0, 368: 3600.0,
}  # fmt: skip
"""Seconds to wait where the headers say nothing. 131056 is one person, who gets a message in six seconds."""
LATER = frozenset({1, 2, 1200, 131000, 131016, 131057, 133004})
WINDOW = frozenset({131047, 470})
WINDOW_SUBCODES = frozenset({2018065, 2018108, 2018278, 2534022})
NOT_ALLOWED = frozenset({3, 10, 131005})
GONE = (100, 33)
UNKNOWN_PERSON_SUBCODE = 2018001
UNREACHABLE = frozenset({551, 131026, 131030})


@dataclass(frozen=True)
class GraphError:
    """An error as Meta tells it."""

    code: int
    subcode: int
    text: str
    is_transient: bool = False

    @property
    def is_gone(self) -> bool:
        """The thing is not there, or cannot be seen with these permissions: Meta does not tell which."""
        return (self.code, self.subcode) == GONE


class GoneFailure(PermanentFailure):
    """What was asked for exists no more, or was never visible to this account."""


def error_in(body: Any) -> GraphError | None:
    """The error that an answer carries, also one with status 200; None for none."""
    told = body.get("error") if isinstance(body, dict) else None
    if isinstance(told, str):
        return GraphError(0, 0, str(body.get("error_description") or told))
    if not isinstance(told, dict):
        return _instagram_login_error(body)
    data = told.get("error_data")
    details = data.get("details") if isinstance(data, Mapping) else None
    words = told.get("error_user_msg") or details or told.get("message")
    return GraphError(
        _number(told.get("code")),
        _number(told.get("error_subcode")),
        str(words or "The platform gave no reason.")[:500],
        bool(told.get("is_transient")),
    )


def _instagram_login_error(body: Any) -> GraphError | None:
    """api.instagram.com tells {"error_type", "code", "error_message"} instead."""
    if isinstance(body, dict) and "error_message" in body:
        return GraphError(_number(body.get("code")), 0, str(body["error_message"])[:500])
    return None


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def failure_of(error: GraphError, *, wait: float = 0.0) -> SendFailed:
    """What follows from the error; `wait` is what the headers say, in seconds."""
    told = f"{error.text} ({error.code}{f'/{error.subcode}' if error.subcode else ''})"
    if error.code in NO_ACCESS or (error.code == 0 and error.subcode in NO_ACCESS_SUBCODES):
        return AuthFailure(told, advice=_("Connect the account again in Settings, Channels."))
    if error.code in WINDOW or error.subcode in WINDOW_SUBCODES:
        return WindowClosed(told, advice=_("Wait until they write again, or use another channel."))
    if error.code in TOO_MANY:
        return RateReached(told, retry_after=wait or TOO_MANY[error.code])
    if error.code in LATER or error.is_transient:
        return TransientFailure(told)
    if error.code in NOT_ALLOWED or 200 <= error.code <= 299:
        return PermissionMissing(
            told, advice=_("Connect the account again and leave every permission ticked.")
        )
    if error.is_gone:
        return GoneFailure(told, advice=_("It was deleted, or this account may not see it."))
    return PermanentFailure(told, advice=_advice(error))


def _advice(error: GraphError) -> str:
    if error.code in UNREACHABLE or error.subcode == UNKNOWN_PERSON_SUBCODE:
        return _("They cannot be reached there just now. Use another channel.")
    if error.code == 131042:
        return _("WhatsApp wants a valid payment method: mend it in WhatsApp Manager.")
    if error.code == 506:
        return _("The same text was sent just before. Change it a little.")
    return ""
