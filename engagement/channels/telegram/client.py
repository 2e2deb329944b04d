"""Calls to the Bot API. The token is part of the URL, so it is hidden wherever a URL could be written down.

Errors are told by `error_code` and `parameters` of the answer, never by its words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from django.utils.translation import gettext as _

from core import http
from engagement.channels import calling
from engagement.channels.base import platform_url
from engagement.channels.failures import (
    AuthFailure,
    PermanentFailure,
    RateReached,
    SendFailed,
    TransientFailure,
    Uncertain,
    from_http,
)
from engagement.channels.fields import Json, maybe_mapping, maybe_text, maybe_whole

if TYPE_CHECKING:
    from engagement.models import ChannelAccount

DEFAULT_WAIT = 30.0
LIST_TIMEOUT = (5.0, 40.0)


class Moved(PermanentFailure):
    """The group became a supergroup with another id."""

    def __init__(self, text: str, chat_id: int) -> None:
        super().__init__(text)
        self.chat_id = chat_id


class Conflict(TransientFailure):
    """Somebody else reads the bot, or a webhook is set for it."""


class Bot:
    """Calls of one bot. Use it in `with`; every call raises SendFailed."""

    def __init__(self, account: ChannelAccount, *, bucket: str = "pull") -> None:
        token = str(account.credentials.get("bot_token", ""))
        if not token:
            raise AuthFailure(_("There is no bot token."), advice=new_token())
        base = platform_url("telegram", "https://api.telegram.org")
        self._file_base = f"{base}/file/bot{token}/"
        self._http = calling.client(
            account, f"{base}/bot{token}/", bucket=bucket, secrets=[token], timeout=LIST_TIMEOUT
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def ask(self, method: str, **parameters: Any) -> Any:
        """Call a method that only reads: an answer that does not come is asked for again."""
        try:
            return _result(self._http.get(method, params=_written(parameters)))
        except http.HttpFailure as failure:
            raise failure_of(failure) from None

    def do(
        self, method: str, *, files: Mapping[str, tuple[str, bytes, str]] | None = None, **parameters: Any
    ) -> Any:
        """Call a method that changes something. Raises Uncertain where no answer came."""
        given: dict[str, Any] = (
            {"data": _written(parameters), "files": files} if files else {"json": parameters}
        )
        try:
            answer = self._http.post(method, **given)
            if not isinstance(_json(answer), dict):
                raise Uncertain(_("Telegram's answer cannot be read: it may have been done."))
            return _result(answer)
        except http.HttpFailure as failure:
            raise failure_of(failure) from None

    def download(self, path: str, *, most: int) -> http.Answer:
        """A file by the path that `getFile` gave."""
        try:
            return self._http.get(f"{self._file_base}{path.lstrip('/')}", max_bytes=most)
        except http.TooLarge:
            raise PermanentFailure(f"The file is larger than {most:,} bytes.") from None
        except http.HttpFailure as failure:
            raise failure_of(failure) from None


def _written(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Parameters beside files or in a URL: everything that is no text as JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()
    }


def _json(answer: http.Answer) -> Any:
    """The body of a good answer; None where it is no JSON."""
    try:
        return answer.json()
    except http.Permanent:
        return None


def _result(answer: http.Answer) -> Any:
    found = answer.json()
    if not isinstance(found, dict) or "ok" not in found:
        raise http.Permanent("The answer is not one of the Bot API.", status=answer.status)
    if found["ok"] is not True:
        raise refusal(found)
    return found.get("result")


def failure_of(failure: http.HttpFailure) -> SendFailed:
    """What a failed call means, by Telegram's own code where it gave one."""
    try:
        found = json.loads(failure.body)
    except ValueError:
        found = None
    if isinstance(found, dict) and found.get("ok") is False and not isinstance(failure, http.Uncertain):
        return refusal(found)
    return from_http(failure)


def refusal(found: Json) -> SendFailed:
    """What Telegram's refusal means."""
    code, said = (
        maybe_whole(found, "error_code"),
        maybe_text(found, "description") or "Telegram gave no reason.",
    )
    parameters = maybe_mapping(found, "parameters")
    if moved := maybe_whole(parameters, "migrate_to_chat_id"):
        return Moved(said, moved)
    if code == 429:
        return RateReached(said, retry_after=float(maybe_whole(parameters, "retry_after") or DEFAULT_WAIT))
    if code in (401, 404):
        # A token that never was, or was revoked, is a method that is not found.
        return AuthFailure(said, advice=new_token())
    if code == 409:
        return Conflict(said, advice=other_reader())
    if code == 403:
        return PermanentFailure(said, advice=_blocked())
    if code >= 500:
        return TransientFailure(said)
    return PermanentFailure(said)


def new_token() -> str:
    """What to do where the token does not work."""
    return _("Ask @BotFather for the bot's token (/token) and put it into the channel.")


def other_reader() -> str:
    """What to do where somebody else reads the bot's messages."""
    return _(
        "Another program reads this bot, or has set a webhook for it. Stop it there, or make a bot for "
        "Rapport alone: a message is given to one reader only."
    )


def _blocked() -> str:
    return _(
        "They blocked the bot, left, or never wrote to it; a bot may write only to those who wrote first. "
        "Reach them another way."
    )


def results(found: Any) -> Sequence[Json]:
    """A list of objects that a method answered. Raises TransientFailure."""
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise TransientFailure("Telegram's answer is not a list of updates.")
    return found


def result(found: Any) -> Json:
    """An object that a method answered. Raises TransientFailure."""
    if not isinstance(found, dict):
        raise TransientFailure("Telegram's answer is not an object.")
    return found
