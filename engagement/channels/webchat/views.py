"""The widget's endpoints, and a page to try it on."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from accounts.origin import client_ip
from engagement.channels.webchat import limits, proofs, transcript, visitors
from engagement.channels.webchat.doors import (
    Refusal,
    body_of,
    door,
    number_of,
    text_of,
    visitor_who_asks,
)
from engagement.channels.webchat.sites import (
    MAX_LENGTH,
    business_name,
    find_site,
    is_signed,
    public_face,
)
from engagement.channels.webchat.tickets import give_ticket
from engagement.models import ChannelAccount, ChatVisitor

FACE_LASTS = 300


@door("GET")
def config(request: HttpRequest, site: ChannelAccount) -> HttpResponse:
    """How the widget looks and speaks, and where the event stream is."""
    answer = JsonResponse({**public_face(site), "live": settings.LIVE_URL})
    answer["Cache-Control"] = f"public, max-age={FACE_LASTS}"
    return answer


@door("POST")
def sessions(request: HttpRequest, site: ChannelAccount) -> HttpResponse:
    """A token: for a new browser, or a fresh one for a browser that shows its last."""
    if not limits.address_may("session", client_ip(), limits.SESSIONS_AN_ADDRESS):
        raise Refusal(429, "throttled", _("Too many at once; wait a minute."), retry=limits.WINDOW)
    body = body_of(request)
    identifier = _signed_identifier(site, text_of(body, "identifier"), text_of(body, "identifier_hash"))
    visitor = visitors.visitor_of(site, text_of(body, "token"))
    if visitor is None or not _is_same_person(visitor, identifier):
        visitor, token = visitors.new_visitor(site, identifier=identifier)
    else:
        token = visitors.rotate_token(visitor)
        visitors.recognize(visitor, identifier)
    _remember(visitor, text_of(body, "name"), text_of(body, "email"))
    found = {"visitor": str(visitor.visitor_id), "token": token, "known": bool(visitor.name or visitor.email)}
    return JsonResponse(found, status=201)


def _signed_identifier(site: ChannelAccount, identifier: str, signature: str) -> str:
    identifier = identifier.strip()
    if not identifier:
        return ""
    if len(identifier) > 200:
        raise Refusal(400, "max_length", _("At most 200 characters."), attr="identifier")
    if not is_signed(site, identifier, signature):
        why = _("The signature does not fit this identifier.")
        raise Refusal(403, "bad_signature", why, attr="identifier_hash")
    return identifier


def _is_same_person(visitor: ChatVisitor, identifier: str) -> bool:
    """Another person, or nobody, signed in on the same browser must not read what the one before wrote."""
    return not visitor.identifier or visitor.identifier == identifier


@door("GET", "POST")
def messages(request: HttpRequest, site: ChannelAccount) -> HttpResponse:
    """What was said since `after`, or before `before`, or lately; and a new message."""
    visitor = visitor_who_asks(request, site)
    return _say(request, visitor) if request.method == "POST" else _read(request, visitor)


def _say(request: HttpRequest, visitor: ChatVisitor) -> HttpResponse:
    body = body_of(request)
    key, text = _key_of(text_of(body, "id")), text_of(body, "text").strip()
    if not text:
        raise Refusal(400, "blank", _("Write something first."), attr="text")
    if len(text) > MAX_LENGTH:
        raise Refusal(400, "max_length", _("A message has at most 10,000 characters."), attr="text")
    _throttle_writing(visitor)
    _remember(visitor, text_of(body, "name"), text_of(body, "email"))
    try:
        line, is_new = transcript.say(visitor, key=key, text=text)
    except transcript.NotTaken as error:
        raise Refusal(400, "invalid", str(error), attr="text") from error
    found = transcript.as_json(visitor, [line])[0]
    return JsonResponse({"message": found}, status=201 if is_new else 200)


def _throttle_writing(visitor: ChatVisitor) -> None:
    fine = limits.address_may("message", client_ip(), limits.MESSAGES_AN_ADDRESS)
    if not fine or not limits.visitor_may_write(visitor):
        raise Refusal(429, "throttled", _("Too many messages at once; wait a minute."), retry=limits.WINDOW)


def _key_of(given: str) -> str:
    """The UUID that the widget made for this message, in its one spelling."""
    try:
        return str(uuid.UUID(given))
    except ValueError as error:
        raise Refusal(400, "invalid", _("Give each message a UUID of its own."), attr="id") from error


def _read(request: HttpRequest, visitor: ChatVisitor) -> HttpResponse:
    if not limits.visitor_may_read(visitor):
        raise Refusal(429, "throttled", _("Too many questions at once; wait a minute."), retry=limits.WINDOW)
    after, before = number_of(request, "after"), number_of(request, "before")
    if after is not None:
        lines, more = transcript.lines_after(visitor, after)
    else:
        lines, more = transcript.lines_before(visitor, before)
    return JsonResponse({"messages": transcript.as_json(visitor, lines), "more": more})


@door("POST")
def details(request: HttpRequest, site: ChannelAccount) -> HttpResponse:
    """Name and e-mail address, as the visitor typed them."""
    visitor, body = visitor_who_asks(request, site), body_of(request)
    _throttle_writing(visitor)
    _remember(visitor, text_of(body, "name"), text_of(body, "email"))
    return JsonResponse({"name": visitor.name, "email": visitor.email})


def _remember(visitor: ChatVisitor, name: str, email: str) -> None:
    try:
        visitors.remember_details(visitor, name=name, email=email)
    except visitors.BadDetails as error:
        raise Refusal(400, "invalid", str(error), attr="email") from error


@door("POST")
def identify(request: HttpRequest, site: ChannelAccount) -> HttpResponse:
    """Who the visitor is, by a token that the site's server signed."""
    visitor, body = visitor_who_asks(request, site), body_of(request)
    _throttle_writing(visitor)
    try:
        linked = proofs.identify(visitor, text_of(body, "token").strip())
    except proofs.OtherPerson as error:
        raise Refusal(409, "other_person", str(error)) from error
    except proofs.BadToken as error:
        raise Refusal(403, "bad_token", str(error), attr="token") from error
    return JsonResponse({"linked": linked})


@door("POST")
def tickets(request: HttpRequest, site: ChannelAccount) -> HttpResponse:
    """A one-time ticket for /live/chat."""
    visitor = visitor_who_asks(request, site)
    if not limits.visitor_may_read(visitor):
        raise Refusal(429, "throttled", _("Too many questions at once; wait a minute."), retry=limits.WINDOW)
    ticket = give_ticket(visitor, origin=request.headers["Origin"])
    return JsonResponse({"ticket": ticket}, status=201)


def demo(request: HttpRequest, site_key: str) -> HttpResponse:
    """A small shop that carries the widget, for everybody who has the key."""
    site = find_site(site_key)
    if site is None:
        raise Http404
    return render(request, "engagement/webchat_demo.html", {"site": site, "business": business_name(site)})
