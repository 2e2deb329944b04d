"""Twilio as far as Rapport uses it: it keeps messages, calls and numbers, and answers as its API does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from tests.channels.platform import Call, Platform, route

SID = "AC7be7d24c2e9b6a232801b499a344a87d"
NUMBER = "+12025550143"
BOB = "+12025550178"
ROOT = rf"/2010-04-01/Accounts/{SID}"
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def new_sid(kind: str) -> str:
    return kind + uuid4().hex


def refusal(code: int, message: str, status: int = 400) -> dict[str, Any]:
    """An error as Twilio writes it."""
    return {
        "code": code, "message": message, "status": status,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
    }  # fmt: skip


class Twilio(Platform):
    """One account with one number."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.messages: list[dict[str, Any]] = []
        self.calls_made: list[dict[str, Any]] = []
        self.recordings: list[dict[str, Any]] = []
        self.media: dict[str, list[dict[str, Any]]] = {}
        self.number: dict[str, Any] = {
            "sid": "PN" + "a" * 32, "account_sid": SID, "phone_number": NUMBER, "friendly_name": "Shop",
            "sms_url": None, "voice_url": None, "sms_method": "POST", "voice_method": "POST",
            "status_callback": None,
            "sms_application_sid": None, "voice_application_sid": None, "trunk_sid": None,
            "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
            "uri": f"{ROOT}/IncomingPhoneNumbers/PN{'a' * 32}.json",
        }  # fmt: skip
        self.stopped: set[str] = set()
        self.now = NOW
        self.most = 1000
        self.base = ""
        """Before the addresses of pages: Twilio gives paths, its contract wants whole addresses."""

    # What happens there

    def hear(self, text: str, *, sender: str = BOB, at: datetime | None = None, media: int = 0) -> Any:
        """A message to the number."""
        item = self.write(text, sender=sender, to=NUMBER, direction="inbound", status="received", at=at)
        item["num_media"] = str(media)
        self.media[item["sid"]] = [
            {
                "sid": f"ME{index:032x}",
                "content_type": "image/png",
                "parent_sid": item["sid"],
                "uri": f"{ROOT}/Messages/{item['sid']}/Media/ME{index:032x}.json",
            }
            for index in range(media)
        ]
        return item

    def write(self, text: str, *, at: datetime | None = None, **more: Any) -> dict[str, Any]:
        """A message, by default one that the number sends to Bob."""
        sid, when = new_sid("SM"), format_datetime(at or self.now)
        item = {
            "sid": sid, "account_sid": SID, "api_version": "2010-04-01", "body": text,
            "from": more.get("sender", NUMBER), "to": more.get("to", BOB),
            "direction": more.get("direction", "outbound-api"), "status": more.get("status", "sent"),
            "date_created": when, "date_sent": when, "date_updated": when, "error_code": None,
            "error_message": None, "num_media": "0", "num_segments": "1", "price": None, "price_unit": "USD",
            "messaging_service_sid": None, "uri": f"{ROOT}/Messages/{sid}.json",
            "subresource_uris": {"media": f"{ROOT}/Messages/{sid}/Media.json"},
        }  # fmt: skip
        self.messages.append(item)
        return item

    def ring(self, *, at: datetime | None = None, seconds: int = 35, recorded: bool = False) -> Any:
        """A call to the number that is over."""
        begun, sid = at or self.now, new_sid("CA")
        start, end = format_datetime(begun), format_datetime(begun + timedelta(seconds=seconds))
        item = {
            "sid": sid, "account_sid": SID, "from": BOB, "to": NUMBER, "direction": "inbound",
            "status": "completed", "start_time": start, "end_time": end, "duration": str(seconds),
            "date_created": start, "date_updated": end, "api_version": "2010-04-01",
            "uri": f"{ROOT}/Calls/{sid}.json",
        }  # fmt: skip
        self.calls_made.append(item)
        if recorded:
            name = new_sid("RE")
            self.recordings.append({
                "sid": name, "call_sid": sid, "status": "completed", "account_sid": SID, "duration": "4",
                "source": "RecordVerb", "channels": 1, "uri": f"{ROOT}/Calls/{sid}/Recordings/{name}.json",
            })  # fmt: skip
        return item

    # Its API

    def answer(self, call: Call) -> Any:
        given = {name.lower(): value for name, value in call.headers.items()}
        if not given.get("authorization", "").startswith("Basic "):
            return 401, refusal(20003, "Authenticate", 401), {}
        return super().answer(call)

    @route("GET", rf"{ROOT}/Messages\.json")
    def list_messages(self, call: Call) -> Any:
        return 200, self._list(call, "messages", self.messages, "date_sent", "DateSent")

    @route("GET", rf"{ROOT}/Calls\.json")
    def list_calls(self, call: Call) -> Any:
        return 200, self._list(call, "calls", self.calls_made, "start_time", "StartTime")

    @route("GET", rf"{ROOT}/Recordings\.json")
    def list_recordings(self, call: Call) -> Any:
        return 200, self._page(call, "recordings", self.recordings)

    @route("GET", rf"{ROOT}/Calls/(?P<sid>[^/]+)/Recordings\.json")
    def recordings_of(self, call: Call) -> Any:
        found = [one for one in self.recordings if one["call_sid"] == call.groups["sid"]]
        return 200, self._page(call, "recordings", found)

    @route("GET", rf"{ROOT}/Messages/(?P<sid>[^/]+)/Media\.json")
    def media_of(self, call: Call) -> Any:
        return 200, self._page(call, "media_list", self.media.get(call.groups["sid"], []))

    @route("GET", rf"{ROOT}/(Messages/[^/]+/Media/ME[0-9a-f]+|Calls/[^/]+/Recordings/RE[0-9a-f]+\.mp3)")
    def content(self, call: Call) -> Any:
        kind = "audio/mpeg" if call.path.endswith(".mp3") else "image/png"
        return 200, b"the bytes", {"Content-Type": kind}

    @route("POST", rf"{ROOT}/Messages\.json")
    def send(self, call: Call) -> Any:
        form = call.form
        if form["To"] in self.stopped:
            return 400, refusal(21610, "Attempt to send to unsubscribed recipient")
        sender = form.get("From") or "+15005550006"
        item = self.write(form["Body"], sender=sender, to=form["To"], status="queued")
        item["date_sent"] = None
        return 201, item

    @route("GET", rf"{ROOT}/IncomingPhoneNumbers\.json")
    def numbers(self, call: Call) -> Any:
        wanted = call.query.get("PhoneNumber", NUMBER)
        return 200, self._page(call, "incoming_phone_numbers", [self.number] if wanted == NUMBER else [])

    @route("POST", rf"{ROOT}/IncomingPhoneNumbers/(?P<sid>PN[^/]+)\.json")
    def set_number(self, call: Call) -> Any:
        names = {"SmsUrl": "sms_url", "VoiceUrl": "voice_url", "StatusCallback": "status_callback"}
        self.number |= {names[name]: value or None for name, value in call.form.items() if name in names}
        return 200, self.number

    def _list(self, call: Call, name: str, items: list[dict[str, Any]], field: str, when: str) -> Any:
        found = [one for one in items if all(one[key.lower()] == value for key, value in call.query.items()
                                             if key in ("To", "From"))]  # fmt: skip
        for key, keep in ((f"{when}>", "__ge__"), (f"{when}<", "__le__")):
            if key in call.query:
                edge = _edge(call.query[key])
                found = [one for one in found if one[field] and getattr(_time(one[field]), keep)(edge)]
        found.sort(key=lambda one: (_time(one["date_created"]), one["sid"]), reverse=True)
        return self._page(call, name, found)

    def _page(self, call: Call, name: str, items: list[dict[str, Any]]) -> Any:
        size = min(int(call.query.get("PageSize", 50)), self.most)
        number = int(call.query.get("Page", 0))
        following = None
        if (number + 1) * size < len(items):
            query = {**call.query, "Page": number + 1, "PageToken": f"PA{number}", "PageSize": size}
            following = f"{self.base}{call.path}?{urlencode(query)}"
        return {
            name: items[number * size : (number + 1) * size], "next_page_uri": following, "page": number,
            "page_size": size, "start": number * size, "end": number * size,
            "uri": f"{self.base}{call.path}", "first_page_uri": f"{self.base}{call.path}",
            "previous_page_uri": None,
        }  # fmt: skip


def _time(text: str) -> datetime:
    return parsedate_to_datetime(text)


def _edge(text: str) -> datetime:
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)
