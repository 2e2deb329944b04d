"""Calls to the Graph API: the token goes in a header, and an error in any answer leaves as a failure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

from core import http
from engagement.channels import calling
from engagement.channels.failures import (
    AuthFailure,
    PermanentFailure,
    RateReached,
    SendFailed,
    TransientFailure,
    Uncertain,
    from_http,
)
from engagement.channels.meta.errors import GoneFailure, error_in, failure_of
from engagement.channels.meta.reading import Json
from engagement.channels.meta.usage import allowance, seconds_to_wait
from engagement.models import ChannelAccount

VERSION = "v23.0"
ERRORS = range(400, 600)
UNKNOWN = frozenset({1, 2})
"""Codes of an error on Meta's side that nothing more is said of."""


class Graph:
    """One job's calls to one host of the Graph API, in `with`."""

    def __init__(
        self,
        base: str,
        token: str = "",
        *,
        account: ChannelAccount | None = None,
        bucket: str = "pull",
        app_secret: str = "",
        secrets: tuple[str, ...] = (),
        versioned: bool = True,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        watch = calling.observer(account, bucket, limit_of=allowance) if account is not None else None
        root = f"{base}/{VERSION}/" if versioned else f"{base}/"
        self._secrets = tuple(one for one in (token, app_secret, *secrets) if len(one) > 5)
        self._http = http.Client(root, headers=headers, secrets=self._secrets, retries=0, on_answer=watch)
        self._proof = {"appsecret_proof": proof_of(token, app_secret)} if token and app_secret else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Json:
        """Ask. Raises SendFailed."""
        return self._call("GET", path, params=params)

    def post(self, path: str, json: Mapping[str, Any] | None = None, **more: Any) -> Json:
        """Do. Raises SendFailed; Uncertain where it may have been done."""
        options = {} if json is None else {"json": json}
        return self._call("POST", path, **options, **more)

    def delete(self, path: str, **more: Any) -> Json:
        """Take away. Raises SendFailed."""
        return self._call("DELETE", path, **more)

    def remove(self, thing: str) -> None:
        """Take a thing away, which may be gone already. Raises SendFailed."""
        try:
            self.delete(thing)
        except GoneFailure:
            return

    def has(self, thing: str) -> bool:
        """Whether a thing can be read. Raises SendFailed where that cannot be told."""
        try:
            self.get(thing, fields="id")
        except GoneFailure:
            return False
        return True

    def _call(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, **more: Any) -> Json:
        try:
            answer = self._http.request(
                method, path, params={**(params or {}), **self._proof}, expect=ERRORS, **more
            )
        except http.HttpFailure as failure:
            raise from_http(failure) from None
        return understood(answer, writes=method != "GET", secrets=self._secrets)


def proof_of(token: str, app_secret: str) -> str:
    """That whoever has the token has the app's secret too: a stolen token alone is worth nothing.

    https://developers.facebook.com/docs/graph-api/guides/secure-requests
    """
    return hmac.new(app_secret.encode(), token.encode(), sha256).hexdigest()


def understood(answer: http.Answer, *, writes: bool, secrets: Sequence[str] = ()) -> Json:
    """The JSON of an answer that is none of a failure. Raises SendFailed; its words hold no secret."""
    try:
        body = answer.json()
    except http.Permanent:
        body = None
    error = error_in(body)
    if error is not None:
        error = replace(error, text=_hidden(error.text, secrets))
    if error is not None and (error.code or error.subcode):
        failure = failure_of(error, wait=seconds_to_wait(answer))
        # Meta also says so of what it has done in the end.
        is_open = writes and error.code in UNKNOWN and answer.status >= 500
        raise Uncertain(str(failure)) if is_open else failure
    if answer.status >= 400:
        raise _by_status(answer, error.text if error else f"Meta answered {answer.status}.", writes=writes)
    if not isinstance(body, dict):
        # What was asked for may have been done, although nobody can read the answer.
        told = "Meta gave an answer that cannot be read."
        raise Uncertain(told) if writes else TransientFailure(told)
    return body


def _hidden(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _by_status(answer: http.Answer, text: str, *, writes: bool) -> SendFailed:
    if answer.status == 401:
        return AuthFailure(text)
    if answer.status == 429:
        return RateReached(text, retry_after=seconds_to_wait(answer) or http.retry_after(answer))
    if answer.status == 503:
        return TransientFailure(text)
    if answer.status >= 500:
        return Uncertain(text) if writes else TransientFailure(text)
    return PermanentFailure(text)
