"""Pieces of one conversation: earlier and newer lines, single messages, mails as they look, files."""

from __future__ import annotations

import base64
from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import trigger_client_event

from accounts.permissions import requires
from crm.looks import note_look
from engagement import about, conversations, flow, forwarding, media, presence
from engagement.channels.email.html import shown_html
from engagement.forms import snooze_times
from engagement.inbox import Asked
from engagement.models import Attachment, Interaction, MailContent, Priority
from engagement.pictures import PLAYED, SHOWN
from engagement.querysets import visible_teams
from engagement.views.inbox import me, visible

EMBEDDED_BYTES = 8 * 1024 * 1024
FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:{remote}; font-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
FILE_POLICY = "default-src 'none'; sandbox"


@require_GET
@requires("conversation.read")
def flow_earlier(request: HttpRequest, pk: int) -> HttpResponse:
    """Lines before a point."""
    conversation = visible(request, pk)
    piece = flow.newest(conversation, before=request.GET.get("before", ""))
    return _piece(request, conversation, piece)


@require_GET
@requires("conversation.read")
def flow_since(request: HttpRequest, pk: int) -> HttpResponse:
    """Lines that came since the page was drawn."""
    conversation = visible(request, pk)
    after, day = request.GET.get("after", "0-0"), request.GET.get("day", "")[:10]
    return _piece(request, conversation, flow.since(conversation, reach=after, day=day))


def _piece(request: HttpRequest, conversation: Any, piece: flow.Flow) -> HttpResponse:
    return render(request, "engagement/_flow.html", {"conversation": conversation, "flow": piece})


@require_GET
@requires("conversation.read")
def thread_head(request: HttpRequest, pk: int) -> HttpResponse:
    """The head of the middle pane again."""
    context = {"conversation": visible(request, pk), "asked": Asked.of(request.GET)}
    return render(request, "engagement/_thread_head.html", context)


@require_GET
@requires("conversation.read")
def about_pane(request: HttpRequest, pk: int) -> HttpResponse:
    """The right pane again."""
    conversation = visible(request, pk)
    if conversation.customer is not None:
        note_look(conversation.customer, by=me(request))
    tags = conversation.conversation_tags.select_related("tag").order_by("tag__name")
    context = {
        "conversation": conversation,
        "about": about.about(conversation, me(request)),
        "tags": tags,
        "priorities": Priority.choices,
    }
    return render(request, "engagement/_about.html", context)


@require_GET
@requires("conversation.read")
def message(request: HttpRequest, pk: int) -> HttpResponse:
    """One message again, with its delivery's state."""
    rows = flow.messages().filter(pk__in=Interaction.objects.visible_to(me(request)).filter(pk=pk))
    found: Any = get_object_or_404(rows)
    return render(request, "engagement/_message.html", {"interaction": found})


@require_GET
@requires("conversation.read")
def message_text(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole text of a very long message."""
    found = get_object_or_404(Interaction.objects.visible_to(me(request)), pk=pk)
    return HttpResponse(found.text, content_type="text/plain; charset=utf-8")


@require_POST
@requires("conversation.read")
def here(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that the reader is here, and answer who else is; what is looked at counts as read."""
    conversation = visible(request, pk)
    presence.arrive(pk, me(request), doing=request.POST.get("doing", "reads"))
    others = presence.others([pk], me(request)).get(pk, [])
    response = render(request, "engagement/_here.html", {"others": others})
    if conversation.is_unread:
        conversations.mark_read(conversation=conversation, by=me(request))
        return trigger_client_event(response, "rapport:read", {"conversation": pk})
    return response


# Menus


@require_GET
@requires("conversation.assign")
def assign_menu(request: HttpRequest, pk: int) -> HttpResponse:
    """Everybody who can take it."""
    conversation = visible(request, pk)
    staff = conversations.callable_staff(conversation)
    context = {"conversation": conversation, "staff": staff}
    return render(request, "engagement/_assign_menu.html", context)


@require_GET
@requires("conversation.read")
def more_menu(request: HttpRequest, pk: int) -> HttpResponse:
    """Priority, team, unread, and how long to put it off."""
    conversation = visible(request, pk)
    context = {
        "conversation": conversation,
        "priorities": Priority.choices,
        "teams": _teams(request),
        "times": snooze_times(),
        "forward": forwarding.newest_said(conversation),
    }
    name = "_snooze_menu" if request.GET.get("menu") == "snooze" else "_more_menu"
    return render(request, f"engagement/{name}.html", context)


def _teams(request: HttpRequest) -> list[Any]:
    from accounts.models import Team

    seen = set(visible_teams(me(request)).values_list("pk", flat=True))
    return [(team, team.pk in seen) for team in Team.objects.order_by("name")]


# Mails and files


@require_GET
@requires("conversation.read")
@xframe_options_sameorigin
def mail_frame(request: HttpRequest, pk: int) -> HttpResponse:
    """A mail's own HTML, for a sandboxed frame: no scripts, remote pictures only when asked for."""
    seen = Interaction.objects.visible_to(me(request)).present()
    mail = get_object_or_404(MailContent.objects.exclude(html=""), interaction__in=seen.filter(pk=pk))
    asked_for = request.GET.get("images") == "1"
    remote = " https: http:" if asked_for else ""
    body = shown_html(mail.html, _own_pictures(mail), remote=asked_for)
    page = render(request, "engagement/mail_frame.html", {"body": body})
    page["Content-Security-Policy"] = FRAME_POLICY.format(remote=remote)
    page["Referrer-Policy"] = "no-referrer"
    return page


def _own_pictures(mail: MailContent) -> dict[str, str]:
    """Pictures that came inside the mail, by content id.

    They are data addresses: a sandboxed frame sends no cookie, so it could not fetch them.
    """
    kept = Attachment.objects.filter(interaction_id=mail.interaction_id, content_type__in=SHOWN)
    found: dict[str, str] = {}
    left = EMBEDDED_BYTES
    for one in kept.exclude(content_id="").exclude(file=""):
        if one.size > left:
            continue
        left -= one.size
        with one.file.open("rb") as stream:
            content = base64.b64encode(stream.read()).decode()
        found[one.content_id.strip("<>").lower()] = f"data:{one.content_type};base64,{content}"
    return found


@require_GET
@requires("conversation.read")
def file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """An attachment, for those who see its message; only pictures open in the browser."""
    seen = Interaction.objects.visible_to(me(request)).present()
    found = get_object_or_404(Attachment.objects.exclude(file=""), pk=pk, interaction__in=seen)
    try:
        content = found.file.open("rb")
    except FileNotFoundError as error:
        raise Http404 from error
    inline = found.content_type in SHOWN | PLAYED
    kind = found.content_type if inline else "application/octet-stream"
    response = FileResponse(content, as_attachment=not inline, filename=found.name, content_type=kind)
    return _harmless(response)


@require_GET
@requires("conversation.read")
def thumbnail(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A small picture of a picture, for those who see its message."""
    seen = Interaction.objects.visible_to(me(request)).present()
    found = get_object_or_404(Attachment.objects.exclude(thumbnail=""), pk=pk, interaction__in=seen)
    try:
        content = found.thumbnail.open("rb")
    except FileNotFoundError as error:
        raise Http404 from error
    return _harmless(FileResponse(content, content_type="image/webp"))


def _harmless(response: FileResponse) -> FileResponse:
    """Whatever stands in a file of a stranger, no browser runs it or takes it for something else."""
    response["Content-Security-Policy"] = FILE_POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, max-age=3600"
    return response


@require_POST
@requires("conversation.read")
def file_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the network once more for a file that could not be had."""
    seen = Interaction.objects.visible_to(me(request)).present()
    found = get_object_or_404(Attachment.objects.select_related("interaction"), pk=pk, interaction__in=seen)
    media.fetch_again(attachment=found)
    return redirect("engagement:message", found.interaction_id)
