"""Meta's servers for tests: one local Graph API with a Page, an Instagram account and a WhatsApp number.

It checks the token, pages by cursor, keeps what is sent, and refuses as Meta does: with an error and a code.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.channels.platform import Call, Platform, route

PAGE, TOKEN = "112233445566778", "page-token-of-the-shop"
IG, NUMBER, WABA = "17841400000000001", "106540352242922", "102290129340398"
APP = {
    "id": "4711", "secret": "app-secret-of-ours", "verify_token": "word-of-ours",
    "instagram_id": "4712", "instagram_secret": "instagram-secret-of-ours",
}  # fmt: skip
V = r"/v[0-9.]+"


def error(code: int, subcode: int = 0, text: str = "Meta's words", status: int = 400, **more: Any) -> Any:
    """An error as the Graph API tells it."""
    told = {"message": text, "type": "OAuthException", "code": code, "error_subcode": subcode, **more}
    return status, {"error": told}


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


class MetaPlatform(Platform):
    """Keeps posts, comments and conversations; `now` is the time of what is sent to it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.tokens = {TOKEN}
        self.posts: list[dict[str, Any]] = []
        self.comments: dict[str, list[dict[str, Any]]] = {}
        self.conversations: list[dict[str, Any]] = []
        self.subscriptions: list[dict[str, Any]] = []
        self.things: dict[str, dict[str, Any]] = {}
        self.sent: list[dict[str, Any]] = []
        self.acts: list[tuple[str, str, Any]] = []
        self.pages_of_user: list[dict[str, Any]] = []
        self.scopes = ["pages_messaging"]
        self.page_size = 2
        self.own = PAGE
        self.made = 0

    def settings(self) -> dict[str, str]:
        names = ("meta", "instagram", "instagram_api", "instagram_login", "facebook_login")
        return dict.fromkeys(names, self.url)

    # State

    def number(self) -> int:
        self.made += 1
        return self.made

    def add_post(self, at: datetime, text: str = "A post", by: str = PAGE, **more: Any) -> str:
        post = f"{PAGE}_{9000 + self.number()}"
        self.posts.insert(0, {
            "id": post, "message": text, "created_time": stamp(at), "updated_time": stamp(at),
            "from": {"id": by, "name": "Shop" if by == PAGE else "Lucía"}, "permalink_url": f"https://fb/{post}",
            "shares": {"count": 3}, "reactions": {"summary": {"total_count": 7}},
            "comments": {"summary": {"total_count": 0}}, "attachments": {"data": [{"media_type": "photo"}]},
            **more,
        })  # fmt: skip
        self.comments[post] = []
        return post

    def add_comment(
        self, post: str, at: datetime, text: str, by: str = "65432", parent: str = "", **more: Any
    ) -> str:
        comment = f"{post.partition('_')[2]}_{self.number()}"
        told = {
            "id": comment, "message": text, "created_time": stamp(at), "from": {"id": by, "name": f"N{by}"},
            **({"parent": {"id": parent}} if parent else {}), **more,
        }  # fmt: skip
        self.comments[post].append(told)
        self.comments[post].sort(key=lambda one: one["created_time"], reverse=True)
        self.things[comment] = told
        for one in self.posts:
            if one["id"] == post:
                one["updated_time"] = max(one["updated_time"], stamp(at))
                one["comments"]["summary"]["total_count"] += 1
        return comment

    def add_message(self, person: str, at: datetime, text: str, ours: bool = False, **more: Any) -> str:
        found = next((one for one in self.conversations if one["person"] == person), None)
        if found is None:
            found = {"id": f"t_{person}", "person": person, "said": []}
            self.conversations.append(found)
        page, customer = {"id": self.own, "name": "Shop"}, {"id": person, "name": f"N{person}"}
        mid = f"m_{self.number()}"
        found["said"].insert(0, {
            "id": mid, "created_time": stamp(at), "message": text, "from": page if ours else customer,
            "to": {"data": [customer if ours else page]}, **more,
        })  # fmt: skip
        found["said"].sort(key=lambda one: one["created_time"], reverse=True)
        self.conversations.sort(key=lambda one: one["said"][0]["created_time"], reverse=True)
        return mid

    def paged(self, call: Call, found: list[Any], size: int = 0) -> dict[str, Any]:
        begin = int(call.query.get("after") or 0)
        end = begin + (size or self.page_size)
        paging: dict[str, Any] = {"cursors": {"before": str(begin), "after": str(end)}}
        if end < len(found):
            paging["next"] = f"{self.url}/next?access_token=secret-in-the-next&after={end}"
        return {"data": found[begin:end], "paging": paging}

    def refused(self, call: Call) -> Any:
        token = call.headers.get("Authorization", "").removeprefix("Bearer ")
        return None if token in self.tokens else error(190, 463, "Session has expired", 401)

    # Login

    @route("GET", rf"{V}/oauth/access_token")
    def facebook_token(self, call: Call) -> Any:
        if call.query.get("client_secret") != APP["secret"]:
            return error(1, text="Error validating client secret.")
        if call.query.get("grant_type") == "fb_exchange_token":
            return 200, {"access_token": "long-lived-user-token", "expires_in": 5184000}
        if call.query.get("code") != "good-code":
            return error(100, text="This authorization code has been used.")
        return 200, {"access_token": "short-lived-user-token"}

    @route("GET", rf"{V}/me/permissions")
    def permissions(self, call: Call) -> Any:
        told = [{"permission": one, "status": "granted"} for one in self.scopes]
        return 200, {"data": [*told, {"permission": "email", "status": "declined"}]}

    @route("GET", rf"{V}/me/accounts")
    def accounts(self, call: Call) -> Any:
        return 200, self.paged(call, self.pages_of_user)

    @route("POST", r"/oauth/access_token")
    def instagram_short(self, call: Call) -> Any:
        if call.form.get("code") != "good-code":
            return 400, {"error_type": "OAuthException", "code": 400, "error_message": "No matching code"}
        told = {"access_token": "short-token-of-ig", "user_id": 9, "permissions": "instagram_business_basic"}
        return 200, {"data": [told]}

    @route("GET", r"/access_token")
    def instagram_long(self, call: Call) -> Any:
        return 200, {"access_token": TOKEN, "token_type": "bearer", "expires_in": 5183944}

    @route("GET", r"/refresh_access_token")
    def instagram_refresh(self, call: Call) -> Any:
        if call.query.get("access_token") not in self.tokens:
            return error(190, 463, "Session has expired", 400)
        self.tokens.add("renewed-instagram-token")
        return 200, {"access_token": "renewed-instagram-token", "token_type": "bearer", "expires_in": 5183944}

    @route("GET", rf"{V}/me")
    def me(self, call: Call) -> Any:
        told = {"id": "25900000000000000", "user_id": IG, "username": "shop", "account_type": "BUSINESS"}
        return self.refused(call) or (200, told)

    @route("GET", rf"{V}/debug_token")
    def debug(self, call: Call) -> Any:
        return 200, {"data": {"is_valid": True, "scopes": self.scopes}}

    # The app and its webhooks

    @route("GET", rf"{V}/4711/subscriptions")
    def app_hooks(self, call: Call) -> Any:
        return 200, {"data": self.subscriptions}

    @route("POST", rf"{V}/4711/subscriptions")
    def app_hook(self, call: Call) -> Any:
        asked = call.json
        fields = [{"name": one, "version": "v23.0"} for one in asked["fields"].split(",")]
        self.subscriptions.append({**asked, "fields": fields, "active": True})
        return 200, {"success": True}

    @route("POST", rf"{V}/(?P<thing>[^/]+)/subscribed_apps")
    def subscribe(self, call: Call) -> Any:
        self.acts.append(("subscribe", call.groups["thing"], call.json))
        return self.refused(call) or (200, {"success": True})

    @route("GET", rf"{V}/(?P<thing>[^/]+)/subscribed_apps")
    def subscribed(self, call: Call) -> Any:
        return self.refused(call) or (200, {"data": []})

    @route("DELETE", rf"{V}/(?P<thing>[^/]+)/subscribed_apps")
    def unsubscribe(self, call: Call) -> Any:
        self.acts.append(("unsubscribe", call.groups["thing"], None))
        return 200, {"success": True}

    @route("GET", rf"{V}/(?P<thing>[^/]+)/phone_numbers")
    def numbers(self, call: Call) -> Any:
        return 200, {"data": [{"id": NUMBER}]}

    # Facebook

    @route("GET", rf"{V}/{PAGE}/feed")
    def feed(self, call: Call) -> Any:
        return self.refused(call) or (200, self.paged(call, self.posts))

    @route("GET", rf"{V}/(?P<thing>[^/]+)/comments")
    def list_comments(self, call: Call) -> Any:
        found = self.comments.get(call.groups["thing"], [])
        return self.refused(call) or (200, self.paged(call, found))

    @route("POST", rf"{V}/(?P<thing>[^/]+)/comments")
    def comment(self, call: Call) -> Any:
        refused = self.refused(call)
        if refused:
            return refused
        under, number = call.groups["thing"], f"900_{self.number()}"
        told = {"id": number, "message": call.json["message"], "created_time": stamp(self.now)}
        self.comments.setdefault(under, []).insert(0, {**told, "from": {"id": PAGE}})
        self.sent.append({"under": under, **call.json})
        return 200, {"id": number}

    @route("GET", rf"{V}/(?P<page>{PAGE}|me)/conversations")
    def list_conversations(self, call: Call) -> Any:
        wanted = call.query.get("user_id")
        found = [
            {
                "id": one["id"],
                "updated_time": one["said"][0]["created_time"],
                "participants": {
                    "data": [{"id": one["person"], "name": f"N{one['person']}"}, {"id": self.own}]
                },
                "messages": self.paged(Call("GET", "", {}, {}, b""), one["said"]),
            }
            for one in self.conversations
            if wanted in (None, one["person"])
        ]
        return self.refused(call) or (200, self.paged(call, found))

    @route("GET", rf"{V}/t_(?P<person>[^/]+)/messages")
    def list_messages(self, call: Call) -> Any:
        found = next(one for one in self.conversations if one["person"] == call.groups["person"])
        return 200, self.paged(call, found["said"])

    @route("POST", rf"{V}/(?P<thing>{PAGE}|me|{NUMBER})/messages")
    def message(self, call: Call) -> Any:
        refused = self.refused(call)
        if refused:
            return refused
        is_form = not call.headers.get("Content-Type", "").startswith("application/json")
        asked = {"multipart": call.body} if is_form else call.json
        self.sent.append(asked)
        if call.groups["thing"] == NUMBER:
            return 200, {"messaging_product": "whatsapp", "messages": [{"id": f"wamid.{self.number()}"}]}
        person = "7" if is_form else asked["recipient"]["id"]
        text = "" if is_form else asked["message"]["text"]
        return 200, {
            "recipient_id": person,
            "message_id": self.add_message(person, self.now, text, ours=True),
        }

    @route("POST", rf"{V}/{PAGE}/blocked")
    def block(self, call: Call) -> Any:
        self.acts.append(("block", PAGE, call.json))
        return 200, {"success": True}

    @route("DELETE", rf"{V}/{PAGE}/blocked")
    def unblock(self, call: Call) -> Any:
        self.acts.append(("unblock", PAGE, call.json))
        return 200, {"success": True}

    @route("POST", rf"{V}/(?P<thing>[^/]+)/likes")
    def like(self, call: Call) -> Any:
        self.acts.append(("like", call.groups["thing"], None))
        return 200, {"success": True}

    @route("DELETE", rf"{V}/(?P<thing>[^/]+)/likes")
    def unlike(self, call: Call) -> Any:
        self.acts.append(("unlike", call.groups["thing"], None))
        return 200, {"success": True}

    # Instagram

    @route("GET", rf"{V}/me/media")
    def media(self, call: Call) -> Any:
        return self.refused(call) or (200, self.paged(call, self.posts))

    @route("POST", rf"{V}/(?P<thing>[^/]+)/replies")
    def reply(self, call: Call) -> Any:
        self.sent.append({"under": call.groups["thing"], **call.json})
        return self.refused(call) or (200, {"id": str(17900000000000000 + self.number())})

    @route("GET", rf"{V}/(?P<thing>[^/]+)/replies")
    def replies(self, call: Call) -> Any:
        return 200, self.paged(call, self.comments.get(call.groups["thing"], []))

    @route("POST", rf"{V}/me/mentions")
    def answer_mention(self, call: Call) -> Any:
        self.sent.append(call.json)
        return 200, {"id": "17900000000000099"}

    # WhatsApp

    @route("POST", rf"{V}/{NUMBER}/media")
    def upload(self, call: Call) -> Any:
        self.acts.append(("upload", NUMBER, call.body))
        return 200, {"id": "88001"}

    @route("POST", rf"{V}/{NUMBER}/block_users")
    def block_whatsapp(self, call: Call) -> Any:
        self.acts.append(("block", NUMBER, call.json))
        return 200, {"messaging_product": "whatsapp", "block_users": {"added_users": []}}

    @route("DELETE", rf"{V}/{NUMBER}/block_users")
    def unblock_whatsapp(self, call: Call) -> Any:
        self.acts.append(("unblock", NUMBER, call.json))
        return 200, {"messaging_product": "whatsapp"}

    @route("GET", r"/file-of-whatsapp")
    def file(self, call: Call) -> Any:
        return self.refused(call) or (200, b"\xff\xd8picture", {"Content-Type": "image/jpeg"})

    # Anything else by its id

    @route("GET", rf"{V}/(?P<thing>[0-9_A-Za-z]+)")
    def thing(self, call: Call) -> Any:
        refused, thing = self.refused(call), call.groups["thing"]
        if refused:
            return refused
        if thing in (PAGE, NUMBER):
            return 200, {"id": thing, "name": "Shop"}
        return (200, self.things[thing]) if thing in self.things else error(100, 33, "does not exist")

    @route("POST", rf"{V}/(?P<thing>[0-9_]+)")
    def change(self, call: Call) -> Any:
        self.acts.append(("change", call.groups["thing"], call.json))
        return self.refused(call) or (200, {"success": True})

    @route("DELETE", rf"{V}/(?P<thing>[0-9_]+)")
    def delete(self, call: Call) -> Any:
        self.acts.append(("delete", call.groups["thing"], None))
        gone = self.things.pop(call.groups["thing"], None) is None
        return error(100, 33, "does not exist") if gone else (200, {"success": True})


def days(n: float) -> timedelta:
    return timedelta(days=n)
