"""What Twilio tells, as events: forms of webhooks and items of its lists. No network, no database."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs

from engagement.channels.base import Author, Change, Direction, Event, File, Kind, Parcel, Refusal

MOST_FIELDS = 500
MOST_FILES = 10
CALLER = "caller"
"""Network of those who call or write without a number: withheld ones, short codes, names of companies."""
WITHHELD = frozenset(
    {"anonymous", "restricted", "blocked", "unknown", "unavailable", "private", "",
     "+266696687", "+7378742883", "+2562533", "+8656696", "+86282452253"}
)  # fmt: skip
"""Words, and the same words typed on a telephone's keys."""
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke"})
STOPPED_PURPOSES = ("marketing", "survey")
STATUS = {
    "sent": "sent", "delivered": "delivered", "read": "read",
    "partially_delivered": "delivered", "undelivered": "failed", "failed": "failed", "canceled": "failed",
}  # fmt: skip
NOT_YET = frozenset({"accepted", "scheduled", "queued", "sending"})
WHY_FAILED = {
    "30001": "too many messages were waiting", "30002": "the Twilio account is suspended",
    "30003": "the phone is switched off or out of reach", "30004": "the recipient or the carrier blocks it",
    "30005": "the number does not exist", "30006": "a landline cannot receive text messages",
    "30007": "the carrier filtered it as spam", "30008": "the carrier gave no reason",
    "30032": "the toll-free number is not verified", "30034": "the number is not registered for A2P 10DLC",
    "21610": "the recipient answered STOP",
}  # fmt: skip
OPEN_CALL = frozenset({"queued", "initiated", "ringing", "in-progress", "answered"})
ENDED_CALL = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
MISSED = {"busy": "busy", "no-answer": "nobody answered", "failed": "it failed", "canceled": "hung up"}

Form = Mapping[str, str]


# Reading


def read_form(body: bytes) -> Form:
    """The fields of a webhook, nothing trimmed. Raises ValueError for something that is no form."""
    try:
        fields = parse_qs(
            body.decode("utf-8", "replace"),
            keep_blank_values=True,
            strict_parsing=True,
            max_num_fields=MOST_FIELDS,
        )
    except ValueError as error:
        raise ValueError(f"The body is no form: {error}") from None
    return {name: values[0] for name, values in fields.items()}


def parcels(body: bytes, *, number: str, received_at: datetime) -> list[Parcel]:
    """What a webhook's form, or an item of a list as JSON, holds. `number` is the account's own."""
    if body.lstrip()[:1] in (b"{", b"["):
        return [_of_item(body, number)]
    form = read_form(body)
    if form.get("MessageSid") or form.get("SmsSid"):
        return [_of_message_form(form, number, received_at)]
    if form.get("TranscriptionSid"):
        return [Parcel(_of_transcription(form, received_at))]
    if form.get("CallSid"):
        return [_of_call_form(form, number, received_at)]
    raise ValueError("The form names neither a message (MessageSid) nor a call (CallSid).")


def _of_item(body: bytes, number: str) -> Parcel:
    try:
        item = json.loads(body)
    except ValueError as error:
        raise ValueError(f"The body is no JSON: {error}") from None
    if not isinstance(item, dict):
        raise ValueError("The body is no JSON object.")
    events = of_call(item) if str(item.get("sid", "")).startswith("CA") else of_message(item)
    ours = item.get("to" if item.get("direction") == "inbound" else "from")
    return Parcel(events, account=_other(str(ours or ""), number), refusals=refusals_of(events))


def _other(ours: str, number: str) -> str:
    """The number it is for, where that is not the account's own (a messaging service has several)."""
    return "" if not ours or ours == number or not NUMBER.fullmatch(ours) else ours


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is missing.")
    return value


def moment(item: Mapping[str, Any], *names: str) -> datetime:
    """The first of these times that is told, as Twilio writes them (RFC 2822). Raises ValueError."""
    for name in names:
        value = item.get(name)
        if not value:
            continue
        try:
            found = parsedate_to_datetime(str(value))
        except ValueError:
            raise ValueError(f"{name} {str(value)[:40]!r} is no time.") from None
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    raise ValueError(f"{names[0]} is missing.")


def _whole(value: Any) -> int:
    text = str(value if value is not None else "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


# People


def person(value: str, sid: str, country: str = "") -> Author:
    """Whoever is at the other end. A withheld number is nobody we know: each time somebody new."""
    if value.lower() in WITHHELD:
        return Author(f"withheld:{sid}", network=CALLER, name="Withheld number")
    if not NUMBER.fullmatch(value):
        return Author(value, handle=value, network=CALLER)
    facts = {"country": country} if re.fullmatch("[A-Z]{2}", country) else {}
    return Author(value, handle=value, facts=facts)


# Messages


def _of_message_form(form: Form, number: str, received_at: datetime) -> Parcel:
    sid = form.get("MessageSid") or _text(form, "SmsSid")
    status = form.get("MessageStatus") or form.get("SmsStatus") or ""
    if status in ("received", "receiving") or not status:
        author = person(_text(form, "From"), sid, form.get("FromCountry", ""))
        event = _message(sid, Direction.INBOUND, author, form.get("Body", ""), received_at)
        event = replace(event, files=_media_of(form, sid))
        return Parcel([event], account=_other(form.get("To", ""), number), refusals=refusals_of([event]))
    change = status_change(sid, status, form.get("ErrorCode", ""), received_at)
    return Parcel([change] if change else [], account=_other(form.get("From", ""), number))


def _message(sid: str, direction: str, other: Author, text: str, at: datetime) -> Event:
    return Event(
        external_id=sid,
        kind=Kind.MESSAGE,
        direction=direction,
        occurred_at=at,
        text=text,
        thread_keys=(f"dm:{other.external_id}",),
        author=other if direction == Direction.INBOUND else None,
    )


def _media_of(form: Form, sid: str) -> tuple[File, ...]:
    files = []
    for index in range(min(_whole(form.get("NumMedia")), MOST_FILES)):
        url = form.get(f"MediaUrl{index}", "")
        if url:
            files.append(media_file(sid, index, url, form.get(f"MediaContentType{index}", "")))
    return tuple(files)


def media_file(sid: str, index: int, url: str, content_type: str) -> File:
    """One picture or other file of an MMS."""
    ending = re.sub("[^a-z0-9]", "", content_type.partition("/")[2].partition(";")[0])[:8] or "bin"
    return File(name=f"{sid[:10]}-{index + 1}.{ending}", content_type=content_type, url=url)


def status_change(sid: str, status: str, code: str, at: datetime) -> Change | None:
    """How far a message of ours got; None where it has not left yet. Raises ValueError for another word."""
    if status in NOT_YET:
        return None
    if status not in STATUS:
        raise ValueError(f"MessageStatus {status[:40]!r} is not one that Twilio documents.")
    failed = STATUS[status] == "failed"
    return Change(sid, "status", at, status=STATUS[status], error=_why(status, code) if failed else "")


def _why(status: str, code: str) -> str:
    if not code or code == "0":
        return f"Twilio says: {status}."
    return f"Twilio says: {status}, {WHY_FAILED.get(code, 'see its error')} ({code})."


def of_message(item: Mapping[str, Any], files: tuple[File, ...] = ()) -> list[Event | Change]:
    """One item of the list of messages; one of ours comes with how far it got."""
    sid, at = _text(item, "sid"), moment(item, "date_sent", "date_created")
    inbound = item.get("direction") == "inbound"
    other = person(_text(item, "from" if inbound else "to"), sid)
    direction = Direction.INBOUND if inbound else Direction.OUTBOUND
    event = replace(_message(sid, direction, other, str(item.get("body") or ""), at), files=files)
    if inbound:
        return [event]
    seen = moment(item, "date_updated", "date_sent", "date_created")
    change = status_change(sid, str(item.get("status") or ""), str(item.get("error_code") or ""), seen)
    return [event, change] if change else [event]


def refusals_of(events: Sequence[Event | Change]) -> list[Refusal]:
    """Who wrote STOP; Twilio lets nothing through to them from then on."""
    return [
        Refusal(event.author, STOPPED_PURPOSES, event.occurred_at, f"Text message {event.text.strip()!r}")
        for event in events
        if isinstance(event, Event)
        and event.author
        and event.kind == Kind.MESSAGE
        and event.text.strip().lower() in STOP_WORDS
    ]


# Calls


def is_incoming(form: Form) -> bool:
    """Whether a webhook asks what to say to a caller."""
    return form.get("Direction") == "inbound" and not form.get("RecordingSid") and not is_ended(form)


def is_ended(form: Form) -> bool:
    """Whether a webhook tells of a call that is over."""
    return form.get("CallStatus") in ENDED_CALL


def _of_call_form(form: Form, number: str, received_at: datetime) -> Parcel:
    sid = _text(form, "CallSid")
    recorded = _recording(sid, form, received_at)
    if "From" not in form:
        return Parcel(recorded)
    inbound = form.get("Direction", "inbound") == "inbound"
    ended = is_ended(form) and not form.get("RecordingSid")
    end = moment(form, "Timestamp") if ended and form.get("Timestamp") else received_at
    seconds = _whole(form.get("CallDuration")) if ended else 0
    other = person(form["From"] if inbound else form.get("To", ""), sid, form.get("FromCountry", ""))
    changes: list[Event | Change] = [_call(sid, inbound, other, end - timedelta(seconds=seconds))]
    if ended:
        changes.append(Change(sid, "edit", end, text=_ended_text(inbound, form["CallStatus"], seconds)))
    ours = form.get("To" if inbound else "From", "")
    return Parcel([*changes, *recorded], account=_other(ours, number))


def _call(sid: str, inbound: bool, other: Author, at: datetime) -> Event:
    return Event(
        external_id=sid,
        kind=Kind.CALL,
        direction=Direction.INBOUND if inbound else Direction.OUTBOUND,
        occurred_at=at,
        text="Incoming call" if inbound else "Outgoing call",
        thread_keys=(f"dm:{other.external_id}",),
        author=other if inbound else None,
    )


def _ended_text(inbound: bool, status: str, seconds: int) -> str:
    what = "Incoming call" if inbound else "Outgoing call"
    if status == "completed":
        return f"{what}, {seconds // 60}:{seconds % 60:02d} minutes"
    return f"{what}, {MISSED[status]}"


def _recording(sid: str, form: Form, at: datetime) -> list[Event | Change]:
    """The recording that a form tells of, once Twilio has it: what `<Record>` itself asks comes before."""
    url, name = form.get("RecordingUrl", ""), form.get("RecordingSid", "")
    if not url or not name or form.get("RecordingStatus") != "completed":
        return []
    return [Change(sid, "files", at, files=(recording_file(name, url),))]


def recording_file(sid: str, url: str) -> File:
    """The sound of one recording; Twilio gives MP3 where the address ends so."""
    return File(name=f"voicemail-{sid}.mp3", content_type="audio/mpeg", url=f"{url.removesuffix('.mp3')}.mp3")


def _of_transcription(form: Form, received_at: datetime) -> list[Event | Change]:
    """What was said, as text; a failed transcription changes nothing."""
    text = form.get("TranscriptionText", "").strip()
    if form.get("TranscriptionStatus") != "completed" or not text:
        return []
    return [Change(_text(form, "CallSid"), "edit", received_at, text=f"Voicemail: {text}")]


def of_call(item: Mapping[str, Any], recordings: Sequence[File] = ()) -> list[Event | Change]:
    """One item of the list of calls, with its recordings."""
    sid, at = _text(item, "sid"), moment(item, "start_time", "date_created")
    inbound = item.get("direction") == "inbound"
    other = person(str(item.get("from" if inbound else "to") or ""), sid)
    found: list[Event | Change] = [_call(sid, inbound, other, at)]
    status = str(item.get("status") or "")
    if status in ENDED_CALL:
        end = moment(item, "end_time", "date_updated", "start_time", "date_created")
        text = _ended_text(inbound, status, _whole(item.get("duration")))
        found.append(Change(sid, "edit", end, text=text))
    elif status not in OPEN_CALL:
        raise ValueError(f"status {status[:40]!r} of the call is not one that Twilio documents.")
    if recordings:
        found.append(Change(sid, "files", at, files=tuple(recordings)))
    return found
