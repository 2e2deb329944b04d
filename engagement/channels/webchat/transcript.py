"""What a visitor may see of what was said: one line a message, in the order in which it became visible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from core.events import emit
from engagement.channels.base import Direction, Event, Kind
from engagement.channels.webchat.visitors import author_of, join_identity
from engagement.ingest import Outcome, ingest
from engagement.models import ChatLine, ChatVisitor, Interaction

PAGE = 100


class NotTaken(ValueError):
    """A message that ingest refused, with its reason."""


def thread_key(visitor: ChatVisitor) -> str:
    """All that one browser says is one thread."""
    return f"dm:{visitor.visitor_id}"


def channel(visitor: ChatVisitor) -> str:
    """Where the event stream tells this visitor that there is something to read."""
    return f"visitor:{visitor.visitor_id}"


def say(visitor: ChatVisitor, *, key: str, text: str) -> tuple[ChatLine, bool]:
    """Take in what the visitor wrote; whether it was new. The same key again is the same message.

    A crash between ingest and the line loses neither: the browser sends again until it gets an answer.
    """
    external_id = f"{visitor.visitor_id}:{key}"
    event = Event(
        external_id=external_id,
        kind=Kind.MESSAGE,
        direction=Direction.INBOUND,
        occurred_at=timezone.now(),
        text=text,
        thread_keys=(thread_key(visitor),),
        author=author_of(visitor),
    )
    result = ingest(visitor.account, [event])
    if result.outcomes[0] == Outcome.REJECTED:
        raise NotTaken(result.reasons.get(0, ""))
    interaction = Interaction.objects.get(account_id=visitor.account_id, external_id=external_id)
    if visitor.identity_id is None:
        ChatVisitor.objects.filter(pk=visitor.pk).update(identity_id=interaction.identity_id)
        visitor.identity_id = interaction.identity_id
        join_identity(visitor)
    return show(visitor, interaction), result.outcomes[0] == Outcome.STORED


def show(visitor: ChatVisitor, interaction: Interaction) -> ChatLine:
    """Put a message into what the visitor sees, once, and tell the open pages."""
    with transaction.atomic():
        # The lock makes ids of one visitor become visible in order, so `after` never skips one.
        ChatVisitor.objects.select_for_update().get(pk=visitor.pk)
        line, made = ChatLine.objects.get_or_create(visitor=visitor, interaction=interaction)
        if made:
            emit("chat.line", channels=[channel(visitor)], line=line.pk)
    line.interaction = interaction
    return line


def lines_after(visitor: ChatVisitor, after: int) -> tuple[list[ChatLine], bool]:
    """The next lines, oldest first, and whether there are more."""
    return _page(list(_lines(visitor).filter(id__gt=after).order_by("id")[: PAGE + 1]))


def lines_before(visitor: ChatVisitor, before: int | None) -> tuple[list[ChatLine], bool]:
    """The newest lines, or those just before one, oldest first, and whether there are earlier ones."""
    found = _lines(visitor) if before is None else _lines(visitor).filter(id__lt=before)
    lines, more = _page(list(found.order_by("-id")[: PAGE + 1]))
    return lines[::-1], more


def _lines(visitor: ChatVisitor) -> Any:
    shown = ChatLine.objects.filter(visitor=visitor, interaction__deleted_at__isnull=True)
    return shown.select_related("interaction")


def _page(found: list[ChatLine]) -> tuple[list[ChatLine], bool]:
    return found[:PAGE], len(found) > PAGE


def as_json(visitor: ChatVisitor, lines: Sequence[ChatLine]) -> list[Mapping[str, Any]]:
    """Lines as the widget gets them."""
    return [_one(visitor, line) for line in lines]


def _one(visitor: ChatVisitor, line: ChatLine) -> Mapping[str, Any]:
    said = line.interaction
    own = said.direction == Direction.INBOUND
    return {
        "id": line.pk,
        "key": said.external_id.removeprefix(f"{visitor.visitor_id}:") if own else None,
        "own": own,
        "name": "" if own else said.staff_name,
        "text": said.text,
        "at": said.occurred_at.isoformat(),
    }
