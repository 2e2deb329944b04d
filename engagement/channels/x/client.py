"""HTTP with X's API version 2."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Self

from django.utils.translation import gettext as _

from core import http
from engagement.channels import calling
from engagement.channels.base import (
    PermanentFailure,
    TransientFailure,
    Uncertain,
    app_keys,
    platform_url,
    translated,
)
from engagement.channels.x.failures import problem_of, refusal, words_of
from engagement.models import ChannelAccount

NAME = "x"
API = "https://api.x.com"
SITE = "https://x.com"
REFUSED = frozenset(range(400, 500))
USER_FIELDS = "id,name,username,verified,location"
POST_FIELDS = "attachments,conversation_id,created_at,entities,lang,note_post,public_metrics"
MEDIA_FIELDS = "media_key,type,url,preview_image_url,variants,alt_text"
IN_FULL = {
    "post.fields": POST_FIELDS,
    "expansions": "author_id,referenced_posts,in_reply_to_user_id,attachments.media_keys",
    "user.fields": USER_FIELDS,
    "media.fields": MEDIA_FIELDS,
}
"""What is asked of posts, in the words of the published interface (2.167)."""
IN_FULL_ELDER = {
    "tweet.fields": "attachments,author_id,conversation_id,created_at,edit_history_tweet_ids,entities,"
    "in_reply_to_user_id,lang,note_tweet,public_metrics,referenced_tweets",
    "expansions": "author_id,referenced_tweets.id,in_reply_to_user_id,attachments.media_keys",
    "user.fields": USER_FIELDS,
    "media.fields": MEDIA_FIELDS,
}
"""The same in the words of X's guides, for a server that does not know the new ones."""
DM_FIELDS = {
    "event_types": "MessageCreate",
    "dm_event.fields": "id,text,event_type,created_at,dm_conversation_id,attachments",
    "expansions": "sender_id,participant_ids,attachments.media_keys",
    "user.fields": USER_FIELDS,
    "media.fields": MEDIA_FIELDS,
}


class Client:
    """Calls for one account, with the access token of the person who connected it.

    `bucket` is the allowance that its calls use up. Every method raises SendFailed.
    """

    def __init__(self, account: ChannelAccount, *, bucket: str = "pull") -> None:
        self.me = account.external_id
        token = str(account.credentials.get("access_token") or "")
        headers = {"Authorization": f"Bearer {token}"}
        self.http = calling.client(account, api_url(), bucket=bucket, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    def call(self, method: str, path: str, **options: Any) -> tuple[dict[str, Any], http.Answer]:
        """One call: what its answer holds, and the answer itself for its headers."""
        answer = ask(self.http, method, path, **options)
        return told_by(method, answer), answer

    def posts(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        """Posts with everything we need of them; asked in the elder words where the new ones are refused."""
        try:
            return self.call("GET", path, params={**params, **IN_FULL})[0]
        except PermanentFailure as failure:
            if "post.fields" not in str(failure):
                raise
        return self.call("GET", path, params={**params, **IN_FULL_ELDER})[0]

    def upload(self, content: bytes, category: str) -> str:
        """Put a picture there; its id, for a post or a message within the next hours."""
        body = {"media": base64.b64encode(content).decode(), "media_category": category}
        data, _answer = self.call("POST", "media/upload", json=body)
        found = data.get("data")
        if not isinstance(found, dict) or not found.get("id"):
            raise TransientFailure(_("X took the picture and gave no id for it."))
        return str(found["id"])

    def download(self, path: str, *, most: int) -> http.Answer:
        """A file of a direct message, which only its participants get."""
        return ask(self.http, "GET", path, max_bytes=most)


def api_url() -> str:
    """Where the API is, with its version."""
    return f"{platform_url(NAME, API)}/2/"


def app_client() -> http.Client:
    """A client in the name of the app itself: its webhooks and what they are subscribed to."""
    token = app_keys(NAME).get("bearer_token", "")
    return http.Client(api_url(), headers={"Authorization": f"Bearer {token}"})


def ask(client: http.Client, method: str, path: str, **options: Any) -> http.Answer:
    """One call; refusals leave as what they mean."""
    with translated():
        answer = client.request(method, path, expect=REFUSED, **options)
    if answer.status >= 400:
        raise refusal(answer)
    return answer


def told_by(method: str, answer: http.Answer) -> dict[str, Any]:
    """The JSON object of a good answer; an answer of 200 may hold an error and nothing else."""
    told = problem_of(answer)
    if not told:
        broken = _("X answered with something that is no JSON.")
        raise TransientFailure(broken) if method == "GET" else Uncertain(broken)
    if "data" not in told and "meta" not in told and told.get("errors"):
        text = words_of(told) or _("X answered with an error and nothing else.")
        raise TransientFailure(text) if method == "GET" else PermanentFailure(text)
    return told
