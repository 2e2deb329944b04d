"""Links to a card: made and revoked by staff, opened by whoever holds one, without an account."""

from __future__ import annotations

from functools import wraps
from typing import Any, cast

from csp.decorators import csp
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.middleware import workspace_of
from accounts.origin import client_ip
from accounts.permissions import requires, staff
from crm.preferences import limits
from crm.preferences.guard import HEADERS, POLICY
from personas import sharing
from personas.card_forms import ShareForm
from personas.models import Persona, PersonaShare
from personas.sheets import sheet_for_strangers

LISTED = 100


@require_http_methods(["GET", "POST"])
@requires("persona.share")
def share_list(request: HttpRequest, pk: int) -> HttpResponse:
    """The links to one card: who made them, how often they were opened, until when they open."""
    persona = get_object_or_404(Persona, pk=pk)
    form = ShareForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            sharing.share_persona(persona=persona, by=staff(request), **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("The link is there. Copy it and give it away."))
            return redirect("personas:share-list", pk)
    shares = persona.shares.select_related("by").order_by("-created_at", "-pk")[:LISTED]
    now = timezone.now()
    context = {
        "persona": persona,
        "form": form,
        "may_be_shared": sharing.may_be_shared(persona),
        "least": sharing.LEAST_MEMBERS,
        "rows": [_row(share, now) for share in shares],
    }
    return render(request, "personas/share_list.html", context, status=422 if form.errors else 200)


def _row(share: PersonaShare, now: Any) -> dict[str, Any]:
    state = "revoked" if share.revoked_at else "ended" if share.expires_at <= now else "open"
    return {"share": share, "state": state, "url": sharing.share_url(share) if state == "open" else ""}


@require_POST
@requires("persona.share")
def share_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """End one link at once."""
    share = get_object_or_404(PersonaShare, pk=pk)
    sharing.revoke_share(share=share, by=staff(request))
    messages.success(request, _("The link is ended. Whoever opens it is told to ask for a new one."))
    return redirect("personas:share-list", share.persona_id)


@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """A card without an account: no cookie, no trace, no index, and one answer to every wrong link."""
    if not limits.may_read(client_ip()):
        return render(request, "personas/shared_gone.html", {"busy": True}, status=429)
    try:
        share = sharing.share_of(token)
    except sharing.ShareGone:
        return render(request, "personas/shared_gone.html", {"busy": False}, status=404)
    if request.method == "GET":
        sharing.note_opened(share)
    with timezone.override(workspace_of(request).tz):
        context = {**sheet_for_strangers(share.persona), "until": share.expires_at}
        return render(request, "personas/shared.html", context)


def _guarded(view: Any) -> Any:
    """The headers of every page behind a signed link, on every answer of it."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        answer = view(request, *args, **kwargs)
        for name, value in HEADERS.items():
            answer[name] = value
        return cast("HttpResponse", answer)

    return csp(POLICY)(guarded)


shared = _guarded(shared)
