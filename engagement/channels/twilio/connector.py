"""The Twilio connector: one phone number for text messages and calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from django.http import QueryDict
from django.utils.translation import gettext as _
from twilio.request_validator import RequestValidator, get_signature_algorithm

from crm.identities import PHONE
from engagement.channels.base import (
    AuthFailure,
    Connector,
    File,
    Finding,
    Forged,
    Hook,
    HookAnswer,
    Limits,
    Listed,
    Outgoing,
    Page,
    Parcel,
    PermanentFailure,
    Rate,
    SendFailed,
    Sent,
    Subscription,
    TransientFailure,
    translated,
)
from engagement.channels.fetching import fetch_public
from engagement.channels.twilio import events, lengths, pulling, voice
from engagement.channels.twilio.client import client, explain, get, pages, path_of, post
from engagement.channels.twilio.forms import NumberForm
from engagement.models import ChannelAccount, RawEvent

SIGNATURE = "x-twilio-signature"
SIGNED_HOW = "x-twilio-webhooks-signature-settings"
ELSEWHERE = ("sms_application_sid", "voice_application_sid", "trunk_sid")
"""Where a number has one of these, Twilio asks it and not the addresses of the number."""
CLOCKS = timedelta(seconds=30)
"""So much Twilio's clock may be behind ours when a message is looked for that was cut off."""


class TwilioConnector(Connector):
    """One number. Whoever texts and whoever calls is the same phone identity, so the account's network is the
    phone, and what was said tells by its kind (message or call) how it came."""

    name = "twilio"
    label = "Phone (Twilio)"
    icon = "ti-brand-twilio"
    hue = "phone"
    networks = (PHONE,)
    can_pull = True
    can_reply = True
    can_start = True
    reads_back = True
    takes_hooks = True
    hook_headers = ("i-twilio-idempotency-token",)
    subscribes = True
    reconciles = True
    reads_history = True
    max_length = lengths.MOST
    max_attachment_bytes = 0
    pull_every_seconds = 300
    rates = (Rate("send", 1, 1.0), Rate("pull", 20, 1.0))
    settings_form = NumberForm
    secret_fields: ClassVar[tuple[str, ...]] = ("api_secret", "auth_token", "shared_key")
    about = (
        "Text messages and calls of one number come in, voicemail with them; answers go out as text messages."
    )
    needs = (
        "A number at Twilio that can receive text messages and calls.",
        "The account's SID and auth token, and an API key with its secret.",
        "A public https address of this installation, for callers and for messages at once.",
    )

    def count_length(self, text: str) -> int:
        return lengths.units(text)

    def length_note(self, text: str) -> str:
        """How many messages are charged for one that does not fit into one."""
        count = lengths.segments(text)
        return _("%(count)d messages") % {"count": count} if count > 1 else ""

    def limits(self, account: ChannelAccount, *, public: bool) -> Limits:
        return Limits(length=lengths.MOST, files=0, file_bytes=0)

    def fill_account(self, account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
        """Also the number, by which the account is known."""
        super().fill_account(account, cleaned)
        account.network, account.issuer = PHONE, ""
        account.external_id = cleaned["phone_number"]
        account.name = account.name or cleaned["phone_number"]

    # In

    def pull(self, account: ChannelAccount) -> Iterator[Page]:
        return pulling.read(account)

    def list_window(
        self, account: ChannelAccount, since: datetime, until: datetime
    ) -> Iterator[Sequence[Listed]]:
        return pulling.listed(account, since, until)

    def verify(self, hook: Hook, account: ChannelAccount | None) -> None:
        """By Twilio's own validator, over the public address with and without its port."""
        how = hook.headers.get(SIGNED_HOW, "")
        algorithm = get_signature_algorithm(how)
        name = "shared_key" if how else "auth_token"
        secret = str(account.credentials.get(name) or "") if account else ""
        signature = hook.headers.get(SIGNATURE, "")
        if not secret or not signature:
            raise Forged
        if not RequestValidator(secret).validate(hook.url, _signed(hook), signature, algorithm):
            raise Forged

    def hook_answer_for(self, hook: Hook, account: ChannelAccount | None) -> HookAnswer:
        """TwiML: what a caller hears, and nothing for everything else."""
        try:
            form = events.read_form(hook.body)
        except ValueError:
            form = {}
        said = voice.answer(form, account.settings if account else {}, hook.url)
        return HookAnswer(said, content_type="text/xml")

    def parse(self, raw: RawEvent) -> Sequence[Parcel]:
        number = raw.account.external_id if raw.account else ""
        return events.parcels(bytes(raw.body), number=number, received_at=raw.received_at)

    def speaks_for(self, account: ChannelAccount, other: ChannelAccount) -> bool:
        """A messaging service has several numbers, all of one account at Twilio."""
        known = account.settings.get("account_sid")
        return bool(known) and other.settings.get("account_sid") == known

    def fetch_file(self, account: ChannelAccount, file: File, *, most: int) -> File:
        """Twilio's own files with our credentials, anything else as a stranger's address."""
        path = path_of(file.url)
        if not path.startswith("/2010-04-01/Accounts/"):
            return fetch_public(file, most=most)
        with client(account) as link, translated(explain):
            answer = link.get(path, max_bytes=most)
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip() or file.content_type
        return File(name=file.name, content_type=kind, content=answer.body, size=len(answer.body))

    # Out

    def send(self, outgoing: Outgoing) -> Sent:
        """One text message; Twilio takes no key of ours, so one that was cut off is looked for first."""
        if outgoing.files:
            raise PermanentFailure(
                "Files cannot be sent by text message from here.",
                advice="Twilio fetches pictures from a public address, and Rapport shows files to staff only."
                " Send them by e-mail.",
            )
        with client(outgoing.account, bucket="send") as link:
            told = post(link, "Messages.json", {**_sender(outgoing.account), **_message(outgoing)})
        sid, status = str(told.get("sid") or ""), str(told.get("status") or "")
        if not sid:
            raise SendFailed("Twilio took the message and gave no id for it.")
        if events.STATUS.get(status) == "failed":
            raise PermanentFailure(f"Twilio says: {status}. {told.get('error_message') or ''}".strip())
        return Sent(sid)

    def find_sent(self, outgoing: Outgoing) -> Sent | None:
        """The newest message with the same words to the same number since this one was written.

        The list is not asked by day: what waits in Twilio's queue has no day of sending yet. It comes newest
        first, so an older message ends the search.
        """
        since = (outgoing.delivery.created_at - CLOCKS).replace(microsecond=0)
        sender = {name: value for name, value in _sender(outgoing.account).items() if name == "From"}
        params = {"To": _recipient(outgoing), **sender}
        with client(outgoing.account, bucket="send") as link:
            for items, _next in pages(link, "Messages.json", "messages", params):
                for item in items:
                    if _written_at(item) < since:
                        return None
                    if item.get("direction") != "inbound" and _says(item, outgoing.text):
                        return Sent(str(item["sid"]))
        return None

    # Connecting

    def check(self, account: ChannelAccount) -> None:
        """The number is this Twilio account's."""
        with client(account) as link:
            _number(link, account)

    def examine(self, account: ChannelAccount) -> Sequence[Finding]:
        """The number and each of its lists, each alone."""
        found = [_tried("number", account, partial(_number, account=account))]
        for name in ("Messages", "Calls", "Recordings"):
            found.append(_tried(name, account, partial(get, path=f"{name}.json", params={"PageSize": 1})))
        signed = bool(account.credentials.get("auth_token") or account.credentials.get("shared_key"))
        remedy = "" if signed else "Give the auth token: without it no webhook is believed."
        return [*found, Finding("webhook signature", works=signed, remedy=remedy)]

    def subscribe(self, account: ChannelAccount, address: str) -> Subscription:
        """Have messages, calls and statuses told to this address."""
        wanted = {"SmsUrl": address, "VoiceUrl": address, "StatusCallback": address}
        with client(account) as link:
            number = _number(link, account)
            if any(number.get(_told_as(name)) != value for name, value in wanted.items()):
                methods = dict.fromkeys(("SmsMethod", "VoiceMethod", "StatusCallbackMethod"), "POST")
                post(link, f"IncomingPhoneNumbers/{number['sid']}.json", {**wanted, **methods})
        taken = [name for name in ELSEWHERE if number.get(name)]
        if taken:
            words = f"Twilio gives this number's events to something else: {', '.join(taken)}."
            return Subscription(active=False, text=words)
        return Subscription(active=True, settings={"hook_address": address})

    def unsubscribe(self, account: ChannelAccount) -> None:
        """Take our address off again, where it still is ours."""
        address = account.settings.get("hook_address")
        with client(account) as link:
            number = _number(link, account)
            names = ("SmsUrl", "VoiceUrl", "StatusCallback")
            ours = {name: "" for name in names if address and number.get(_told_as(name)) == address}
            if ours:
                post(link, f"IncomingPhoneNumbers/{number['sid']}.json", ours)


def _signed(hook: Hook) -> Any:
    """What is signed beside the address: every field of a form, untrimmed; a JSON body by its hash."""
    if "bodySHA256" in hook.query:
        return hook.body.decode("utf-8", "replace")
    try:
        return QueryDict(hook.body, encoding="utf-8")
    except Exception:
        raise Forged from None


def _sender(account: ChannelAccount) -> dict[str, str]:
    service = str(account.settings.get("messaging_service_sid") or "")
    return {"MessagingServiceSid": service} if service else {"From": account.external_id}


def _message(outgoing: Outgoing) -> dict[str, str]:
    address = str(outgoing.account.settings.get("hook_address") or "")
    told = {"StatusCallback": address} if address.startswith("https://") else {}
    return {"To": _recipient(outgoing), "Body": outgoing.text, **told}


def _recipient(outgoing: Outgoing) -> str:
    number = outgoing.to[0].external_id if outgoing.to else outgoing.thread_key.removeprefix("dm:")
    if not events.NUMBER.fullmatch(number):
        raise PermanentFailure(
            "There is no number to send this to.", advice="The caller withheld it, or it is a short code."
        )
    return number


def _written_at(item: Mapping[str, Any]) -> datetime:
    """When a listed message was made, to the second. Raises TransientFailure where nothing says so."""
    try:
        return events.moment(item, "date_created")
    except ValueError as error:
        raise TransientFailure(f"Twilio listed a message without its time: {error}") from None


def _says(item: Mapping[str, Any], text: str) -> bool:
    return bool(item.get("sid")) and str(item.get("body") or "").strip() == text.strip()


def _number(link: Any, account: ChannelAccount) -> Mapping[str, Any]:
    params = {"PhoneNumber": account.external_id}
    found = get(link, "IncomingPhoneNumbers.json", params).get("incoming_phone_numbers") or ()
    for number in found:
        if number.get("phone_number") == account.external_id and number.get("sid"):
            return dict(number)
    raise AuthFailure(f"{account.external_id} is not a number of this Twilio account.")


def _told_as(name: str) -> str:
    return {"SmsUrl": "sms_url", "VoiceUrl": "voice_url", "StatusCallback": "status_callback"}[name]


def _tried(name: str, account: ChannelAccount, call: Any) -> Finding:
    try:
        with client(account) as link:
            call(link)
    except SendFailed as failure:
        return Finding(name, works=False, text=str(failure), remedy=failure.advice)
    return Finding(name, works=True)
