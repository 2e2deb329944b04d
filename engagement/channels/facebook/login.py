"""Facebook Login: a person signs in, and every Page that they manage can be connected.

A long-lived user token (60 days) gives Page tokens that do not end by themselves; only those are kept.
https://developers.facebook.com/docs/facebook-login/guides/access-tokens/get-long-lived
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from engagement.channels.meta import app
from engagement.channels.meta.client import VERSION, Graph
from engagement.channels.meta.logins import refuse_refusal, token_in
from engagement.channels.meta.reading import Json
from engagement.channels.meta.walking import listed, next_after
from engagement.channels.shapes import Login, Offer

NETWORK = "facebook"
TASKS = {"MODERATE": "answer comments", "MESSAGING": "answer messages"}
MOST_LISTS = 20


def begin(scopes: Sequence[str], cleaned: Mapping[str, Any], *, state: str, back_to: str) -> Login:
    """The address of the dialog. Raises PermanentFailure where the app is not set up."""
    query = {
        "client_id": app.needed("id"),
        "redirect_uri": back_to,
        "state": state,
        "response_type": "code",
        "scope": ",".join(scopes),
    }
    if app.key("config_id"):
        query["config_id"] = app.key("config_id")
    address = f"{app.place(app.DIALOG)}/{VERSION}/dialog/oauth?{urlencode(query)}"
    return Login(address, {"settings": dict(cleaned)})


def finish(query: Mapping[str, str], remembered: Mapping[str, Any], *, back_to: str) -> list[Offer]:
    """The Pages behind this login. Raises SendFailed in plain words."""
    refuse_refusal(query)
    user_token = _long_lived(query.get("code", ""), back_to)
    with Graph(app.place(app.GRAPH), user_token, app_secret=app.needed("secret")) as graph:
        scopes = _granted(graph)
        settings = dict(remembered.get("settings") or {})
        return [_offer(page, scopes, settings) for page in _pages(graph)]


def _long_lived(code: str, back_to: str) -> str:
    """A user token for sixty days, for the code that came back."""
    client = {"client_id": app.needed("id"), "client_secret": app.needed("secret")}
    with Graph(app.place(app.GRAPH), secrets=(client["client_secret"], code)) as graph:
        short = token_in(graph.get("oauth/access_token", redirect_uri=back_to, code=code, **client))
        return token_in(
            graph.get("oauth/access_token", grant_type="fb_exchange_token", fb_exchange_token=short, **client)
        )


def _granted(graph: Graph) -> tuple[str, ...]:
    told = listed(graph.get("me/permissions"), "permissions")
    return tuple(str(one.get("permission")) for one in told if one.get("status") == "granted")


def _pages(graph: Graph) -> list[Json]:
    """Every Page, also of people who manage hundreds."""
    found: list[Json] = []
    after = ""
    for _page in range(MOST_LISTS):
        more = {"after": after} if after else {}
        answer = graph.get("me/accounts", fields="id,name,access_token,tasks", limit=100, **more)
        found += listed(answer, "Pages")
        after = next_after(answer)
        if not after:
            break
    return found


def _offer(page: Json, scopes: tuple[str, ...], settings: Mapping[str, Any]) -> Offer:
    number, token = str(page.get("id") or ""), page.get("access_token")
    return Offer(
        external_id=number,
        name=str(page.get("name") or number),
        network=NETWORK,
        issuer=number,
        credentials={"access_token": token} if isinstance(token, str) else {},
        settings=settings,
        scopes=scopes,
        why_not=_why_not(page),
    )


def _why_not(page: Json) -> str:
    if not isinstance(page.get("access_token"), str):
        return _("The login gives no token for this Page. Tick it in the list that Facebook shows.")
    tasks = page.get("tasks")
    missing = [text for task, text in TASKS.items() if isinstance(tasks, list) and task not in tasks]
    if missing:
        words = _("Your role on this Page does not let you %(what)s.")
        return words % {"what": " or ".join(missing)}
    return ""
