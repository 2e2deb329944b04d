"""What the buttons above a conversation do."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from accounts.models import Team, User
from accounts.permissions import requires
from crm.models import Tag
from engagement import conversations
from engagement.forms import SnoozeForm
from engagement.inbox import Asked
from engagement.models import Conversation, Priority, Status
from engagement.views.composer import changed
from engagement.views.inbox import me, visible


def _toast(response: HttpResponse, text: str, level: str = "info") -> HttpResponse:
    return trigger_client_event(response, "toast", {"text": text, "level": level})


def _refused(error: ValidationError) -> HttpResponse:
    """Nothing to swap, only a word why."""
    return _toast(HttpResponse(status=204), " ".join(error.messages), "error")


def _head(request: HttpRequest, pk: int, text: str = "") -> HttpResponse:
    """The head again, and everything else that shows this conversation."""
    context = {"conversation": visible(request, pk), "asked": Asked.of(request.GET)}
    response = changed(render(request, "engagement/_thread_head.html", context), pk)
    return _toast(response, text, "success") if text else response


@require_POST
@requires("conversation.assign")
def assign(request: HttpRequest, pk: int) -> HttpResponse:
    """Give it to somebody; without `to`, to nobody."""
    conversation = visible(request, pk)
    to = request.POST.get("to", "")
    user = get_object_or_404(User, pk=int(to)) if to.isdigit() else None
    try:
        conversations.assign(conversation=conversation, to=user, by=me(request))
    except ValidationError as error:
        return _refused(error)
    return _head(request, pk)


@require_POST
@requires("conversation.assign")
def resolve(request: HttpRequest, pk: int) -> HttpResponse:
    """Done."""
    return _set_status(request, pk, Status.RESOLVED, _("Resolved"))


@require_POST
@requires("conversation.assign")
def reopen(request: HttpRequest, pk: int) -> HttpResponse:
    """Not done after all, or awake again."""
    return _set_status(request, pk, Status.OPEN, _("Open again"))


def _set_status(request: HttpRequest, pk: int, status: Status, text: str) -> HttpResponse:
    conversations.set_status(conversation=visible(request, pk), status=status, by=me(request))
    return _head(request, pk, text)


@require_POST
@requires("conversation.assign")
def snooze(request: HttpRequest, pk: int) -> HttpResponse:
    """Put it off until a time."""
    conversation, form = visible(request, pk), SnoozeForm(request.POST)
    if not form.is_valid():
        return _toast(HttpResponse(status=204), _("Choose a day and a time."), "error")
    try:
        conversations.set_status(
            conversation=conversation, status=Status.SNOOZED, by=me(request), until=form.until()
        )
    except ValidationError as error:
        return _refused(error)
    return _head(request, pk)


@require_POST
@requires("conversation.assign")
def priority(request: HttpRequest, pk: int) -> HttpResponse:
    """How urgent it is."""
    conversation, given = visible(request, pk), request.POST.get("priority", "")
    if given not in {str(value) for value in Priority.values}:
        return HttpResponse(status=400)
    conversations.set_priority(conversation=conversation, priority=Priority(int(given)), by=me(request))
    return _head(request, pk)


@require_POST
@requires("conversation.assign")
def team(request: HttpRequest, pk: int) -> HttpResponse:
    """Hand it over; whoever cannot see it there gets the empty pane."""
    conversation, given = visible(request, pk), request.POST.get("team", "")
    to = get_object_or_404(Team, pk=int(given) if given.isdigit() else 0)
    conversations.move_to_team(conversation=conversation, team=to, by=me(request))
    if not Conversation.objects.visible_to(me(request)).filter(pk=pk).exists():
        words = _("Handed to %(team)s") % {"team": to.name}
        return _toast(changed(_empty(request), pk), words, "success")
    return _head(request, pk)


@require_POST
@requires("conversation.read")
def unread(request: HttpRequest, pk: int) -> HttpResponse:
    """Show it as new again, and go back to the list."""
    conversations.mark_unread(conversation=visible(request, pk), by=me(request))
    return changed(_empty(request), pk)


def _empty(request: HttpRequest) -> HttpResponse:
    """The middle pane without a conversation, in place of the whole pane."""
    response = render(request, "engagement/_thread_empty.html", {"asked": Asked.of(request.GET), "oob": True})
    response["HX-Retarget"], response["HX-Reswap"] = "#thread", "outerHTML"
    return response


@require_POST
@requires("conversation.assign")
def tag_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a word on it."""
    conversation = visible(request, pk)
    try:
        conversations.add_tag(conversation=conversation, name=request.POST.get("name", ""), by=me(request))
    except ValidationError as error:
        return _refused(error)
    return _tags(request, conversation)


@require_POST
@requires("conversation.assign")
def tag_remove(request: HttpRequest, pk: int, tag_pk: int) -> HttpResponse:
    """Take a word off it."""
    conversation = visible(request, pk)
    conversations.remove_tag(conversation=conversation, tag=get_object_or_404(Tag, pk=tag_pk), by=me(request))
    return _tags(request, conversation)


def _tags(request: HttpRequest, conversation: Any) -> HttpResponse:
    tags = conversation.conversation_tags.select_related("tag").order_by("tag__name")
    context = {"conversation": conversation, "tags": tags}
    return changed(render(request, "engagement/_tags.html", context), conversation.pk)
