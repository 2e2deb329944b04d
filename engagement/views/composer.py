"""Where staff write: replies, notes, drafts, canned texts, and decisions about what did not get through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import trigger_client_event

from accounts.models import User
from accounts.permissions import requires
from accounts.querysets import team_ids
from core.text import clean_text
from engagement import conversations, outbox, replies
from engagement.channels import connector
from engagement.flow import messages
from engagement.forms import ReplyForm, WrittenForm, fill_canned
from engagement.models import CannedReply, Conversation, Delivery, Interaction, Status
from engagement.outbox.words import why_composer_waits

CANNED_SHOWN = 8


def composer_context(
    conversation: Conversation,
    *,
    reply: str = "",
    note: str = "",
    form: WrittenForm | None = None,
    writing: str = "",
) -> dict[str, Any]:
    """The composer, fresh or with what could not be sent."""
    link = connector(conversation.account.connector)
    problem = replies.reply_problem(conversation)
    return {
        "link": link,
        "problem": problem,
        "form": form or ReplyForm(),
        "reply_text": reply,
        "note_text": note,
        "writing": writing or ("note" if problem else "reply"),
        "ways": _other_ways(conversation) if problem else [],
        "limits": replies.limits_of(conversation),
        "counts_own_way": replies.counts_own_way(link),
        "waits": "" if problem else why_composer_waits(conversation.account),
    }


def _other_ways(conversation: Conversation) -> list[dict[str, str]]:
    """Addresses of this customer to which another of our channels can write first."""
    if conversation.customer is None:
        return []
    from engagement.models import ChannelAccount

    accounts = ChannelAccount.objects.active().filter(team_id=conversation.team_id).order_by("pk")
    can_start = {one.network: one for one in accounts if connector(one.connector).may_start(one.network)}
    found = conversation.customer.identities.filter(network__in=can_start).order_by("pk")[:3]
    return [
        {
            "to": one.handle or one.external_id,
            "account": str(can_start[one.network].pk),
            "network": one.network,
        }
        for one in found
    ]


def _me(request: HttpRequest) -> User:
    return cast(User, request.user)


def _visible(request: HttpRequest, pk: int) -> Conversation:
    rows = Conversation.objects.visible_to(_me(request)).select_related("account", "customer")
    found: Conversation = get_object_or_404(rows, pk=pk)
    return found


def changed(response: HttpResponse, conversation_id: int) -> HttpResponse:
    """Tell the page that this conversation changed: its row, counts and thread are asked for again."""
    return trigger_client_event(response, "rapport:changed", {"conversation": conversation_id})


@require_POST
@requires("conversation.reply")
def reply_send(request: HttpRequest, pk: int) -> HttpResponse:
    """Send an answer; the composer comes back empty, or with what is wrong."""
    return _write(request, pk, "reply", replies.reply)


@require_POST
@requires("note.write")
def note_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a note."""
    return _write(request, pk, "note", conversations.write_note)


def _write(request: HttpRequest, pk: int, writing: str, service: Callable[..., Interaction]) -> HttpResponse:
    conversation, user = _visible(request, pk), _me(request)
    form = (ReplyForm if writing == "reply" else WrittenForm)(request.POST, request.FILES)
    if form.is_valid():
        try:
            service(conversation=conversation, by=user, **form.written())
        except ValidationError as error:
            form.add_error(None, error)
    if form.errors:
        typed: dict[str, Any] = {writing: request.POST.get("text", "")}
        context = composer_context(conversation, form=form, writing=writing, **typed)
        return _composer(request, conversation, context, status=422)
    conversations.save_draft(conversation=conversation, by=user, text="", is_note=writing == "note")
    if writing == "reply" and request.POST.get("then") == "resolve":
        conversations.set_status(conversation=conversation, status=Status.RESOLVED, by=user)
    conversation.refresh_from_db()
    kept = conversation.drafts.filter(user=user).values_list("is_note", "text")
    texts: dict[str, Any] = {"note" if is_note else "reply": text for is_note, text in kept}
    context = composer_context(conversation, writing=writing, **texts)
    return changed(_composer(request, conversation, context), conversation.pk)


def _composer(
    request: HttpRequest, conversation: Conversation, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    context["conversation"] = conversation
    return render(request, "engagement/_composer.html", context, status=status)


@require_POST
@requires("conversation.read")
def draft_save(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep what is half written."""
    conversation = _visible(request, pk)
    is_note = request.POST.get("writing") == "note"
    text = request.POST.get("text", "")
    conversations.save_draft(conversation=conversation, by=_me(request), text=text, is_note=is_note)
    return HttpResponse(status=204)


@require_POST
@requires("conversation.reply")
def length_count(request: HttpRequest, pk: int) -> HttpResponse:
    """How long a text is as its network counts; for the counter under the answer."""
    link = connector(_visible(request, pk).account.connector)
    text = clean_text(request.POST.get("text", "")).strip()
    return JsonResponse({"length": link.length_of(text), "note": link.length_note(text)})


@require_GET
@requires("conversation.reply")
def canned_find(request: HttpRequest, pk: int) -> HttpResponse:
    """Canned replies whose shortcut or words begin with what was typed after the slash."""
    conversation, user = _visible(request, pk), _me(request)
    q = request.GET.get("q", "").strip()[:40].replace("\x00", "")
    mine = CannedReply.objects.filter(Q(team__isnull=True) | Q(team_id__in=team_ids(user)))
    found = list(mine.filter(shortcut__istartswith=q).order_by("shortcut")[:CANNED_SHOWN])
    for one in found:
        one.text = fill_canned(one.text, conversation, user)
    return render(request, "engagement/_canned.html", {"found": found, "q": q})


# One that did not get through

DECISIONS: dict[str, Callable[..., Delivery]] = {
    "again": outbox.send_again,
    "arrived": outbox.confirm_arrived,
    "now": outbox.try_now,
    "stop": outbox.give_up,
}


@require_POST
@requires("conversation.reply")
def delivery_decide(request: HttpRequest, pk: int, decision: str) -> HttpResponse:
    """What the agent decides about a message that did not get through; answers the message again."""
    seen = Interaction.objects.visible_to(_me(request))
    delivery = get_object_or_404(Delivery.objects.filter(interaction__in=seen), pk=pk)
    decide = DECISIONS.get(decision)
    if decide is None:
        return HttpResponse(status=404)
    decide(delivery=delivery, by=_me(request))
    interaction = messages().get(pk=delivery.interaction_id)
    response = render(request, "engagement/_message.html", {"interaction": interaction})
    return changed(response, delivery.conversation_id)
