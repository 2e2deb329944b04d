"""Calls to a PDS, the server that keeps our account: XRPC over HTTP, and what its errors mean.

Errors have a code of their own in the body (`{"error": "ExpiredToken", "message": …}`); that decides, for the
status of a token that ended is 400 and not 401.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import jwt
from django.utils.translation import gettext as _

from core import http
from core.addresses import allowed_by_operator
from engagement.channels import calling
from engagement.channels.failures import (
    AuthFailure,
    PermanentFailure,
    PermissionMissing,
    SendFailed,
    TokenExpired,
    TransientFailure,
    Uncertain,
    from_http,
)
from engagement.channels.fields import Json

if TYPE_CHECKING:
    from engagement.models import ChannelAccount

CHAT = "did:web:api.bsky.chat#bsky_chat"
"""The service behind our PDS that carries direct messages."""
ENDED = frozenset({"ExpiredToken", "InvalidToken"})
SHUT = frozenset(
    {"AccountTakedown", "AccountDeactivated", "AccountSuspended", "AuthFactorTokenRequired", "AuthMissing",
     "AuthenticationRequired"}
)  # fmt: skip
WITHOUT_CHAT = frozenset({"com.atproto.appPass"})
"""Scopes of an access token that may not read direct messages."""

NOT_THERE = frozenset({"RecordNotFound", "RepoNotFound", "NotFound"})


class NotThere(PermanentFailure):
    """What was asked for does not exist."""


Params = Mapping[str, str | int | Sequence[str]]


class Xrpc:
    """Calls for one account, as the account. Use it in `with`; every call raises SendFailed."""

    def __init__(self, account: ChannelAccount, *, bucket: str = "pull") -> None:
        self.token = str(account.credentials.get("access_token", ""))
        self.did = account.external_id
        if not self.token:
            raise AuthFailure(_("There is no session with Bluesky."), advice=sign_in_again())
        self._http = calling.client(
            account,
            service_url(str(account.credentials.get("pds", ""))),
            bucket=bucket,
            user_given=True,
            headers={"Authorization": f"Bearer {self.token}"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, method: str, params: Params | None = None, *, chat: bool = False) -> Json:
        """Ask something."""
        return ask(self._http, method, params, headers=self._headers(chat))

    def post(self, method: str, body: Json, *, chat: bool = False, repeatable: bool = False) -> Json:
        """Do something. `repeatable` where doing it twice is as once, so that no answer means again."""
        try:
            return do(self._http, method, body, headers=self._headers(chat))
        except Uncertain as failure:
            if repeatable:
                raise TransientFailure(str(failure)) from None
            raise

    def put_record(self, collection: str, rkey: str, record: Json, **more: Any) -> Json:
        """Write a record under a key of ours: the same again changes nothing."""
        body = {"repo": self.did, "collection": collection, "rkey": rkey, "record": record, **more}
        return self.post("com.atproto.repo.putRecord", body, repeatable=True)

    def delete_record(self, collection: str, rkey: str) -> None:
        """Take a record away; one that is not there stays away."""
        body = {"repo": self.did, "collection": collection, "rkey": rkey}
        self.post("com.atproto.repo.deleteRecord", body, repeatable=True)

    def upload(self, content: bytes, content_type: str) -> Json:
        """Store a file, to be named by a record; what no record names is forgotten there."""
        try:
            answer = self._http.post(
                "xrpc/com.atproto.repo.uploadBlob", data=content, headers={"Content-Type": content_type}
            )
            return _object(answer)
        except http.Uncertain as failure:
            raise TransientFailure(str(failure)) from None
        except http.HttpFailure as failure:
            raise failure_of(failure) from None

    def _headers(self, chat: bool) -> dict[str, str]:
        if chat and scope_of(self.token) in WITHOUT_CHAT:
            raise PermissionMissing(
                _("This app password may not read direct messages."),
                scope="com.atproto.appPassPrivileged",
                advice=_(
                    "Make an app password with “Allow access to your direct messages” and put it in here, or "
                    "switch direct messages off for this channel."
                ),
            )
        return {"atproto-proxy": CHAT} if chat else {}


def ask(client: http.Client, method: str, params: Params | None, *, headers: Mapping[str, str] = {}) -> Json:
    """One query. Raises SendFailed."""
    try:
        return _object(client.get(f"xrpc/{method}", params=dict(params or {}), headers=headers))
    except http.HttpFailure as failure:
        raise failure_of(failure) from None


def do(client: http.Client, method: str, body: Json | None, *, headers: Mapping[str, str] = {}) -> Json:
    """One procedure; None sends no body. Raises SendFailed."""
    try:
        given = {} if body is None else {"json": body}
        answer = client.post(f"xrpc/{method}", headers=headers, **given)
    except http.HttpFailure as failure:
        raise failure_of(failure) from None
    if answer.body and not answer.body.lstrip().startswith(b"{"):
        raise Uncertain(_("Bluesky's answer cannot be read: it may have been done."))
    try:
        return _object(answer)
    except http.HttpFailure as failure:
        raise failure_of(failure) from None


def _object(answer: http.Answer) -> Json:
    """The body; an error that comes with a good status is an error all the same."""
    if not answer.body:
        return {}
    found = answer.json()
    if not isinstance(found, dict):
        raise http.Permanent("The answer is not a JSON object.", status=answer.status)
    if "error" in found and "message" in found:
        raise http.Permanent(str(found["message"]), status=answer.status, body=answer.text[:500])
    return found


def failure_of(failure: http.HttpFailure) -> SendFailed:
    """What a failed call means, by Bluesky's code where it gave one."""
    code, said = told(failure)
    if code in ENDED:
        return TokenExpired(said)
    if code in SHUT:
        return AuthFailure(said, advice=sign_in_again())
    if code in NOT_THERE:
        return NotThere(said)
    if code == "InvalidSwap":
        return TransientFailure(said)
    found = from_http(failure)
    if isinstance(found, PermanentFailure) and said:
        return PermanentFailure(said, advice=ADVICE.get(code, _advice_nothing)())
    if isinstance(found, AuthFailure):
        found.advice = sign_in_again()
    return found


def told(failure: http.HttpFailure) -> tuple[str, str]:
    """Bluesky's own code and words, '' where the answer has none."""
    try:
        found = json.loads(failure.body)
    except ValueError:
        return "", ""
    if not isinstance(found, dict):
        return "", ""
    return str(found.get("error", "")), str(found.get("message") or found.get("error", ""))


def sign_in_again() -> str:
    """What to do where the access is gone."""
    return _(
        "Make a new app password at Bluesky (Settings, Privacy and security) and put it into the channel."
    )


def _advice_nothing() -> str:
    return ""


def _advice_follow() -> str:
    return _("They take messages only from people they follow. Answer in public, or ask them to follow you.")


ADVICE = {
    "MessagesDisabled": _advice_follow,
    "NotFollowedBySender": _advice_follow,
}


def service_url(url: str) -> str:
    """The base address of a PDS; it came from a stranger's document. Raises PermanentFailure."""
    parts = urlsplit(url)
    plain = parts.scheme == "http" and allowed_by_operator(parts.hostname or "")
    if not parts.hostname or (parts.scheme != "https" and not plain):
        raise PermanentFailure(_("The server of this Bluesky account has no address with https."))
    return f"{parts.scheme}://{parts.netloc}/"


# What our tokens say of themselves


def scope_of(token: str) -> str:
    """What an access token is good for; '' for one that does not say."""
    return str(_claims(token).get("scope", ""))


def expiry_of(token: str) -> datetime | None:
    """When a token ends; None for one that does not say."""
    at = _claims(token).get("exp")
    return datetime.fromtimestamp(at, UTC) if isinstance(at, int) and 0 < at < 1 << 33 else None


def _claims(token: str) -> Json:
    """Read without its signature: it is our own token, and only the PDS decides by it."""
    try:
        found: Json = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return {}
    return found
