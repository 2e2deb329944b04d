"""What comes in from Twilio: lists that are read, webhooks that are believed, and what a caller hears."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

import pytest
from django.test import Client
from twilio.request_validator import RequestValidator

from core.http import Client as Http
from crm.models import Consent, Customer, Identity
from engagement import channels, media, pulls, raw_events
from engagement.channels.base import AuthFailure, Forged, Hook, TransientFailure
from engagement.channels.twilio import events
from engagement.hooks import address_of
from engagement.ingest import ingest
from engagement.models import Attachment, ChannelAccount, Health, Interaction, RawEvent, RefusedHook
from tests.channels.machine import pull_to_the_end
from tests.channels.twilio.conftest import TOKEN, new_account
from tests.channels.twilio.double import BOB, NOW, NUMBER, SID, new_sid

LINK = channels.connector("twilio")
WHEN = "Fri, 24 May 2019 17:44:49 +0000"


def sign(url, form, key=TOKEN, kind=sha1):
    """By hand, from the documentation: the address, then each field and its value, sorted."""
    told = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(key.encode(), told.encode(), kind).digest()).decode()


def tell(account, form, **headers):
    """A webhook as Twilio sends it."""
    url = address_of(account)
    headers = headers or {"X-Twilio-Signature": sign(url, form)}
    return Client().post(
        urlsplit(url).path,
        urlencode(form),
        content_type="application/x-www-form-urlencoded",
        headers=headers,
    )


def sms(text, sid=None, **more):
    return {
        "MessageSid": sid or new_sid("SM"), "SmsStatus": "received", "From": BOB, "To": NUMBER, "Body": text,
        "NumMedia": "0", "FromCountry": "US", **more,
    }  # fmt: skip


def call(status, sid, **more):
    return {"CallSid": sid, "CallStatus": status, "Direction": "inbound", "From": BOB, "To": NUMBER, **more}


def understand():
    raw_events.sweep()
    assert not RawEvent.objects.filter(state="parked").exists()


def lines():
    return set(Interaction.objects.values_list("kind", "direction", "text"))


# Reading lists


def test_messages_and_calls_of_one_number_are_one_customer_and_one_conversation(account, there):
    there.hear("Where is my parcel?")
    there.ring(at=NOW + timedelta(minutes=5), seconds=95)
    pull_to_the_end(account)
    assert lines() == {
        ("message", "inbound", "Where is my parcel?"),
        ("call", "inbound", "Incoming call, 1:35 minutes"),
    }
    assert Customer.objects.count() == 1
    assert Identity.objects.get().external_id == BOB and Identity.objects.get().network == "phone"
    assert len(set(Interaction.objects.values_list("conversation", flat=True))) == 1


def test_pages_are_followed_and_nothing_comes_twice(account, there):
    there.most = 3
    for number in range(10):
        there.hear(f"line {number}", at=NOW + timedelta(minutes=number))
    pull_to_the_end(account)
    pull_to_the_end(account)
    assert Interaction.objects.count() == 10
    assert ChannelAccount.objects.get().parked == 0


def test_what_is_listed_an_hour_late_is_still_found(account, there, monkeypatch):
    monkeypatch.setattr("engagement.channels.twilio.pulling.timezone.now", lambda: NOW + timedelta(hours=3))
    there.hear("on time", at=NOW + timedelta(hours=2))
    pull_to_the_end(account)
    there.hear("listed late", at=NOW + timedelta(hours=2, minutes=30))
    pull_to_the_end(account)
    assert {text for _, _, text in lines()} == {"on time", "listed late"}


def test_a_reading_that_was_cut_off_goes_on_where_it_was(account, there):
    there.most = 2
    for number in range(6):
        there.hear(f"line {number}", at=NOW + timedelta(minutes=number))
    pages = LINK.pull(account)
    pulls.store_page(account, next(pages))
    assert account.cursor["walk"]["next"]
    there.calls.clear()
    pull_to_the_end(account)
    assert "PageToken" in there.calls[0].query
    assert Interaction.objects.count() == 6


def test_the_first_reading_is_history_and_the_next_is_news(account, there):
    there.hear("last week", at=NOW - timedelta(days=7))
    there.hear("last year", at=NOW - timedelta(days=300))
    first = list(LINK.pull(account))
    assert all(page.history for page in first)
    account.cursor = dict(first[-1].cursor)
    assert not any(page.history for page in LINK.pull(account))
    assert [event.text for page in first for event in page.events] == ["last week"]


def test_only_what_is_new_where_that_was_asked_for(db, there):
    account = new_account(only_new=True)
    there.hear("before", at=NOW - timedelta(minutes=1))
    there.hear("after", at=NOW + timedelta(minutes=1))
    assert [event.text for page in LINK.pull(account) for event in page.events] == ["after"]


def test_a_list_that_repeats_itself_ends_the_pull_with_its_reason(account, there):
    there.hear("round and round")
    item = there.messages[0]
    page = {
        "messages": [item],
        "next_page_uri": f"/2010-04-01/Accounts/{item['account_sid']}/Messages.json?PageToken=A",
    }
    there.fail(200, page, times=9, path="/Messages.json")
    pulled = pulls.pull_account(account.pk)
    assert "repeats itself" in pulled.failure or "same page again" in pulled.failure
    assert Interaction.objects.count() == 1


def test_a_next_page_elsewhere_is_not_asked(account, there):
    there.fail(200, {"messages": [], "next_page_uri": "https://elsewhere.example/x"}, path="/Messages.json")
    with pytest.raises(TransientFailure):
        list(LINK.pull(account))
    assert len(there.calls) == 1


def test_an_item_that_cannot_be_understood_is_parked_and_can_be_taken_in_again(account, there):
    item = there.hear("late but whole")
    there.hear("the next one")
    item["from"], sender = None, item["from"]
    pull_once = pulls.pull_account(account.pk)
    assert pull_once.parked == 1
    assert {text for _, _, text in lines()} == {"the next one"}
    raw = RawEvent.objects.get(state="parked")
    assert "from is missing" in raw.error
    raw.body = bytes(raw.body).replace(b'"from": null', f'"from": "{sender}"'.encode())
    raw_events.understand(raw)
    assert ("message", "inbound", "late but whole") in lines()


def test_pictures_of_a_message_are_fetched_with_our_credentials(account, there):
    there.hear("look", media=2)
    pull_to_the_end(account)
    assert Attachment.objects.count() == 2
    media.sweep()
    asked = [one for one in there.calls if "/Media/ME" in one.path]
    assert len(asked) == 2 and all(one.headers["Authorization"].startswith("Basic") for one in asked)


def test_a_recording_that_webhooks_did_not_tell_of_is_found_by_reading(account, there):
    there.ring(recorded=True)
    pull_to_the_end(account)
    pull_to_the_end(account)
    assert Interaction.objects.count() == 1
    assert Attachment.objects.get().name.startswith("voicemail-RE")


def test_statuses_are_mended_by_reading(account, there):
    item = there.write("hi", status="undelivered")
    item["error_code"] = 30005
    found = [one for page in LINK.pull(account) for one in page.events]
    assert [one.status for one in found if one.kind == "status"] == ["failed"]
    assert "30005" in found[-1].error


# Refused credentials and other trouble


def test_wrong_credentials_pause_the_account_and_are_said(account, there):
    there.fail(401, {"code": 20003, "message": "Authenticate", "status": 401}, times=9)
    pulled = pulls.pull_account(account.pk)
    assert "Authenticate" in pulled.failure
    assert ChannelAccount.objects.get().health == Health.NEEDS_LOGIN


def test_too_many_requests_wait(account, there):
    there.fail(429, {"code": 20429, "message": "Too Many Requests", "status": 429}, times=9)
    assert (
        pulls.pull_account(account.pk).failure == ""
        or ChannelAccount.objects.get().health != Health.NEEDS_LOGIN
    )
    assert Interaction.objects.count() == 0


def test_no_secret_is_in_a_failure(account, there):
    there.fail(500, "oops a-secret-of-the-key", times=9)
    pulled = pulls.pull_account(account.pk)
    assert pulled.failure and "a-secret-of-the-key" not in pulled.failure + repr(Http())


# Signatures


def hook(account, form, signature, **headers):
    told = {"x-twilio-signature": signature, **headers}
    return Hook("POST", address_of(account), told, {}, urlencode(form).encode())


def test_twilios_own_validator_and_ours_agree(account):
    form = sms("  spaces stay,\r\nand lines  ", Empty="", Unknown="ü€😀")
    url = address_of(account)
    signature = RequestValidator(TOKEN).compute_signature(url, form)
    assert signature == sign(url, form)
    LINK.verify(hook(account, form, signature), account)


@pytest.mark.parametrize("public", ["https://crm.example.com", "https://crm.example.com:8443"])
def test_the_address_may_be_signed_with_its_port_or_without(account, settings, public):
    settings.PUBLIC_URL = public
    url, form = address_of(account), sms("hi")
    bare = url.replace(":8443", "")
    with_port = url if ":8443" in url else url.replace("example.com", "example.com:443")
    for signed in (bare, with_port):
        LINK.verify(hook(account, form, sign(signed, form)), account)
    with pytest.raises(Forged):
        LINK.verify(hook(account, form, sign(url.replace("crm", "other"), form)), account)


def test_a_shared_key_signs_with_sha_256(account):
    account.credentials = {**account.credentials, "shared_key": "a-shared-key"}
    form = sms("hi")
    how = {"x-twilio-webhooks-signature-settings": "key=webhooks_sharedkey_01,algorithm=HMAC_SHA256"}
    good = sign(address_of(account), form, "a-shared-key", sha256)
    LINK.verify(hook(account, form, good, **how), account)
    for signature, more in ((good, {}), (sign(address_of(account), form), how)):
        with pytest.raises(Forged):
            LINK.verify(hook(account, form, signature, **more), account)


def test_a_json_body_is_signed_by_its_hash(account):
    body = b'{"sid": "SM1"}'
    url = f"{address_of(account)}?bodySHA256={sha256(body).hexdigest()}"
    query = {"bodySHA256": sha256(body).hexdigest()}
    signature = sign(url, {})
    LINK.verify(Hook("POST", url, {"x-twilio-signature": signature}, query, body), account)
    with pytest.raises(Forged):
        LINK.verify(Hook("POST", url, {"x-twilio-signature": signature}, query, body + b" "), account)


@pytest.mark.parametrize("signature", ["", "wrong", "RSOYDt4T1cUTdK1PtY1FrUkF6h0="])
def test_a_wrong_signature_is_refused_and_nothing_is_stored(account, there, signature):
    answer = tell(account, sms("hi"), **{"X-Twilio-Signature": signature})
    assert answer.status_code == 401
    assert not RawEvent.objects.exists() and RefusedHook.objects.get().n == 1


def test_without_a_secret_nothing_is_believed(account):
    form = sms("hi")
    account.credentials = {}
    for key in ("", TOKEN):
        with pytest.raises(Forged):
            LINK.verify(hook(account, form, sign(address_of(account), form, key)), account)


# Webhooks


def test_a_text_message_is_answered_with_nothing_and_stored_once(account, there):
    form = sms("Hello 😀")
    for _ in range(3):
        answer = tell(account, form)
        assert answer.status_code == 200 and answer["Content-Type"] == "text/xml"
        assert ElementTree.fromstring(answer.content).tag == "Response"
    understand()
    assert lines() == {("message", "inbound", "Hello 😀")}


def test_a_caller_hears_the_greeting_and_may_speak(account, there):
    account.settings |= {"greeting": "Hello & <welcome>", "language": "en-GB", "longest_seconds": 60}
    account.save()
    answer = tell(account, call("ringing", new_sid("CA")))
    response = ElementTree.fromstring(answer.content)
    assert [one.tag for one in response] == ["Say", "Record"]
    assert response[0].text == "Hello & <welcome>" and response[0].get("language") == "en-GB"
    assert response[1].get("maxLength") == "60" and response[1].get("transcribe") is None
    assert response[1].get("action") == response[1].get("recordingStatusCallback") == address_of(account)


def test_a_caller_may_be_told_only(account, there):
    account.settings |= {"greeting": "We are closed.", "voicemail": False}
    account.save()
    response = ElementTree.fromstring(tell(account, call("ringing", new_sid("CA"))).content)
    assert [one.tag for one in response] == ["Say", "Hangup"]


def test_after_the_message_the_call_ends(account, there):
    account.settings |= {"farewell": "Goodbye."}
    account.save()
    form = call(
        "in-progress", new_sid("CA"), RecordingSid=new_sid("RE"), RecordingUrl="https://api.twilio.com/x"
    )
    response = ElementTree.fromstring(tell(account, form).content)
    assert [(one.tag, one.text) for one in response] == [("Say", "Goodbye."), ("Hangup", None)]


def whole_call(sid):
    """All that Twilio tells of one call with voicemail, in the order in which it is meant."""
    recording = new_sid("RE")
    stamp = {"Timestamp": "Sun, 22 Nov 2026 09:00:35 +0000", "CallDuration": "35"}
    url = f"https://api.twilio.com/2010-04-01/Accounts/AC{'7' * 32}/Recordings/{recording}"
    about = {"CallSid": sid, "RecordingSid": recording, "RecordingUrl": url}
    return [
        call("ringing", sid),
        call("in-progress", sid, RecordingSid=recording, RecordingUrl=url, Digits="hangup"),
        call("completed", sid, **stamp),
        {**about, "RecordingStatus": "completed"},
        {**about, "TranscriptionSid": new_sid("TR"), "TranscriptionStatus": "completed",
         "TranscriptionText": "Please call me back."},
    ]  # fmt: skip


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 4, 0, 3, 1), (3, 0, 4, 1, 2)])
def test_a_call_is_one_line_with_its_recording_in_any_order(account, there, order):
    forms = whole_call(new_sid("CA"))
    for index in order:
        tell(account, forms[index])
        understand()
    assert lines() == {("call", "inbound", "Voicemail: Please call me back.")}
    assert Attachment.objects.count() == 1 and Customer.objects.count() == 1
    pull_to_the_end(account)
    assert Attachment.objects.count() == 1


def test_a_recording_that_came_again_after_it_was_fetched_is_not_there_twice(account, there):
    item = there.ring(recorded=True)
    pull_to_the_end(account)
    media.sweep()
    assert Attachment.objects.get().state == "kept"
    form = {
        "CallSid": item["sid"],
        "RecordingSid": there.recordings[0]["sid"],
        "RecordingStatus": "completed",
        "RecordingUrl": "https://api.twilio.com/2010-04-01/Accounts/x",
    }
    tell(account, form)
    understand()
    assert Attachment.objects.count() == 1


def test_each_withheld_number_is_somebody_else(account, there):
    for caller in ("+266696687", "Anonymous", ""):
        tell(account, call("ringing", new_sid("CA"), From=caller))
    understand()
    assert Customer.objects.count() == 3
    assert set(Identity.objects.values_list("network", flat=True)) == {"caller"}


def test_stop_is_a_refusal_that_is_kept_with_its_words(account, there):
    tell(account, sms(" Stop "))
    understand()
    said = Consent.objects.all()
    assert {(one.purpose, one.given, one.source) for one in said} == {
        ("marketing", False, "twilio"), ("survey", False, "twilio"),
    }  # fmt: skip
    assert "Stop" in said[0].proof and said[0].identity.external_id == BOB
    tell(account, sms("Please stop calling me."))
    understand()
    assert Consent.objects.count() == 2


@pytest.mark.parametrize("sid", ["AC" + "d" * 32, SID])
def test_nobody_speaks_for_a_number_of_another_account(account, there, sid):
    other = ChannelAccount.objects.create(
        connector="twilio", network="phone", external_id="+15005550009", name="Other", team=account.team,
        settings={"account_sid": sid},
    )  # fmt: skip
    tell(account, sms("hi", To=other.external_id))
    raw_events.sweep()
    assert Interaction.objects.filter(account=other).exists() is (sid == SID)
    assert RawEvent.objects.filter(state="parked", error__contains="does not speak for").exists() is (
        sid != SID
    )


def test_a_message_to_a_number_that_is_not_connected_waits_and_is_seen(account, there):
    tell(account, sms("hi", To="+12025550199"))
    raw_events.sweep()
    assert "No account is connected for +12025550199" in RawEvent.objects.get().error


# Bad input


@pytest.mark.parametrize(
    "text",
    ["", "\x00nul", "half \ud83d pair", "x" * 5_000_000, "<b>&amp;</b>", "\r\n\t"],
    ids=["empty", "nul", "surrogate", "long", "html", "blank"],
)
def test_whatever_is_in_a_message_it_is_taken_in(account, there, text):
    form = sms("", sid=new_sid("SM"))
    body = urlencode(form) + "&Extra=" + quote(text.encode("utf-8", "surrogatepass")[:200])
    for parcel in events.parcels(body.encode(), number=NUMBER, received_at=NOW):
        assert len(parcel.events) == 1
    item = {**there.hear("x"), "body": text}
    found = events.of_message(item)
    assert found[0].text == text
    assert ingest(account, found).reasons == {}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({}, "sid is missing"),
        ({"sid": 7}, "sid is missing"),
        ({"sid": "SM1"}, "date_sent is missing"),
        ({"sid": "SM1", "date_sent": "soon"}, "is no time"),
        (
            {"sid": "SM1", "date_sent": "Fri, 24 May 2019 17:44:49 +0000", "direction": "inbound"},
            "from is missing",
        ),
        ({"sid": "CA1", "start_time": "Fri, 24 May 2019 17:44:49 +0000", "status": "x"}, "is not one"),
    ],
)
def test_what_is_missing_is_named(item, reason):
    with pytest.raises(ValueError, match=reason):
        events.parcels(json.dumps(item).encode(), number=NUMBER, received_at=NOW)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"a=1&" * 600, b"no equals sign"])
def test_a_broken_body_is_a_reason_and_no_crash(body):
    with pytest.raises(ValueError, match=r"\w"):
        events.parcels(body, number=NUMBER, received_at=NOW)


def test_a_time_far_ahead_is_parked(account, there):
    there.hear("from the future", at=datetime(2030, 1, 1, tzinfo=UTC))
    assert pulls.pull_account(account.pk).parked == 1
    assert "in the future" in RawEvent.objects.get().error


# Comparing


def test_what_webhooks_missed_is_listed_with_its_event(account, there):
    there.most = 2
    for number in range(5):
        there.hear(f"line {number}", at=NOW + timedelta(minutes=number))
    there.hear("the day after", at=NOW + timedelta(days=1))
    there.ring(at=NOW + timedelta(minutes=9))
    there.write("ours")
    found = [one for page in LINK.list_window(account, NOW, NOW + timedelta(hours=1)) for one in page]
    assert len(found) == 6 and all(one.event and one.event.external_id == one.external_id for one in found)


# Connecting


def test_a_number_of_somebody_else_is_not_connected(account, there):
    there.number["phone_number"] = "+15005550006"
    account.external_id = "+15005550001"
    with pytest.raises(AuthFailure, match="is not a number of this Twilio account"):
        LINK.check(account)


def test_each_permission_is_tried_alone(account, there):
    there.fail(401, {"code": 20003, "message": "Authenticate"}, path="/Calls.json")
    found = {one.name: one.works for one in LINK.examine(account)}
    assert found == {
        "number": True, "Messages": True, "Calls": False, "Recordings": True, "webhook signature": True,
    }  # fmt: skip


def test_subscribing_sets_the_numbers_addresses_once_and_takes_them_off_again(account, there):
    where = "https://crm.example.com/hooks/twilio/key/"
    done = LINK.subscribe(account, where)
    assert done.active and done.settings == {"hook_address": where}
    assert {there.number[name] for name in ("sms_url", "voice_url", "status_callback")} == {where}
    LINK.subscribe(account, where)
    assert there.count("/IncomingPhoneNumbers/", "POST") == 1
    account.settings |= done.settings
    there.number["voice_url"] = "https://somebody.example/voice"
    LINK.unsubscribe(account)
    assert there.number["sms_url"] is None and there.number["voice_url"] == "https://somebody.example/voice"


def test_a_number_that_belongs_to_an_application_is_said(account, there):
    there.number["sms_application_sid"] = "AP" + "1" * 32
    done = LINK.subscribe(account, "https://crm.example.com/hooks/twilio/key/")
    assert not done.active and "sms_application_sid" in done.text


def test_the_form_takes_a_number_in_any_spelling_and_keeps_secrets_apart(there):
    values = {
        "phone_number": "(202) 555-0143", "account_sid": "AC" + "a" * 32, "api_key": "SK" + "b" * 32,
        "api_secret": "hidden", "auth_token": "hidden too", "greeting": "Hello", "language": "en-US",
        "longest_seconds": "120",
    }  # fmt: skip
    form = LINK.settings_form(values)
    assert form.is_valid(), form.errors
    account = ChannelAccount(connector="twilio")
    LINK.fill_account(account, form.cleaned_data)
    assert (account.external_id, account.network) == (NUMBER, "phone")
    assert "hidden" not in str(account.settings) and account.credentials["auth_token"] == "hidden too"
    for name, value in (("account_sid", "AC1"), ("language", "en<"), ("phone_number", "12")):
        assert name in LINK.settings_form({**values, name: value}).errors
