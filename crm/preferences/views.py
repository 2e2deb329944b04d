"""Pages behind signed links. GET shows, and changes nothing: mail programs open links before people do."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.origin import client_ip
from core import about_you
from core.demo import is_demo
from crm.consent_requests import ask_stranger, confirm, language_of, mailboxes
from crm.models import Identity
from crm.preferences import choices, limits, wishes
from crm.preferences.guard import public, said
from crm.preferences.links import ONE_CLICK, confirm_request, page_identity, unsubscribe_of
from crm.purposes import MARKETING, PURPOSES

DONE = frozenset({"saved", "nothing", "refused", "language"})


@public
@require_http_methods(["GET"])
def page(request: HttpRequest, token: str) -> HttpResponse:
    """Somebody's own page: what they allow, what is known about them and why, what they can ask for."""
    link = page_identity(token)
    with translation.override(language_of(link.customer.language)):
        return _page(request, token, link)


def _page(request: HttpRequest, token: str, link: Identity, **more: Any) -> HttpResponse:
    customer = link.customer
    done = request.GET.get("done", "")
    context = {
        "token": token,
        "link": link,
        "customer": customer,
        "choices": choices.choices_of(link),
        "languages": wishes.languages(),
        "parts": about_you.tell(customer.pk),
        "open_wishes": wishes.open_wishes(customer),
        "done": done if done in DONE else "",
        **more,
    }
    return render(request, "crm/preferences.html", context, status=422 if more.get("problem") else 200)


@public
@require_POST
def save(request: HttpRequest, token: str, what: str) -> HttpResponse:
    """One of the forms of the page."""
    link = page_identity(token)
    with translation.override(language_of(link.customer.language)):
        try:
            return _saved(request, token, link, what)
        except ValidationError as error:
            return _page(request, token, link, problem=" ".join(error.messages))


def _saved(request: HttpRequest, token: str, link: Identity, what: str) -> HttpResponse:
    place = limits.coarse(client_ip())
    if what == "choices":
        seen = request.POST.get("seen", "")
        is_number = seen.isascii() and seen.isdecimal() and len(seen) < 20
        count = choices.save_choices(
            link, set(request.POST.getlist("on")), seen=int(seen) if is_number else -1, place=place
        )
        return _back(token, "saved" if count else "nothing")
    if what == "nothing-more":
        choices.refuse_everything(link, place=place)
        return _back(token, "refused")
    if what == "language":
        wishes.choose_language(link, request.POST.get("language", ""))
        return _back(token, "language")
    return _asked(request, token, link, what)


def _asked(request: HttpRequest, token: str, link: Identity, what: str) -> HttpResponse:
    if what not in (wishes.COPY, wishes.ERASURE):
        raise Http404
    if what == wishes.ERASURE and request.POST.get("sure") != "1":
        raise ValidationError(_("Tick the box first: what was erased cannot be brought back."))
    asked = wishes.ask_staff(link, what)
    return said(request, f"asked-{what}", asked=asked, token=token)


def _back(token: str, done: str) -> HttpResponse:
    answer = redirect("preferences:page", token)
    answer["Location"] += f"?done={done}"
    return answer


@public
@require_http_methods(["GET", "POST"])
def confirm_page(request: HttpRequest, token: str) -> HttpResponse:
    """Behind the link of a mail that asks: what it is about, and the button."""
    asked = confirm_request(token)
    with translation.override(language_of(asked.customer.language)):
        purpose = PURPOSES[asked.purpose]
        wording = _("Yes, I want this: %(label)s. %(explanation)s") % {
            "label": purpose.label,
            "explanation": purpose.explanation,
        }
        if request.method == "POST":
            confirm(asked, wording=wording, place=limits.coarse(client_ip()))
            return said(request, "confirmed", purpose=purpose)
        if asked.confirmed_at is not None:
            return said(request, "confirmed", purpose=purpose)
        context = {"purpose": purpose, "identity": asked.identity, "token": token}
        return render(request, "crm/preferences_confirm.html", context)


@public
@require_http_methods(["GET", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """No more of one kind: by a button, or by the one click of a mail program (RFC 8058)."""
    identity, name = unsubscribe_of(token)
    with translation.override(language_of(identity.customer.language)):
        purpose = PURPOSES[name]
        if request.method == "POST":
            key, _equals, value = ONE_CLICK.partition("=")
            source = "one-click unsubscribe" if request.POST.get(key) == value else "unsubscribe"
            choices.refuse_one(identity, name, source=source, place=limits.coarse(client_ip()))
            return said(request, "unsubscribed", purpose=purpose)
        context = {"purpose": purpose, "identity": identity, "token": token}
        return render(request, "crm/preferences_unsubscribe.html", context)


# Signing up


@public
@require_http_methods(["GET", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """A form for anybody's site: the address is asked by mail, and nothing is allowed before its yes.

    Whoever asks is told the same whether the address is known, was asked lately, or said yes before.
    """
    if not settings.SIGN_UP or is_demo():
        raise Http404
    if not mailboxes():
        return said(request, "closed", status=503)
    if request.method == "GET":
        return render(request, "crm/preferences_sign_up.html", {"purpose": PURPOSES[MARKETING]})
    if request.POST.get("website"):
        # A field that people do not see: a program filled it in.
        return said(request, "mailed")
    return _sign_up(request, request.POST.get("email", ""))


def _sign_up(request: HttpRequest, typed: str) -> HttpResponse:
    if not limits.may_sign_up(client_ip()):
        return said(request, "busy", status=429)
    try:
        ask_stranger(email=typed, purpose=MARKETING, source="sign-up form")
    except ValidationError:
        problem = _("Type an e-mail address, such as eva@example.org.")
        context = {"purpose": PURPOSES[MARKETING], "typed": typed[:320], "problem": problem}
        return render(request, "crm/preferences_sign_up.html", context, status=422)
    return said(request, "mailed")
