"""A Bluesky for tests: directory, application view, accounts' server and chat behind one address."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import jwt

from tests.channels.platform import Call, Platform, route

US = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
MARA = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"
BEN = "did:plc:cccccccccccccccccccccccc"
HANDLES = {US: "shop.test", MARA: "mara.test", BEN: "ben.test"}
PASSWORD = "abcd-efgh-ijkl-mnop"
WITHOUT_CHAT = "zzzz-zzzz-zzzz-zzzz"
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
CHAT = "did:web:api.bsky.chat#bsky_chat"


def moment(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def error(code: str, message: str = "", status: int = 400) -> tuple[int, Any]:
    return status, {"error": code, "message": message or code}


class Bluesky(Platform):
    """Keeps records, notifications, conversations and a log; its pages are cut as the real ones are."""

    page_size = 100
    post_letters = 300

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, dict[str, Any]] = {}
        self.notes: list[dict[str, Any]] = []
        self.feed: list[dict[str, Any]] = []
        self.posts: dict[str, dict[str, Any]] = {}
        self.hidden: set[str] = set()
        self.messages: dict[str, list[dict[str, Any]]] = {}
        self.members: dict[str, list[str]] = {}
        self.log: list[dict[str, Any]] = []
        self.sessions = 0
        self.dead: set[str] = set()
        self.numbers = itertools.count(1)
        self.pds = self.url

    # What others do

    def post(self, did: str, text: str, minutes: float = 0, **more: Any) -> str:
        """A post of somebody, shown to everybody."""
        uri = f"at://{did}/app.bsky.feed.post/3k{next(self.numbers):011d}"
        record = {"$type": "app.bsky.feed.post", "text": text, "createdAt": moment(minutes), **more}
        self._keep(uri, record, moment(minutes))
        return uri

    def _keep(self, uri: str, record: dict[str, Any], at: str) -> str:
        did = uri.split("/")[2]
        cid = "bafy" + sha256(repr(sorted(record.items())).encode()).hexdigest()[:20]
        self.records[uri] = {"uri": uri, "cid": cid, "value": record}
        author = {"did": did, "handle": HANDLES[did], "displayName": HANDLES[did].split(".")[0].title()}
        self.posts[uri] = {
            "uri": uri, "cid": cid, "author": author, "record": record, "indexedAt": at, "likeCount": 2,
            "replyCount": 1, "viewer": {},
        }  # fmt: skip
        if (
            did == US
            and "/app.bsky.feed.post/" in uri
            and not any(one["post"]["uri"] == uri for one in self.feed)
        ):
            self.feed.insert(0, {"post": self.posts[uri]})
        return cid

    def ref(self, uri: str) -> dict[str, str]:
        return {"uri": uri, "cid": self.posts[uri]["cid"]}

    def say(
        self, did: str, text: str, minutes: float = 0, *, to: str = "", root: str = "", **more: Any
    ) -> str:
        """A reply to (or else a mention in) a post, with its notification."""
        if to:
            more["reply"] = {"root": self.ref(root or to), "parent": self.ref(to)}
        uri = self.post(did, text, minutes, **more)
        self.note(uri, "reply" if to else "mention")
        return uri

    def note(self, uri: str, reason: str, **more: Any) -> None:
        post = self.posts[uri]
        kept = {name: post[name] for name in ("uri", "cid", "author", "record", "indexedAt")}
        self.notes.append({**kept, "reason": reason, "isRead": False, "labels": [], **more})

    def write(self, convo: str, sender: str, text: str, minutes: float = 0, key: str = "") -> str:
        """A direct message."""
        key = key or f"3l{next(self.numbers):011d}"
        message = {
            "$type": "chat.bsky.convo.defs#messageView", "id": key, "rev": key, "text": text,
            "sender": {"did": sender}, "sentAt": moment(minutes),
        }  # fmt: skip
        self.members.setdefault(convo, [US, MARA])
        self.messages.setdefault(convo, []).insert(0, message)
        self.log.append(self._line("logCreateMessage", convo, message))
        return key

    def _line(self, kind: str, convo: str, message: dict[str, Any]) -> dict[str, Any]:
        rev = f"2222222{next(self.numbers):06d}"
        return {"$type": f"chat.bsky.convo.defs#{kind}", "rev": rev, "convoId": convo, "message": message}

    def unsay(self, convo: str, key: str) -> None:
        message = next(one for one in self.messages[convo] if one["id"] == key)
        gone = {name: message[name] for name in ("id", "rev", "sender", "sentAt")}
        self.log.append(self._line("logDeleteMessage", convo, gone))

    # Identity

    @route("GET", r"/xrpc/com\.atproto\.identity\.resolveHandle")
    def resolve(self, call: Call) -> Any:
        found = [did for did, handle in HANDLES.items() if handle == call.query["handle"]]
        return (200, {"did": found[0]}) if found else error("InvalidRequest", "Unable to resolve handle")

    @route("GET", r"/(?P<did>did:plc:[a-z2-7]{24})")
    def document(self, call: Call) -> Any:
        did = call.groups["did"]
        service = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": self.pds}
        return 200, {"id": did, "alsoKnownAs": [f"at://{HANDLES[did]}"], "service": [service]}

    # Sessions

    def tokens(self, scope: str, lasts: float = 7200) -> dict[str, Any]:
        self.sessions += 1
        common = {"sub": US, "n": self.sessions, "iat": int(time.time())}
        key = "a-key-that-is-long-enough-for-the-hash"
        access = jwt.encode({**common, "scope": scope, "exp": int(time.time() + lasts)}, key)
        refresh = jwt.encode({**common, "scope": "com.atproto.refresh"}, key)
        return {"did": US, "handle": HANDLES[US], "active": True, "accessJwt": access, "refreshJwt": refresh}

    @route("POST", r"/xrpc/com\.atproto\.server\.createSession")
    def sign_in(self, call: Call) -> Any:
        scopes = {PASSWORD: "com.atproto.appPassPrivileged", WITHOUT_CHAT: "com.atproto.appPass"}
        scope = scopes.get(call.json["password"])
        if scope is None or call.json["identifier"] != US:
            return error("AuthenticationRequired", "Invalid identifier or password", 401)
        return 200, self.tokens(scope)

    @route("POST", r"/xrpc/com\.atproto\.server\.refreshSession")
    def renew(self, call: Call) -> Any:
        if self._bearer(call) in self.dead:
            return error("ExpiredToken", "Token has been revoked")
        return 200, self.tokens("com.atproto.appPassPrivileged")

    @route("GET", r"/xrpc/com\.atproto\.server\.getSession")
    def session(self, call: Call) -> Any:
        return 200, {"did": US, "handle": HANDLES[US], "active": True}

    def _bearer(self, call: Call) -> str:
        return dict(call.headers).get("Authorization", "").removeprefix("Bearer ")

    def answer(self, call: Call) -> Any:
        """Every other call needs a token that lives, and chat goes through the proxy."""
        path = call.path.removeprefix("/xrpc/")
        open_ones = ("com.atproto.identity.", "com.atproto.server.", "com.atproto.sync.", "/did:")
        if self._bearer(call) in self.dead and not path.startswith(open_ones):
            return *error("ExpiredToken", "Token has expired"), {}
        if path.startswith("chat.bsky.") and dict(call.headers).get("atproto-proxy") != CHAT:
            return *error("XRPCNotSupported", "no chat here", 404), {}
        return super().answer(call)

    # Reading

    @route("GET", r"/xrpc/app\.bsky\.notification\.listNotifications")
    def notifications(self, call: Call) -> Any:
        """Newest first; the cursor is the bare time of the last one, and the next page is strictly before."""
        rows = sorted(self.notes, key=lambda one: one["indexedAt"], reverse=True)
        reasons = call.values.get("reasons")
        rows = [one for one in rows if not reasons or one["reason"] in reasons]
        if cursor := call.query.get("cursor"):
            rows = [one for one in rows if one["indexedAt"] < cursor]
        page = rows[: min(self.page_size, int(call.query.get("limit", 50)))]
        more = {"cursor": page[-1]["indexedAt"]} if len(rows) > len(page) else {}
        return 200, {"notifications": page, **more}

    @route("GET", r"/xrpc/app\.bsky\.notification\.getUnreadCount")
    def unread(self, call: Call) -> Any:
        return 200, {"count": len(self.notes)}

    @route("GET", r"/xrpc/app\.bsky\.feed\.getAuthorFeed")
    def author_feed(self, call: Call) -> Any:
        return 200, {"feed": self.feed[: int(call.query["limit"])]}

    @route("GET", r"/xrpc/app\.bsky\.feed\.getPosts")
    def get_posts(self, call: Call) -> Any:
        found = [
            self.posts[uri] for uri in call.values["uris"] if uri in self.posts and uri not in self.hidden
        ]
        return 200, {"posts": [{**one, "viewer": self._viewer(one["uri"])} for one in found]}

    def _viewer(self, subject: str) -> dict[str, str]:
        kinds = {"app.bsky.feed.like": "like"}
        return {
            kinds[one["value"]["$type"]]: uri
            for uri, one in self.records.items()
            if one["value"].get("$type") in kinds and one["value"]["subject"]["uri"] == subject
        }

    @route("GET", r"/xrpc/app\.bsky\.actor\.getProfile")
    def profile(self, call: Call) -> Any:
        actor = call.query["actor"]
        blocks = [uri for uri, one in self.records.items() if one["value"].get("subject") == actor]
        return 200, {
            "did": actor,
            "handle": HANDLES[actor],
            "viewer": {"blocking": blocks[0]} if blocks else {},
        }

    @route("GET", r"/xrpc/app\.bsky\.actor\.getProfiles")
    def profiles(self, call: Call) -> Any:
        return 200, {"profiles": [{"did": did, "handle": HANDLES[did]} for did in call.values["actors"]]}

    @route("GET", r"/xrpc/com\.atproto\.repo\.getRecord")
    def get_record(self, call: Call) -> Any:
        query = call.query
        found = self.records.get(f"at://{query['repo']}/{query['collection']}/{query['rkey']}")
        return (200, found) if found else error("RecordNotFound", "Could not locate record")

    @route("GET", r"/xrpc/com\.atproto\.sync\.getBlob")
    def blob(self, call: Call) -> Any:
        return 200, b"\x89PNG picture", {"Content-Type": "image/png"}

    # Writing

    @route("POST", r"/xrpc/com\.atproto\.repo\.putRecord")
    def put_record(self, call: Call) -> Any:
        told, record = call.json, call.json["record"]
        uri = f"at://{told['repo']}/{told['collection']}/{told['rkey']}"
        if len(record.get("text", "")) > self.post_letters:
            return error("InvalidRequest", "Record/text must not be longer than 300 graphemes")
        known = self.records.get(uri)
        if "swapRecord" in told and told["swapRecord"] != (known and known["cid"]):
            return error("InvalidSwap", "Record was at another version")
        return 200, {"uri": uri, "cid": self._keep(uri, record, record.get("createdAt", moment(0)))}

    @route("POST", r"/xrpc/com\.atproto\.repo\.deleteRecord")
    def delete_record(self, call: Call) -> Any:
        told = call.json
        uri = f"at://{told['repo']}/{told['collection']}/{told['rkey']}"
        self.records.pop(uri, None)
        self.posts.pop(uri, None)
        return 200, {}

    @route("POST", r"/xrpc/com\.atproto\.repo\.uploadBlob")
    def upload(self, call: Call) -> Any:
        kind = dict(call.headers)["Content-Type"]
        return 200, {"blob": {"$type": "blob", "ref": {"$link": "bafkpicture"}, "mimeType": kind, "size": 4}}

    # Chat

    def _convo(self, convo: str) -> dict[str, Any]:
        people = [{"did": did, "handle": HANDLES[did]} for did in self.members[convo]]
        last = self.messages.get(convo, [None])[0]
        return {"id": convo, "members": people, **({"lastMessage": last} if last else {})}

    @route("GET", r"/xrpc/chat\.bsky\.convo\.getLog")
    def get_log(self, call: Call) -> Any:
        cursor = call.query.get("cursor", "")
        found = [line for line in self.log if line["rev"] > cursor][: self.page_size]
        return 200, {"logs": found, "cursor": found[-1]["rev"] if found else cursor}

    @route("GET", r"/xrpc/chat\.bsky\.convo\.getConvo")
    def get_convo(self, call: Call) -> Any:
        return 200, {"convo": self._convo(call.query["convoId"])}

    @route("GET", r"/xrpc/chat\.bsky\.convo\.listConvos")
    def list_convos(self, call: Call) -> Any:
        newest = sorted(self.members, key=lambda one: self.messages[one][0]["sentAt"], reverse=True)
        return 200, {"convos": [self._convo(one) for one in newest]}

    @route("GET", r"/xrpc/chat\.bsky\.convo\.getConvoForMembers")
    def convo_for(self, call: Call) -> Any:
        other = call.query["members"]
        convo = next(
            (one for one, people in self.members.items() if set(people) == {US, other}), f"with-{other}"
        )
        self.members.setdefault(convo, [US, other])
        return 200, {"convo": self._convo(convo)}

    @route("GET", r"/xrpc/chat\.bsky\.convo\.getMessages")
    def get_messages(self, call: Call) -> Any:
        rows = self.messages.get(call.query["convoId"], [])
        start = int(call.query.get("cursor", 0))
        page = rows[start : start + int(call.query["limit"])]
        more = {"cursor": str(start + len(page))} if len(rows) > start + len(page) else {}
        return 200, {"messages": page, **more}

    @route("POST", r"/xrpc/chat\.bsky\.convo\.sendMessage")
    def send_message(self, call: Call) -> Any:
        told = call.json
        minutes = (datetime.now(UTC) - START).total_seconds() / 60
        key = self.write(told["convoId"], US, told["message"]["text"], minutes)
        return 200, next(one for one in self.messages[told["convoId"]] if one["id"] == key)
