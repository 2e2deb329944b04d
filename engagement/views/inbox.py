"""The inbox: its list, its views, and one conversation beside them."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.permissions import can, check, requires
from accounts.services import record_audit
from core import networks
from core.tables import format_of, table_response
from crm import groups
from crm.looks import note_look
from engagement import about, conversations, flow, forwarding, inbox, presence, replies
from engagement.forms import StartForm, starting_accounts
from engagement.inbox import Asked
from engagement.models import Conversation, Draft, Interaction, Priority, Status
from engagement.querysets import visible_teams
from engagement.views.composer import composer_context

BULK_LIMIT = 200


def me(request: HttpRequest) -> User:
    """The reader, in views that only staff reach."""
    return cast(User, request.user)


def visible(request: HttpRequest, pk: int) -> Conversation:
    """The conversation, if this person's teams see it; else 404, as if it were not there."""
    rows = Conversation.objects.visible_to(me(request)).with_seen(me(request))
    rows = rows.select_related("account", "customer", "assignee", "identity", "team", "post")
    found: Conversation = get_object_or_404(rows, pk=pk)
    return found


@require_GET
@requires("conversation.read")
def inbox_page(request: HttpRequest) -> HttpResponse:
    """The whole inbox, no conversation chosen."""
    asked = Asked.of(request.GET)
    return render(request, "engagement/inbox.html", _list_context(request, asked, whole=True))


@require_GET
@requires("conversation.read")
def conversation_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One conversation: the two right panes for a click in the list, the whole inbox for its address."""
    conversation = visible(request, pk)
    asked = Asked.of(request.GET)
    context = {"asked": asked, **thread_context(request, conversation)}
    if request.htmx and not request.htmx.history_restore_request:  # type: ignore[attr-defined]
        return render(request, "engagement/_conversation.html", context)
    return render(request, "engagement/inbox.html", {**_list_context(request, asked, whole=True), **context})


@require_GET
@requires("conversation.read")
def conversation_rows(request: HttpRequest) -> HttpResponse:
    """The list alone, or its next page."""
    asked = Asked.of(request.GET)
    template = "_conversation_rows" if request.GET.get("page") else "_conversation_list"
    context = _list_context(request, asked, after=request.GET.get("page"))
    return render(request, f"engagement/{template}.html", context)


@require_GET
@requires("conversation.read")
def conversation_row(request: HttpRequest, pk: int) -> HttpResponse:
    """One row again, empty when the conversation no longer belongs to the list."""
    asked = Asked.of(request.GET)
    row = inbox.matches(me(request), asked, pk)
    if row is None:
        return HttpResponse()
    context = {"row": row, "asked": asked, "here": presence.others([pk], me(request))}
    return render(request, "engagement/_conversation_row.html", context)


@require_GET
@requires("conversation.read")
def view_list(request: HttpRequest) -> HttpResponse:
    """The views with their counts again."""
    asked = Asked.of(request.GET)
    context = {"asked": asked, "pane": inbox.pane_for(me(request), asked)}
    return render(request, "engagement/_views.html", context)


@require_GET
@requires("conversation.read")
def inbox_count(request: HttpRequest) -> HttpResponse:
    """The number beside Inbox in the rail."""
    context = {"count": inbox.waiting_for(me(request))}
    return render(request, "engagement/_inbox_count.html", context)


def _list_context(
    request: HttpRequest, asked: Asked, *, whole: bool = False, after: str | None = None
) -> dict[str, Any]:
    user = me(request)
    page = inbox.page_of(user, asked, after=after)
    context: dict[str, Any] = {
        "asked": asked,
        "page": page,
        "view": inbox.VIEWS[asked.view],
        "heading": _heading(asked, user),
        "sorts": inbox.SORTS,
        "here": presence.others([row.pk for row in page], user),
    }
    if whole:
        context["pane"] = inbox.pane_for(user, asked)
        context["may_start"] = can(user, "conversation.reply") and starting_accounts(user).exists()
    return context


def _heading(asked: Asked, user: User) -> str:
    if asked.network:
        return networks.get(asked.network).label
    if asked.team:
        team = visible_teams(user).filter(pk=asked.team).first()
        return team.name if team else _("Unknown team")
    for kind in ("persona", "segment"):
        if chosen := getattr(asked, kind):
            return groups.title(kind, chosen)
    return str(inbox.VIEWS[asked.view].label)


def thread_context(request: HttpRequest, conversation: Conversation) -> dict[str, Any]:
    """Everything the middle and right panes show."""
    user = me(request)
    if conversation.customer is not None:
        note_look(conversation.customer, by=user)
    drafts = Draft.objects.filter(user=user, conversation=conversation)
    kept = {draft.is_note: draft.text for draft in drafts}
    return {
        "conversation": conversation,
        "flow": flow.newest(conversation),
        "about": about.about(conversation, user),
        "tags": conversation.conversation_tags.select_related("tag").order_by("tag__name"),
        "priorities": Priority.choices,
        **composer_context(conversation, reply=kept.get(False, ""), note=kept.get(True, "")),
    }


# Writing first


@requires("conversation.reply")
def conversation_start(request: HttpRequest) -> HttpResponse:
    """A message to somebody who has not written, or not of late; `forward` sends on what somebody wrote."""
    user = me(request)
    original = _forwarded(request)
    initial = {name: request.GET.get(name, "") for name in ("to", "account")}
    if original is not None:
        initial |= forwarding.draft(original)
    form = StartForm(
        request.POST or None, request.FILES or None, user=user, initial=initial if not request.POST else None
    )
    if request.method == "POST" and form.is_valid():
        try:
            given = {"account": form.cleaned_data["account"], "to": form.cleaned_data["to"]}
            written = form.written()
            if original is not None:
                written["files"] = [*written.get("files", ()), *forwarding.files_of(original)]
            conversation = replies.start_conversation(by=user, **given, **written)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return redirect("engagement:conversation", conversation.pk)
    status = 422 if form.is_bound else 200
    accounts = list(starting_accounts(user))
    context = {"form": form, "accounts": accounts, "original": original}
    return render(request, "engagement/start.html", context, status=status)


def _forwarded(request: HttpRequest) -> Interaction | None:
    """The message to be sent on, if there is one that this person sees."""
    asked = request.GET.get("forward", "")
    if not asked.isdigit():
        return None
    seen = Interaction.objects.visible_to(me(request)).present().select_related("account", "identity", "mail")
    found: Interaction = get_object_or_404(seen, pk=int(asked))
    return found if forwarding.can_forward(found.account) else None


# Many at once


@require_POST
@requires("conversation.assign")
def bulk(request: HttpRequest) -> HttpResponseBase:
    """Do one thing with every chosen conversation that this person sees."""
    user, action = me(request), request.POST.get("action", "")
    ids = [int(pk) for pk in request.POST.getlist("id") if pk.isdigit()][:BULK_LIMIT]
    chosen = list(Conversation.objects.visible_to(user).filter(pk__in=ids).select_related("account"))
    try:
        done = sum(_bulk_one(conversation, action, request) for conversation in chosen)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        words = ngettext("%(n)s conversation changed", "%(n)s conversations changed", done)
        messages.success(request, words % {"n": done})
    back = Asked.of(request.GET)
    return redirect(f"{reverse('engagement:inbox')}?{back.query}")


def _bulk_one(conversation: Conversation, action: str, request: HttpRequest) -> bool:
    user = me(request)
    if action == "resolve":
        conversations.set_status(conversation=conversation, status=Status.RESOLVED, by=user)
    elif action == "reopen":
        conversations.set_status(conversation=conversation, status=Status.OPEN, by=user)
    elif action == "take":
        conversations.assign(conversation=conversation, to=user, by=user)
    elif action == "release":
        conversations.assign(conversation=conversation, to=None, by=user)
    elif action == "read":
        conversations.mark_read(conversation=conversation, by=user)
    elif action == "tag":
        conversations.add_tag(conversation=conversation, name=request.POST.get("tag", ""), by=user)
    else:
        raise ValidationError(_("Choose what to do."))
    return True


# Taking it along


COLUMNS = (
    "id", "customer", "network", "account", "subject", "status", "priority", "assignee", "team",
    "first_at", "last_at", "first_answered_at", "due_at", "messages", "tags",
)  # fmt: skip


@require_GET
@requires("conversation.read")
def conversation_export(request: HttpRequest) -> HttpResponseBase:
    """The list under its filters as a file."""
    check(request.user, "export.run")
    asked = Asked.of(request.GET)
    rows = inbox.conversations(me(request), asked).for_rows(me(request)).select_related("team")
    newest, count = rows.order_by("-last_at", "-pk"), rows.count()
    cells = (_cells(row) for row in newest.iterator(chunk_size=1000))
    answer = table_response(request, "conversations", COLUMNS, cells)
    detail = {"count": count, "format": format_of(request), "view": asked.view}
    record_audit(by=me(request), verb="conversations.exported", detail=detail)
    return answer


def _cells(row: Conversation) -> list[Any]:
    return [
        row.pk,
        row.customer.name if row.customer else "",
        row.account.network,
        row.account.name,
        row.subject,
        row.status,
        row.get_priority_display(),
        row.assignee.display_name if row.assignee else "",
        row.team.name,
        row.first_at,
        row.last_at,
        row.first_answered_at,
        row.due_at,
        row.count,
        [put.tag.name for put in row.conversation_tags.all()],
    ]
