"""A double of a Mastodon server, which keeps statuses, notifications and tokens and answers as documented."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from tests.channels.platform import Call, Platform, route

ME, BOB, EVE = "101", "202", "303"
Answer = tuple[Any, ...]
MAX = 80


def written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


class Mammoth(Platform):
    """A server called mammoth.example with our account shop, and people here and elsewhere."""

    pkce = True
    forgets_keys = False
    """Ignores Idempotency-Key, as some servers do."""
    gives_together = True
    """Knows GET /api/v1/statuses?id[]= (since 4.3)."""
    limit = MAX

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.people = {
            ME: {"id": ME, "username": "shop", "acct": "shop", "display_name": "The Shop"},
            BOB: {"id": BOB, "username": "bob", "acct": "bob", "display_name": "Bob"},
            EVE: {"id": EVE, "username": "eve", "acct": "eve@far.example", "display_name": ""},
        }
        self.statuses: dict[str, dict[str, Any]] = {}
        self.notifications: list[dict[str, Any]] = []
        self.keys: dict[str, str] = {}
        self.tokens = {"our-token-0123456789": ME}
        self.apps: list[dict[str, str]] = []
        self.codes: dict[str, str] = {}
        self.favourites: set[str] = set()
        self.blocks: set[str] = set()
        self.media: dict[str, int] = {}
        """How many times a file is still worked on when it is asked for."""
        self.slow_media = 0
        self.number = 1000
        self.letters = 500

    # What happens there

    def next_id(self) -> str:
        self.number += 1
        return str(self.number)

    def write(
        self,
        author: str,
        text: str,
        *,
        answers: str = "",
        visibility: str = "public",
        at: datetime | None = None,
        **more: Any,
    ) -> str:
        """Somebody writes; who is named or answered gets a notification. Returns the status' id."""
        at, own = at or datetime.now(UTC), self.next_id()
        above = self.statuses.get(answers)
        named = [one for one in self.people.values() if f"@{one['acct']}" in text]
        status = {
            "id": own,
            "created_at": written(at),
            "in_reply_to_id": answers or None,
            "in_reply_to_account_id": above["account"]["id"] if above else None,
            "spoiler_text": "",
            "visibility": visibility,
            "uri": f"https://mammoth.example/users/{author}/statuses/{own}",
            "url": f"https://mammoth.example/@{author}/{own}",
            "replies_count": 0,
            "reblogs_count": 0,
            "favourites_count": 0,
            "edited_at": None,
            "content": f"<p>{escape(text)}</p>",
            "account": self.people[author],
            "media_attachments": [],
            "mentions": [
                {"id": one["id"], "username": one["username"], "acct": one["acct"]} for one in named
            ],
            "poll": None,
            "card": None,
            **more,
        }
        self.statuses[own] = status
        if author != ME and ME in {one["id"] for one in named}:
            self.notify(status, at)
        return own

    def notify(self, status: dict[str, Any], at: datetime, kind: str = "mention") -> None:
        number = str(len(self.notifications) + 1)
        self.notifications.append(
            {
                "id": number,
                "type": kind,
                "created_at": written(at),
                "account": status["account"],
                "status": status,
            }
        )

    def edit(self, status_id: str, text: str, at: datetime | None = None) -> None:
        status = self.statuses[status_id]
        status |= {"content": f"<p>{escape(text)}</p>", "edited_at": written(at or datetime.now(UTC))}

    # Who asks

    def answer(self, call: Call) -> Any:
        open_to_all = call.path.startswith(("/oauth", "/api/v1/apps", "/.well-known", "/api/v2/instance"))
        token = call.headers.get("Authorization", "").removeprefix("Bearer ")
        if not (open_to_all and not call.path.endswith("verify_credentials")) and token not in self.tokens:
            return 401, {"error": "The access token is invalid"}, {}
        return super().answer(call)

    @route("POST", "/api/v1/apps")
    def register(self, call: Call) -> Answer:
        app = {"client_id": uuid4().hex, "client_secret": uuid4().hex, **call.form}
        self.apps.append(app)
        return 200, app

    @route("GET", "/.well-known/oauth-authorization-server")
    def metadata(self, call: Call) -> Answer:
        if not self.pkce:
            return 404, "<html>", {"Content-Type": "text/html"}
        return 200, {"code_challenge_methods_supported": ["S256"]}

    @route("POST", "/oauth/token")
    def token(self, call: Call) -> Answer:
        form = call.form
        known = any(
            one["client_id"] == form["client_id"] and one["client_secret"] == form["client_secret"]
            for one in self.apps
        )
        if not known or self.codes.get(form["code"]) != form.get("code_verifier", ""):
            return 400, {"error": "invalid_grant", "error_description": "The grant is invalid."}
        made = f"token-{uuid4().hex}"
        self.tokens[made] = ME
        return 200, {"access_token": made, "token_type": "Bearer", "scope": form["scope"], "created_at": 1}

    @route("GET", "/api/v1/apps/verify_credentials")
    def app(self, call: Call) -> Answer:
        return 200, {"name": "Rapport", "scopes": ["read", "write"]}

    @route("GET", "/api/v1/accounts/verify_credentials")
    def me(self, call: Call) -> Answer:
        return 200, self.people[ME]

    @route("GET", "/api/v2/instance")
    def instance(self, call: Call) -> Answer:
        statuses = {"max_characters": self.letters, "characters_reserved_per_url": 23}
        media = {"supported_mime_types": ["image/png", "video/mp4"], "image_size_limit": 1_000_000}
        configuration = {"statuses": {**statuses, "max_media_attachments": 4}, "media_attachments": media}
        return 200, {"domain": "mammoth.example", "version": "4.5.0", "configuration": configuration}

    # Reading

    def page(self, call: Call, found: list[dict[str, Any]]) -> Answer:
        """A page by max_id or min_id, newest first, with its links."""
        most = min(int(call.query.get("limit", "40")), self.limit)
        ordered = sorted(found, key=lambda one: int(one["id"]))
        if "min_id" in call.query:
            part = [one for one in ordered if int(one["id"]) > int(call.query["min_id"])][:most]
        else:
            below = [one for one in ordered if int(one["id"]) < int(call.query.get("max_id", "9" * 18))]
            part = below[-most:]
        part.reverse()
        if not part:
            return 200, []
        base = f"{self.url}{call.path}"
        older, newer = urlencode({"max_id": part[-1]["id"]}), urlencode({"min_id": part[0]["id"]})
        return 200, part, {"Link": f'<{base}?{older}>; rel="next", <{base}?{newer}>; rel="prev"'}

    @route("GET", "/api/v1/notifications")
    def list_notifications(self, call: Call) -> Answer:
        wanted = call.values.get("types[]", [])
        alive = [
            one
            for one in self.notifications
            if one["type"] in wanted and (not one["status"] or one["status"]["id"] in self.statuses)
        ]
        return self.page(call, alive)

    @route("GET", r"/api/v1/accounts/(?P<person>\d+)/statuses")
    def timeline(self, call: Call) -> Answer:
        found = [one for one in self.statuses.values() if one["account"]["id"] == call.groups["person"]]
        return self.page(call, found)

    @route("GET", "/api/v1/statuses")
    def several(self, call: Call) -> Answer:
        if not self.gives_together:
            return 404, {"error": "The page you were looking for doesn't exist"}
        return 200, [self.statuses[one] for one in call.values["id[]"][:20] if one in self.statuses]

    @route("GET", r"/api/v1/statuses/(?P<status>\w+)")
    def one(self, call: Call) -> Answer:
        found = self.statuses.get(call.groups["status"])
        return (200, found) if found else (404, {"error": "Record not found"})

    @route("GET", r"/api/v1/statuses/(?P<status>\w+)/context")
    def context(self, call: Call) -> Answer:
        own = call.groups["status"]
        if own not in self.statuses:
            return 404, {"error": "Record not found"}
        above = []
        parent = self.statuses[own]["in_reply_to_id"]
        while parent and parent in self.statuses:
            above.insert(0, self.statuses[parent])
            parent = self.statuses[parent]["in_reply_to_id"]
        return 200, {"ancestors": above, "descendants": self.below(own)}

    def below(self, own: str) -> list[dict[str, Any]]:
        children = [one for one in self.statuses.values() if one["in_reply_to_id"] == own]
        return [one for child in children for one in [child, *self.below(child["id"])]]

    # Writing

    @route("POST", "/api/v1/statuses")
    def post(self, call: Call) -> Answer:
        key = call.headers.get("Idempotency-Key", "")
        if key in self.keys and not self.forgets_keys:
            return 200, self.statuses[self.keys[key]]
        body = call.json
        if not body["status"] and not body.get("media_ids"):
            return 422, {"error": "Validation failed: Text can't be blank"}
        if len(body["status"]) > self.letters:
            return 422, {"error": f"Validation failed: Text character limit of {self.letters} exceeded"}
        own = self.write(
            ME, body["status"], answers=body.get("in_reply_to_id", ""), visibility=body["visibility"]
        )
        self.keys[key] = own
        return 200, self.statuses[own]

    @route("DELETE", r"/api/v1/statuses/(?P<status>\w+)")
    def delete(self, call: Call) -> Answer:
        if call.groups["status"] not in self.statuses:
            return 404, {"error": "Record not found"}
        return 200, self.statuses.pop(call.groups["status"])

    @route("POST", r"/api/v1/statuses/(?P<status>\w+)/(?P<what>favourite|unfavourite)")
    def favourite(self, call: Call) -> Answer:
        own = call.groups["status"]
        (self.favourites.add if call.groups["what"] == "favourite" else self.favourites.discard)(own)
        return 200, self.statuses[own]

    @route("POST", r"/api/v1/accounts/(?P<person>\w+)/(?P<what>block|unblock)")
    def block(self, call: Call) -> Answer:
        blocks = call.groups["what"] == "block"
        (self.blocks.add if blocks else self.blocks.discard)(call.groups["person"])
        return 200, {"id": call.groups["person"], "blocking": blocks}

    @route("POST", "/api/v2/media")
    def upload(self, call: Call) -> Answer:
        own = self.next_id()
        self.media[own] = self.slow_media
        url = None if self.slow_media else "https://files.example/a.png"
        return (202 if self.slow_media else 200), {"id": own, "type": "image", "url": url}

    @route("GET", r"/api/v1/media/(?P<media>\d+)")
    def look_at_media(self, call: Call) -> Answer:
        own = call.groups["media"]
        self.media[own] -= 1
        ready = self.media[own] <= 0
        return (200 if ready else 206), {"id": own, "url": "https://files.example/a.png" if ready else None}
