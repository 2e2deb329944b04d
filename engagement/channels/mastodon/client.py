"""HTTP with one Mastodon server, whose address an admin typed: it never leads to a private address."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from django.utils.translation import gettext as _

from core import http
from engagement.channels import calling
from engagement.channels.base import (
    AuthFailure,
    PermanentFailure,
    PermissionMissing,
    SendFailed,
    TransientFailure,
    Uncertain,
    translated,
)
from engagement.models import ChannelAccount

REFUSED = frozenset({400, 401, 403, 404, 410, 422})
_LINK = re.compile(r'<([^<>]+)>\s*;\s*rel="?(\w+)"?')
Json = Mapping[str, Any]
Params = Sequence[tuple[str, str]]


class NotFound(PermanentFailure):
    """It does not exist on this server, or is not shown to this account."""


class Client:
    """Calls for one account. Every method raises SendFailed."""

    def __init__(self, account: ChannelAccount, *, bucket: str = "pull") -> None:
        token = str(account.credentials.get("access_token") or "")
        self.http = calling.client(
            account,
            f"{instance_of(account)}/",
            bucket=bucket,
            user_given=True,
            headers={"Authorization": f"Bearer {token}"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    def one(self, method: str, path: str, **options: Any) -> Json:
        """A call that answers with one object."""
        told = told_by(method, ask(self.http, method, path, **options))
        if not isinstance(told, Mapping):
            raise _broken(method, _("The server answered with something else than an object."))
        return told

    def many(self, path: str, params: Params = ()) -> tuple[list[Json], str]:
        """A page of a list, newest first, and the `min_id` of what is newer, '' where none is named."""
        answer = ask(self.http, "GET", path, params=list(params))
        told = told_by("GET", answer)
        if not isinstance(told, list):
            raise TransientFailure(_("The server answered with something else than a list."))
        return [one for one in told if isinstance(one, Mapping)], newer_than(answer)

    def status(self, status_id: str) -> Json:
        return self.one("GET", f"api/v1/statuses/{status_id}")

    def context(self, status_id: str) -> Json:
        """What was said before (ancestors) and after (descendants) a status."""
        return self.one("GET", f"api/v1/statuses/{status_id}/context")


def instance_of(account: ChannelAccount) -> str:
    """The server's address, without a slash at its end."""
    return str(account.settings.get("instance") or "").rstrip("/")


def ask(client: http.Client, method: str, path: str, **options: Any) -> http.Answer:
    """One call; refusals leave as what they mean."""
    with translated():
        answer = client.request(method, path, expect=REFUSED, **options)
    if answer.status >= 400:
        raise refusal(answer)
    return answer


def told_by(method: str, answer: http.Answer) -> Any:
    """The JSON of a good answer; one that holds an error and nothing else is none."""
    try:
        told = json.loads(answer.body)
    except ValueError:
        raise _broken(method, _("The server answered with something that is no JSON.")) from None
    if isinstance(told, dict) and set(told) <= {"error", "error_description"} and told:
        raise _broken(method, _words(answer))
    return told


def _broken(method: str, text: str) -> SendFailed:
    return TransientFailure(text) if method == "GET" else Uncertain(text)


def refusal(answer: http.Answer) -> SendFailed:
    """What a refusal means, by its status."""
    text = _words(answer)
    if answer.status == 401:
        return AuthFailure(text, advice=_("Connect the account again in Settings, Channels."))
    if answer.status == 403:
        return PermissionMissing(text, advice=_("Connect the account again and allow all that is asked."))
    if answer.status in (404, 410):
        return NotFound(text, advice=_("It was deleted, or its author does not show it to this account."))
    return PermanentFailure(text)


def _words(answer: http.Answer) -> str:
    """The server's own reason."""
    try:
        told = json.loads(answer.body)
    except ValueError:
        told = {}
    found = told.get("error_description") or told.get("error") if isinstance(told, dict) else ""
    return str(found)[:400] if found else _("The server answered %(status)s.") % {"status": answer.status}


def newer_than(answer: http.Answer) -> str:
    """`min_id` of the link to what is newer. Only this id is taken from it, never the address."""
    for address, relation in links(answer.headers.get("Link", "")):
        if relation == "prev":
            return (parse_qs(urlsplit(address).query).get("min_id") or [""])[0]
    return ""


def links(header: str) -> Iterator[tuple[str, str]]:
    """Addresses and relations of a Link header."""
    yield from _LINK.findall(header[:4000])
