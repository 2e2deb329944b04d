"""A double of X: an HTTP server that keeps posts and messages and answers as the published interface says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.channels.platform import Call, Platform, route

EPOCH = 1_288_834_974_657
PROBLEM = {"Content-Type": "application/problem+json"}
ME, BOB, EVE = "1111111111111111111", "2222222222222222222", "3333333333333333333"
Answer = tuple[Any, ...]


def problem(kind: str, detail: str, status: int, **more: Any) -> Answer:
    body = {
        "type": f"https://api.x.com/2/problems/{kind}",
        "title": kind.replace("-", " ").capitalize(),
        "detail": detail,
        "status": status,
        **more,
    }
    return status, body, PROBLEM


def written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def read(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@dataclass
class Grant:
    """What one account gave the app."""

    access: str
    refresh: str
    used: set[str] = field(default_factory=set)


class Chirper(Platform):
    """X with one account of ours, `ME`, that one app may act for."""

    size = 100
    """Most items a page has here."""
    summoned_only = False

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.users = {
            ME: {"id": ME, "username": "ExampleUser", "name": "Example User", "verified": True},
            BOB: {"id": BOB, "username": "bob", "name": "Bob", "verified": False},
            EVE: {"id": EVE, "username": "eve", "name": "Eve &amp; Co", "verified": False},
        }
        self.posts: dict[str, dict[str, Any]] = {}
        self.messages: list[dict[str, Any]] = []
        self.grant = Grant("access-token-one", "refresh-token-one")
        self.codes: dict[str, str] = {}
        self.webhooks: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.likes: set[str] = set()
        self.hidden: set[str] = set()
        self.blocked: set[str] = set()
        self.media: dict[str, dict[str, Any]] = {}
        self.elder_words = False
        """Knows `tweet.fields` alone."""
        self.number = 0

    # What happens there

    def new_id(self, at: datetime) -> str:
        self.number += 1
        return str(((int(at.timestamp() * 1000) - EPOCH) << 22) + self.number)

    def write(
        self,
        author: str,
        text: str,
        *,
        answers: str = "",
        quotes: str = "",
        edits: str = "",
        at: datetime | None = None,
        **more: Any,
    ) -> str:
        """Somebody posts; the id of the post."""
        at = at or datetime.now(UTC)
        own = self.new_id(at)
        history = [*self.posts[edits]["edit_history_post_ids"], own] if edits else [own]
        above = self.posts.get(answers)
        referenced = [{"type": "replied_to", "id": answers}] if answers else []
        referenced += [{"type": "quoted", "id": quotes}] if quotes else []
        self.posts[own] = {
            "id": own,
            "text": text,
            "author_id": author,
            "created_at": written(at),
            "conversation_id": above["conversation_id"] if above else own,
            "edit_history_post_ids": history,
            "lang": "en",
            **({"referenced_posts": referenced} if referenced else {}),
            **({"in_reply_to_user_id": above["author_id"]} if above else {}),
            **more,
        }
        if edits:
            del self.posts[edits]
        return own

    def message(
        self, sender: str, text: str, *, to: str = "", at: datetime | None = None, **more: Any
    ) -> str:
        at = at or datetime.now(UTC)
        own = self.new_id(at)
        two = sorted([sender, to or (ME if sender != ME else BOB)], key=int)
        self.messages.append(
            {
                "id": own,
                "event_type": "MessageCreate",
                "text": text,
                "sender_id": sender,
                "created_at": written(at),
                "dm_conversation_id": "-".join(two),
                **more,
            }
        )
        return own

    # Who asks

    def answer(self, call: Call) -> Any:
        if call.path.endswith("/oauth2/token"):
            return super().answer(call)
        headers = {name.lower(): value for name, value in call.headers.items()}
        token = headers.get("authorization", "").removeprefix("Bearer ")
        app = call.path.startswith(("/2/webhooks", "/2/activity"))
        if token != self.grant.access and not (app and token == "app-bearer"):
            return 401, {"code": 32, "message": "Could not authenticate you."}, {}
        return super().answer(call)

    @route("POST", r"/2/oauth2/token")
    def token(self, call: Call) -> Answer:
        form = call.form
        if form["grant_type"] == "authorization_code":
            if self.codes.get(form["code"]) != form["code_verifier"]:
                return 400, {"error": "invalid_grant", "error_description": "Value passed for the code."}
        elif form["refresh_token"] != self.grant.refresh:
            return 400, {
                "error": "invalid_request",
                "error_description": "Value passed for the token was invalid.",
            }
        self.grant.used.add(self.grant.refresh)
        self.grant.access, self.grant.refresh = f"access-{uuid4().hex}", f"refresh-{uuid4().hex}"
        return 200, {
            "token_type": "bearer",
            "expires_in": 7200,
            "access_token": self.grant.access,
            "refresh_token": self.grant.refresh,
            "scope": "tweet.read tweet.write users.read dm.read dm.write offline.access like.write "
            "tweet.moderate.write media.write",
        }

    @route("GET", r"/2/users/me")
    def me(self, call: Call) -> Answer:
        return 200, {"data": self.users[ME]}

    # Posts

    def page(self, call: Call, found: list[dict[str, Any]], **includes: Any) -> Answer:
        """The newest first, from where the token says."""
        start = int(call.query.get("pagination_token", "0").rpartition("-")[2])
        most = min(int(call.query.get("max_results", "10")), self.size)
        part = found[start : start + most]
        meta: dict[str, Any] = {"result_count": len(part)}
        if part and "mentions" in call.path:
            meta |= {"newest_id": part[0]["id"], "oldest_id": part[-1]["id"]}
        if start + most < len(found):
            meta["next_token"] = f"page-token-{start + most:08d}"
        told: dict[str, Any] = {"meta": meta}
        if part:
            told["data"] = part
            told["includes"] = {"users": self.people(part), **includes}
        return 200, told

    def people(self, found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        named = {one.get(name) for one in found for name in ("author_id", "sender_id", "in_reply_to_user_id")}
        return [user for number, user in self.users.items() if number in named]

    def listed(self, call: Call, wanted: Any) -> list[dict[str, Any]]:
        since = int(call.query.get("since_id", "0"))
        start = read(call.query.get("start_time", "2000-01-01T00:00:00Z"))
        end = read(call.query.get("end_time", "2200-01-01T00:00:00Z"))
        found = [
            self.told(one)
            for one in self.posts.values()
            if wanted(one) and int(one["id"]) > since and start <= read(one["created_at"]) < end
        ]
        return sorted(found, key=lambda one: int(one["id"]), reverse=True)

    def told(self, post: dict[str, Any]) -> dict[str, Any]:
        if not self.elder_words:
            return post
        names = {"edit_history_post_ids": "edit_history_tweet_ids", "referenced_posts": "referenced_tweets"}
        return {names.get(name, name): value for name, value in post.items()}

    def refuses_words(self, call: Call) -> Answer | None:
        if self.elder_words and "post.fields" in call.query:
            detail = "The query parameter [post.fields] is not one of [id,max_results,tweet.fields]"
            return problem("invalid-request", detail, 400)
        return None

    @route("GET", r"/2/users/(?P<user>\d+)/mentions")
    def mentions(self, call: Call) -> Answer:
        def wanted(one: dict[str, Any]) -> bool:
            to_us = one.get("in_reply_to_user_id") == ME or "@ExampleUser" in one["text"]
            return to_us and one["author_id"] != ME

        return self.refuses_words(call) or self.page(call, self.listed(call, wanted))

    @route("GET", r"/2/users/(?P<user>\d+)/tweets")
    def timeline(self, call: Call) -> Answer:
        excluded = call.query.get("exclude", "")

        def wanted(one: dict[str, Any]) -> bool:
            return one["author_id"] == ME and not ("replies" in excluded and "in_reply_to_user_id" in one)

        return self.refuses_words(call) or self.page(call, self.listed(call, wanted))

    @route("GET", r"/2/tweets")
    def look_up(self, call: Call) -> Answer:
        asked = call.query["ids"].split(",")
        told: dict[str, Any] = {}
        if found := [self.posts[one] for one in asked if one in self.posts]:
            told["data"] = found
        if missing := [one for one in asked if one not in self.posts]:
            told["errors"] = [
                {
                    "type": "https://api.x.com/2/problems/resource-not-found",
                    "title": "Not Found Error",
                    "detail": f"Could not find tweet with ids: [{one}].",
                    "resource_type": "tweet",
                    "parameter": "ids",
                    "value": one,
                }
                for one in missing
            ]
        return 200, told

    @route("GET", r"/2/tweets/(?P<post>\d+)")
    def look_up_one(self, call: Call) -> Answer:
        if call.groups["post"] not in self.posts:
            return self.nothing(call.groups["post"])
        return 200, {"data": self.posts[call.groups["post"]]}

    def nothing(self, number: str) -> Answer:
        detail = f"Could not find tweet with id: [{number}]."
        return problem("resource-not-found", detail, 404, resource_type="tweet", value=number)

    @route("POST", r"/2/tweets")
    def post(self, call: Call) -> Answer:
        body = call.json
        answers = body.get("reply", {}).get("in_reply_to_tweet_id", "")
        if any(one["author_id"] == ME and one["text"] == body["text"] for one in self.posts.values()):
            detail = "You are not allowed to create a Tweet with duplicate content."
            return problem("disallowed-resource", detail, 403)
        if answers and answers not in self.posts:
            detail = "You attempted to reply to a Tweet that is deleted or not visible to you."
            return problem("disallowed-resource", detail, 403)
        if self.summoned_only and answers and "@ExampleUser" not in self.posts[answers]["text"]:
            detail = "Reply to this conversation is not allowed because you have not been mentioned."
            return problem("disallowed-resource", detail, 403)
        own = self.write(ME, body["text"], answers=answers)
        return 201, {"data": {"id": own, "text": body["text"], "edit_history_post_ids": [own]}}

    @route("DELETE", r"/2/tweets/(?P<post>\d+)")
    def delete(self, call: Call) -> Answer:
        if self.posts.pop(call.groups["post"], None) is None:
            return self.nothing(call.groups["post"])
        return 200, {"data": {"deleted": True}}

    @route("PUT", r"/2/tweets/(?P<post>\d+)/hidden")
    def hide(self, call: Call) -> Answer:
        (self.hidden.add if call.json["hidden"] else self.hidden.discard)(call.groups["post"])
        return 200, {"data": {"hidden": call.json["hidden"]}}

    @route("POST", r"/2/users/(?P<user>\d+)/likes")
    def like(self, call: Call) -> Answer:
        self.likes.add(call.json["tweet_id"])
        return 200, {"data": {"liked": True}}

    @route("DELETE", r"/2/users/(?P<user>\d+)/likes/(?P<post>\d+)")
    def unlike(self, call: Call) -> Answer:
        self.likes.discard(call.groups["post"])
        return 200, {"data": {"liked": False}}

    # Direct messages

    def messages_page(self, call: Call, found: list[dict[str, Any]]) -> Answer:
        recent = [one for one in found if read(one["created_at"]) > datetime.now(UTC) - timedelta(days=30)]
        return self.page(call, sorted(recent, key=lambda one: int(one["id"]), reverse=True))

    @route("GET", r"/2/dm_events")
    def all_messages(self, call: Call) -> Answer:
        return self.messages_page(call, self.messages)

    @route("GET", r"/2/dm_conversations/with/(?P<user>\d+)/dm_events")
    def messages_with(self, call: Call) -> Answer:
        both = "-".join(sorted([ME, call.groups["user"]], key=int))
        return self.messages_page(call, [one for one in self.messages if one["dm_conversation_id"] == both])

    @route("GET", r"/2/dm_conversations/(?P<group>\d+)/dm_events")
    def messages_of(self, call: Call) -> Answer:
        group = call.groups["group"]
        return self.messages_page(call, [one for one in self.messages if one["dm_conversation_id"] == group])

    @route("POST", r"/2/dm_conversations/with/(?P<user>\d+)/messages")
    def send_to(self, call: Call) -> Answer:
        if call.groups["user"] in self.blocked:
            return 403, {"code": 349, "message": "You cannot send messages to this user."}, {}
        own = self.message(ME, call.json.get("text", ""), to=call.groups["user"])
        return self.sent(own)

    @route("POST", r"/2/dm_conversations/(?P<group>\d+)/messages")
    def send_into(self, call: Call) -> Answer:
        return self.sent(self.message(ME, call.json["text"], dm_conversation_id=call.groups["group"]))

    def sent(self, own: str) -> Answer:
        found = next(one for one in self.messages if one["id"] == own)
        return 201, {"data": {"dm_conversation_id": found["dm_conversation_id"], "dm_event_id": own}}

    @route("GET", r"/2/dm_events/(?P<message>\d+)")
    def one_message(self, call: Call) -> Answer:
        found = [one for one in self.messages if one["id"] == call.groups["message"]]
        return (200, {"data": found[0]}) if found else self.nothing(call.groups["message"])

    @route("DELETE", r"/2/dm_events/(?P<message>\d+)")
    def delete_message(self, call: Call) -> Answer:
        kept = [one for one in self.messages if one["id"] != call.groups["message"]]
        if len(kept) == len(self.messages):
            return self.nothing(call.groups["message"])
        self.messages = kept
        return 200, {"data": {"deleted": True}}

    @route("POST", r"/2/users/(?P<user>\d+)/dm/(?P<what>block|unblock)")
    def block(self, call: Call) -> Answer:
        blocks = call.groups["what"] == "block"
        (self.blocked.add if blocks else self.blocked.discard)(call.groups["user"])
        return 200, {"data": {"blocked": blocks}}

    @route("GET", r"/2/dm_conversations/media/(?P<dm>\d+)/(?P<media>\d+)/(?P<resource>[\w.]+)")
    def dm_media(self, call: Call) -> Answer:
        return 200, b"a picture", {"Content-Type": "application/octet-stream"}

    @route("POST", r"/2/media/upload")
    def upload(self, call: Call) -> Answer:
        own = self.new_id(datetime.now(UTC))
        self.media[own] = call.json
        return 200, {"data": {"id": own, "media_key": f"3_{own}", "size": len(call.json["media"])}}

    # Webhooks

    @route("GET", r"/2/webhooks")
    def list_webhooks(self, call: Call) -> Answer:
        return 200, {"data": list(self.webhooks.values()), "meta": {"result_count": len(self.webhooks)}}

    @route("POST", r"/2/webhooks")
    def make_webhook(self, call: Call) -> Answer:
        own = self.new_id(datetime.now(UTC))
        made = {"id": own, "url": call.json["url"], "valid": True, "created_at": written(datetime.now(UTC))}
        self.webhooks[own] = made
        return 200, {"data": made}

    @route("PUT", r"/2/webhooks/(?P<webhook>\d+)")
    def try_webhook(self, call: Call) -> Answer:
        self.webhooks[call.groups["webhook"]]["valid"] = True
        return 200, {"data": {"valid": True}}

    @route("GET", r"/2/activity/subscriptions")
    def list_subscriptions(self, call: Call) -> Answer:
        return 200, {"data": list(self.subscriptions.values())}

    @route("POST", r"/2/activity/subscriptions")
    def subscribe(self, call: Call) -> Answer:
        own = self.new_id(datetime.now(UTC))
        self.subscriptions[own] = {"subscription_id": own, **call.json}
        return 200, {"data": {"subscription": self.subscriptions[own]}}

    @route("DELETE", r"/2/activity/subscriptions/(?P<subscription>\d+)")
    def unsubscribe(self, call: Call) -> Answer:
        self.subscriptions.pop(call.groups["subscription"], None)
        return 200, {"data": {"deleted": True}}


def hook_body(kind: str, payload: dict[str, Any], *, user: str = ME, **more: Any) -> bytes:
    """A webhook of X."""
    data = {"event_uuid": str(uuid4().int >> 66), "filter": {"user_id": user}, "event_type": kind}
    return json.dumps({"data": {**data, "payload": payload, **more}}).encode()
