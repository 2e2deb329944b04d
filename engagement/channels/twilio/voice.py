"""What a caller hears, as TwiML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from engagement.channels.twilio.events import Form, is_incoming

NOTHING = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
SILENCE_SECONDS = 5


def answer(form: Form, settings: Mapping[str, Any], address: str) -> str:
    """The answer to one webhook; `address` is ours, where what follows is told."""
    if is_incoming(form):
        return _greeting(settings, address)
    if form.get("CallStatus") and form.get("RecordingSid") and not form.get("RecordingStatus"):
        return _farewell(settings)
    return NOTHING


def _greeting(settings: Mapping[str, Any], address: str) -> str:
    response = ElementTree.Element("Response")
    _say(response, settings, str(settings.get("greeting") or ""))
    if not settings.get("voicemail", True):
        ElementTree.SubElement(response, "Hangup")
        return _written(response)
    record = {
        "action": address,
        "method": "POST",
        "maxLength": str(settings.get("longest_seconds") or 120),
        "timeout": str(SILENCE_SECONDS),
        "playBeep": "true",
        "recordingStatusCallback": address,
        "recordingStatusCallbackEvent": "completed absent",
    }
    if settings.get("transcribe"):
        record |= {"transcribe": "true", "transcribeCallback": address}
    ElementTree.SubElement(response, "Record", record)
    # said only to somebody who was silent: after a recording, Twilio asks the action instead
    _say(response, settings, str(settings.get("farewell") or ""))
    return _written(response)


def _farewell(settings: Mapping[str, Any]) -> str:
    response = ElementTree.Element("Response")
    _say(response, settings, str(settings.get("farewell") or ""))
    ElementTree.SubElement(response, "Hangup")
    return _written(response)


def _say(response: ElementTree.Element, settings: Mapping[str, Any], text: str) -> None:
    if text.strip():
        said = ElementTree.SubElement(response, "Say", {"language": str(settings.get("language") or "en-US")})
        said.text = text


def _written(response: ElementTree.Element) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(response, encoding="unicode")
